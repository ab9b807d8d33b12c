"""The ground a channel file is driven over: a throw-away folder, the sandbox as a process playing that file, and an ear for
its notices. Nothing outside this machine is asked, and no secret of a real provider is read.
"""
from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

from ...base import clock
from ...wire import Channel, IncomingRequest, Notice, NoticeRejected, Outcome, answer, load, operate, receive
from ...wire.sandboxed import document
from ...wire.vocabulary import FACTS, key_of
from .. import roles
from ..demonstration.stage import HOST, ask
from ..process import ports
from . import values
from .files import ChannelFile

PATIENCE_S = 10.0
START_S = 60.0
PAY_AFTER_S = 0.05
_HOUR_MS = 3_600_000
_AHEAD_MS = {"payment.expires_at": _HOUR_MS, "payment.deduct_at": 25 * _HOUR_MS, "contract.next_at": 720 * _HOUR_MS,
             "contract.ends_at": 8760 * _HOUR_MS}
_LEARNED = (("channel_no", "payment.channel_no"), ("channel_refund_no", "refund.channel_no"),
            ("channel_contract_no", "contract.channel_no"), ("channel_invoice_no", "invoice.channel_no"))


class Failed(Exception):
    """A step did not come out as it must; the text says what was expected and what came."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery of the sandbox: the notices in it, or the code of the refusal."""
    event: str
    notices: tuple[Notice, ...]
    refused: str = ""


