"""The stage: a throw-away data folder, free ports, and the four processes of a machine on it."""
from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlsplit

from ...base import settings
from .. import roles, serve
from ..process import ports
from ..process.supervisor import Supervisor

HOST = "127.0.0.1"
PORTS_FROM = 21_700


class Stage:
    """`with Stage() as stage:` everything runs; `api`, `sandbox` are their addresses, `key` an API key's text."""

    def __init__(self, verbose: bool, ports_from: int = PORTS_FROM):
        self._verbose, self._ports_from = verbose, ports_from
        self.folder = Path(tempfile.mkdtemp(prefix="salewright-demo-"))
        self.log = self.folder / "processes.log"

    def __enter__(self) -> "Stage":
        from ..ready import make_ready

        here = [role for role in roles.TABLE if role.is_here() and role.name != "console"]
        base = ports.free_base(HOST, self._ports_from, tuple(r.port_offset for r in here if r.port_offset is not None))
        for name in [n for n in os.environ if n.startswith("SALEWRIGHT_")]:
            del os.environ[name]
        os.environ.update(SALEWRIGHT_DATA_DIR=str(self.folder / "var"), SALEWRIGHT_PORT=str(base), SALEWRIGHT_HOST=HOST,
                          SALEWRIGHT_LOG_LEVEL="INFO" if self._verbose else "ERROR",
                          SALEWRIGHT_SWEEP_EVERY_S="1", SALEWRIGHT_ASK_AFTER_S="2",
                          SALEWRIGHT_JOB_LEASE_S="3", SALEWRIGHT_CALL_LEASE_S="3")
        made = make_ready()
        self.key = made["api_key"]
        self.api, self.sandbox = settings.public_url(), settings.sandbox_url()
        roles.show_project_to_children()
        self._out = self.log.open("a", encoding="utf-8")
        self.supervisor = Supervisor([serve.as_part(role) for role in here], HOST, self._say)
        self.supervisor.start()
        self.supervisor.wait_up(60)
        self._watch = threading.Thread(target=self.supervisor.watch, daemon=True)
        self._watch.start()
        return self

    def _say(self, name: str, text: str) -> None:
        self._out.write(f"{name} | {text}\n")
        self._out.flush()
        if self._verbose:
            print(f"{name} | {text}", flush=True)

    def kill_worker(self) -> int:
        """SIGKILL to the worker, as a crash would; the supervisor brings it back. Returns the process id killed."""
        child = next(c for c in self.supervisor.children if c.part.name == "worker")
        pid = child.process.pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def __exit__(self, kind: Any, *exc: object) -> None:
        self.supervisor.request_stop()
        self._watch.join(5)
        self.supervisor.stop()
        self._out.close()
        if kind is None:
            shutil.rmtree(self.folder, ignore_errors=True)


class Answer:
    def __init__(self, status: int, body: Any, headers: Mapping[str, str]):
        self.status, self.body, self.headers = status, body, headers


class Refused(Exception):
    """An answer that the demo did not expect."""


def ask(base_url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
    """One JSON request; connection troubles are tried again for a few seconds, as a client would."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **(headers or {})}
    for attempt in range(20):
        connection = http.client.HTTPConnection(urlsplit(base_url).netloc, timeout=20)
        try:
            connection.request(method, path, raw, sent)
            reply = connection.getresponse()
            text = reply.read()
            found = {k.lower(): v for k, v in reply.getheaders()}
            is_json = "json" in found.get("content-type", "")
            return Answer(reply.status, json.loads(text) if is_json and text else text.decode(errors="replace"), found)
        except (OSError, http.client.HTTPException):
            if attempt == 19:
                raise
            time.sleep(0.2)
        finally:
            connection.close()
    raise AssertionError("unreachable")
