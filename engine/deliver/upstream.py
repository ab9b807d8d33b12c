"""Upstream orders: what we order from a supplier because of a buyer's order. M:N with orders, traceable both ways."""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids


class UpstreamOrder(store.TradeTable):
    no = peewee.CharField(max_length=32, primary_key=True)
    merchant_id = peewee.CharField(max_length=64)
    channel_id = peewee.CharField(max_length=64)
    external_no = peewee.CharField(max_length=64, null=True)
    item = peewee.CharField(max_length=130)
    quantity = peewee.IntegerField()
    state = peewee.CharField(max_length=12)
    error = peewee.TextField(null=True)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


class UpstreamLink(store.TradeTable):
    """Which order (through which work order, where there is one) gave rise to which upstream order."""
    order_no = peewee.CharField(max_length=32)
    upstream_no = peewee.CharField(max_length=32, index=True)
    work_order_no = peewee.CharField(max_length=32)

    class Meta:
        primary_key = peewee.CompositeKey("order_no", "upstream_no")


UPSTREAM = store.Machine("upstream", UpstreamOrder, "no", initial=("created",), moves={
    "created": ("accepted", "done", "failed", "unknown"), "unknown": ("accepted", "done", "failed"),
    "accepted": ("done", "failed"), "failed": ("created",), "done": ()}, titles={"zh": "上游订单", "en": "Upstream order"})


def create(order_no: str, merchant_id: str, channel_id: str, item: str, quantity: int, work_order_no: str = "") -> str:
    """Stage an upstream order and its link in the open transaction; returns its number."""
    now = clock.now_ms()
    no = ids.new_no("U")
    tx = store.current()
    tx.later(UpstreamOrder, {"no": no, "merchant_id": merchant_id, "channel_id": channel_id, "external_no": None,
                             "item": item, "quantity": quantity, "state": "created", "error": None, "created_at_ms": now,
                             "updated_at_ms": now})
    tx.later(UpstreamLink, {"order_no": order_no, "upstream_no": no, "work_order_no": work_order_no})
    store.born(UPSTREAM, no, "created", f"order {order_no}")
    return no


def again(order_no: str, merchant_id: str, item: str) -> str | None:
    """The upstream order to go on with, when an earlier attempt wrote one that was not placed; made ready again."""
    for row in of_order(order_no):
        if (row["merchant_id"], row["item"]) == (merchant_id, item) and row["state"] in ("created", "failed"):
            store.move(UPSTREAM, row["no"], "created", "tried again", row=row)
            return row["no"]
    return None


def answered(no: str, state: str, external_no: str | None, reason: str) -> dict[str, Any]:
    """The supplier's answer to our order, in the open transaction; the row as it is then. A notice may have been faster than
    the answer: what it said stands."""
    row = store.one(UpstreamOrder, no=no, lock=True)
    if UPSTREAM.allows(row["state"], state):
        said = {"external_no": external_no or row["external_no"], "error": reason if state == "failed" else None}
        store.move(UPSTREAM, no, state, reason or "supplier's answer", row=row, **said)
        row |= {"state": state, **said}
    return row


def of_order(order_no: str) -> list[dict[str, Any]]:
    links = store.many(UpstreamLink, order_no=order_no)
    return store.many(UpstreamOrder, no=[link["upstream_no"] for link in links], order_by="no") if links else []


def orders_of(upstream_no: str) -> list[str]:
    """The buyers' orders behind an upstream order."""
    return [link["order_no"] for link in store.many(UpstreamLink, upstream_no=upstream_no)]
