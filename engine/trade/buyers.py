"""Buyers: who may be sold to. A buyer the engine has not been told of is `registered: False`."""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock


class Buyer(store.TradeTable):
    id = peewee.CharField(max_length=64, primary_key=True)
    phone = peewee.CharField(max_length=32, index=True)
    name = peewee.CharField(max_length=120)
    tags = store.JsonField()
    orders_paid = peewee.IntegerField()
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


def find(buyer_id: str, lock: bool = False) -> dict[str, Any] | None:
    """`lock` keeps one's orders apart, also of somebody we were not told of."""
    row = store.one(Buyer, id=buyer_id, lock=lock) if buyer_id else None
    if lock and buyer_id and row is None:
        _hold(buyer_id)
    return row


def _hold(buyer_id: str) -> None:
    store.hold(f"buyer {buyer_id}")


def by_phone(phone: str) -> dict[str, Any] | None:
    """The buyer with this phone; the one known longest when there are several."""
    return store.one(Buyer, phone=phone, order_by="created_at_ms, id") if phone else None


def put(buyer_id: str, phone: str | None = None, name: str | None = None, tags: list[str] | None = None) -> tuple[dict, bool]:
    """Register a buyer or change what is given; returns (row, is_new). Inside the caller's transaction."""
    now = clock.now_ms()
    values = {k: v for k, v in (("phone", phone), ("name", name), ("tags", sorted(set(tags)) if tags is not None else None))
              if v is not None}
    fresh = {"id": buyer_id, "phone": "", "name": "", "tags": [], "orders_paid": 0, "created_at_ms": now} | values
    is_new = store.insert(Buyer, fresh | {"updated_at_ms": now}, ignore=True) == 1
    if is_new:
        _hold(buyer_id)                        # what is under way for somebody unknown ends first
    else:
        store.update(Buyer, values | {"updated_at_ms": now}, id=buyer_id)
    return find(buyer_id), is_new


def count_paid_order(buyer_id: str) -> None:
    """One more paid order; also takes the buyer's lock, so that two of a buyer's orders deliver one after the other."""
    if not store.update(Buyer, {}, add={"orders_paid": 1}, id=buyer_id):
        _hold(buyer_id)


def retag(row: Mapping[str, Any], add: list[str], remove: list[str]) -> list[str]:
    """Change a buyer's tags; `row` was read with its lock held. Returns the tags after."""
    tags = sorted((set(row["tags"]) | set(add)) - set(remove))
    if tags != sorted(row["tags"]):
        store.update(Buyer, {"tags": tags, "updated_at_ms": clock.now_ms()}, id=row["id"])
    return tags


def facts(buyer_id: str, row: Mapping[str, Any] | None, contact_phone: str = "") -> dict[str, Any]:
    """The `buyer.*` facts; closed also for a guest and for a buyer we were not told of."""
    return {"buyer.id": buyer_id, "buyer.registered": row is not None, "buyer.tags": list(row["tags"]) if row else [],
            "buyer.orders_paid": row["orders_paid"] if row else 0, "buyer.phone_known": bool(contact_phone or row and row["phone"])}
