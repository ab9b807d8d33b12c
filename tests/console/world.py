"""A console with something to look at: the sample catalogue, live, and orders in every state, placed and paid through the
engine itself. Only what would leave this machine is answered here.

    world = build(monkeypatch)                 # on open databases with their tables
    world.client()                             # a logged-in test client
"""
from __future__ import annotations

import functools
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping

import yaml
from itsdangerous import URLSafeTimedSerializer

from console import access
from console.access import sessions, users
from console.access.roles import ROLES
from console.app import create_app
from engine import charge, runs, sale, settling, startup, store, wire
from engine.base import clock, trace
from engine.config import releases
from engine.config.live import live
from engine.config.reader import KINDS
from engine.deliver import messages, outgoing, pools, work_orders
from engine.flow import executor, outbox
from engine.pay import channels, health, payments
from engine.trade import buyers
from engine.wire import Outcome

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct-horse-7"


def sample_files() -> dict[str, str]:
    """The catalogue that lies beside the code; channels without their examples, which take seconds to sign."""
    files = {f"{kind}/{path.name}": path.read_text(encoding="utf-8") for kind in KINDS
             for path in sorted((ROOT / kind).glob("*.yaml"))}
    return {path: re.sub(r"(?ms)^(test_secrets|examples):.*?(?=^\w|\Z)", "", text) if path.startswith("channels/") else text
            for path, text in files.items()}


@dataclass
class World:
    """What was made: order numbers by what became of them, logins by role."""
    app: Any
    outside: "Outside"
    orders: dict[str, str] = field(default_factory=dict)

    def client(self, login: str = "admin", lang: str = "en"):
        """A test client that is logged in as somebody, in a language."""
        client = self.app.test_client()
        row = users.by_login(login)
        users.set_lang(row["id"], lang)
        with client.session_transaction(base_url="http://localhost/console/") as session:
            session["token"] = sessions.begin(row["id"], "127.0.0.1", "a test")
            session["csrf_token"] = "raw"
        return client


def token(app: Any) -> str:
    """A valid form token for clients made above."""
    return URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token").dumps("raw")


def start_live() -> None:
    """This process serves what is live, as the console's does, without a thread that follows it."""
    live.stop()
    live._vocabulary, live._role = startup.vocabulary(), "console"
    live.look()


def publish(files: Mapping[str, str], note: str, author: str = "lin") -> int:
    no = releases.publish(files, note, author, startup.vocabulary())
    live.look()
    return no


def make_users() -> None:
    """The first admin with every role, and one user of each role, all with the same password."""
    access.create("admin", "管理员", PASSWORD, list(ROLES), [], "en", "self")
    for name in ROLES:
        if name != "admin":
            access.create(name, name.title(), PASSWORD, [name], [], "en", "self")


class Outside:
    """Answers in the place of everything outside: pay calls are pending, messages accepted, suppliers as told."""

    def __init__(self, operate: Any):
        self._operate = operate
        self.supplier = Outcome("accepted", {"channel_no": "UP-20261121-1"}, sent=True, status=200)

    def operate(self, channel: Any, operation: str, facts: Mapping[str, Any], *, timeout_s: float | None = None) -> Outcome:
        if not wire.needs_call(channel, operation):
            return self._operate(channel, operation, facts, timeout_s=timeout_s)
        if operation == "pay":
            return Outcome("pending", {}, {"qr": "https://pay.example/q"}, sent=True, status=200)
        if operation in ("notify", "deliver"):
            return Outcome("succeeded", sent=True, status=200)
        if operation == "send":
            return Outcome("accepted", {"channel_no": "SMS-1"}, sent=True, status=200)
        if operation == "refund":
            return Outcome("succeeded", {"channel_refund_no": f"CR-{facts['refund.no']}"}, sent=True, status=200)
        if operation == "charge":
            return self.supplier
        return Outcome("pending", {}, sent=True, status=200)


