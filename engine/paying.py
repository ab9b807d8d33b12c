"""Payment attempts: the intent is committed, the channel is called, its word is committed. Not knowing is a state."""
from __future__ import annotations

import logging
import time
from typing import Any, Mapping, NamedTuple

from . import settling, signing, store, wire
from .base import clock, crash, signal
from .base.errors import Code, Refusal
from .config.catalog import NOTHING, Scene
from .config.live import live
from .flow import outbox
from .pay import channels, health, limits, payments
from .pay.routing import Selection
from .quoting import payable_channels
from .steps.context import time_facts
from .trade import orders

# A buyer waits: so many channels are asked for one payment, and none after so long.
TRIES_MAX, FALL_OVER_S = 4, 10
CANNOT_BE_USED = "it can't be used at present"
_log = logging.getLogger("salewright.sale")


class Asked(NamedTuple):
    """What a payment is asked for: enough to ask the next channel of a route."""
    facts: Mapping[str, Any]
    scene: Scene
    contact: Mapping[str, str]
    pay_by: Mapping[str, Any]
    lines: list[Mapping[str, Any]]


class Attempt(NamedTuple):
    """A payment attempt whose intent is in the open transaction. `asked`: None where no other channel may be tried."""
    payment: dict[str, Any]
    needs_call: bool
    facts: dict[str, Any]
    operation: str = "pay"
    asked: Asked | None = None


def begin(order: Mapping[str, Any], facts: Mapping[str, Any], scene: Scene, contact: Mapping[str, str], pay_by: Mapping[str, Any],
          lines: list[Mapping[str, Any]] = (), tried: Mapping[str, str] = NOTHING) -> Attempt:
    """Choose the channel and write the intent to pay, and with it that of a contract where one is to be signed; a channel
    whose operation only makes parameters is done with that.

    lines    the order's
    pay_by   {"channel": a channel's id or a route's name, "client", "sign": how to sign (`signing.choose`)}
    tried    channels that did not take this payment a moment ago → why
    """
    name, client = pay_by["channel"], pay_by.get("client") or {}
    facts = {**facts, **time_facts(clock.now_ms()), "payment.bank": str(client.get("bank", ""))}
    offers = {offer.id: offer for offer in payable_channels(scene, facts, live.catalog().channels)}
    if name not in offers:
        raise Refusal(Code.CHANNEL_NOT_ALLOWED, f"this order can't be paid through {name!r}",
                      [{"path": "channel", "found": name, "expected": ", ".join(offers) or "no channel"}])
    payment_no = payments.new_no()
    selection = Selection(offers[name], facts, payment_no, order["payable_minor"], tried)
    asked = Asked(facts, scene, contact, pay_by, lines)
    for channel_id in selection:
        attempt = _through(channel_id, payment_no, order, asked, selection)
        if attempt is not None:
            _tell(order, attempt, selection)
            return attempt
    raise selection.refusal()


def _through(channel_id: str, payment_no: str, order: Mapping[str, Any], asked: Asked, selection: Selection) -> Attempt | None:
    """Begin through one channel; None when it makes nothing for the buyer and another one may be looked at."""
    channel, client, scene = channels.get(channel_id), asked.pay_by.get("client") or {}, asked.scene
    facts = {"payment.no": payment_no, "payment.amount_minor": order["payable_minor"],
             "payment.currency": order["currency"], "payment.expires_at_ms": order["expires_at_ms"],
             "payment.created_at_ms": clock.now_ms(), "order.no": order["no"], "order.title": order["title"],
             "buyer.id": order["buyer_id"], "buyer.phone": asked.contact.get("phone", ""),
             **{f"client.{name}": str(client.get(name, "")) for name in ("ip", "openid", "return_url")},
             **channels.common_facts(channel_id)}
    operation, line = signing.choose(channel, scene, order, asked.lines, asked.pay_by.get("sign", ""))
    if line is not None:
        facts = {**signing.begin(order, scene, line, channel_id, operation, payment_no), **facts}
    route = selection.offer if selection.offer.is_route and line is None else None     # a contract is of one channel
    needs_call = wire.needs_call(channel, operation)
    made = None if needs_call else _made(channel, operation, facts)
    if made is not None and made.state == "failed":        # nothing was made for the buyer, so nothing was begun
        if route:
            selection.refused(channel_id, made.reason)
            return None
        raise Refusal(Code.CHANNEL_UNAVAILABLE, f"{channel_id} can't be paid by: {made.reason}",
                      [{"path": "channel", "found": channel_id}])
    cause = f"pay by {channel_id}" + (f", of {route.id}" if route else "")
    payment = payments.create(order["no"], order["payable_minor"], order["currency"], kind="channel", ref=channel_id,
                              state="created" if needs_call else "pending", cause=cause, no=payment_no,
                              expires_at_ms=order["expires_at_ms"], client=made.client if made else None)
    return Attempt(payment, needs_call, facts, operation, asked if route else None)


