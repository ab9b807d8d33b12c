"""A shop that signs contracts, and months that pass.

    club = contract_shop                       # the fixture: the shop with `contract_files` live
    contract = club.signed()                   # bought, paid and signed: its first period runs
    club.until("2027-02-20T12:00:00+08:00")    # everything that is due until then is done, in its time
"""
from __future__ import annotations

from typing import Any, Mapping

import pytest

from engine import renewing, sale, settling, signing, store
from engine.audit import invariants
from engine.base import clock
from engine.deliver import entitlements
from engine.pay import contracts, payments
from engine.trade import orders
from engine.wire import Outcome
from engine.workers.jobs import OVERDUE
from tests.support.contract_files import CONTRACT_FILES
from tests.support.selling import Shop, open_shop, put_live

SKU = "pass/monthly"
TAKEN = Outcome("accepted", sent=True, status=200)


def deducted(facts: Mapping[str, Any]) -> Outcome:
    """The channel has the money."""
    return Outcome("succeeded", {"state": "succeeded", "payment_no": facts["payment.no"], "channel_no": f"W{facts['payment.no']}",
                                 "amount_minor": facts["payment.amount_minor"]}, sent=True, status=200)


def refused(facts: Mapping[str, Any]) -> Outcome:
    """The buyer's account is empty."""
    return Outcome("failed", {"state": "failed", "payment_no": facts["payment.no"]}, reason="not enough money", sent=True, status=200)


class Club:
    """The shop, its contracts, and its calendar."""

    def __init__(self, shop: Shop, only: tuple[str, ...] = ()):
        self.shop, self.outside, self.only = shop, shop.outside, only
        for channel in ("standing", "signet"):
            self.outside.answers |= {
                (channel, "withhold"): deducted, (channel, "announce"): TAKEN, (channel, "unsign"): Outcome("succeeded", sent=True),
                (channel, "query"): Outcome("pending", {"state": "pending"}, sent=True, status=200),
                (channel, "contract_query"): Outcome("pending", {}, sent=True, status=200),
                (channel, "refund"): lambda facts: Outcome("succeeded", {
                    "refund_no": facts["refund.no"], "channel_refund_no": f"C{facts['refund.no']}"}, sent=True)}
        self.outside.answers["standing", "sign"] = Outcome("pending", {}, {"redirect": "https://standing.example/s"}, sent=True, status=200)

    # ── selling ──

    def ordered(self, sku: str = SKU, channel: str = "standing", sign: str = "", quantity: int = 1, **more: Any) -> dict[str, Any]:
        """An order with a payment attempt that asks for a contract: the contract's row."""
        order = sale.place("club", items=[{"sku": sku, "quantity": quantity}], buyer_id=self.shop.buyer(phone="13800000001"),
                           pay_by={"channel": channel, "client": {}, "sign": sign}, **more)
        return contracts.of_order(order["no"])

    def say(self, contract: Mapping[str, Any], state: str = "signed", key: str = "", **fields: Any) -> str:
        """The channel's word on a contract."""
        said = {"state": state, "contract_no": contract["no"], "channel_contract_no": f"A{contract['no']}", **fields}
        return signing.apply(contract["no"], said, "notice", (contract["channel_id"], key or f"{state}-{contract['no']}", state))

    def pay(self, contract: Mapping[str, Any]) -> str:
        """The channel's word that the first payment is made."""
        return self.shop.notice(payments.find(contract["payment_no"]))

    def signed(self, sku: str = SKU, **more: Any) -> dict[str, Any]:
        contract = self.ordered(sku, **more)
        self.pay(contract), self.say(contract)
        self.shop.work()
        return self.now(contract)

    # ── looking ──

    @staticmethod
    def now(contract: Mapping[str, Any]) -> dict[str, Any]:
        return contracts.find(contract["no"])

    @staticmethod
    def periods(contract: Mapping[str, Any]) -> list[dict[str, Any]]:
        return contracts.periods(contract["no"])

    @staticmethod
    def rights(contract: Mapping[str, Any], right: str = "lounge") -> list[tuple[str, str]]:
        """[(from day, to day)] of the buyer's entitlements of a right, in order."""
        rows = entitlements.of_buyer(contract["buyer_id"])
        return [(day(r["starts_at_ms"]), day(r["ends_at_ms"])) for r in rows if r["right"] == right]

    def in_force(self, contract: Mapping[str, Any], right: str = "lounge") -> bool:
        return any(r["right"] == right for r in entitlements.of_buyer(contract["buyer_id"], only_now=True))

    def told(self, contract: Mapping[str, Any]) -> list[str]:
        """What the buyer was told, by template."""
        numbers = [p["order_no"] for p in contracts.periods(contract["no"])]
        return [row[0] for row in store.query(store.trade, f"SELECT template FROM message WHERE order_no IN "
                                              f"({', '.join('?' * len(numbers))}) ORDER BY created_at_ms, no", numbers)]

    # ── time ──

    def until(self, moment: str | int) -> None:
        """Let time pass: at each moment something is due, it is done."""
        end_ms = clock.parse_rfc3339(moment) if isinstance(moment, str) else moment
        while True:
            self.sweep()
            at_ms = next_ms(*(("contract",) if self.only else ("contract", "payment_order")))
            if at_ms is None or at_ms > end_ms:
                clock.set_to(max(end_ms, clock.now_ms()))
                self.sweep()
                return
            clock.set_to(max(at_ms, clock.now_ms()))

    def days(self, days: float) -> None:
        self.until(clock.now_ms() + int(days * 86_400_000))

    def sweep(self) -> None:
        """What workers do at a moment."""
        for kind in OVERDUE:
            if kind.name in self.only if self.only else kind.name != "quotes":
                for no in kind.due(1000):
                    kind.do(no)
        self.shop.work()


def next_ms(*of: str) -> int | None:
    """The next moment at which a contract, a job or (if asked for) a payment is due."""
    times = store.query(store.trade, "SELECT MIN(next_at_ms) FROM contract UNION ALL SELECT MIN(due_at_ms) FROM outbox WHERE "
                        "state = 'ready'" + (" UNION ALL SELECT MIN(ask_at_ms) FROM payment_order WHERE state IN ('created', "
                                             "'pending', 'unknown')" if "payment_order" in of else ""))
    known = [row[0] for row in times if row[0] is not None]
    return min(known) if known else None


def day(at_ms: int | None) -> str:
    return clock.business_date(at_ms, "Asia/Shanghai") if at_ms is not None else ""


def order_of(period: Mapping[str, Any]) -> dict[str, Any]:
    return orders.find(period["order_no"])


@pytest.fixture
def club(database, monkeypatch):
    """A shop with contracts on each kind of database. When the test is over its books are in order."""
    shop = open_shop(monkeypatch)
    put_live(2, CONTRACT_FILES)
    opened = Club(shop)
    yield opened
    if not shop.broken:
        assert invariants.violations() == []


@pytest.fixture
def small_club(sqlite_database, monkeypatch):
    """The same on SQLite only, for what no server can change."""
    shop = open_shop(monkeypatch)
    put_live(2, CONTRACT_FILES)
    opened = Club(shop)
    yield opened
    if not shop.broken:
        assert invariants.violations() == []


__all__ = ["Club", "club", "small_club", "deducted", "refused", "day", "order_of", "SKU", "renewing", "settling"]
