"""A small shop to sell from, and an outside world that answers as a test tells it.

    shop = open_shop()                         # the catalogue below is live as release 1
    order = sale.place("app", items=shop.items("card/month"), buyer_id=shop.buyer())
    payment = sale.pay(order["no"], "wallet")
    shop.notice(payment)                       # the channel's word that it was paid

The catalogue goes through the real checker and compiler; only `wire.operate` is replaced, and only where bytes would
leave this machine. A call inside a database transaction fails the test.
"""
from __future__ import annotations

import dataclasses
import itertools
import threading
from typing import Any, Callable, Mapping

import pytest

from engine import renewing, sale, settling, signing, startup, store, wire
from engine.audit import invariants
from engine.base import clock, ids
from engine.base.errors import Code, Refusal
from engine.config.catalog import Catalog
from engine.config.check import check
from engine.config.live import live
from engine.deliver import messages, outgoing, pools
from engine.flow import executor, outbox
from engine.pay import channels, health, payments
from engine.runs import HOST
from engine.trade import buyers, orders
from engine.wire import Outcome
from tests.support.shop_files import FILES

NOON = clock.parse_rfc3339("2026-11-20T12:00:00+08:00")


class Outside:
    """The world beyond the wire. `answers[channel, operation]` is an Outcome, a list of them (one a call, the last
    stays), or a function of the facts; an exception is raised. `calls`: (channel, operation, facts) of each."""

    def __init__(self, operate: Callable[..., Outcome]):
        self._operate, self._lock, self._numbers = operate, threading.Lock(), itertools.count(1)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.answers: dict[tuple[str, str], Any] = {
            ("counter", "pay"): Outcome("pending", {}, {"qr": "qr-text"}, sent=True, status=200),
            ("wallet", "close"): Outcome("closed", sent=True, status=200),
            ("note", "send"): Outcome("accepted", sent=True, status=200),
            ("supply", "charge"): lambda facts: Outcome("accepted", {"channel_no": f"S{facts['upstream.no']}"},
                                                        sent=True)}
        for channel in ("wallet", "counter", "desk"):
            self.answers[channel, "query"] = Outcome("pending", {"state": "pending"}, sent=True, status=200)
            self.answers[channel, "refund"] = lambda facts: Outcome(
                "succeeded", {"refund_no": facts["refund.no"], "channel_refund_no": f"C{facts['refund.no']}"},
                sent=True)

    def operate(self, channel: Any, operation: str, facts: Mapping[str, Any], *,
                timeout_s: float | None = None) -> Outcome:
        if not wire.needs_call(channel, operation):
            return self._operate(channel, operation, facts, timeout_s=timeout_s)
        assert not store.in_transaction(), f"{channel.id}.{operation} is called inside a database transaction"
        with self._lock:
            self.calls.append((channel.id, operation, dict(facts)))
            answer = self.answers[channel.id, operation]
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(facts)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def asked(self, channel: str, operation: str) -> list[dict[str, Any]]:
        """The facts of every call of one operation so far."""
        return [facts for c, o, facts in self.calls if (c, o) == (channel, operation)]


PAID = Outcome("succeeded", {"state": "succeeded", "channel_no": "W-asked"}, sent=True, status=200)
UNREACHABLE = Outcome("failed", reason="connection refused", sent=False)
SILENT = Outcome("unknown", reason="no answer", sent=True)
ABSENT = Outcome("absent", reason="never heard of it", sent=True, status=404)


