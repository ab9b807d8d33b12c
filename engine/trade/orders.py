"""Orders: key fields in one row, lines beside it, and a detail table that works as a log of snapshots.

An order carries a full snapshot of what was sold and at what price; nobody looks the product up again.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids
from ..base.errors import Code, Refusal


class TradeOrder(store.TradeTable):
    no = peewee.CharField(max_length=32, primary_key=True)
    scene_id = peewee.CharField(max_length=64)
    line_id = peewee.CharField(max_length=64)
    release_no = peewee.IntegerField()
    terminal = peewee.CharField(max_length=16)
    method = peewee.CharField(max_length=16)
    buyer_id = peewee.CharField(max_length=64)      # "" while a guest's order is not claimed
    partner_id = peewee.CharField(max_length=64)
    merchant_id = peewee.CharField(max_length=64)
    claim_hash = peewee.CharField(max_length=64)    # SHA-256 of the token a guest may claim it with
    state = peewee.CharField(max_length=24)
    currency = peewee.CharField(max_length=3)
    subtotal_minor = peewee.BigIntegerField()
    payable_minor = peewee.BigIntegerField()
    refunded_minor = peewee.BigIntegerField()
    quote_no = peewee.CharField(max_length=32)
    external_no = peewee.CharField(max_length=64)   # the number a shop or partner knows it by
    title = peewee.CharField(max_length=200)
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField(index=True)
    expires_at_ms = peewee.BigIntegerField()
    paid_at_ms = peewee.BigIntegerField(null=True)
    ended_at_ms = peewee.BigIntegerField(null=True)
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("buyer_id", "no"), False), (("state", "expires_at_ms"), False), (("scene_id", "no"), False))


TradeOrder.add_index(TradeOrder.external_no, where=TradeOrder.external_no != "", name="trade_order_with_external_no")


class OrderLine(store.TradeTable):
    order_no = peewee.CharField(max_length=32)
    n = peewee.IntegerField()
    sku = peewee.CharField(max_length=130)
    product_id = peewee.CharField(max_length=64)
    type_id = peewee.CharField(max_length=64)
    merchant_id = peewee.CharField(max_length=64)
    title = store.JsonField()
    quantity = peewee.IntegerField()
    unit_price_minor = peewee.BigIntegerField()
    list_minor = peewee.BigIntegerField()
    discount_minor = peewee.BigIntegerField()
    payable_minor = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("order_no", "n")


class OrderDetail(store.TradeTable):
    """Snapshots and additions, never changed: kind `sold` is written with the order, others come later."""
    id = peewee.BigAutoField()
    order_no = peewee.CharField(max_length=32)
    kind = peewee.CharField(max_length=24)
    body = store.JsonField()
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("order_no", "kind"), False),)


ORDER = store.Machine("order", TradeOrder, "no", initial=("draft", "awaiting_payment"), moves={
    "draft": ("awaiting_payment", "closed"),
    "awaiting_payment": ("paid", "closed"),
    "paid": ("fulfilling", "completed", "refunding"),
    "fulfilling": ("completed", "refunding"),
    "completed": ("refunding",),
    "closed": (),
    "refunding": ("refunded", "partially_refunded", "paid", "fulfilling", "completed"),
    "partially_refunded": ("refunding",),
    "refunded": ()}, titles={"zh": "交易订单", "en": "Trade order"})


class OutsideNumber(store.TradeTable):
    """The number an outside shop knows an order by, once a scene: what the shop says twice is sold once."""
    scene_id = peewee.CharField(max_length=64)
    external_no = peewee.CharField(max_length=64)
    order_no = peewee.CharField(max_length=32)

    class Meta:
        primary_key = peewee.CompositeKey("scene_id", "external_no")


class PurchaseCount(store.TradeTable):
    """Pieces a buyer holds or is buying of what a purchase cap counts."""
    buyer_id = peewee.CharField(max_length=64)
    cap_key = peewee.CharField(max_length=130)
    pieces = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("buyer_id", "cap_key")


def write(order: dict[str, Any], lines: list[dict[str, Any]], sold: dict[str, Any], cause: str) -> None:
    """Stage a new order with its lines and snapshot in the open transaction."""
    tx = store.current()
    now = clock.now_ms()
    tx.later(TradeOrder, order)
    for line in lines:
        tx.later(OrderLine, {"order_no": order["no"], "n": line["n"], "sku": line["sku"], "product_id": line["product"],
                             "type_id": line["type"], "merchant_id": line["merchant"], "title": line["title"],
                             "quantity": line["quantity"], "unit_price_minor": line["unit_price_minor"],
                             "list_minor": line["list_minor"], "discount_minor": line["discount_minor"],
                             "payable_minor": line["payable_minor"]})
    tx.later(OrderDetail, {"order_no": order["no"], "kind": "sold", "body": sold, "at_ms": now})
    store.born(ORDER, order["no"], order["state"], cause)


def take_outside_number(scene_id: str, external_no: str, order_no: str) -> str:
    """Give a shop's number to an order in the open transaction; returns the order that has it (a twin waits here for the
    first to commit)."""
    row = {"scene_id": scene_id, "external_no": external_no, "order_no": order_no}
    if store.insert(OutsideNumber, row, ignore=True) == 1:
        return order_no
    return store.one(OutsideNumber, scene_id=scene_id, external_no=external_no)["order_no"]


def by_outside_number(scene_ids: list[str], external_no: str) -> str | None:
    """The order that a shop's number stands for in one of these scenes."""
    found = store.one(OutsideNumber, scene_id=scene_ids, external_no=external_no)
    return found["order_no"] if found else None


