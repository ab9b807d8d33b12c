"""Payment attempts: the intent is committed, the channel is called, its word is committed. Not knowing is a state."""
from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from . import settling, store, wire
from .base import clock, crash
from .base.errors import Code, Refusal
from .config.catalog import Scene
from .flow import outbox
from .pay import channels, payments
from .quoting import payable_channels


class Attempt(NamedTuple):
    """A payment attempt whose intent is in the open transaction."""
    payment: dict[str, Any]
    needs_call: bool
    facts: dict[str, Any]


def begin(order: Mapping[str, Any], facts: Mapping[str, Any], scene: Scene, contact: Mapping[str, str],
                   pay_by: Mapping[str, Any]) -> Attempt:
    """Write the intent to pay; a channel whose pay operation only signs parameters is done with that."""
    channel_id, client = pay_by["channel"], pay_by.get("client") or {}
    offered = [c["id"] for c in payable_channels(scene, facts)]
    if channel_id not in offered:
        raise Refusal(Code.CHANNEL_NOT_ALLOWED, f"this order can't be paid through {channel_id!r}",
                      [{"path": "channel", "found": channel_id, "expected": ", ".join(offered) or "no channel"}])
    channel, payment_no = channels.get(channel_id), payments.new_no()
    asked = {"payment.no": payment_no, "payment.amount_minor": order["payable_minor"],
             "payment.currency": order["currency"], "payment.expires_at_ms": order["expires_at_ms"],
             "payment.created_at_ms": clock.now_ms(), "order.no": order["no"], "order.title": order["title"],
             "buyer.id": order["buyer_id"], "buyer.phone": contact.get("phone", ""),
             **{f"client.{name}": str(client.get(name, "")) for name in ("ip", "openid", "return_url")},
             **channels.common_facts(channel_id)}
    needs_call = wire.needs_call(channel, "pay")
    made = None if needs_call else wire.operate(channel, "pay", asked)
    if made is not None and made.state == "failed":        # nothing was made for the buyer, so nothing was begun
        raise Refusal(Code.CHANNEL_UNAVAILABLE, f"{channel_id} can't be paid by: {made.reason}",
                      [{"path": "channel", "found": channel_id}])
    payment = payments.create(order["no"], order["payable_minor"], order["currency"], kind="channel", ref=channel_id,
                              state="created" if needs_call else "pending", cause=f"pay by {channel_id}", no=payment_no,
                              expires_at_ms=order["expires_at_ms"], client=made.client if made else None)
    return Attempt(payment, needs_call, asked)


def call(attempt: Attempt) -> dict[str, Any]:
    """The outside call of an attempt whose intent is committed; CHANNEL_UNAVAILABLE when the channel refuses it."""
    crash.point("pay.intent_committed")
    outcome = wire.operate(channels.get(attempt.payment["channel_id"]), "pay", attempt.facts)
    crash.point("pay.called")
    return _attempted(attempt.payment["no"], outcome)


def clear_doubt(order_no: str, channel_id: str) -> None:
    """Before another attempt: ask what became of one whose call was lost, so that the buyer need not wait for a sweep."""
    for attempt in payments.live(order_no):
        if attempt["channel_id"] == channel_id and settling.call_is_over(attempt):
            settling.ask_payment(attempt["no"])


def earlier_attempt(order_no: str, channel_id: str) -> dict[str, Any] | None:
    """The order's live attempt to go on with, if any. Attempts through other channels are told to close, and so is one
    that has nothing to show the buyer any more."""
    shows = wire.operation_of(channels.get(channel_id), "pay").client is not None
    for attempt in payments.live(order_no):
        lost = attempt["state"] == "pending" and shows and attempt["client"] is None   # with the answer to its call
        if attempt["channel_id"] != channel_id or lost:
            outbox.stage("payment.close", attempt["no"], channel=attempt["channel_id"])
        elif attempt["state"] == "pending":
            return attempt
        else:
            raise Refusal(Code.PAYMENT_IN_PROGRESS, f"payment {attempt['no']} of this order is {attempt['state']}; ask for "
                                                    "it again in a moment", [{"path": "payment", "found": attempt["no"]}])
    return None


_AFTER_PAY = {"pending": "pending", "accepted": "pending", "succeeded": "pending", "failed": "failed", "busy": "failed",
              "closed": "failed"}


def _attempted(payment_no: str, outcome: Any) -> dict[str, Any]:
    """What the channel said to a pay call. Not knowing is a state of its own, never a failure."""
    state = _AFTER_PAY.get(outcome.state, "unknown")
    with store.transaction():
        row = payments.find(payment_no, lock=True)
        first_word = row["state"] == "created"             # a notice may have been faster
        if first_word:
            store.move(payments.PAYMENT, payment_no, state, outcome.reason or "channel answered", row=row,
                       client=outcome.client or None, reason=outcome.reason or None,
                       channel_no=outcome.fields.get("channel_no"))
    crash.point("pay.outcome_committed")
    if outcome.state == "succeeded":           # paid at once: the fact takes the same way as a notice
        settling.apply_payment(payment_no, {"state": "succeeded", **outcome.fields}, "answer to pay")
    if first_word and state == "failed":
        raise Refusal(Code.CHANNEL_UNAVAILABLE, f"the channel did not take the payment: {outcome.reason}",
                      [{"path": "payment", "found": payment_no}])
    return payments.find(payment_no)