def handlers() -> dict[str, Any]:
    return {"flow.advance": lambda job: executor.advance(job["subject_no"], runs.HOST) and None,
            "payment.close": lambda job: settling.close_payment(job["subject_no"]),
            "refund.send": lambda job: settling.send_refund(job["subject_no"]) and None,
            "notice.send": lambda job: outgoing.send(job, channels.get(job["args"]["channel"]), {}, health.operate),
            "message.send": lambda job: messages.send(job["subject_no"], channels.get(job["args"]["channel"]), health.operate)}


def drain() -> None:
    for _round in range(40):
        if not outbox.drain():
            return


def opened(monkeypatch: Any) -> World:
    """The console over the databases as they are, with an outside that answers."""
    monkeypatch.setenv("SALEWRIGHT_SECRETS_DIR", _secrets())
    monkeypatch.setattr(outbox, "_handlers", handlers())
    outside = Outside(wire.operate)
    monkeypatch.setattr(wire, "operate", outside.operate)
    start_live()
    return World(create_app(), outside)


@functools.lru_cache(maxsize=None)
def _secrets() -> str:
    """Where the channels' secrets are made up, once for all tests."""
    return tempfile.mkdtemp(prefix="salewright-keys-")


def base(monkeypatch: Any) -> World:
    """The sample catalogue is live and there are users; nothing was sold."""
    monkeypatch.setattr(users, "_hashed", _hash_once)
    world = opened(monkeypatch)
    publish(sample_files(), "样例目录 / the sample catalogue", "setup")
    make_users()
    return world


_hash_once = functools.lru_cache(maxsize=None)(users._hashed)


def buyer(id: str, *tags: str, phone: str = "", name: str = "") -> str:
    with store.transaction():
        buyers.put(id, phone=phone or None, name=name or None, tags=list(tags))
    return id


def place(scene: str, **more: Any) -> dict[str, Any]:
    """An order as the API places it, under a trace of its own."""
    with trace.span("api.orders"):
        return sale.place(scene, **more)


def attempt(order_no: str, channel: str) -> dict[str, Any]:
    with trace.span("api.pay"):
        return sale.pay(order_no, channel)


def pay(order_no: str, channel: str, key: str = "", **more: Any) -> dict[str, Any]:
    """A payment attempt and the channel's word that it succeeded."""
    begun = attempt(order_no, channel)
    notice(begun, key, **more)
    return payments.find(begun["no"])


def notice(payment: Mapping[str, Any], key: str = "", **more: Any) -> str:
    said = {"state": "succeeded", "payment_no": payment["no"], "channel_no": f"CH{payment['no'][1:]}",
            "amount_minor": payment["amount_minor"], "currency": payment["currency"], **more}
    with trace.span("api.notices", producer="0" * 32):
        return settling.apply_payment(payment["no"], said, "notice paid",
                                      (payment["channel_id"], key or said["channel_no"], "paid"))