def bind(no: str, buyer_id: str) -> None:
    """The order is this buyer's from now on."""
    store.update(TradeOrder, {"buyer_id": buyer_id, "updated_at_ms": clock.now_ms()}, no=no)


def add_detail(order_no: str, kind: str, body: dict[str, Any]) -> None:
    store.current().later(OrderDetail, {"order_no": order_no, "kind": kind, "body": body, "at_ms": clock.now_ms()})


def details(order_no: str, kind: str) -> list[dict[str, Any]]:
    """What was added to an order under a kind, in order."""
    return [row["body"] for row in store.many(OrderDetail, order_no=order_no, kind=kind, order_by="id")]


def find(no: str, lock: bool = False) -> dict[str, Any]:
    """The order's row; ORDER_UNKNOWN when there is none."""
    row = store.one(TradeOrder, no=no, lock=lock)
    if row is None:
        raise Refusal(Code.ORDER_UNKNOWN, f"there is no order {no!r}", [{"path": "order", "found": no}])
    return row


def lines(no: str) -> list[dict[str, Any]]:
    return store.many(OrderLine, order_no=no, order_by="n")


def sold(no: str) -> dict[str, Any]:
    """The snapshot written with the order: facts, lines, discounts, fields, contact."""
    return store.one(OrderDetail, order_no=no, kind="sold", order_by="id")["body"]


def new_no() -> str:
    return ids.new_no("O")


_COUNT_UP = """
INSERT INTO purchase_count (buyer_id, cap_key, pieces) VALUES (?, ?, ?)
ON CONFLICT (buyer_id, cap_key) DO UPDATE SET pieces = purchase_count.pieces + excluded.pieces
WHERE purchase_count.pieces + excluded.pieces <= ?"""


def take_purchase_cap(buyer_id: str, cap_key: str, pieces: int, cap: int) -> bool:
    """Count pieces towards a buyer's cap; False (and nothing counted) when that would pass it."""
    if pieces > cap:
        return False
    db = store.trade
    sql = _COUNT_UP if db.is_sqlite else _COUNT_UP.replace("?", "%s")
    return db.database.execute_sql(sql, (buyer_id, cap_key, pieces, cap)).rowcount == 1


def purchased(buyer_id: str, cap_key: str) -> int:
    row = store.one(PurchaseCount, buyer_id=buyer_id, cap_key=cap_key)
    return row["pieces"] if row else 0


def free_purchase_cap(buyer_id: str, cap_key: str, pieces: int) -> None:
    store.update(PurchaseCount, {}, add={"pieces": -pieces}, buyer_id=buyer_id, cap_key=cap_key)
