"""What a client of each server says: the requests of a sale as bytes, and what must be read from the answers."""
from __future__ import annotations

import itertools
import json
import os
from typing import Any, Iterator

from engine.base import clock
from sandbox import speaking
from sandbox.side import Side


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


class EngineShop:
    """Three requests a sale: a quote, the order with its payment, and the channel's notice, signed with the keys of the other
    side just as the channel's file demands.
    """

    def __init__(self, order: dict[str, Any]):
        self._facts = facts = order["facts"]
        self._buyers = itertools.cycle(facts["buyers"])
        self._key = f"Authorization: Bearer {facts['key']}\r\n"
        self._secrets = os.environ["SALEWRIGHT_SECRETS_DIR"] = order["secrets"]
        self._side = Side(facts["channel_file"], f"http://127.0.0.1:{order['port'] + 2}")
        self._event = facts["event"]
        self._placed: list[dict[str, Any]] = []

    def place(self) -> Iterator:
        facts, buyer = self._facts, {"id": next(self._buyers)}
        answer = yield "quote", request("POST", "/v1/quotes", {
            "scene": facts["scene"], "items": [{"sku": facts["sku"], "quantity": 1}], "buyer": buyer}, self._key)
        quote = json.loads(expect(201, *answer))
        once = f"{self._key}Idempotency-Key: {os.urandom(12).hex()}\r\n"
        answer = yield "order", request("POST", "/v1/orders", {
            "scene": facts["scene"], "quote": quote["no"], "buyer": buyer,
            "pay": {"channel": facts["channel"], "client": {"ip": "203.0.113.7"}}}, once)
        self._placed.append(json.loads(expect(201, *answer))["payment"])

    def sign(self) -> list[bytes]:
        os.environ["SALEWRIGHT_SECRETS_DIR"] = self._secrets       # of several installations, each has its own keys
        placed, self._placed = self._placed, []
        return [self._notice(payment) for payment in placed]

    def _notice(self, payment: dict[str, Any]) -> bytes:
        said = speaking.notice(self._side, self._event, "succeeded", {
            "payment_no": payment["no"], "channel_no": f"C{payment['no']}", "amount_minor": payment["amount_minor"],
            "currency": payment["currency"], "paid_at_ms": clock.now_ms()}, f"C{payment['no']}-succeeded")
        headers = "".join(f"{name}: {value}\r\n" for name, value in said.headers.items())
        return (f"POST /v1/notices/{self._facts['channel']}/{self._event} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                f"Content-Length: {len(said.body)}\r\n{headers}\r\n").encode() + said.body

    def noticed(self, status: int, body: bytes) -> None:
        if not speaking.acknowledged(self._side, self._event, status, body):
            raise Refused(f"the notice was answered with {status}: {body[:400].decode(errors='replace')}")


KINDS = {"floor": FloorShop, "engine": EngineShop}
