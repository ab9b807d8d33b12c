"""One whole machine for crash and race tests: API, worker and sandbox as real processes, and a nervous client.

The client does what clients do when a server dies: it repeats the same request with the same Idempotency-Key.
"""
from __future__ import annotations

import concurrent.futures
import http.client
import json
import time
import uuid
from pathlib import Path
from typing import Any, Mapping

from engine import startup, store
from engine.api import keys as api_keys
from engine.audit import invariants
from engine.config import releases
from engine.config.live import live
from tests.support.catalogue import sample
from tests.support.processes import LOOPBACK, Process, Processes, free_ports
from tests.support.waiting import wait_until

QR_SCENE, QR_SKU, QR_CHANNEL = "aiqicha-pc", "aiqicha-vip/month", "wechat-native"


class Machine:
    """`start(crash_at)` runs everything; the named crash point kills the process that passes it, once."""

    def __init__(self, processes: Processes, folder: Path, files: Mapping[str, str] | None = None):
        self.processes, self.folder = processes, folder
        self.port = free_ports(3)
        self.env = {"SALEWRIGHT_PORT": str(self.port), "SALEWRIGHT_SWEEP_EVERY_S": "1", "SALEWRIGHT_JOB_LEASE_S": "2",
                    "SALEWRIGHT_CALL_LEASE_S": "2", "SALEWRIGHT_LOG_LEVEL": "WARNING"}
        self.crashed = folder / "crashed"
        releases.publish(dict(files or sample()), "tests", "tests", startup.vocabulary(), base_no=0)
        startup.start("tests")
        self.key = api_keys.create("tests", api_keys.SCOPES)
        self.api: Process | None = None
        self.worker: Process | None = None

    def start(self, crash_at: str = "") -> None:
        crash = {"SALEWRIGHT_CRASH_AT": crash_at, "SALEWRIGHT_CRASH_ONCE": str(self.crashed)} if crash_at else {}
        self.sandbox = self.processes.run_py("sandbox", env=self.env)
        self.api = self.processes.run_py("api", env={**self.env, **crash})
        self._crash = crash
        self.start_worker()
        self.sandbox.wait_healthy(self.port + 2)
        self.api.wait_healthy(self.port)

    def start_worker(self) -> None:
        self.worker = self.processes.run_py("worker", env={**self.env, **self._crash})

    def keep_up(self) -> None:
        """What a supervisor does: a dead worker is started again (the API's server does so by itself)."""
        if self.worker.popen.poll() is not None:
            self.start_worker()

    def ask(self, method: str, path: str, body: Any = None, key: str = "", port: int | None = None,
            patience_s: float = 25) -> tuple[int, Any]:
        """(status, body); repeated while the server is gone or says that trying again may help."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"}
        if key:
            headers["Idempotency-Key"] = key
        until = time.monotonic() + patience_s
        while True:
            self.keep_up()
            try:
                status, answer = request(port or self.port, method, path, body, headers)
                if not (isinstance(answer, dict) and answer.get("retryable")) or time.monotonic() > until:
                    return status, answer
            except (OSError, http.client.HTTPException):
                if time.monotonic() > until:
                    raise
            time.sleep(0.1)

    def good(self, method: str, path: str, body: Any = None, key: str = "", port: int | None = None) -> Any:
        status, answer = self.ask(method, path, body, key, port)
        assert status < 300, (method, path, status, answer)
        return answer

    def fault(self, **fault: Any) -> None:
        self.good("POST", "/_sandbox/faults", {"channel": QR_CHANNEL, **fault}, port=self.port + 2)

    def buyer(self, buyer_id: str = "b1", **more: Any) -> str:
        self.good("PUT", f"/v1/buyers/{buyer_id}", {"phone": "13800000001", **more})
        return buyer_id

    def place(self, buyer_id: str, scene: str = QR_SCENE, sku: str = QR_SKU, **more: Any) -> Any:
        return self.good("POST", "/v1/orders", {"scene": scene, "buyer": {"id": buyer_id}, "items": [{"sku": sku}], **more},
                         key=uuid.uuid4().hex)

    def pay(self, order_no: str, channel: str = QR_CHANNEL) -> Any:
        return self.good("POST", f"/v1/orders/{order_no}/pay", {"channel": channel}, key=uuid.uuid4().hex)

    def order(self, no: str) -> Any:
        return self.good("GET", f"/v1/orders/{no}")

    def wait_order(self, no: str, state: str = "completed", timeout_s: float = 60) -> Any:
        """The order once it is in that state, its messages are sent and its refunds are through."""
        def look() -> Any:
            self.keep_up()
            view = self.order(no)
            quiet = all(m["state"] == "sent" for m in view["messages"]) and all(r["state"] == "succeeded" for r in view["refunds"])
            return view if view["state"] == state and quiet else None
        return wait_until(look, f"order {no} {state}", timeout_s)

    def together(self, threads: int, ask: Any, times: int = 0) -> list[Any]:
        """`ask(i)` from so many threads at once, once each or `times` in all."""
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(ask, range(times or threads)))

    def violations(self) -> list[str]:
        live.look()
        return [str(v) for v in invariants.violations()]


def request(port: int, method: str, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
    """One request, once; bytes go as they are. JSON answers are read."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=30)
    try:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        connection.request(method, path, raw, dict(headers))
        reply = connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if "json" in reply.headers.get("Content-Type", "") and text else text
    finally:
        connection.close()


def pieces(view: Any) -> dict[str, int]:
    """How often each thing that must happen once has happened."""
    granted = [(e["right"], e["starts_at"]) for e in view["entitlements"]]
    return {"kept payments": sum(1 for p in view["payments"] if p["state"] == "succeeded" and not p["refunded_minor"]),
            "doubled entitlements": len(granted) - len(set(granted)), "messages": len(view["messages"])}


def count(sql: str, *params: Any) -> int:
    return store.query(store.trade, sql, params)[0][0]
