"""THE STORY of a contract between signing and its end, readable from top to bottom.

    scan → announced → deducted → the period is delivered → … and so on, period by period
                          ↘ failed → tried again by schedule → grace is over: suspended → resumed, or ended

Each period after the first has an order of its own, sold through the line's `renew` flow and paid by a deduction. A deduction
is asked for once: its intent is committed, the channel is called, its word is committed; while its outcome is not known it is
asked about, and never repeated. Locks: order first, then contract, then period.
"""
from __future__ import annotations

import logging
from typing import Any, Mapping

from . import paying, sale, settling, signing, store, wire
from .base import clock, crash, settings, signal, trace
from .base.errors import Code, Refusal
from .config.live import live
from .deliver import entitlements
from .flow import outbox
from .pay import channels, contracts, health, limits, payments, terms
from .pay.contracts import CONTRACT, LIVE, PERIOD
from .runs import context_of_order, hooks
from .steps.context import SaleContext, base_facts
from .trade import orders, pricing

SCAN_LIMIT = 200
LOOK_AGAIN_S = 60                              # at an order that is paid otherwise, maybe
UNSENT, UNSENT_AGAIN_S = "not taken: ", 300    # a deduction that never reached the channel's books is no failure of the buyer's
ANNOUNCE_AGAIN_S = 600
FULL_AGAIN_S = 900                             # a deduction that its channel's limit does not allow yet
ORDER_KEPT_S = 86400                           # a renewal's order outlives the last try by a day
_log = logging.getLogger("salewright.contracts")


# ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────────

def scan(limit: int = SCAN_LIMIT) -> int:
    """Stage a job for every contract whose time has come, by index; returns how many."""
    total = 0
    while True:
        with store.transaction():
            due = contracts.take_due(limit)
            for no in due:
                outbox.stage("contract.advance", no)
        total += len(due)
        if len(due) < limit:
            return total


def advance(no: str) -> None:
    """Take a contract as far as it goes now, and note when to look at it again."""
    while _step(no):
        pass


def _step(no: str) -> bool:
    """One thing that is due; True when another may be. Everything looks again under its locks."""
    contract, now = contracts.find(no), clock.now_ms()
    if contract["state"] == "signing":
        signing.ask(no)
        return False
    if contract["state"] not in contracts.HELD:
        return _wait(no, None)
    period = contracts.unfinished(no)
    if period is None:
        at_ms = contracts.announce_at(contract, contract["paid_until_ms"])
        return _wait(no, at_ms) if now < at_ms else _open(no)
    if period["state"] == "deducting":
        return _look_after(contract, period)
    if contract["state"] == "signed" and (over := _first_is_over(contract, period)) is not None:
        return over
    if period["state"] == "open" and not period["announced"] and now < period["try_at_ms"]:
        return _announce(contract, period)
    grace_ends, ends = _grace_ends(contract, period), _gives_up_at(contract, period)
    if period["n"] > 1 and now >= ends:
        signing.terminate(no, "not paid in time", "the grace and the suspension are over", seen=contract)
        return False
    if contract["state"] == "overdue" and now >= grace_ends:
        return _suspend(no)
    if now >= period["try_at_ms"]:
        return deduct(no)
    known = (period["try_at_ms"], grace_ends if contract["state"] == "overdue" else ends, ends)
    return _wait(no, min(at_ms for at_ms in known if at_ms > now))


def _wait(no: str, at_ms: int | None) -> bool:
    with store.transaction():
        contracts.wake_at(no, at_ms)
    return False


def _grace_ends(contract: Mapping[str, Any], period: Mapping[str, Any]) -> int:
    return period["due_at_ms"] + int(contract["terms"]["grace_s"] * 1000)


def _gives_up_at(contract: Mapping[str, Any], period: Mapping[str, Any]) -> int:
    """When a contract that stays unpaid ends."""
    return _grace_ends(contract, period) + int(contract["terms"]["suspends_for_s"] * 1000)


