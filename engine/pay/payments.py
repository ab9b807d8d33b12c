"""Payment orders: one row an attempt, the orders it pays (allocation) and what it is paid with (tenders).

    created → pending → succeeded | failed | closed;  unknown → any

An *unknown* outcome is a state of its own: nobody may treat it as failed; it is asked for until it is known. A success that
comes after `closed` or `failed` is still money: it moves on to `succeeded`, and the sale decides that it is a surplus.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids, settings, trace
from ..base.errors import Code, Refusal

ASK_MAX_S = 3600


class PaymentOrder(store.TradeTable):
    """tender_kind: channel · pool · external · none. client: what the buyer's terminal was given."""
    no = peewee.CharField(max_length=32, primary_key=True)
    order_no = peewee.CharField(max_length=32, index=True)
    state = peewee.CharField(max_length=12)
    twin_of = peewee.CharField(max_length=32)  # the payment of ours that the channel took money for twice; "" normally
    tender_kind = peewee.CharField(max_length=12)
    channel_id = peewee.CharField(max_length=64)
    channel_no = peewee.CharField(max_length=64, null=True)
    merchant_no = peewee.CharField(max_length=64, null=True)
    currency = peewee.CharField(max_length=3)
    amount_minor = peewee.BigIntegerField()
    surplus_minor = peewee.BigIntegerField()   # of a success nobody had a claim on
    refunded_minor = peewee.BigIntegerField()
    client = store.JsonField(null=True)
    reason = peewee.TextField(null=True)
    asked = peewee.IntegerField()
    ask_at_ms = peewee.BigIntegerField(null=True)
    expires_at_ms = peewee.BigIntegerField()
    succeeded_at_ms = peewee.BigIntegerField(null=True)
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


# Most payments are over and have a number: those without need no place in an index.
PaymentOrder.add_index(PaymentOrder.channel_no, where=PaymentOrder.channel_no.is_null(False), name="payment_order_with_channel_no")
PaymentOrder.add_index(PaymentOrder.ask_at_ms, where=PaymentOrder.ask_at_ms.is_null(False), name="payment_order_to_ask")


class PaymentAllocation(store.TradeTable):
    payment_no = peewee.CharField(max_length=32)
    order_no = peewee.CharField(max_length=32, index=True)
    amount_minor = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("payment_no", "order_no")


class PaymentTender(store.TradeTable):
    payment_no = peewee.CharField(max_length=32)
    n = peewee.IntegerField()
    kind = peewee.CharField(max_length=12)
    amount_minor = peewee.BigIntegerField()
    ref = peewee.CharField(max_length=64)      # channel, pool, outside number

    class Meta:
        primary_key = peewee.CompositeKey("payment_no", "n")


PAYMENT = store.Machine("payment", PaymentOrder, "no", initial=("created", "pending", "succeeded"), moves={
    "created": ("pending", "succeeded", "failed", "closed", "unknown"),
    "pending": ("succeeded", "failed", "closed", "unknown"),
    "unknown": ("created", "pending", "succeeded", "failed", "closed"),
    "failed": ("succeeded",),
    "closed": ("succeeded",),
    "succeeded": ()}, titles={"zh": "支付单", "en": "Payment order"})
LIVE = ("created", "pending", "unknown")


def create(order_no: str, amount_minor: int, currency: str, *, kind: str, ref: str, state: str, cause: str,
           expires_at_ms: int, no: str | None = None, client: dict | None = None, channel_no: str | None = None,
           twin_of: str = "") -> dict[str, Any]:
    """Stage a payment of one order, whole, in the open transaction; returns its row.

    `kind` channel: `ref` is the channel; otherwise the pool or outside number. A payment born `succeeded` needs no call.
    """
    tx = store.current()
    now = clock.now_ms()
    row = {"no": no or ids.new_no("P"), "order_no": order_no, "state": state, "twin_of": twin_of, "tender_kind": kind,
           "channel_id": ref if kind == "channel" else "", "channel_no": channel_no, "merchant_no": None,
           "currency": currency, "amount_minor": amount_minor, "surplus_minor": amount_minor if twin_of else 0,
           "refunded_minor": 0, "client": client, "reason": None, "asked": 0, "expires_at_ms": expires_at_ms,
           "ask_at_ms": None if state == "succeeded" else now + settings.get_int("ASK_AFTER_S") * 1000,
           "succeeded_at_ms": now if state == "succeeded" else None,
           "trace_id": trace.trace_id(), "created_at_ms": now, "updated_at_ms": now}
    tx.later(PaymentOrder, row)
    tx.later(PaymentAllocation, {"payment_no": row["no"], "order_no": order_no, "amount_minor": amount_minor})
    tx.later(PaymentTender, {"payment_no": row["no"], "n": 1, "kind": kind, "amount_minor": amount_minor, "ref": ref})
    store.born(PAYMENT, row["no"], state, cause)
    return row


def new_no() -> str:
    return ids.new_no("P")


def find(no: str, lock: bool = False) -> dict[str, Any]:
    row = store.one(PaymentOrder, no=no, lock=lock)
    if row is None:
        raise Refusal(Code.PAYMENT_UNKNOWN, f"there is no payment {no!r}", [{"path": "payment", "found": no}])
    return row


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(PaymentOrder, order_no=order_no, order_by="no")


def live(order_no: str) -> list[dict[str, Any]]:
    """Attempts that may still succeed by themselves. Call with the order's lock held."""
    return store.many(PaymentOrder, order_no=order_no, state=list(LIVE), order_by="no")


def due_to_ask(limit: int = 100) -> list[str]:
    """Live payments whose outcome should be asked for now."""
    found = store.many(PaymentOrder, columns=("no",), state=list(LIVE), also="ask_at_ms <= ?", params=(clock.now_ms(),),
                       order_by="ask_at_ms", limit=limit)
    return [row["no"] for row in found]


def name(row: dict[str, Any], channel_no: str) -> None:
    """Note the channel's number of a payment that succeeded without one; `row` is locked."""
    store.update(PaymentOrder, {"channel_no": channel_no, "updated_at_ms": clock.now_ms()}, no=row["no"])


def still_open(row: dict[str, Any], channel_no: str | None, ask_now: bool) -> None:
    """The channel says that a payment is not over: note its number if we had none. `ask_now`: it spoke of itself, because the
    buyer agreed or came back, and asking may bring the end."""
    changes: dict[str, Any] = {"channel_no": channel_no} if channel_no and row["channel_no"] is None else {}
    if ask_now:
        changes["ask_at_ms"] = clock.now_ms()
    if changes:
        store.update(PaymentOrder, {**changes, "updated_at_ms": clock.now_ms()}, no=row["no"])
        row.update(changes)


def asked(row: dict[str, Any]) -> None:
    """Note that an outcome was asked for; the next time is twice as far away."""
    wait_s = min(ASK_MAX_S, settings.get_int("ASK_AFTER_S") * 2 ** min(row["asked"] + 1, 20))
    store.update(PaymentOrder, {"ask_at_ms": clock.now_ms() + wait_s * 1000}, add={"asked": 1}, no=row["no"])
