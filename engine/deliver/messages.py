"""Messages to buyers and partners: queued with the fact they tell of, sent by a worker through a channel.

A message keeps its number over every attempt, so that a provider that knows it sends it once.
"""
from __future__ import annotations

import logging
import re
from typing import Any, Callable, Mapping

import peewee

from .. import store, wire
from ..base import clock, ids, money, settings, trace
from ..flow import outbox

WAIT_MIN_S, WAIT_MAX_S, ATTEMPTS_MAX = 5, 1800, 8
_PLACE = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")
_log = logging.getLogger("salewright.messages")


class Message(store.TradeTable):
    no = peewee.CharField(max_length=32, primary_key=True)
    order_no = peewee.CharField(max_length=32, index=True)
    template = peewee.CharField(max_length=64)
    channel_id = peewee.CharField(max_length=64)
    recipient = peewee.CharField(max_length=120, index=True)
    text = peewee.TextField()
    state = peewee.CharField(max_length=12)
    attempts = peewee.IntegerField()
    provider_no = peewee.CharField(max_length=64, null=True)
    error = peewee.TextField(null=True)
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


MESSAGE = store.Machine("message", Message, "no", initial=("queued", "skipped"), moves={
    "queued": ("sent", "failed"), "failed": ("queued",), "sent": ("delivered", "failed"), "delivered": (), "skipped": ()},
    titles={"zh": "消息", "en": "Message"})


def render(text: str, facts: Mapping[str, Any]) -> str:
    """Fill `{order.no}`, `{payable}` … from facts; amounts are written in major units, lists joined."""
    def fill(match: re.Match) -> str:
        value = facts.get(match[1], "")
        if match[1] in ("subtotal", "payable") and isinstance(value, int):
            return money.format_major(value, str(facts.get("currency", "CNY")))
        return "、".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return _PLACE.sub(fill, text)


def queue(order_no: str, template: str, channel_id: str, recipient: str, text: str) -> str:
    """Stage a message and the job that sends it; one without a recipient is kept as `skipped`. Returns its number."""
    now = clock.now_ms()
    no, state = ids.new_no("M"), "queued" if recipient else "skipped"
    store.current().later(Message, {
        "no": no, "order_no": order_no, "template": template, "channel_id": channel_id, "recipient": recipient,
        "text": text, "state": state, "attempts": 0, "provider_no": None, "error": None if recipient else "no recipient",
        "trace_id": trace.trace_id(), "created_at_ms": now, "updated_at_ms": now})
    store.born(MESSAGE, no, state, f"order {order_no}")
    if recipient:
        outbox.stage("message.send", no, channel=channel_id)
    return no


def send(no: str, channel: Any, operate: Callable[..., wire.Outcome]) -> None:
    """Send a queued message through its compiled channel; `operate` makes the call. Raises outbox.Later until it is sent or
    given up."""
    row = store.one(Message, no=no)
    if row is None or row["state"] != "queued":
        return
    outcome = operate(channel, "send", {
        "message.no": no, "message.to": row["recipient"], "message.text": row["text"], "message.template": row["template"],
        "order.no": row["order_no"], "settings.sandbox_url": settings.sandbox_url()})
    with store.transaction():                  # the move itself refuses a message that another worker has moved meanwhile
        attempts = row["attempts"] + 1
        if outcome.state in ("succeeded", "accepted"):
            store.move(MESSAGE, no, "sent", "channel took it", row=row, attempts=attempts, error=None,
                       provider_no=outcome.fields.get("channel_no"))
            return
        if outcome.state == "failed" and outcome.sent or attempts >= ATTEMPTS_MAX:
            store.move(MESSAGE, no, "failed", outcome.reason, row=row, attempts=attempts, error=outcome.reason)
            _log.warning("message %s was not sent: %s", no, outcome.reason, extra={"channel": row["channel_id"]})
            return
        store.update(Message, {"attempts": attempts, "error": outcome.reason, "updated_at_ms": clock.now_ms()}, no=no)
    raise outbox.Later(outbox.backoff_s(attempts, WAIT_MIN_S, WAIT_MAX_S), outcome.reason)


def received(no: str, channel_id: str, reached: bool, reason: str) -> bool:
    """The provider's receipt, in the open transaction: the message reached its phone, or did not. False when that is known,
    or older than what is known; LookupError for a message that is not this channel's, or not sent yet."""
    row = store.one(Message, no=no, lock=True)
    if row is None or row["channel_id"] != channel_id:
        raise LookupError(f"there is no message {no!r} of this channel")
    if row["state"] == "queued":               # a receipt that is faster than the answer to our call: it comes again
        raise LookupError(f"the message {no} is still being sent")
    if row["state"] != "sent":
        return False
    return store.move(MESSAGE, no, "delivered" if reached else "failed", "receipt", row=row, error=None if reached else reason)


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(Message, order_no=order_no, order_by="no")