def _first_is_over(contract: dict[str, Any], period: dict[str, Any]) -> bool | None:
    """A contract was signed, its first order not paid yet: None when that is to be deducted now. Where the buyer pays on the
    channel's page, that is waited for; an order that was closed ends the contract."""
    order = orders.find(period["order_no"])
    if order["state"] != "awaiting_payment":
        signing.terminate(contract["no"], "its order was not paid", f"order {order['no']} is {order['state']}", seen=contract)
        return False
    if contract["operation"] == "pay_and_sign":
        return _wait(contract["no"], max(order["expires_at_ms"], clock.now_ms()) + LOOK_AGAIN_S * 1000)
    return None


# ── the next period begins: its order, and the buyer is told ─────────────────────────────────────────────────────────

def _open(no: str) -> bool:
    """Write the next period with its order, at the price that was signed, and tell the buyer of the deduction to come."""
    with store.transaction():
        contract = contracts.find(no, lock=True)
        if contract["state"] not in LIVE or contracts.unfinished(no) is not None:
            return True
        n, due_at_ms = contract["paid_n"] + 1, contract["paid_until_ms"]
        ctx = _context(contract, n, due_at_ms)
        span_s = (_gives_up_at(contract, {"due_at_ms": due_at_ms}) - ctx.now_ms) / 1000 + ORDER_KEPT_S
        order = sale.keep_order(ctx, "", "", max(span_s, ORDER_KEPT_S))
        period = contracts.open_period(contract, n, order["no"], due_at_ms, order["payable_minor"])
        contracts.wake_at(no, period["try_at_ms"])
        hooks(ctx, "renew", "announce")
    crash.point("contract.opened")
    return True


def _context(contract: Mapping[str, Any], n: int, due_at_ms: int) -> SaleContext:
    """The sale of period `n`: what was signed, under the release it was signed by, to whom it was first sold."""
    catalog, first = live.release(contract["release_no"]), orders.sold(contract["order_no"])
    scene = catalog.scene(contract["scene_id"])
    sku = scene.skus[contract["sku"]]
    ctx = SaleContext(orders.new_no(), catalog, scene, contract["buyer_id"])
    ctx.chosen, ctx.order = [(sku, contract["quantity"])], {"quote_no": ""}
    ctx.contact, ctx.fields, ctx.lang = first["contact"], first["fields"], first["lang"]
    ctx.base = base_facts(scene, ctx.buyer_id, ctx.buyer, ctx.contact, ctx.fields, None, ctx.now_ms)
    ctx.price = pricing.Price(scene.currency)
    pricing.agreed_price(ctx.price, ctx.chosen, {sku.key: contracts.price_of(contract, n)})
    ctx.renewal = {"contract": contract["no"], "n": n, "date": clock.business_date(due_at_ms, settings.timezone())}
    return ctx


def _announce(contract: Mapping[str, Any], period: Mapping[str, Any]) -> bool:
    """Tell the channel of the deduction to come, where its file declares that; until it takes it, or it is to be deducted."""
    channel, taken = channels.get(contract["channel_id"]), True
    if period["n"] > 1 and wire.declares(channel, "announce"):
        outcome = health.operate(channel, "announce", _facts(contract, period, period["order_no"], clock.now_ms()))
        taken = outcome.state in ("succeeded", "accepted", "pending")
        if not taken:
            _log.warning("the channel does not take the announcement of %s: %s", period["no"], outcome.reason,
                         extra={"channel": channel.id})
    with store.transaction():
        if taken:
            contracts.note(period, announced=True)
        else:
            contracts.wake_at(contract["no"], min(period["try_at_ms"], clock.now_ms() + ANNOUNCE_AGAIN_S * 1000))
    return taken


# ── a deduction ──────────────────────────────────────────────────────────────────────────────────────────────────────

def deduct(no: str) -> bool:
    """Deduct the open period: intent, call, outcome. True when there may be more to do at once."""
    intent = _intend(no)
    if intent is None:
        return False
    contract, period, payment = intent
    crash.point("withhold.intent_committed")
    with trace.span("contract.deduct"):
        channel = channels.get(payment["channel_id"])
        outcome = health.operate(channel, "withhold", _facts(contract, period, payment["no"], payment["created_at_ms"]))
        crash.point("withhold.called")
        if outcome.state == "succeeded":       # the fact takes the same way as a notice, and pays the period
            settling.apply_payment(payment["no"], {"state": "succeeded", **outcome.fields}, "answer to withhold")
        else:
            paying.noted(payment["no"], outcome, UNSENT)
    signal.emit("contract.deducted", channel=channel.id, state=outcome.state)
    return True


