"""Everything at once: a small shop with few buyers, few coupons left and many hands. Whatever they do to each other, the
books are in order afterwards and nobody waited for somebody who waited for them."""
from __future__ import annotations

import random

import pytest

from engine import charge, sale, settling, store
from engine.base import clock
from engine.base.errors import Refusal
from engine.deliver import entitlements
from engine.flow import outbox
from engine.pay import payments, refunds
from engine.trade import orders, quotes
from tests.support.selling import Outcome, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]
HANDS, TURNS = 8, 60


class Hand:
    """One of many who do at random what buyers, channels, partners and workers do."""

    def __init__(self, shop, n: int, buyers: list[str]):
        self.shop, self.buyers, self.random = shop, buyers, random.Random(n)
        self.n, self.turn = n, 0
        self.refused: set[str] = set()

    def work(self) -> set[str]:
        for self.turn in range(TURNS):
            try:
                self.random.choice((self.buy, self.buy, self.pay, self.notice, self.notice, self.again, self.close,
                                    self.expire, self.charge, self.use, self.jobs, self.late))()
            except Refusal as refusal:
                self.refused.add(refusal.code.code)
        return self.refused

    def buy(self) -> None:
        goods = self.random.sample(["card/month", "card/week", "book/paper", "card/year"], self.random.randint(1, 3))
        buyer = self.random.choice(self.buyers)
        if self.random.random() < 0.5:
            sale.place("app", quote_no=sale.quote("app", self.shop.items(*goods), buyer_id=buyer)["no"], buyer_id=buyer)
        else:
            sale.place("app", items=self.shop.items(*goods), buyer_id=buyer, pay_by={"channel": "wallet"})

    def any_order(self, **where) -> str | None:
        found = store.many(orders.TradeOrder, columns=("no",), method="in_app", **where)
        return self.random.choice(found)["no"] if found else None

    def any_payment(self) -> dict | None:
        found = store.many(payments.PaymentOrder, tender_kind="channel", twin_of="")
        return self.random.choice(found) if found else None

    def pay(self) -> None:
        if order_no := self.any_order(state="awaiting_payment"):
            sale.pay(order_no, self.random.choice(["wallet", "counter"]))

    def notice(self) -> None:
        if payment := self.any_payment():
            self.shop.notice(payment, state=self.random.choice(["succeeded"] * 4 + ["failed"]),
                             key=self.random.choice(["", f"{self.n}.{self.turn}"]))

    def again(self) -> None:
        """The channel takes the money a second time, now and then."""
        if (payment := self.any_payment()) and self.random.random() < 0.2:
            self.shop.notice(payment, channel_no=f"again-{payment['no']}")

    def close(self) -> None:
        if order_no := self.any_order(state="awaiting_payment"):
            sale.close(order_no, "changed my mind")

    def expire(self) -> None:
        if order_no := self.any_order(state="awaiting_payment"):
            sale.expire(order_no)

    def charge(self) -> None:
        partner = self.shop.partner(self.random.choice(["bank", "club", "post"]))
        charge.charge_registered(partner, f"X-{self.random.randint(1, 30)}", "gift", self.shop.items("card/month"),
                                 self.random.choice(self.buyers))

    def use(self) -> None:
        entitlements.consume(self.random.choice(self.buyers), "calls", 1, f"{self.n}.{self.turn}")

    def jobs(self) -> None:
        outbox.drain(limit=5)

    def late(self) -> None:
        """What the sweep would find: payments to ask about, refunds to send, quotes that are over."""
        quotes.expire_due()
        for no in payments.due_to_ask()[:2]:
            settling.ask_payment(no)
        for no in refunds.due()[:2]:
            settling.send_refund(no)


@pytest.mark.parametrize("seed", list(range(1,13)))
def test_a_busy_shop_keeps_its_books(shop, seed):
    clock.set_to(None)                         # time passes, as it does
    buyers = [shop.buyer("crowd", "fresh") for _ in range(4)]
    for partner, amount in (("bank", 300_00), ("club", 5), ("post", 5)):
        shop.partner(partner, amount)
    shop.outside.answers["wallet", "refund_query"] = Outcome("pending", sent=True)
    refused = at_once(lambda n: Hand(shop, seed * 100 + n, buyers).work(), range(HANDS))
    assert not errors(refused), errors(refused)
    assert set().union(*refused) <= {
        "order_state", "payment_in_progress", "purchase_cap_reached", "pool_exhausted", "agreement_refused",
        "quota_exhausted", "entitlement_unknown", "state_refused", "idempotency_key_reused"}, refused
    assert len(store.many(orders.TradeOrder)) > 20
    shop.work()