def _made(channel: wire.Channel, operation: str, facts: Mapping[str, Any]) -> wire.Outcome:
    """What the buyer's terminal gets, where that takes no call."""
    try:
        return wire.operate(channel, operation, facts)
    except wire.WireError as error:
        _log.error("%s can't be used: %s", channel.id, error, extra={"channel": channel.id})
        return wire.Outcome("failed", reason=CANNOT_BE_USED)


def _tell(order: Mapping[str, Any], attempt: Attempt, selection: Selection) -> None:
    """Of a route: which channel it led to, and why not to others, for people."""
    if not selection.offer.is_route:
        return
    used = attempt.payment["channel_id"]
    signal.emit("payment.routed", route=selection.offer.id, channel=used)
    if selection.left_out:
        orders.add_detail(order["no"], "routed", {"payment": attempt.payment["no"], "route": selection.offer.id, "channel": used,
                                                  "left_out": selection.left_out})
        _log.info("%s leads to %s", selection.offer.id, used, extra={
            "channel": used, "order": order["no"], "payment": attempt.payment["no"],
            "left_out": "; ".join(f"{each['channel']}: {each['sentence']}" for each in selection.left_out)})


def call(attempt: Attempt) -> dict[str, Any]:
    """The outside call of an attempt whose intent is committed; CHANNEL_UNAVAILABLE when the channel refuses it.

    A route's next channel is asked in its place, and only where the first has certainly not taken the payment: not sent,
    or refused. An outcome that nobody knows is waited for.
    """
    tried: dict[str, str] = {}
    until = time.monotonic() + FALL_OVER_S
    while True:
        no, channel_id = attempt.payment["no"], attempt.payment["channel_id"]
        crash.point("pay.intent_committed")
        outcome = _asked_for(channel_id, attempt)
        crash.point("pay.called")
        if noted(no, outcome) != "failed":
            return payments.find(no)
        tried[channel_id] = outcome.reason or "it did not take the payment"
        more = attempt.asked is not None and len(tried) < TRIES_MAX and time.monotonic() < until
        following = _fall_over(attempt, tried) if more else None
        if following is None:
            raise Refusal(Code.CHANNEL_UNAVAILABLE, "the channel did not take the payment: " + "; ".join(tried.values()),
                          [{"path": "payment", "found": no}])
        if not following.needs_call:
            return following.payment
        attempt = following


def _asked_for(channel_id: str, attempt: Attempt) -> wire.Outcome:
    """The call. What is wrong with a channel's file or secrets is for us to mend: its buyer is told no more than that the channel
    can't be used, and another one of the route may be."""
    try:
        return health.operate(channels.get(channel_id), attempt.operation, attempt.facts)
    except wire.WireError as error:
        _log.error("%s can't be used: %s", channel_id, error, extra={"channel": channel_id, "payment": attempt.payment["no"]})
        return wire.Outcome("unknown" if error.sent else "failed", reason=CANNOT_BE_USED, sent=error.sent)


