"""Notices received from channels: each is applied at most once, whatever is repeated, reordered or late."""
from __future__ import annotations

import hashlib
from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock, trace


KEY_MAX = 128


class NoticeReceived(store.TradeTable):
    """fields: what the channel file mapped out of it. One that was refused is not kept: it may come again."""
    channel_id = peewee.CharField(max_length=64)
    dedupe_key = peewee.CharField(max_length=KEY_MAX)
    event = peewee.CharField(max_length=32)
    payment_no = peewee.CharField(max_length=32, index=True)
    fields = store.JsonField()
    trace_id = peewee.CharField(max_length=32)
    at_ms = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("channel_id", "dedupe_key")


def first_time(channel_id: str, dedupe_key: str, event: str, payment_no: str, fields: Mapping[str, Any]) -> bool:
    """Record a notice in the open transaction; False when it was recorded before (a twin waits here for the first)."""
    if len(dedupe_key) > KEY_MAX:              # cut off, two long keys could be one
        dedupe_key = hashlib.sha256(dedupe_key.encode()).hexdigest()
    return store.insert(NoticeReceived, {
        "channel_id": channel_id, "dedupe_key": dedupe_key, "event": event, "payment_no": payment_no,
        "fields": dict(fields), "trace_id": trace.trace_id(), "at_ms": clock.now_ms()}, ignore=True) == 1


def of_payments(payment_nos: list[str]) -> list[dict[str, Any]]:
    return store.many(NoticeReceived, payment_no=payment_nos, order_by="at_ms") if payment_nos else []


def mismatch(payment: Mapping[str, Any], fields: Mapping[str, Any]) -> str | None:
    """Why a fact can't be about this payment (amount, currency), or None. The merchant is matched by the channel file."""
    amount, currency = fields.get("amount_minor"), fields.get("currency")
    if amount is not None and amount != payment["amount_minor"]:
        return f"amount is {amount}, the payment's is {payment['amount_minor']}"
    if currency and currency != payment["currency"]:
        return f"currency is {currency}, the payment's is {payment['currency']}"
    return None
