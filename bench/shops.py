"""What a client of each server says: the requests of a sale as bytes, and what must be read from the answers."""
from __future__ import annotations

import itertools
import json
from typing import Any, Iterator


class Refused(Exception):
    """An answer that a sale can't go on with."""


def request(method: str, path: str, body: Any, headers: str = "") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n{headers}\r\n").encode() + data


def expect(wanted: int, status: int, body: bytes) -> bytes:
    if status != wanted:
        raise Refused(f"{status} instead of {wanted}: {body[:600].decode(errors='replace')}")
    return body


class FloorShop:
    """Two requests a sale: the order, and the notice that it was paid."""

    def __init__(self, order: dict[str, Any]):
        self._sale = order["sale"]
        self._buyers = itertools.cycle(order["buyers"])
        self._placed: list[dict[str, Any]] = []

    def place(self) -> Iterator:
        buyer = next(self._buyers)
        answer = yield "place", request("POST", "/orders", {**self._sale, "buyer": buyer})
        self._placed.append({**json.loads(expect(201, *answer)), "buyer": buyer})

    def sign(self) -> list[bytes]:
        placed, self._placed = self._placed, []
        return [request("POST", "/notices", {**order, "channel_no": "C" + order["payment"]}) for order in placed]

    def noticed(self, status: int, body: bytes) -> None:
        if b"true" not in expect(200, status, body):
            raise Refused(f"the notice was not applied: {body[:200]!r}")


KINDS = {"floor": FloorShop}
