"""Money comes in: applying what channels say about payments and refunds, once each, and settling orders with it.

Locks are taken payment (or refund) first, then its order. A payment that succeeds pays its order if the order still waits for it;
otherwise nobody has a claim on the money: it is booked to suspense and sent back.
"""
from __future__ import annotations

import logging
from typing import Any, Mapping


from . import store, wire
from .base import clock, crash, signal, trace
from .base.errors import Code, Refusal
from .flow import outbox
from .flow.step import StepError
from .ledger import chart
from .ledger.postings import Move, post
from .deliver import entitlements
from .pay import channels, contracts, health, limits, notices, payments, refunds
from .runs import context_of_order, deliver, move_on
from .steps.context import SaleContext
from .trade import coupons, orders

NEVER_HEARD = "the channel never heard of it"
CALL_MARGIN_S = 3                              # added to a call's time-out before it counts as over
_PAYING = ("pay", "pay_and_sign", "sign", "withhold")
_log = logging.getLogger("salewright.sale")


def accounts_of(ctx: SaleContext) -> dict[str, str]:
    """merchant → the account its sales are credited to: our own are deferred revenue of the line, others are payable."""
    found = {}
    for line in ctx.price.lines:
        merchant = ctx.catalog.merchants[line["merchant"]]
        found[merchant.id] = (chart.account("deferred_revenue", ctx.scene.line_id) if merchant.kind == "own"
                              else chart.account("merchant_payable", merchant.id))
    return found


# ── an order is paid ─────────────────────────────────────────────────────────────────────────────────────────────────

def settle(ctx: SaleContext, payment: Mapping[str, Any], inline: bool = True, flow: str = "paid",
           flow_hooks: tuple[str, ...] = ("deliver", "tell")) -> None:
    """The order's money is here: ledger, coupons, buyer's count, then what the buyer gets; all in the open transaction.

    inline False leaves the delivering to a worker (it failed once inside this transaction).
    """
    _post_sale(ctx, money_account(ctx, payment), payment["no"])
    _into_paid(ctx, f"payment {payment['no']}", inline, flow, flow_hooks)


def settle_free(ctx: SaleContext) -> None:
    """Nothing is to be paid: what coupons took off is still posted."""
    _post_sale(ctx, None, "")
    _into_paid(ctx, "nothing to pay", True, "paid", ("deliver", "tell"))


def _into_paid(ctx: SaleContext, cause: str, inline: bool, flow: str, flow_hooks: tuple[str, ...]) -> None:
    if store.current().staged(orders.TradeOrder):          # an order of this transaction must be there to be moved
        store.current().flush()
    if any(d["kind"] == "coupon" for d in ctx.price.discounts):
        coupons.redeem(ctx.subject_no)
    ctx.count_paid()
    state = deliver(ctx, flow, flow_hooks, inline)
    via = () if state == "paid" else ("paid",)
    move_on(ctx, state, cause, via=via, paid_at_ms=clock.now_ms())
    signal.emit("order.paid", scene=ctx.scene.id)


def money_account(ctx: SaleContext, payment: Mapping[str, Any]) -> str:
    """Where a payment's money comes from, and goes back to."""
    kind = payment["tender_kind"]
    if kind == "channel":
        return chart.account("channel_receivable", payment["channel_id"])
    if kind == "external":
        return chart.account("external_receivable", ctx.scene.id)
    pool = ctx.partner.pool
    return chart.account("partner_pool", pool.id) if pool.unit == "money" else chart.account("partner_receivable", ctx.partner.id)


def _post_sale(ctx: SaleContext, received_in: str | None, payment_no: str) -> None:
    """Each merchant's gross from where the money came in, and from coupon expense for what discounts took off."""
    accounts, moves = accounts_of(ctx), []
    for merchant_id, source in accounts.items():
        lines = [line for line in ctx.price.lines if line["merchant"] == merchant_id]
        if received_in:
            moves.append(Move(source, received_in, sum(line["payable_minor"] for line in lines)))
        moves.append(Move(source, chart.account("coupon_expense"), sum(line["discount_minor"] for line in lines)))
    post("order_paid", f"order:{ctx.subject_no}:paid", ctx.price.currency, moves, order_no=ctx.subject_no,
         payment_no=payment_no)


# ── what a channel says about a payment ──────────────────────────────────────────────────────────────────────────────

