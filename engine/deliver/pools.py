"""Partner pools: what was prepaid, in money, pieces or heads. Drawn atomically, never below the floor.

A pool is a partner's own, or shared by those whose agreements name it: one balance and one floor. The log says which of
them drew, and on whose behalf it was topped up; a receipt counts once for the pool, whoever it is booked by.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, trace
from ..base.errors import Code, Refusal
from ..config.catalog import Partner, PoolTerms
from ..ledger import chart
from ..ledger.postings import Move, post


class PartnerPool(store.TradeTable):
    """balance is in minor units for a money pool, otherwise in pieces or heads."""
    id = peewee.CharField(max_length=64, primary_key=True)
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
    pool_id = peewee.CharField(max_length=64)
    partner_id = peewee.CharField(max_length=64)           # of the pool's partners, the one it was for
    kind = peewee.CharField(max_length=8)
    ref = peewee.CharField(max_length=64)      # order number, or the top-up's own key
    amount = peewee.BigIntegerField()
    balance_after = peewee.BigIntegerField()
    trace_id = peewee.CharField(max_length=32)
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("pool_id", "kind", "ref"), True), (("pool_id", "at_ms"), False), (("partner_id", "at_ms"), False))


def find(pool_id: str) -> dict[str, Any] | None:
    return store.one(PartnerPool, id=pool_id)


def of(partner: Partner) -> dict[str, Any]:
    """The pool of a partner's agreement, with the floor agreed on now; an empty one before the first top-up."""
    terms = partner.pool
    row = find(terms.id) or {"id": terms.id, "unit": terms.unit, "currency": terms.currency, "balance": 0, "topped_up": 0,
                             "drawn": 0, "returned": 0}
    return {**row, "floor": terms.floor}


def top_up(partner: Partner, amount: int, key: str) -> dict[str, Any]:
    """Money (or agreed pieces) came in for the partner's pool; the same key counts once for the pool, whichever of those who
    share it is named. Returns the pool."""
    terms = partner.pool
    with store.transaction():
        now = clock.now_ms()
        store.insert(PartnerPool, {"id": terms.id, "unit": terms.unit, "currency": terms.currency, "balance": 0,
                                   "floor": terms.floor, "topped_up": 0, "drawn": 0, "returned": 0,
                                   "updated_at_ms": now}, ignore=True)
        pool = store.one(PartnerPool, id=terms.id, lock=True)
        if _measure(terms).items() - pool.items():
            raise _other_measure(partner, pool)
        if store.one(PoolLog, pool_id=terms.id, kind="top_up", ref=key):
            return pool
        store.update(PartnerPool, {"updated_at_ms": now}, add={"balance": amount, "topped_up": amount}, id=terms.id)
        _log(partner, "top_up", key, amount, pool["balance"] + amount)
        if terms.unit == "money":
            post("pool_topped_up", f"pool:{terms.id}:{key}", terms.currency,
                 [Move(chart.account("partner_pool", terms.id), chart.account("bank_in_transit"), amount)])
        return find(terms.id)


def draw(partner: Partner, amount: int, order_no: str) -> int:
    """Take from the pool in the open transaction; the balance after. POOL_EXHAUSTED rather than going below the floor."""
    terms = partner.pool
    changed = store.update(PartnerPool, {"updated_at_ms": clock.now_ms(), "floor": terms.floor},
                           add={"balance": -amount, "drawn": amount}, id=terms.id, **_measure(terms),
                           also="balance - ? >= ?", params=(amount, terms.floor))
    pool = find(terms.id)
    if changed != 1:
        if pool and _measure(terms).items() - pool.items():
            raise _other_measure(partner, pool)
        left = (pool["balance"] if pool else 0) - terms.floor
        raise Refusal(Code.POOL_EXHAUSTED, f"{amount} {terms.unit} are needed, the pool {terms.id} of {partner.id} has {left} "
                                           f"above its floor", [{"path": "pool", "found": left, "expected": amount}])
    _log(partner, "draw", order_no, amount, pool["balance"])
    return pool["balance"]


def give_back(partner: Partner, amount: int, order_no: str) -> int:
    """Return what an order drew, to the pool it was drawn from; the balance after."""
    store.update(PartnerPool, {"updated_at_ms": clock.now_ms()}, add={"balance": amount, "returned": amount},
                 id=partner.pool.id)
    pool = find(partner.pool.id)
    _log(partner, "return", order_no, amount, pool["balance"])
    return pool["balance"]


def _measure(terms: PoolTerms) -> dict[str, str]:
    return {"unit": terms.unit, "currency": terms.currency} if terms.unit == "money" else {"unit": terms.unit}


def _other_measure(partner: Partner, pool: dict[str, Any]) -> Refusal:
    """An agreement was changed to another mode or currency, and its pool still holds what was prepaid by the earlier one."""
    counted, agreed = pool["unit"], partner.pool.unit
    if counted == agreed:
        counted, agreed = pool["currency"], partner.pool.currency
    return Refusal(Code.AGREEMENT_REFUSED, f"the pool {pool['id']} holds {counted}, the agreement of {partner.id} draws {agreed}: "
                                           "it needs a pool of its own", [{"path": "pool", "found": counted, "expected": agreed}])


def _log(partner: Partner, kind: str, ref: str, amount: int, balance_after: int) -> None:
    store.current().later(PoolLog, {"pool_id": partner.pool.id, "partner_id": partner.id, "kind": kind, "ref": ref,
                                    "amount": amount, "balance_after": balance_after, "trace_id": trace.trace_id(),
                                    "at_ms": clock.now_ms()})
