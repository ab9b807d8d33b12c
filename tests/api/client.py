"""A client of the interface for tests: it speaks HTTP to the application, with keys and real signatures."""
from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Mapping

from engine import startup, store
from engine.api import auth, keys
from engine.api.app import create_app
from engine.base import clock
from engine.config import releases
from tests.api.shop import PARTNER_KEY, Gateway, signature


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def __getitem__(self, name: str) -> Any:
        return self.json[name]

    @property
    def replayed(self) -> bool:
        return self.headers.get("Idempotent-Replayed") == "true"


class Api:
    """`post("/v1/orders", {...}, once="key")` and its like. `key` is one that may do everything."""

    def __init__(self, files: Mapping[str, str]):
        releases.publish(dict(files), "tests", "tests", startup.vocabulary(), base_no=0)
        startup.start("tests")
        keys.forget()
        self.app = create_app()
        self.key = keys.create("tests", keys.SCOPES)

    # requests

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, once: str = "",
            headers: Mapping[str, str] | None = None, raw: bytes | None = None, peer: str = "127.0.0.1") -> Reply:
        given = {"Authorization": f"Bearer {self.key if key is None else key}", **(headers or {})}
        if once:
            given["Idempotency-Key"] = once
        if body is not None or raw is not None:
            given.setdefault("Content-Type", "application/json")
        given = {name: value for name, value in given.items() if value and value != "Bearer "}
        answer = self.app.test_client().open(path, method=method, headers=given, environ_base={"REMOTE_ADDR": peer},
                                             data=raw if raw is not None else json.dumps(body) if body is not None else b"")
        return Reply(answer.status_code, dict(answer.headers), answer.data)

    def get(self, path: str, **more: Any) -> Reply:
        return self.ask("GET", path, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return self.ask("POST", path, {} if body is None and "raw" not in more else body, **more)

    def put(self, path: str, body: Any, **more: Any) -> Reply:
        return self.ask("PUT", path, body, **more)

    def signed(self, method: str, path: str, body: Any = None, *, key: str | None = None, at_s: int | None = None,
               nonce: str = "", **more: Any) -> Reply:
        """A request signed with a key as our clients do."""
        key_id, _, secret = (key or self.key).partition(".")
        raw = b"" if body is None else json.dumps(body).encode()
        stamp, nonce = str(at_s if at_s is not None else clock.now_ms() // 1000), nonce or uuid.uuid4().hex
        headers = {"Salewright-Key": key_id, "Salewright-Timestamp": stamp, "Salewright-Nonce": nonce,
                   "Salewright-Signature": auth.signature(secret, auth.text_to_sign(method, path, stamp, nonce, raw))}
        return self.ask(method, path, key="", headers={**headers, **more.pop("headers", {})}, raw=raw, **more)

    def partner(self, method: str, path: str, body: Any = None, *, secret: str = PARTNER_KEY, at_s: int | None = None) -> Reply:
        """A request signed as the partner `mall` declares."""
        raw = b"" if body is None else json.dumps(body).encode()
        stamp = str(at_s if at_s is not None else clock.now_ms() // 1000)
        text = f"{method}\n{path}\n{stamp}\n{raw.decode()}"
        return self.ask(method, path, key="", raw=raw, headers={"X-Time": stamp, "X-Signature": signature(secret, text)})

    def notice(self, channel: str, event: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Reply:
        """A notice as the channel signs it."""
        raw = json.dumps(body).encode()
        return self.ask("POST", f"/v1/notices/{channel}/{event}", key="", raw=raw,
                        headers=Gateway.signed(raw) if headers is None else headers)

    # what tests begin with

    def buyer(self, buyer_id: str = "b1", **more: Any) -> str:
        assert self.put(f"/v1/buyers/{buyer_id}", {"phone": "13800000001", **more}).status in (200, 201)
        return buyer_id

    def order(self, scene: str = "cards-app", sku: str = "card/month", buyer: str = "b1", **more: Any) -> Any:
        """An order that is placed; its body."""
        who = {"buyer": {"id": buyer}} if buyer else {}
        reply = self.post("/v1/orders", {"scene": scene, "items": [{"sku": sku}], **who, **more}, once=uuid.uuid4().hex)
        assert reply.status == 201, reply.json
        return reply.json

    def pay(self, order_no: str, channel: str = "till") -> Any:
        reply = self.post(f"/v1/orders/{order_no}/pay", {"channel": channel, "client": {"openid": "o1"}}, once=uuid.uuid4().hex)
        assert reply.status == 201, reply.json
        return reply.json

    def paid_notice(self, payment: Mapping[str, Any], **differs: Any) -> dict[str, Any]:
        return {"shop": "S1", "no": payment["no"], "id": f"T-{payment['no']}", "currency": payment["currency"],
                "amount": payment["amount_minor"], "state": "PAID", **differs}

    def sold(self, **more: Any) -> Any:
        """An order that is placed, paid through the till and delivered; its body."""
        order = self.order(**more)
        payment = self.pay(order["no"])
        assert self.notice("till", "paid", self.paid_notice(payment)).status == 200
        return self.get(f"/v1/orders/{order['no']}").json


def count(table: str, where: str = "1 = 1") -> int:
    return store.query(store.trade, f"SELECT COUNT(*) FROM {table} WHERE {where}")[0][0]


def everything() -> dict[str, int]:
    """Rows by table of the trade database: what must not change when something is refused."""
    return {table._meta.table_name: count(table._meta.table_name) for table in store.tables(store.trade)}


def wait_past(moment_ms: int) -> None:
    """Until the real clock has passed a moment."""
    while clock.now_ms() <= moment_ms:
        time.sleep(0.002)
