"""Settings from the environment: `SALEWRIGHT_<NAME>`. One table, so that `run.py settings` can list them all."""
from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple


class Setting(NamedTuple):
    name: str
    default: str
    about: str


TABLE = (
    Setting("DATA_DIR", "var", "folder of everything that is kept: databases, queue, keys, logs"),
    Setting("DATABASE_URL", "", "one URL for all three logical databases: postgresql://…; empty: SQLite files in DATA_DIR"),
    Setting("CONTENT_DATABASE_URL", "", "releases and drafts; overrides DATABASE_URL"),
    Setting("TRADE_DATABASE_URL", "", "orders, payments, ledger; overrides DATABASE_URL"),
    Setting("SYSTEM_DATABASE_URL", "", "console users, keys, audit; overrides DATABASE_URL"),
    Setting("SQLITE_SYNCHRONOUS", "FULL", "SQLite's durability: FULL survives a power cut, NORMAL may lose the last commits"),
    Setting("HUEY_URL", "", "redis://… for several workers; empty: a SQLite queue in DATA_DIR"),
    Setting("HOST", "127.0.0.1", "address the servers listen on"),
    Setting("PORT", "8700", "port of the API; console +1, sandbox gateway +2"),
    Setting("API_THREADS", "8", "request threads of the API process"),
    Setting("API_PROCESSES", "1", "API processes"),
    Setting("PUBLIC_URL", "", "how outside systems reach the API; empty: http://HOST:PORT"),
    Setting("CONSOLE_URL", "", "how people reach the console through a proxy; https://… makes its cookies secure; empty: directly"),
    Setting("CHANNELS", "sandbox", "sandbox: every channel is called at the sandbox gateway, with secrets made up where they "
            "are missing; live: at its own address, with real secrets only"),
    Setting("SANDBOX_URL", "", "where the sandbox gateway is; empty: http://HOST:PORT+2"),
    Setting("TIMEZONE", "Asia/Shanghai", "zone of business days and calendar periods; times are stored in UTC"),
    Setting("LOG_FORMAT", "text", "text or json"),
    Setting("LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR"),
    Setting("BEARER_AUTH", "loopback", "plain bearer keys: loopback (only callers on this machine), always, never"),
    Setting("WORKER_THREADS", "8", "threads of a worker process; most of what they do is waiting for channels"),
    Setting("SWEEP_EVERY_S", "5", "how often one worker looks for what is overdue"),
    Setting("ASK_AFTER_S", "15", "a payment without a notice is asked for after this, then after twice as long, …"),
    Setting("JOB_LEASE_S", "60", "how long a killed worker's jobs are left alone before another takes them"),
    Setting("CALL_LEASE_S", "60", "how long a killed worker's call is left alone before another asks what became of it"),
    Setting("CALL_TIMEOUT_S", "8", "default time-out of a call to a channel"),
    Setting("RELEASE_POLL_S", "0.25", "how often a process looks for a new live release"),
    Setting("SECRETS_DIR", "", "folder of secret files named by channel files; empty: DATA_DIR/secrets"),
)
_BY_NAME = {s.name: s for s in TABLE}


def get(name: str) -> str:
    """A setting's text; KeyError on a name that is not in the table."""
    return os.environ.get(f"SALEWRIGHT_{name}", _BY_NAME[name].default)


def get_int(name: str) -> int:
    text = get(name)
    try:
        return int(text)
    except ValueError:
        raise SystemExit(f"SALEWRIGHT_{name}={text!r} is not a whole number: {_BY_NAME[name].about}") from None


def data_dir() -> Path:
    return _folder(get("DATA_DIR"), os.getcwd())


@lru_cache(maxsize=None)
def _folder(name: str, at: str) -> Path:
    path = Path(at, name)
    path.mkdir(parents=True, exist_ok=True)
    return path


def secrets_dir() -> Path:
    return _secrets(get("SECRETS_DIR"), data_dir())


@lru_cache(maxsize=None)
def _secrets(name: str, beside: Path) -> Path:
    return Path(name) if name else beside / "secrets"


def clock_file() -> Path | None:
    """How much time a person let pass on this machine (`run.py pass`); none where the channels are real, and so is time."""
    return data_dir() / "clock" if get("CHANNELS") == "sandbox" else None


def database_url(logical: str) -> str:
    """URL of a logical database (content, trade, system); `sqlite:///…` when none is set."""
    url = get(f"{logical.upper()}_DATABASE_URL") or get("DATABASE_URL")
    return url or f"sqlite:///{data_dir() / (logical + '.db')}"


def public_url() -> str:
    return get("PUBLIC_URL") or f"http://{get('HOST')}:{get_int('PORT')}"


def sandbox_url() -> str:
    return get("SANDBOX_URL") or f"http://{get('HOST')}:{get_int('PORT') + 2}"


def timezone() -> str:
    return get("TIMEZONE")
