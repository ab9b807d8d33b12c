"""A running sandbox for tests, and an engine-side listener that takes its notices."""
from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping

import urllib3

from engine.base import clock, settings
from engine.config import likeness
from engine.wire import IncomingRequest, Notice, NoticeRejected, Outcome, answer, load, operate, receive
from tests.support.processes import Process, Processes, free_ports
from tests.support.waiting import wait_until

from tests.wire.making import ROOT, read

HTTP = urllib3.PoolManager(retries=False, timeout=10)


@dataclass
class Heard:
    """One delivery: its verified notices, or the code of the refusal."""
    channel: str
    event: str
    notices: list[Notice] = field(default_factory=list)
    refused: str = ""


class Listener:
    """What the API does with notices, in small: verify, remember the key, answer. `say` may spoil the answers."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.keys: set[tuple[str, str]] = set()
        self.say: Callable[[Heard], str] = lambda heard: "success"
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status, headers, said = listener.take(self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/notices"

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        _, _, channel_id, event = path.rsplit("/", 3)
        heard, ch = Heard(channel_id, event), channel(channel_id)
        try:
            heard.notices = receive(ch, event, IncomingRequest("POST", path, {}, headers, body))
        except NoticeRejected as error:
            heard.refused = error.code
        verdict = "failure" if heard.refused else self.say(heard)
        if verdict == "success":
            new = {(channel_id, n.dedupe_key) for n in heard.notices}
            verdict, self.keys = ("duplicate", self.keys) if new and new <= self.keys else ("success", self.keys | new)
        self.heard.append(heard)
        return answer(ch, event, verdict, heard.refused or "not now")

    def notices(self) -> list[Notice]:
        return [notice for heard in self.heard for notice in heard.notices]

    def wait(self, count: int) -> list[Notice]:
        return wait_until(lambda: self.notices() if len(self.notices()) >= count else None, f"{count} notices")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Sandbox:
    """The gateway as its own process, started as `serve` starts it; keys and state in the test's data folder."""

    def __init__(self, processes: Processes, listener: Listener, pay_after_s: float | None = None):
        self._processes, self.listener = processes, listener
        self.port = free_ports()
        self.url = f"http://127.0.0.1:{self.port}"
        self._options = ["--channels", str(ROOT / "channels"), "--api", listener.url.removesuffix("/v1/notices"),
                         *([] if pay_after_s is None else ["--pay-after", str(pay_after_s)])]
        self.process = self.start()

    def start(self) -> Process:
        self.process = self._processes.start(sys.executable, "-m", "sandbox", "--host", "127.0.0.1", "--port", str(self.port),
                                             *self._options, env={"SALEWRIGHT_SECRETS_DIR": str(settings.secrets_dir())})
        self.process.wait_healthy(self.port)
        return self.process

    def operate(self, channel_id: str, operation: str, timeout_s: float | None = None, **facts: Any) -> Outcome:
        """An operation with the facts its caller gives; `no` is the payment's (refund's, order's, message's) number."""
        given = {**self.facts(channel_id), **{name.replace("__", "."): value for name, value in facts.items()}}
        return operate(channel(channel_id), operation, given, timeout_s=timeout_s)

    def facts(self, channel_id: str) -> dict[str, Any]:
        return {"settings.sandbox_url": self.url, "notice_url": f"{self.listener.url}/{channel_id}", "order.title": "新人周卡 & <b>",
                "payment.currency": "CNY", "payment.amount_minor": 990, "payment.expires_at_ms": clock.now_ms() + 1_800_000}

    def pay(self, channel_id: str, no: str, **facts: Any) -> Outcome:
        """Asks for a payment, and does what the buyer's terminal does with what it gets."""
        outcome = self.operate(channel_id, "pay", payment__no=no, **facts)
        if "redirect" in outcome.client:
            assert HTTP.request("GET", outcome.client["redirect"], redirect=False).status == 302
        if "params" in outcome.client or "text" in outcome.client:
            assert self.post(f"app/{channel_id}", outcome.client)["state"] in ("pending", "succeeded", "signed")
        return outcome

    def fault(self, fault: str, **more: Any) -> None:
        self.post("faults", {"fault": fault, **more})

    def post(self, path: str, body: Any) -> Any:
        reply = HTTP.request("POST", f"{self.url}/_sandbox/{path}", json=body)
        assert reply.status == 200, reply.data
        return reply.json()

    def get(self, path: str) -> Any:
        return HTTP.request("GET", f"{self.url}/_sandbox/{path}").json()

    def payment(self, no: str) -> dict[str, Any]:
        return self.get(f"payments?no={no}")["items"][0]


@cache
def documents() -> dict[str, Mapping[str, Any]]:
    """Every channel file of the catalogue, whole."""
    return likeness.merged_all({path.stem: read(path) for path in sorted((ROOT / "channels").glob("*.yaml"))})


def channel(channel_id: str) -> Any:
    return load(documents()[channel_id])
