"""Quotes: a price promised for a while, with the facts it was made from, so that it can be recomputed for ever."""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock
from ..base.errors import Code, Refusal
from . import coupons


class Quote(store.TradeTable):
    """facts: the closed facts before any price. result: what `pricing.Price.result` gave. steps: what each step did."""
    no = peewee.CharField(max_length=32, primary_key=True)
    scene_id = peewee.CharField(max_length=64)
    release_no = peewee.IntegerField()
    buyer_id = peewee.CharField(max_length=64)
    partner_id = peewee.CharField(max_length=64)
    state = peewee.CharField(max_length=12)
    currency = peewee.CharField(max_length=3)
    payable_minor = peewee.BigIntegerField()
    items = store.JsonField()
    fields = store.JsonField()
    contact = store.JsonField()
    wanted = store.JsonField(null=True)        # coupons asked for; null: whatever applies
    excluded = store.JsonField()               # coupons that could not be held: id → reason
    facts = store.JsonField()
    result = store.JsonField()
    steps = store.JsonField()
    order_no = peewee.CharField(max_length=32, null=True)
    expires_at_ms = peewee.BigIntegerField()
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


Quote.add_index(Quote.expires_at_ms, where=Quote.state == "open", name="quote_open")

QUOTE = store.Machine("quote", Quote, "no", logged=False, initial=("open", "adopted"), moves={
    "open": ("adopted", "expired"), "adopted": (), "expired": ()}, titles={"zh": "预下单", "en": "Quote"})


def write(row: dict[str, Any]) -> None:
    """Stage a new quote in the open transaction."""
    store.current().later(Quote, row)
    store.born(QUOTE, row["no"], row["state"], "quoted")


def lock_open(no: str, buyer_id: str) -> dict[str, Any]:
    """The quote, locked, if an order may still be made from it; QUOTE_UNKNOWN, QUOTE_USED or QUOTE_EXPIRED otherwise.

    A quote made for one buyer does not exist for another.
    """
    row = store.one(Quote, no=no, lock=True)
    if row is None or (row["buyer_id"] and row["buyer_id"] != buyer_id):
        raise Refusal(Code.QUOTE_UNKNOWN, f"there is no quote {no!r} for this buyer", [{"path": "quote", "found": no}])
    if row["state"] == "adopted":
        raise Refusal(Code.QUOTE_USED, f"order {row['order_no']} was already made from this quote",
                      [{"path": "quote", "found": no}])
    if row["state"] == "expired" or row["expires_at_ms"] <= clock.now_ms():
        raise Refusal(Code.QUOTE_EXPIRED, f"the quote expired at {clock.rfc3339(row['expires_at_ms'])}; ask for a new one",
                      [{"path": "quote", "found": no}])
    return row


def adopt(row: dict[str, Any], order_no: str) -> None:
    """The order takes the quote, and with it what it holds."""
    store.move(QUOTE, row["no"], "adopted", f"order {order_no}", row=row, order_no=order_no)
    held = sum(1 for d in row["result"]["discounts"] if d["kind"] == "coupon")
    if held:
        coupons.adopt(row["no"], order_no, held)


def expire_due(limit: int = 200) -> int:
    """End quotes whose time is over and free what they held; returns how many. Meant to be called again until 0."""
    now = clock.now_ms()
    # The state stands in the text: the index over open quotes is used for nothing else.
    due = store.many(Quote, columns=("no",), also="state = 'open' AND expires_at_ms <= ?", params=(now,),
                     order_by="expires_at_ms", limit=limit)
    expired = 0
    for quote in due:
        with store.transaction():
            row = store.one(Quote, no=quote["no"], lock=True)
            if row["state"] == "open":
                store.move(QUOTE, row["no"], "expired", "its time is over", row=row)
                coupons.release("quote expired", quote_no=row["no"])
                expired += 1
    return expired