def apply_payment(payment_no: str, fields: Mapping[str, Any], cause: str,
                  notice: tuple[str, str, str] | None = None) -> str:
    """Apply a fact about a payment, from a notice, an answer or a question; returns applied · repeated · nothing_new.

    notice: (channel id, dedupe key, event). Refusal NOTICE_REJECTED when the fact can't be about this payment.
    """
    def work(inline: bool) -> str:
        with store.transaction(crash_point="notice.before_commit"):
            if notice and not notices.first_time(notice[0], notice[1], notice[2], payment_no, fields):
                return "repeated"
            payment = payments.find(payment_no, lock=True)
            trace.caused_by(payment["trace_id"])
            _own(payment, notice)
            order = orders.find(payment["order_no"], lock=True)
            if fields.get("state") == "pending" and payment["state"] in payments.LIVE:
                payments.still_open(payment, fields.get("channel_no"), ask_now=notice is not None)
            if notice and fields.get("state") == "succeeded" and fields.get("amount_minor") is None:
                raise Refusal(Code.NOTICE_REJECTED, f"payment {payment_no}: it does not say how much was paid")
            return _apply(order, payment, fields, cause, inline)
    try:
        verdict = store.retrying(lambda: work(True))
    except StepError as stop:
        # The money is a fact whatever delivering it does: settle it alone, and leave the rest to a worker.
        _log.warning("delivering payment %s failed inside its notice: %s", payment_no, stop.cause, exc_info=True)
        verdict = store.retrying(lambda: work(False))
    crash.point("notice.after_commit")
    return verdict


def _own(row: Mapping[str, Any], notice: tuple[str, str, str] | None) -> None:
    """A channel speaks of its own payments and refunds, not of another's."""
    if notice and row["channel_id"] != notice[0]:
        raise Refusal(Code.NOTICE_REJECTED, f"{row['no']} is not of the channel {notice[0]}")


def _apply(order: dict[str, Any], payment: dict[str, Any], fields: Mapping[str, Any], cause: str, inline: bool) -> str:
    wrong = notices.mismatch(payment, fields)
    if wrong:
        raise Refusal(Code.NOTICE_REJECTED, f"payment {payment['no']}: {wrong}")
    state = fields.get("state", "unknown")
    if state == "succeeded":
        return _succeeded(order, payment, fields, cause, inline)
    if state in ("failed", "closed") and payment["state"] in payments.LIVE:
        store.move(payments.PAYMENT, payment["no"], state, cause, row=payment, ask_at_ms=None,
                   reason=fields.get("reason") or cause)
        limits.give_back(payment)
        for period in () if order["quote_no"] else contracts.periods_of_order(order["no"]):     # a renewal: its contract goes on
            outbox.stage("contract.advance", period["contract_no"])
        return "applied"
    if state == "pending" and payment["state"] == "unknown":
        store.move(payments.PAYMENT, payment["no"], "pending", cause, row=payment)
        return "applied"
    if state == "unknown" and payment["state"] in payments.LIVE:
        signal.emit("notice.not_understood", channel=payment["channel_id"])
        _log.warning("payment %s: what was said is no state we know; it will be asked for", payment["no"],
                     extra={"channel": payment["channel_id"], "cause": cause})
    return "nothing_new"


def _succeeded(order: dict[str, Any], payment: dict[str, Any], fields: Mapping[str, Any], cause: str, inline: bool) -> str:
    if payment["state"] == "succeeded":
        return _paid_twice(payment, fields)
    keeps = order["state"] == "awaiting_payment"
    store.move(payments.PAYMENT, payment["no"], "succeeded", cause, row=payment, ask_at_ms=None, reason=None,
               channel_no=fields.get("channel_no") or payment["channel_no"],
               succeeded_at_ms=fields.get("paid_at_ms") or clock.now_ms(),
               surplus_minor=0 if keeps else payment["amount_minor"])
    payment["channel_no"] = fields.get("channel_no") or payment["channel_no"]
    if payment["state"] in ("failed", "closed"):
        limits.count_all_the_same(payment["channel_id"], payment["no"], payment["amount_minor"])
    if keeps:
        ctx = context_of_order(order)
        _period_paid(ctx, payment)
        settle(ctx, payment, inline, "renew" if ctx.renewal else "paid")
    else:
        _send_back(payment, f"order is {order['state']} already")
    return "applied"


def _period_paid(ctx: SaleContext, payment: Mapping[str, Any]) -> None:
    """What pays an order that is signed for, or renews, pays a period of its contract; what grace lengthened ends as it did."""
    if not any("renew" in sku.deliver_parts for sku, _ in ctx.chosen):
        return
    found = contracts.periods_of_order(ctx.subject_no)
    # A renewal has one; of several attempts to sign it is the one that is paid, or whose deduction was tried before.
    period = next((p for p in found if p["payment_no"] == payment["no"]),
                  next((p for p in found if p["n"] > 1 or p["state"] in ("deducting", "failed")), None))
    if period is None:
        return
    contract = contracts.find(period["contract_no"], lock=True)
    period = contracts.period(contract["no"], period["n"], lock=True)
    if contract["state"] in contracts.HELD and period["state"] in contracts.OPEN:
        entitlements.shorten(period["bridged"] or ())
        contracts.paid(contract, period, payment["no"])