class Shop:
    """A test's shop: its buyers, its notices, its workers."""

    def __init__(self, outside: Outside):
        self.outside = outside
        self._numbers = itertools.count(1)
        self.broken = False                    # set by a test that breaks the books on purpose

    @staticmethod
    def items(*keys: str | tuple[str, int]) -> list[dict[str, Any]]:
        return [{"sku": key, "quantity": 1} if isinstance(key, str) else {"sku": key[0], "quantity": key[1]}
                for key in keys]

    def buyer(self, *tags: str, phone: str = "") -> str:
        """A new registered buyer's id."""
        buyer_id = f"b{next(self._numbers)}"
        with store.transaction():
            buyers.put(buyer_id, phone=phone or None, tags=list(tags))
        return buyer_id

    def notice(self, payment: Mapping[str, Any], key: str = "", **fields: Any) -> str:
        """The channel says that a payment succeeded (or what `fields` say); returns the verdict."""
        said = {"state": "succeeded", "payment_no": payment["no"], "channel_no": f"W-{payment['no']}",
                "amount_minor": payment["amount_minor"], "currency": payment["currency"], **fields}
        return settling.apply_payment(payment["no"], said, "notice",
                                      (payment["channel_id"], key or said["channel_no"], "paid"))

    def work(self, rounds: int = 50) -> int:
        """Do every job that is due now; returns how many were taken."""
        done = 0
        for _ in range(rounds):
            taken = outbox.drain()
            done += taken
            if not taken:
                return done
        raise AssertionError(f"jobs keep coming back: {store.many(outbox.Outbox)}")

    def partner(self, partner_id: str, amount: int = 0):
        """A partner of the live release, with so much in its pool."""
        partner = live.catalog().partner(partner_id)
        if amount:
            pools.top_up(partner, amount, ids.new_no("T"))
        return partner


def _handlers() -> dict[str, outbox.Handler]:
    return {"flow.advance": lambda job: executor.advance(job["subject_no"], HOST) and None,
            "payment.close": lambda job: settling.close_payment(job["subject_no"]),
            "contract.advance": lambda job: renewing.advance(job["subject_no"]),
            "contract.unsign": lambda job: signing.unsign(job["subject_no"]),
            "refund.send": lambda job: settling.send_refund(job["subject_no"]) and None,
            "notice.send": lambda job: outgoing.send(job, channels.get(job["args"]["channel"]), {}, health.operate),
            "message.send": lambda job: messages.send(job["subject_no"], channels.get(job["args"]["channel"]), health.operate)}


_compiled: dict[tuple, Catalog] = {}


def compiled(files: Mapping[str, str] = FILES) -> Catalog:
    """The catalogue of some files, by the real checker; made once for the same files."""
    key = tuple(sorted(files.items()))
    if key not in _compiled:
        result = check(files, startup.vocabulary())
        assert result.catalog is not None, "\n".join(map(str, result.problems))
        _compiled[key] = result.catalog
    return _compiled[key]


def put_live(release_no: int, changed: Mapping[str, str | None] = {}) -> Catalog:
    """Make the catalogue live under a number, with some files changed or (None) left out; earlier ones stay pinned."""
    files = {path: text for path, text in {**FILES, **changed}.items() if text is not None}
    earlier = live._current
    if earlier is not None:
        live._pinned[earlier.release_no] = earlier
    live._vocabulary = startup.vocabulary()
    live._current = dataclasses.replace(compiled(files), release_no=release_no)
    return live._current


def open_shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The catalogue is live, it is noon, the outside answers, workers know their tasks."""
    clock.set_to(NOON)
    put_live(1)
    outside = Outside(wire.operate)
    monkeypatch.setattr(wire, "operate", outside.operate)
    monkeypatch.setattr(outbox, "_handlers", _handlers())
    return Shop(outside)


@pytest.fixture
def shop(database, monkeypatch):
    """A shop on each kind of database. When the test is over its books are in order."""
    opened = open_shop(monkeypatch)
    yield opened
    if not opened.broken:
        assert invariants.violations() == []


def refused(code: Code, match: str = ""):
    """A `with` block that must be refused with this code."""
    return pytest.raises(Refusal, match=f"(?s)^{code.code}:.*{match}")


def order(no: str) -> dict[str, Any]:
    return orders.find(no)


def payment(no: str) -> dict[str, Any]:
    return payments.find(no)


def place(shop: Shop, *keys: Any, scene: str = "app", buyer: str | None = None, **more: Any) -> dict[str, Any]:
    """An order of a month's card, or of these goods; of a new buyer unless one is given ("": a guest)."""
    return sale.place(scene, items=shop.items(*(keys or ("card/month",))),
                      buyer_id=shop.buyer() if buyer is None else buyer, **more)


def paid(shop: Shop, *keys: Any, **more: Any) -> dict[str, Any]:
    """The same, paid."""
    placed = place(shop, *keys, **more)
    shop.notice(sale.pay(placed["no"], "wallet"))
    return order(placed["no"])