def build(monkeypatch: Any) -> World:
    """`base`, and a day's trade."""
    world = base(monkeypatch)
    orders = world.orders
    item = lambda sku, n=1: [{"sku": sku, "quantity": n}]
    lin = buyer("b-1001", "newcomer", phone="13800001001", name="林小满")
    chen = buyer("b-1002", phone="13800001002", name="陈默")

    placed = place("aiqicha-app", items=item("aiqicha-vip/week"), buyer_id=lin, fields={"from_page": "search"})
    pay(placed["no"], "alipay-app")
    orders["completed"] = placed["no"]

    placed = place("aiqicha-app", items=item("aiqicha-vip/year"), buyer_id=chen)
    twice = attempt(placed["no"], "alipay-app")
    notice(twice)
    notice(twice, "second", channel_no="CH-SECOND")          # the channel took the money twice
    orders["paid_twice"] = placed["no"]

    placed = place("aiqicha-pc", items=item("aiqicha-vip/month"), buyer_id=chen)
    attempt(placed["no"], "wechat-native")
    orders["awaiting"] = placed["no"]

    placed = place("aiqicha-app", items=item("aiqicha-vip/quarter"), buyer_id=lin)
    late = attempt(placed["no"], "alipay-app")
    sale.close(placed["no"], "not paid in time")
    notice(late)                                               # money that comes after the order was closed goes back
    orders["closed"] = placed["no"]

    placed = _trademark(chen, "山野茶事")
    orders["fulfilling"] = placed
    world.outside.supplier = Outcome("failed", {}, reason="the agency's account is frozen", sent=True, status=403)
    orders["failed_flow"] = _trademark(lin, "小满烘焙")
    for scene, sku in (("xunbiaobao-pc", "xunbiaobao-vip/month"), ("shangjibao-app", "shangjibao-vip/month")):
        who = buyer(f"b-{scene}", phone="13800002000")
        placed = place(scene, items=item(sku), buyer_id=who)
        pay(placed["no"], live.catalog().scene(scene).channels[0].id)
        orders[scene] = placed["no"]

    _partners(orders)
    _shop_orders(orders)
    drain()
    _dead_job()
    return world


def _trademark(who: str, name: str) -> str:
    scene = live.catalog().scene("trademark-pc")
    fields = example_fields("trademark-pc", name)
    placed = place("trademark-pc", items=[{"sku": next(iter(scene.skus)), "quantity": 1}], buyer_id=who, fields=fields)
    pay(placed["no"], scene.channels[0].id)
    drain()
    return placed["no"]


def example_fields(scene_id: str, mark: str) -> dict[str, Any]:
    """The fields of a scene's first example, with a name in its text fields that hold one."""
    document = yaml.safe_load((ROOT / "scenes" / f"{scene_id}.yaml").read_text(encoding="utf-8"))
    fields = next(e["given"]["fields"] for e in document["examples"] if "payable" in e["then"] and e["given"].get("fields"))
    return {name: mark if re.search("mark", name) and isinstance(value, str) else value for name, value in fields.items()}


def _partners(orders: dict[str, str]) -> None:
    partner = live.catalog().partner("bank-mall")
    pools.top_up(partner, 500_000_00, "ICBC-20261120-0031")
    pools.top_up(live.catalog().partner("telecom-gift"), 40, "AGREEMENT-7")
    for n in range(3):
        who = buyer(f"b-bank-{n}", phone=f"1390000{n:04d}")
        row = charge.charge_registered(partner, f"BM2026112100{n}", "aiqicha-direct-charge",
                                       [{"sku": "aiqicha-vip/year", "quantity": 1}], who)
        orders["charged"] = row["order_no"]
    row = charge.charge_unregistered(partner, "BM20261121009", "aiqicha-direct-charge",
                                     [{"sku": "aiqicha-vip/month", "quantity": 1}], "13911112222")
    orders["charging"] = row["order_no"]


def _shop_orders(orders: dict[str, str]) -> None:
    placed = place("aiqicha-douyin-shop", items=[{"sku": "aiqicha-vip/month", "quantity": 1}],
                        contact={"phone": "13700007777", "name": "抖店买家"}, fields={"shop_order_no": "6920056412345678"},
                        external={"no": "6920056412345678", "paid_minor": 4000})
    orders["shop"] = placed["no"]


def _dead_job() -> None:
    """A job nobody can do, given up the way the outbox gives up."""
    with store.transaction():
        outbox.stage("message.resend", "M261121000000000GONE")
    for _try in range(outbox.ATTEMPTS_MAX + 1):
        store.update(outbox.Outbox, {"due_at_ms": clock.now_ms()}, task="message.resend", state="ready")
        outbox.drain()


def first_work_order(order_no: str) -> dict[str, Any]:
    return next(w for w in work_orders.of_order(order_no) if w["state"] == "open")