def _paid_twice(payment: dict[str, Any], fields: Mapping[str, Any]) -> str:
    """The same success again, or the channel took money a second time for the same number of ours."""
    channel_no = fields.get("channel_no")
    if not channel_no or channel_no == payment["channel_no"]:
        return "nothing_new"
    if payment["channel_no"] is None:          # what we heard first had no number: this is the number of that success
        payments.name(payment, channel_no)
        return "nothing_new"
    if store.one(payments.PaymentOrder, twin_of=payment["no"], channel_no=channel_no):
        return "nothing_new"
    twin = payments.create(payment["order_no"], payment["amount_minor"], payment["currency"], kind="channel",
                           ref=payment["channel_id"], state="succeeded", cause="the channel took money twice",
                           expires_at_ms=payment["expires_at_ms"], channel_no=channel_no, twin_of=payment["no"])
    _send_back(twin, "paid twice")
    return "applied"


def _send_back(payment: dict[str, Any], why: str) -> None:
    refund = refunds.of_surplus(payment, why)
    outbox.stage("refund.send", refund["no"], channel=payment["channel_id"])
    signal.emit("payment.surplus", channel=payment["channel_id"])
    _log.warning("payment %s is a surplus (%s): refund %s", payment["no"], why, refund["no"],
                 extra={"channel": payment["channel_id"], "order": payment["order_no"]})


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def ask_payment(payment_no: str) -> str:
    """Ask the channel what became of a payment and apply the answer; returns the payment's state after."""
    with store.transaction():
        payment = payments.find(payment_no, lock=True)
        if payment["state"] not in payments.LIVE:
            return payment["state"]
        payments.asked(payment)                # beforehand: an answer that stuns us must not be asked for again at once
    channel = channels.get(payment["channel_id"])
    asks = _question(channel, payment)
    if wire.declares(channel, asks):
        outcome = health.operate(channel, asks, _payment_facts(payment))
        said = _said(outcome, "payment_no", "channel_no")
        if said in ("succeeded", "failed", "closed", "pending"):
            apply_payment(payment_no, {**outcome.fields, "state": said}, "asked the channel")
        elif said == "absent" and call_is_over(payment):
            apply_payment(payment_no, {"state": "failed", "reason": NEVER_HEARD}, "asked the channel")
    return payments.find(payment_no)["state"]


def _question(channel: wire.Channel, payment: Mapping[str, Any]) -> str:
    """Where deductions have a question of their own, the usual one has never heard of them, and they would be made again."""
    if not wire.declares(channel, "withhold_query"):
        return "query"
    deducted = any(period["payment_no"] == payment["no"] and period["state"] == "deducting"
                   for period in contracts.periods_of_order(payment["order_no"]))
    return "withhold_query" if deducted else "query"


def _said(outcome: Any, *numbers: str) -> str:
    """What the answer to a question says of the thing asked about. `failed` from an answer that names no such thing is the
    question's own failure (not sent, not allowed), and so we do not know."""
    about_it = any(outcome.fields.get(number) for number in numbers)
    return outcome.state if about_it or outcome.state != "failed" else "unknown"


def call_is_over(payment: Mapping[str, Any]) -> bool:
    """Whether a pay call of ours can't be under way any more, and nobody knows what became of it. (A `pending` one was
    answered, and only waits for the buyer.)"""
    if payment["state"] not in ("created", "unknown"):
        return False
    channel = channels.get(payment["channel_id"])
    timeout_s = max(channel.operations[name].timeout_s for name in _PAYING if wire.declares(channel, name))
    return clock.now_ms() - payment["created_at_ms"] > (timeout_s + CALL_MARGIN_S) * 1000


def close_payment(payment_no: str) -> None:
    """Ask the channel to close an attempt nobody should pay any more; a success that comes out instead is applied."""
    payment = payments.find(payment_no)
    if payment["state"] not in payments.LIVE:
        return
    channel = channels.get(payment["channel_id"])
    if wire.declares(channel, "close"):
        outcome = health.operate(channel, "close", _payment_facts(payment))
        if outcome.state not in ("succeeded", "closed", "absent"):
            if ask_payment(payment_no) in payments.LIVE:
                raise outbox.Later(30, f"not closed yet: {outcome.reason}")
            return
    apply_payment(payment_no, {"state": "closed"}, "closed by us")