def _intend(no: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None:
    """Commit what will be deducted. None when there is nothing to deduct, or an earlier deduction may still succeed."""
    seen = contracts.unfinished(no)
    if seen is None:
        return None
    with store.transaction(crash_point="withhold.before_commit"):
        order = orders.find(seen["order_no"], lock=True)
        contract = contracts.find(no, lock=True)
        period = contracts.period(no, seen["n"], lock=True)
        if (contract["state"] not in ("signed", *LIVE) or period["state"] not in ("open", "failed")
                or order["state"] != "awaiting_payment" or period["try_at_ms"] > clock.now_ms()):
            return None
        for attempt in payments.live(order["no"]):
            if period["n"] > 1 or period["tries"]:
                raise RuntimeError(f"{period['no']} is {period['state']} while {attempt['no']} may still succeed")
            # What the buyer was given to sign with: nothing can be paid by it.
            store.move(payments.PAYMENT, attempt["no"], "closed", "signed: now it is deducted", row=attempt, ask_at_ms=None)
            limits.give_back(attempt)
        payment_no, amount, currency = payments.new_no(), order["payable_minor"], order["currency"]
        full = limits.size_wrong(terms.of(contract["channel_id"]).limits, amount, currency) or \
            limits.take(contract["channel_id"], payment_no, amount)
        if full:
            _wait_for_room(contract, period, full)
            return None
        payment = payments.create(order["no"], amount, currency, kind="channel", ref=contract["channel_id"], state="created",
                                  cause=f"period {period['n']} of {no}", expires_at_ms=order["expires_at_ms"], no=payment_no)
        store.move(PERIOD, period["no"], "deducting", f"payment {payment['no']}", row=period, payment_no=payment["no"], error=None)
        contracts.wake_at(no, payment["ask_at_ms"] + 1)
    return contract, period, payment


def _wait_for_room(contract: Mapping[str, Any], period: Mapping[str, Any], why: str) -> None:
    """The channel's limit does not allow the deduction now. That is no failure of the buyer's: nothing is counted as a try, and
    what the last period gave goes on meanwhile. In the open transaction, with the locks of both."""
    try_at_ms = clock.now_ms() + FULL_AGAIN_S * 1000
    contracts.note(period, try_at_ms=try_at_ms, error=f"it waits: {contract['channel_id']}: {why}")
    _bridge(contract, period)
    contracts.wake_at(contract["no"], try_at_ms)
    signal.emit("contract.waits_for_room", channel=contract["channel_id"])
    _log.warning("the deduction of %s waits: %s", period["no"], why, extra={"channel": contract["channel_id"]})


def _facts(contract: Mapping[str, Any], period: Mapping[str, Any], payment_no: str, created_at_ms: int) -> dict[str, Any]:
    """What a channel file may refer to of a deduction."""
    return {**signing.facts_of(contract), "payment.no": payment_no, "payment.amount_minor": period["amount_minor"],
            "payment.currency": contract["currency"], "payment.created_at_ms": created_at_ms,
            "payment.deduct_at_ms": period["due_at_ms"], "payment.expires_at_ms": _gives_up_at(contract, period),
            "payment.channel_no": "", "order.no": period["order_no"], "order.title": contract["title"],
            "contract.amount_minor": period["amount_minor"]}


def _look_after(contract: Mapping[str, Any], period: Mapping[str, Any]) -> bool:
    """A deduction was asked for and the period is not paid: ask what became of it, or go on by the schedule."""
    attempt = payments.find(period["payment_no"])
    if attempt["state"] in payments.LIVE:
        ask_at_ms = attempt["ask_at_ms"] or 0
        if ask_at_ms > clock.now_ms():
            _bridge(contract, period)
            # A renewal that fails before wakes its contract; a first period's order may be paid in another way meanwhile.
            look_ms = ask_at_ms if period["n"] > 1 else min(ask_at_ms, clock.now_ms() + LOOK_AGAIN_S * 1000)
            return _wait(contract["no"], look_ms + 1)
        settling.ask_payment(attempt["no"])
        return True                            # now it is decided, or the next question lies ahead
    if attempt["state"] == "succeeded" or (not _unsent(attempt) and signing.over_there(contract["no"])):
        return False
    return _failed(contract["no"], attempt)


def _unsent(attempt: Mapping[str, Any]) -> bool:
    """Whether a deduction that failed never reached the channel's books."""
    return attempt["reason"] == settling.NEVER_HEARD or (attempt["reason"] or "").startswith(UNSENT)


def _bridge(contract: Mapping[str, Any], period: Mapping[str, Any]) -> None:
    """While a deduction is not through, what the last period gave goes on until the grace is over."""
    if period["n"] > 1 and period["bridged"] is None and contract["state"] != "suspended":
        before = contracts.period(contract["no"], period["n"] - 1)
        with store.transaction():
            if contracts.period(contract["no"], period["n"], lock=True)["state"] in contracts.OPEN:
                contracts.note(period, bridged=entitlements.lengthen(before["order_no"], _grace_ends(contract, period)))


# ── when it fails ────────────────────────────────────────────────────────────────────────────────────────────────────

def _failed(no: str, attempt: Mapping[str, Any]) -> bool:
    """The deduction is known to have failed: note when to try again, and tell the buyer if it was refused."""
    unsent = _unsent(attempt)
    with store.transaction():
        order = orders.find(attempt["order_no"], lock=True)
        contract = contracts.find(no, lock=True)
        period = contracts.unfinished(no)
        if period is None or period["state"] != "deducting" or period["payment_no"] != attempt["no"]:
            return True
        tries, now, retry = period["tries"] + (not unsent), clock.now_ms(), contract["terms"]["retry_s"]
        last = _gives_up_at(contract, period) if period["n"] > 1 else order["expires_at_ms"]
        again_s = settings.get_int("ASK_AFTER_S") if attempt["reason"] == settling.NEVER_HEARD else UNSENT_AGAIN_S
        wait_s = again_s if unsent else retry[tries - 1] if tries <= len(retry) else None
        try_at_ms = last if wait_s is None else now + int(wait_s * 1000)
        store.move(PERIOD, period["no"], "failed", attempt["reason"] or "refused", row=period, tries=tries,
                   try_at_ms=try_at_ms, error=attempt["reason"])
        period |= {"state": "failed", "tries": tries, "try_at_ms": try_at_ms}
        _bridge(contract, period)
        if not unsent and period["n"] > 1:
            if contract["state"] == "active":
                store.move(CONTRACT, no, "overdue", f"period {period['n']} could not be deducted", row=contract)
            hooks(context_of_order(order), "renew", "fail")
        contracts.wake_at(no, min(try_at_ms, max(now, _grace_ends(contract, period))))
        signal.emit("contract.failed", channel=contract["channel_id"])
        _log.warning("period %s could not be deducted: %s", period["no"], attempt["reason"],
                     extra={"channel": contract["channel_id"], "tries": tries})
    crash.point("withhold.failed")
    return True


def _suspend(no: str) -> bool:
    """The grace is over: what was lengthened has ended by itself, and the contract waits for a deduction that succeeds."""
    with store.transaction():
        seen = contracts.unfinished(no)
        order = orders.find(seen["order_no"], lock=True)
        contract = contracts.find(no, lock=True)
        if contract["state"] == "overdue":
            store.move(CONTRACT, no, "suspended", "the grace is over", row=contract)
            hooks(context_of_order(order), "renew", "suspend")
            signal.emit("contract.suspended", channel=contract["channel_id"])
    return True


def retry_now(no: str) -> dict[str, Any]:
    """Deduct at once what failed (a person or the buyer asks for it); a suspended contract is resumed by its success.
    Returns the contract. CONTRACT_STATE when nothing failed."""
    with store.transaction():
        contract = contracts.find(no, lock=True)
        period = contracts.unfinished(no)
        if contract["state"] not in LIVE or period is None or period["state"] != "failed":
            raise Refusal(Code.CONTRACT_STATE, f"contract {no} is {contract['state']} and no deduction of it has failed",
                          [{"path": "contract.state", "found": contract["state"], "expected": "a failed deduction"}])
        contracts.note(period, try_at_ms=clock.now_ms())
    advance(no)
    return contracts.find(no)