class Ground:
    """`with Ground(file) as ground:` the sandbox plays the file; `ground.heard` grows as it sends notices."""

    def __init__(self, file: ChannelFile):
        self.file = file
        self.folder = Path(tempfile.mkdtemp(prefix="salewright-conform-"))
        self.heard: list[Heard] = []

    def __enter__(self) -> "Ground":
        port = ports.free_base(HOST, ports_from(), (0, 1, 2))
        self.url, self.api = f"http://{HOST}:{port + 2}", f"http://{HOST}:{port}"
        for reference in self.file.doc.get("secrets", {}).values():
            os.environ.pop(reference.get("env", ""), None)         # a provider's own keys have no business here
        os.environ.update(SALEWRIGHT_DATA_DIR=str(self.folder / "var"), SALEWRIGHT_SECRETS_DIR=str(self.folder / "secrets"),
                          SALEWRIGHT_CHANNELS="sandbox", SALEWRIGHT_PORT=str(port), SALEWRIGHT_SANDBOX_URL=self.url,
                          SALEWRIGHT_PUBLIC_URL=self.api, SALEWRIGHT_LOG_LEVEL="ERROR")
        roles.show_project_to_children()
        channels = self.folder / "channels"
        channels.mkdir()
        for path in {self.file.path, *([self.file.path.with_name(f"{self.file.own['like']}.yaml")] if self.file.base else [])}:
            shutil.copy(path, channels / path.name)
        self.channel: Channel = load(self.file.doc)
        self._listen(port)
        self.log = self.folder / "sandbox.log"
        with self.log.open("wb") as out:
            self._process = subprocess.Popen([
                sys.executable, "-m", "sandbox", "--host", HOST, "--port", str(port + 2), "--channels", str(channels),
                "--api", self.api, "--pay-after", str(PAY_AFTER_S)], stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self._wait_up()
        return self

    def _wait_up(self) -> None:
        health = waited(self._health, START_S)
        if health is None or self.channel.id not in health["channels"]:
            said = self.log.read_text(errors="replace").strip() or "it gives no reason"
            self.__exit__()
            raise Failed(f"the sandbox {'did not start' if health is None else 'can not play this file'}: {said}")

    def _health(self) -> Any:
        if self._process.poll() is not None:
            return None
        try:
            return ask(self.url, "GET", "/healthz").body
        except OSError:
            return None

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- what the engine's API does with notices, in small

    def _listen(self, port: int) -> None:
        ground = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status, headers, said = ground._take(self.command, self.path, dict(self.headers), body)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(said))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST

            def log_message(self, *args: Any) -> None:
                """Quiet: what was heard is in the table."""

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _take(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(target)
        event = address.path.rstrip("/").rpartition("/")[2]
        request = IncomingRequest(method, address.path, dict(parse_qsl(address.query, keep_blank_values=True)),
                                  {name.lower(): value for name, value in headers.items()}, body, address.query)
        try:
            heard = Heard(event, tuple(receive(self.channel, event, request)))
        except NoticeRejected as error:
            heard = Heard(event, (), error.code)
        self.heard.append(heard)
        if event not in self.channel.events:
            return 404, {}, b""
        return answer(self.channel, event, "failure" if heard.refused else "success", heard.refused)

    # --- asking the sandbox itself

    def control(self, method: str, path: str, body: Any = None) -> Any:
        said = ask(self.url, method, f"/_sandbox/{path}", body)
        if said.status >= 300:
            raise Failed(f"the sandbox: {method} {path}: {said.status} {said.body}")
        return said.body

    def fault(self, word: str, **more: Any) -> None:
        self.control("POST", "faults", {"fault": word, "channel": self.channel.id, "next": 1, **more})


class Drive:
    """One thing driven through the channel, under numbers of its own; facts learned on the way are handed on, as the engine
    does. `steps` is what was done so far, for the table."""

    def __init__(self, ground: Ground, mark: str):
        self.ground, self.channel = ground, ground.channel
        self.doc = document(ground.file.doc)
        self.from_heard = len(ground.heard)
        self.steps: list[str] = []
        self.facts = facts_now(ground, mark)

    def does(self, operation: str) -> bool:
        return operation in self.channel.operations

    def sends(self, operation: str) -> bool:
        return self.does(operation) and self.channel.operations[operation].sends

    def tells(self, field: str) -> bool:
        """Whether a notice of the file names such a thing."""
        return any(field in notice.get("take", {}) for notice in self.doc.get("notices", {}).values())

    def step(self, text: str) -> None:
        self.steps.append(text)

    def call(self, operation: str, **changes: Any) -> Outcome:
        changed = {name.replace("__", "."): value for name, value in changes.items()}
        outcome = operate(self.channel, operation, {**self.facts, **changed}, timeout_s=5)
        self._learn(outcome.fields)
        return outcome

    def expect(self, operation: str, *states: str, **changes: Any) -> Outcome:
        outcome = self.call(operation, **changes)
        self.step(f"{operation} {outcome.state}")
        if outcome.state not in states:
            raise Failed(f"{operation} came out as {outcome.state}, {' or '.join(states)} was expected"
                         + (f": {outcome.reason}" if outcome.reason else "") + _exchange(outcome))
        return outcome

    def _learn(self, fields: Mapping[str, Any]) -> None:
        for field, fact in _LEARNED:
            if fields.get(field):
                self.facts[fact] = fields[field]

    def until(self, operation: str, *states: str, **changes: Any) -> Outcome:
        outcome = waited(lambda: (found := self.call(operation, **changes)).state in states and found or None)
        if outcome is None:
            return self.expect(operation, *states, **changes)
        self.step(f"{operation} {outcome.state}")
        return outcome

    def hand_over(self, outcome: Outcome) -> None:
        """What the buyer's terminal does with what it was given."""
        if "redirect" in outcome.client:
            address = urlsplit(outcome.client["redirect"])
            said = ask(self.ground.url, "GET", f"{address.path}?{address.query}")
            if said.status not in (200, 302):
                raise Failed(f"the address for the buyer's browser is not understood: {said.status} {said.body}")
        elif {"params", "text"} & set(outcome.client):
            said = ask(self.ground.url, "POST", f"/_sandbox/app/{self.channel.id}", dict(outcome.client))
            if said.status != 200:
                raise Failed(f"the parameters for the buyer's app are not understood: {said.status} {said.body}")

    def deliveries(self) -> list[Heard]:
        return self.ground.heard[self.from_heard:]

    def notices(self, field: str, no: Any) -> list[Notice]:
        return [notice for heard in self.deliveries() for notice in heard.notices if notice.fields.get(field) == no]

    def hears(self, field: str, no: Any, *states: str) -> Notice:
        """The notice that says this of the thing of that number."""
        def found() -> Notice | None:
            return next((n for n in self.notices(field, no) if n.fields.get("state", states[0]) in states), None)
        notice = waited(found)
        if notice is None:
            refused = [f"{heard.event}: {heard.refused}" for heard in self.deliveries() if heard.refused]
            came = [f"{n.event}: {dict(n.fields)}" for heard in self.deliveries() for n in heard.notices]
            raise Failed(f"no notice said that {field} {no} is {' or '.join(states)} within {PATIENCE_S:g} s; "
                         f"heard: {'; '.join(refused + came) or 'nothing'}")
        self._learn(notice.fields)
        self.step(f"notice {notice.event}")
        return notice


def facts_now(ground: Ground, mark: str) -> dict[str, Any]:
    """A value for every fact there is; numbers end in `mark`."""
    currency, now = ground.file.doc.get("currency", "CNY"), clock.now_ms()
    facts: dict[str, Any] = {}
    for name, kind in FACTS.items():
        if name.endswith(".channel_no"):
            continue
        value = values.fact(ground.file.doc, name)
        if kind == "time":
            value = now + _AHEAD_MS.get(name, 0)
        elif name.endswith(".currency"):
            value = currency
        elif name.endswith((".no", ".order_no")):
            value = f"{name[0].upper()}{mark}"
        facts[key_of(name, kind)] = value
    return {**facts, "notice_url": f"{ground.api}/v1/notices/{ground.channel.id}", "settings.sandbox_url": ground.url,
            "settings.public_url": ground.api, "contract.period_unit": "month", "contract.period_count": 1}


def ports_from() -> int:
    """Somewhere else each time: several may be driven at once, and between looking and listening a port can be taken."""
    return random.randrange(22_700, 30_000, 10)


def waited(look: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """The first true answer of `look`, None when there is none in time."""
    until = time.monotonic() + patience_s
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.03)
    return found or None


def _exchange(outcome: Outcome) -> str:
    return "".join(f"\n--- {word}\n{text}" for word, text in outcome.exchange.items() if text)
