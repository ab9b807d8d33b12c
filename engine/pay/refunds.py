"""Refunds through a channel. The spine refunds surplus money by itself: a second success, or one after the order closed.

    applied → approved → processing → succeeded | failed;  unknown is asked for
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids, trace
from ..base.errors import Code, Refusal
from ..ledger import chart
from ..ledger.postings import Move, post
from . import payments

ASK_FIRST_S = 30
ASK_MAX_S = 6 * 3600


class Refund(store.TradeTable):
    """kind: surplus (nobody had a claim on the money) · charge (returned to a partner's pool) · shop (a shop gave it back).
    reason: said to the channel and shown to people."""
    no = peewee.CharField(max_length=32, primary_key=True)
    payment_no = peewee.CharField(max_length=32, index=True)
    order_no = peewee.CharField(max_length=32, index=True)
    kind = peewee.CharField(max_length=12)
    channel_id = peewee.CharField(max_length=64)
    currency = peewee.CharField(max_length=3)
    amount_minor = peewee.BigIntegerField()
    state = peewee.CharField(max_length=12)
    reason = peewee.CharField(max_length=120)
    channel_refund_no = peewee.CharField(max_length=64, null=True)
    error = peewee.TextField(null=True)
    asked = peewee.IntegerField()
    ask_at_ms = peewee.BigIntegerField(null=True)
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("state", "ask_at_ms"), False),)


REFUND = store.Machine("refund", Refund, "no", initial=("applied", "approved"), moves={
    "applied": ("approved", "rejected"),
    "approved": ("processing", "succeeded", "failed", "unknown"),
    "processing": ("succeeded", "failed", "unknown"),
    "unknown": ("processing", "succeeded", "failed"),
    "failed": ("approved", "succeeded"),       # a person sends it again; or it did arrive after all
    "rejected": (),
    "succeeded": ()}, titles={"zh": "退款单", "en": "Refund"})


def of_surplus(payment: dict[str, Any], reason: str) -> dict[str, Any]:
    """Stage the refund of a payment nobody had a claim on, with its postings, in the open transaction."""
    now = clock.now_ms()
    row = {"no": ids.new_no("R"), "payment_no": payment["no"], "order_no": payment["order_no"], "kind": "surplus",
           "channel_id": payment["channel_id"], "currency": payment["currency"], "amount_minor": payment["amount_minor"],
           "state": "approved", "reason": reason[:120], "channel_refund_no": None, "error": None, "asked": 0,
           "ask_at_ms": now, "trace_id": trace.trace_id(), "created_at_ms": now, "updated_at_ms": now}
    store.current().later(Refund, row)
    store.born(REFUND, row["no"], "approved", reason)
    channel = payment["channel_id"]
    receivable, suspense = chart.account("channel_receivable", channel), chart.account("suspense", channel)
    post("surplus_received", f"payment:{payment['no']}:surplus", payment["currency"],
         [Move(suspense, receivable, payment["amount_minor"])], order_no=payment["order_no"], payment_no=payment["no"])
    post("refund_approved", f"refund:{row['no']}:approved", payment["currency"],
         [Move(chart.account("refunds_payable", channel), suspense, payment["amount_minor"])],
         order_no=payment["order_no"], payment_no=payment["no"])
    return row


def outside_channels(payment: dict[str, Any], amount_minor: int, kind: str, reason: str, sources: list[tuple[str, int]],
                     received_in: str, number: str | None = None) -> dict[str, Any]:
    """Write the refund of money that was not paid through a channel of ours and is back already: to a partner's pool, or to
    a shop's buyer. In the open transaction, with the payment's and its order's locks held.

    sources       (account, amount) that the sale was credited to, adding up to `amount_minor`
    received_in   the account that the sale's money came from
    number        the other side's number of the refund, where it has one
    """
    now, owner = clock.now_ms(), received_in.partition(":")[2]
    row = {"no": ids.new_no("R"), "payment_no": payment["no"], "order_no": payment["order_no"], "kind": kind, "channel_id": "",
           "currency": payment["currency"], "amount_minor": amount_minor, "state": "approved", "reason": reason[:120],
           "channel_refund_no": number, "error": None, "asked": 0, "ask_at_ms": None, "trace_id": trace.trace_id(),
           "created_at_ms": now, "updated_at_ms": now}
    store.insert(Refund, row)
    store.born(REFUND, row["no"], "approved", reason)
    store.move(REFUND, row["no"], "succeeded", reason, row=row)
    store.update(payments.PaymentOrder, {"updated_at_ms": now}, add={"refunded_minor": amount_minor}, no=payment["no"])
    payable = chart.account("refunds_payable", owner)
    about = {"order_no": payment["order_no"], "payment_no": payment["no"]}
    post("refund_approved", f"refund:{row['no']}:approved", payment["currency"],
         [Move(payable, source, amount) for source, amount in sources], **about)
    post("refund_succeeded", f"refund:{row['no']}:succeeded", payment["currency"],
         [Move(received_in, payable, amount_minor)], **about)
    return row


def by_number(payment_no: str, number: str) -> dict[str, Any] | None:
    """The refund of a payment that the other side knows by this number."""
    return store.one(Refund, payment_no=payment_no, channel_refund_no=number)


def find(no: str, lock: bool = False) -> dict[str, Any]:
    row = store.one(Refund, no=no, lock=lock)
    if row is None:
        raise Refusal(Code.REFUND_UNKNOWN, f"there is no refund {no!r}", [{"path": "refund", "found": no}])
    return row


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(Refund, order_no=order_no, order_by="no")


def succeeded(row: dict[str, Any], channel_refund_no: str | None, cause: str) -> bool:
    """The channel has sent the money back: state, payment's total and posting, once. `row` is locked by the caller."""
    if not store.move(REFUND, row["no"], "succeeded", cause, row=row, channel_refund_no=channel_refund_no, error=None,
                      ask_at_ms=None):
        return False
    store.update(payments.PaymentOrder, {"updated_at_ms": clock.now_ms()}, add={"refunded_minor": row["amount_minor"]},
                 no=row["payment_no"])
    channel = row["channel_id"]
    post("refund_succeeded", f"refund:{row['no']}:succeeded", row["currency"],
         [Move(chart.account("channel_receivable", channel), chart.account("refunds_payable", channel), row["amount_minor"])],
         order_no=row["order_no"], payment_no=row["payment_no"])
    return True


def asked(row: dict[str, Any]) -> None:
    wait_s = min(ASK_MAX_S, ASK_FIRST_S * 2 ** min(row["asked"], 20))
    store.update(Refund, {"ask_at_ms": clock.now_ms() + wait_s * 1000}, add={"asked": 1}, no=row["no"])


def due(limit: int = 100) -> list[str]:
    """Refunds that should be sent or asked for now."""
    found = store.many(Refund, columns=("no",), state=["approved", "processing", "unknown"], also="ask_at_ms <= ?",
                       params=(clock.now_ms(),), order_by="ask_at_ms", limit=limit)
    return [row["no"] for row in found]
