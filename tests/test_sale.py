"""The story end to end, in one process: quote, place, pay, notice, completed; and everything that can go otherwise."""
from __future__ import annotations

from engine import sale
from tests.support.selling import payment, shop

__all__ = ["shop"]


def test_from_quote_to_completed(shop):
    buyer = shop.buyer()
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    order = sale.place("app", quote_no=quote["no"], buyer_id=buyer)
    attempt = sale.pay(order["no"], "wallet")
    assert shop.notice(attempt) == "applied"
    assert sale.orders.find(order["no"])["state"] == "completed"
