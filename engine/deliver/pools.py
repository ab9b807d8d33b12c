"""Partner pools: what a partner prepaid, in money, pieces or heads. Drawn atomically, never below the floor."""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, trace
from ..base.errors import Code, Refusal
from ..config.catalog import Partner
from ..ledger import chart
from ..ledger.postings import Move, post


class PartnerPool(store.TradeTable):
    """balance is in minor units for a money pool, otherwise in pieces or heads."""
    partner_id = peewee.CharField(max_length=64, primary_key=True)
    unit = peewee.CharField(max_length=8)
    currency = peewee.CharField(max_length=3)
    balance = peewee.BigIntegerField()
    floor = peewee.BigIntegerField()
    topped_up = peewee.BigIntegerField()
    drawn = peewee.BigIntegerField()
    returned = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


class PoolLog(store.TradeTable):
    """Every change: kind top_up · draw · return; amount is positive."""
    id = peewee.BigAutoField()
    partner_id = peewee.CharField(max_length=64, index=True)
    kind = peewee.CharField(max_length=8)
    ref = peewee.CharField(max_length=64)      # order number, or the top-up's own key
    amount = peewee.BigIntegerField()
    balance_after = peewee.BigIntegerField()
    trace_id = peewee.CharField(max_length=32)
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("partner_id", "kind", "ref"), True), (("partner_id", "at_ms"), False))


def find(partner_id: str) -> dict[str, Any] | None:
    return store.one(PartnerPool, partner_id=partner_id)


def top_up(partner: Partner, amount: int, key: str, currency: str = "CNY") -> dict[str, Any]:
    """The partner's money (or agreed pieces) came in; the same key counts once. Returns the pool."""
    with store.transaction():
        now = clock.now_ms()
        store.insert(PartnerPool, {"partner_id": partner.id, "unit": partner.pool.unit, "currency": currency, "balance": 0,
                                   "floor": partner.pool.floor, "topped_up": 0, "drawn": 0, "returned": 0,
                                   "updated_at_ms": now}, ignore=True)
        pool = store.one(PartnerPool, partner_id=partner.id, lock=True)
        if store.one(PoolLog, partner_id=partner.id, kind="top_up", ref=key):
            return pool
        store.update(PartnerPool, {"updated_at_ms": now}, add={"balance": amount, "topped_up": amount}, partner_id=partner.id)
        _log(partner.id, "top_up", key, amount, pool["balance"] + amount)
        if partner.pool.unit == "money":
            post("pool_topped_up", f"pool:{partner.id}:{key}", currency,
                 [Move(chart.account("partner_pool", partner.id), chart.account("bank_in_transit"), amount)])
        return store.one(PartnerPool, partner_id=partner.id)


def draw(partner: Partner, amount: int, order_no: str) -> int:
    """Take from the pool in the open transaction; the balance after. POOL_EXHAUSTED rather than going below the floor."""
    floor = partner.pool.floor
    changed = store.update(PartnerPool, {"updated_at_ms": clock.now_ms(), "floor": floor},
                           add={"balance": -amount, "drawn": amount}, partner_id=partner.id,
                           also="balance - ? >= ?", params=(amount, floor))
    pool = find(partner.id)
    if changed != 1:
        left = (pool["balance"] if pool else 0) - floor
        raise Refusal(Code.POOL_EXHAUSTED, f"{amount} {partner.pool.unit} are needed, the pool of {partner.id} has {left} "
                                           f"above its floor", [{"path": "pool", "found": left, "expected": amount}])
    _log(partner.id, "draw", order_no, amount, pool["balance"])
    return pool["balance"]


def give_back(partner: Partner, amount: int, order_no: str) -> int:
    """Return what an order drew; the balance after."""
    store.update(PartnerPool, {"updated_at_ms": clock.now_ms()}, add={"balance": amount, "returned": amount},
                 partner_id=partner.id)
    pool = find(partner.id)
    _log(partner.id, "return", order_no, amount, pool["balance"])
    return pool["balance"]


def _log(partner_id: str, kind: str, ref: str, amount: int, balance_after: int) -> None:
    store.current().later(PoolLog, {"partner_id": partner_id, "kind": kind, "ref": ref, "amount": amount,
                                    "balance_after": balance_after, "trace_id": trace.trace_id(), "at_ms": clock.now_ms()})
