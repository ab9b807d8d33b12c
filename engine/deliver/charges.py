"""Direct charges: a partner's prepaid order for one of its users, 1:1 with a trade order.

    charging → charged | failed;  charged → returned

A charge for a buyer who is not registered stays `charging`; it is tried again on a timer and when the buyer registers.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids
from ..base.errors import Code, Refusal


class Charge(store.TradeTable):
    no = peewee.CharField(max_length=32, primary_key=True)
    partner_id = peewee.CharField(max_length=64)
    partner_order_no = peewee.CharField(max_length=64)
    order_no = peewee.CharField(max_length=32, unique=True)
    buyer_id = peewee.CharField(max_length=64, index=True)
    phone = peewee.CharField(max_length=32, index=True)
    state = peewee.CharField(max_length=12)
    amount = peewee.BigIntegerField()          # drawn from the pool, in its unit; 0 until drawn
    reason = peewee.TextField(null=True)
    tries = peewee.IntegerField()
    try_at_ms = peewee.BigIntegerField(null=True)
    give_up_at_ms = peewee.BigIntegerField()
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("partner_id", "partner_order_no"), True), (("state", "try_at_ms"), False))


CHARGE = store.Machine("charge", Charge, "no", initial=("charging", "charged"), moves={
    "charging": ("charged", "failed"), "charged": ("returned",), "failed": (), "returned": ()},
    titles={"zh": "直充单", "en": "Direct charge"})


def new_no() -> str:
    return ids.new_no("D")


def write(row: dict[str, Any], cause: str) -> None:
    """Stage a new charge in the open transaction."""
    store.current().later(Charge, row)
    store.born(CHARGE, row["no"], row["state"], cause)


def by_partner_order(partner_id: str, partner_order_no: str, lock: bool = False) -> dict[str, Any] | None:
    return store.one(Charge, partner_id=partner_id, partner_order_no=partner_order_no, lock=lock)


def find(partner_id: str, no: str, lock: bool = False) -> dict[str, Any]:
    """A partner's charge by our number or by its own; CHARGE_UNKNOWN otherwise (also for another partner's)."""
    row = store.one(Charge, no=no, partner_id=partner_id, lock=lock) or by_partner_order(partner_id, no, lock)
    if row is None:
        raise Refusal(Code.CHARGE_UNKNOWN, f"partner {partner_id} has no charge {no!r}", [{"path": "charge", "found": no}])
    return row


def of_order(order_no: str) -> dict[str, Any] | None:
    return store.one(Charge, order_no=order_no)


def waiting_for(buyer_id: str, phone: str) -> list[dict[str, Any]]:
    """Charges that wait for this buyer to register, by id or by phone."""
    found = {r["no"]: r for r in store.many(Charge, buyer_id=buyer_id, state="charging")} if buyer_id else {}
    if phone:
        found |= {r["no"]: r for r in store.many(Charge, phone=phone, state="charging")}
    return list(found.values())


def due(limit: int = 100) -> list[dict[str, Any]]:
    """Charging charges whose next try has come."""
    return store.many(Charge, state="charging", also="try_at_ms <= ?", params=(clock.now_ms(),), order_by="try_at_ms",
                      limit=limit)


def put_off(charge: dict[str, Any], try_at_ms: int, reason: str) -> None:
    """It was tried and has to wait: when next, and what for."""
    store.update(Charge, {"reason": reason, "try_at_ms": try_at_ms, "updated_at_ms": clock.now_ms()}, add={"tries": 1},
                 no=charge["no"])