def _payment_facts(payment: Mapping[str, Any]) -> dict[str, Any]:
    return {"payment.no": payment["twin_of"] or payment["no"], "payment.amount_minor": payment["amount_minor"],
            "payment.currency": payment["currency"], "payment.channel_no": payment["channel_no"] or "",
            "payment.created_at_ms": payment["created_at_ms"], "payment.expires_at_ms": payment["expires_at_ms"],
            "order.no": payment["order_no"], **channels.common_facts(payment["channel_id"])}


# ── refunds through a channel ────────────────────────────────────────────────────────────────────────────────────────

def send_refund(refund_no: str) -> str:
    """Send an approved refund, or ask about one whose outcome is not known; returns its state after.

    The refund's number makes it one at the channel; where the channel can be asked, it is asked before repeating.
    """
    with store.transaction():
        refund = refunds.find(refund_no, lock=True)
        if refund["state"] not in ("approved", "processing", "unknown"):
            return refund["state"]
        in_doubt = refund["state"] != "approved"
        if in_doubt and refund["ask_at_ms"] > clock.now_ms():
            return refund["state"]             # somebody has just sent it, or is asking
        refunds.asked(refund)
        if not in_doubt:
            store.move(refunds.REFUND, refund_no, "processing", "sent to the channel", row=refund)
    crash.point("refund.intent_committed")
    channel, facts = channels.get(refund["channel_id"]), _refund_facts(refund)
    outcome = health.operate(channel, "refund_query", facts) if in_doubt and wire.declares(channel, "refund_query") else None
    if outcome is None or outcome.state == "absent":
        outcome = health.operate(channel, "refund", facts)
        said = outcome.state if outcome.sent or outcome.state != "failed" else "unsent"      # then it is sent later
    else:
        said = _said(outcome, "refund_no", "channel_refund_no")
    crash.point("refund.called")
    return apply_refund(refund_no, said, outcome.fields, outcome.reason or "channel answered")


def _refund_facts(refund: Mapping[str, Any]) -> dict[str, Any]:
    payment = payments.find(refund["payment_no"])
    return {**_payment_facts(payment), "refund.no": refund["no"], "refund.amount_minor": refund["amount_minor"],
            "refund.reason": refund["reason"], "refund.created_at_ms": refund["created_at_ms"]}


def apply_refund(refund_no: str, state: str, fields: Mapping[str, Any], cause: str,
                 notice: tuple[str, str, str] | None = None) -> str:
    """Apply a fact about a refund; returns its state after (`repeated` for a notice seen before)."""
    with store.transaction():
        if notice and not notices.first_time(notice[0], notice[1], notice[2], fields.get("payment_no", ""), fields):
            return "repeated"
        refund = refunds.find(refund_no, lock=True)
        trace.caused_by(refund["trace_id"])
        _own(refund, notice)
        amount = fields.get("amount_minor")
        if amount is not None and amount != refund["amount_minor"]:
            raise Refusal(Code.NOTICE_REJECTED, f"refund {refund_no}: amount is {amount}, ours is {refund['amount_minor']}")
        if state == "succeeded":
            refunds.succeeded(refund, fields.get("channel_refund_no") or fields.get("channel_no"), cause)
        elif state == "failed" and refund["state"] in ("approved", "processing", "unknown"):
            store.move(refunds.REFUND, refund_no, "failed", cause, row=refund, error=cause, ask_at_ms=None)
            signal.emit("refund.failed", channel=refund["channel_id"])
            _log.error("refund %s failed at the channel: %s", refund_no, cause, extra={"channel": refund["channel_id"]})
        elif state == "failed" and refund["state"] == "succeeded":     # the bank sent it back, days later: a person must see to it
            orders.add_detail(refund["order_no"], "refund_came_back", {"refund": refund_no, "cause": cause,
                                                                       "reason": fields.get("reason") or ""})
            signal.emit("refund.failed", channel=refund["channel_id"])
            _log.error("refund %s had succeeded, and has come back to us: %s", refund_no, fields.get("reason") or cause, extra={
                "channel": refund["channel_id"], "order": refund["order_no"]})
        elif state == "unknown" and refund["state"] == "processing":
            store.move(refunds.REFUND, refund_no, "unknown", cause, row=refund, error=cause)
        elif state in ("pending", "accepted") and refund["state"] == "unknown":
            store.move(refunds.REFUND, refund_no, "processing", cause, row=refund)
    return refunds.find(refund_no)["state"]