def _fall_over(attempt: Attempt, tried: Mapping[str, str]) -> Attempt | None:
    """The same payment through the next channel of its route; None when there is none, or nothing to pay any more."""
    asked, failed = attempt.asked, attempt.payment

    def once() -> Attempt | None:
        with store.transaction(crash_point="pay.before_commit"):
            order = orders.find(failed["order_no"], lock=True)
            if order["state"] != "awaiting_payment" or order["expires_at_ms"] <= clock.now_ms():
                return None
            if earlier := earlier_attempt(order["no"], channels_of(asked.scene, asked.pay_by["channel"])):
                return Attempt(earlier, False, {})     # the buyer has asked again meanwhile
            return begin(order, *asked, tried=tried)
    try:
        following = store.retrying(once)
    except Refusal as refusal:
        if refusal.code is Code.PAYMENT_IN_PROGRESS:
            raise
        _log.info("no other channel for %s: %s", failed["no"], refusal.message, extra={"order": failed["order_no"]})
        return None
    if following is not None and following.asked is not None:
        signal.emit("payment.fell_over", channel=failed["channel_id"], to=following.payment["channel_id"])
    return following


def channels_of(scene: Scene, name: str) -> frozenset[str]:
    """The channels that a choice may lead to, of those that there are (still)."""
    offer, there = scene.offer(name), live.catalog().channels
    return frozenset(choice.channel_id for choice in offer.of if choice.channel_id in there) if offer else frozenset((name,))


def clear_doubt(order_no: str, name: str) -> None:
    """Before another attempt: ask what became of one whose call was lost, so that the buyer need not wait for a sweep."""
    in_doubt = [attempt for attempt in payments.live(order_no) if attempt["state"] != "pending"]
    if in_doubt:
        order = orders.find(order_no)
        among = channels_of(live.release(order["release_no"]).scene(order["scene_id"]), name)
        for attempt in in_doubt:
            if attempt["channel_id"] in among and settling.call_is_over(attempt):
                _ask(attempt)


def _ask(attempt: Mapping[str, Any]) -> None:
    try:
        settling.ask_payment(attempt["no"])
    except wire.WireError as error:            # for us to mend: to the buyer the attempt is simply still in doubt
        _log.error("%s can't be asked: %s", attempt["channel_id"], error, extra={"channel": attempt["channel_id"]})


def earlier_attempt(order_no: str, among: frozenset[str]) -> dict[str, Any] | None:
    """The order's live attempt through one of these channels to go on with, if any. Attempts through others are told to
    close, and so is one that has nothing to show the buyer any more."""
    for attempt in payments.live(order_no):
        if attempt["channel_id"] not in among or attempt["state"] == "pending" and _lost(attempt):
            outbox.stage("payment.close", attempt["no"], channel=attempt["channel_id"])
        elif attempt["state"] == "pending":
            return attempt
        else:
            raise Refusal(Code.PAYMENT_IN_PROGRESS, f"payment {attempt['no']} of this order is {attempt['state']}; ask for "
                                                    "it again in a moment", [{"path": "payment", "found": attempt["no"]}])
    return None


def _lost(attempt: Mapping[str, Any]) -> bool:
    """Whether what the buyer was to be shown was lost with the answer to the call."""
    channel = channels.get(attempt["channel_id"])
    return attempt["client"] is None and wire.operation_of(channel, signing.operation_of(channel)).client is not None


_AFTER_PAY = {"pending": "pending", "accepted": "pending", "succeeded": "pending", "failed": "failed", "busy": "failed",
              "closed": "failed"}


def noted(payment_no: str, outcome: Any, unsent: str = "") -> str | None:
    """Commit a channel's first word on a payment; returns the payment's state by it, None when a notice was faster.
    `unsent` stands before the reason of a failure that never reached the channel's books."""
    state = _AFTER_PAY.get(outcome.state, "unknown")
    reason = f"{unsent if state == 'failed' and (not outcome.sent or outcome.state == 'busy') else ''}{outcome.reason}"
    with store.transaction():
        row = payments.find(payment_no, lock=True)
        first_word = row["state"] == "created"             # a notice may have been faster
        if first_word:
            store.move(payments.PAYMENT, payment_no, state, reason or "channel answered", row=row,
                       client=outcome.client or None, reason=reason or None, **({} if state != "failed" else {"ask_at_ms": None}),
                       channel_no=outcome.fields.get("channel_no"))
            if state == "failed":
                limits.give_back(row)
    crash.point("pay.outcome_committed")
    if outcome.state == "succeeded":           # paid at once: the fact takes the same way as a notice
        settling.apply_payment(payment_no, {"state": "succeeded", **outcome.fields}, "answer to pay")
    return state if first_word else None
