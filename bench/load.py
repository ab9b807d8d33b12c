"""The load generator: a process of its own, told by lines of JSON what to do, so that it never shares the server's GIL.

One thread drives all clients over keep-alive sockets with an event loop; bodies are ready bytes, answers are parsed only as
far as the next request needs. Notices are of the orders placed one round before: they are signed between the rounds, off
the clock, because signing them is the outside world's work. What the generator itself costs is reported with each round.

    {"do": "open", "name": "floor", "kind": "floor", "port": 1, "clients": 16, "sale": {…}}
    {"do": "round", "name": "floor", "orders": 200}          → {"seconds", "latencies": {kind: [s…]}, "cpu_s", "orders"}
    {"do": "close", "name": "floor"}
"""
from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import deque
from typing import Any, Generator, Iterator

from . import shops

ANSWER_S = 30.0                                # a server that is silent for so long has failed the run


class Failed(Exception):
    """The server did not do as it was told; the text shows the answer."""


class Line:
    """One client: a keep-alive connection and the script it follows."""

    def __init__(self, port: int):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.script: Generator[tuple[str, bytes], tuple[int, bytes], None] | None = None
        self.kind, self.sent_at, self.received = "", 0.0, b""

    def send(self, step: tuple[str, bytes]) -> None:
        self.kind, data = step
        self.received, self.sent_at = b"", time.perf_counter()
        self.sock.sendall(data)

    def answer(self) -> tuple[int, bytes] | None:
        """What has come, once it is whole."""
        chunk = self.sock.recv(65536)
        if not chunk:
            raise Failed(f"the server hung up on {self.kind} after {self.received[:500]!r}")
        self.received += chunk
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return None
        status, length = int(head[9:12]), _length(head)
        return (status, body) if len(body) >= length else None


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    end = head.find(b"\r\n", at + 2)
    return int(head[at + 17:end if end > 0 else len(head)])


class Round:
    """The work all clients share: so many orders to place, and the signed notices of the round before."""

    def __init__(self, orders: int, notices: list[bytes]):
        self.left, self.notices = orders, deque(notices)

    def script(self, shop: Any) -> Iterator:
        while self.left or self.notices:
            if self.left:
                self.left -= 1
                yield from shop.place()
            if self.notices:
                shop.noticed(*(yield "notice", self.notices.popleft()))


class Crowd:
    """The clients of one server."""

    def __init__(self, shop: Any, port: int, clients: int):
        self.shop, self.lines = shop, [Line(port) for _ in range(clients)]

    def round(self, orders: int) -> dict[str, Any]:
        """Place orders and deliver the notices of the last round's; then sign this round's, off the clock."""
        work = Round(orders, self.shop.sign())
        noticed = len(work.notices)
        latencies: dict[str, list[float]] = {}
        cpu_before, began = time.process_time(), time.perf_counter()
        self._drive(work, latencies)
        seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before
        return {"seconds": seconds, "cpu_s": cpu_s, "orders": orders, "noticed": noticed,
                "latencies": {kind: [round(s, 6) for s in found] for kind, found in latencies.items()}}

    def _drive(self, work: Round, latencies: dict[str, list[float]]) -> None:
        with selectors.DefaultSelector() as selector:
            for line in self.lines:
                line.script = work.script(self.shop)
                step = next(line.script, None)
                if step is not None:
                    selector.register(line.sock, selectors.EVENT_READ, line)
                    line.send(step)
            while selector.get_map():
                ready = selector.select(ANSWER_S)
                if not ready:
                    raise Failed(f"no answer within {ANSWER_S:g} s")
                for key, _ in ready:
                    self._advance(selector, key.data, latencies)

    def _advance(self, selector: selectors.BaseSelector, line: Line, latencies: dict[str, list[float]]) -> None:
        answer = line.answer()
        if answer is None:
            return
        latencies.setdefault(line.kind, []).append(time.perf_counter() - line.sent_at)
        try:
            line.send(line.script.send(answer))
        except StopIteration:
            selector.unregister(line.sock)

    def close(self) -> None:
        for line in self.lines:
            line.sock.close()


def main() -> None:
    crowds: dict[str, Crowd] = {}
    for text in sys.stdin:
        order = json.loads(text)
        try:
            answer = _obey(crowds, order)
        except (Failed, shops.Refused, OSError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def _obey(crowds: dict[str, Crowd], order: dict[str, Any]) -> dict[str, Any]:
    name = order["name"]
    if order["do"] == "open":
        crowds[name] = Crowd(shops.KINDS[order["kind"]](order), order["port"], order["clients"])
    elif order["do"] == "round":
        return crowds[name].round(order["orders"])
    else:
        crowds.pop(name).close()
    return {"done": order["do"]}


if __name__ == "__main__":
    main()
