"""Contracts are signed with or before the first payment, asked for when nothing is heard, and ended by either side.

    with the payment      pay_and_sign: one call, one page for the buyer; payment and signature are told of separately
    before it             sign: the buyer signs, then the first payment is withheld under the contract

`renewing.py` tells what happens between signing and the end. Locks: order first, then contract, then period.
"""
from __future__ import annotations

import logging
from typing import Any, Mapping

from . import store, wire
from .base import clock, crash, signal, trace
from .base.errors import Code, Refusal
from .config.catalog import Scene
from .deliver import entitlements
from .flow import outbox
from .pay import channels, contracts, health, notices, payments
from .pay.contracts import CONTRACT, PERIOD
from .runs import context_of_order, hooks
from .steps.context import SaleContext
from .trade import orders

FOR_YEARS = 10                                 # what is said to channels that want an end
GIVE_UP_S = 86400                              # a signature that the channel never heard of is given up after a day
UNSIGN_AGAIN_S = 300
_log = logging.getLogger("salewright.contracts")


# ── how an order is paid, and signed for ─────────────────────────────────────────────────────────────────────────────

def operation_of(channel: Any) -> str:
    """What the channel asks a buyer by, where nothing is signed or nothing else is declared."""
    return next((name for name in ("pay", "pay_and_sign", "sign") if wire.declares(channel, name)), "pay")


def renewing_line(scene: Scene, lines: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The line of an order that its scene would renew; None when there is none. NOT_ELIGIBLE for two: a contract is of one."""
    found = [line for line in lines if renews(scene, line["sku"])]
    if len(found) > 1:
        raise Refusal(Code.CONTRACT_REFUSED, "an order can be signed for one recurring product: order the others by themselves",
                      [{"path": "items", "found": ", ".join(line["sku"] for line in found), "expected": "one of them"}])
    return found[0] if found else None


def renews(scene: Scene, sku_key: str) -> bool:
    return "renew" in scene.skus[sku_key].deliver_parts and bool(scene.flows["renew"].steps)


def choose(channel: Any, scene: Scene, order: Mapping[str, Any], lines: list[Mapping[str, Any]],
           how: str = "") -> tuple[str, Mapping[str, Any] | None]:
    """(operation, line to be signed for or None). how: "" · first (sign, then withhold) · with_payment.

    `any` as "", but refused where nothing is signed. A guest signs nothing. Refusal CONTRACT_REFUSED when a contract was asked
    for and can't be had.
    """
    line = renewing_line(scene, lines) if order["buyer_id"] else None
    can = [name for name in ("pay_and_sign", "sign") if wire.declares(channel, name)] if wire.declares(channel, "withhold") else []
    if line is None or not can:
        if how:
            raise Refusal(Code.CONTRACT_REFUSED, "nothing can be signed for here: " + (
                "the order has no recurring product of a known buyer" if line is None else f"{channel.id} takes no contracts"),
                [{"path": "channel", "found": channel.id}])
        return operation_of(channel), None
    wanted = {"first": "sign", "with_payment": "pay_and_sign"}.get(how, can[0])
    if wanted not in can:
        raise Refusal(Code.CONTRACT_REFUSED, f"{channel.id} does not sign {how.replace('_', ' ')}",
                      [{"path": "sign", "found": how, "expected": "another way, or another channel"}])
    return wanted, line


def begin(order: Mapping[str, Any], scene: Scene, line: Mapping[str, Any], channel_id: str, operation: str,
          payment_no: str) -> dict[str, Any]:
    """Stage a contract that a payment attempt asks the buyer to sign; returns the facts for the channel."""
    names_most = "contract.amount" in wire.needs_facts(channels.get(channel_id), operation)
    contract = contracts.create(order, scene.skus[line["sku"]], line["quantity"], channel_id, operation, payment_no, names_most)
    return facts_of(contract, order["payable_minor"])


def facts_of(contract: Mapping[str, Any], first_minor: int = 0) -> dict[str, Any]:
    """What a channel file may refer to of a contract: `contract.amount` is the most that one deduction may take (`first_minor`:
    the first period's cost), `contract.next_at` when the next one is made. Signed before it is paid, the first is made at once."""
    starts = contract["signed_at_ms"] or contract["created_at_ms"]
    first_ends = starts if contract["operation"] == "sign" else contracts.end_of(contract, starts, contracts.anchor_of(starts))
    return {"contract.no": contract["no"], "contract.channel_no": contract["channel_no"] or "",
            "contract.title": contract["title"], "contract.amount_minor": contracts.most_of(contract, first_minor),
            "contract.currency": contract["currency"], "contract.period_unit": contract["period_unit"],
            "contract.period_count": contract["period_count"], "contract.created_at_ms": contract["created_at_ms"],
            "contract.starts_at_ms": starts, "contract.reason": contract["reason"],
            "contract.next_at_ms": contract["paid_until_ms"] or first_ends,
            "contract.ends_at_ms": clock.add_period(starts, FOR_YEARS, "year", "UTC"), "buyer.id": contract["buyer_id"],
            **channels.common_facts(contract["channel_id"])}


# ── what a channel says about a contract ─────────────────────────────────────────────────────────────────────────────

def named_in(channel_id: str, fields: Mapping[str, Any]) -> str | None:
    """The contract a notice is about, by our number or the channel's."""
    return fields.get("contract_no") or (
        contracts.by_channel_no(channel_id, fields["channel_contract_no"]) if fields.get("channel_contract_no") else None)


def apply(no: str, fields: Mapping[str, Any], cause: str, notice: tuple[str, str, str] | None = None) -> str:
    """Apply a fact about a contract; returns applied · repeated · nothing_new. NOTICE_REJECTED when it can't be about it."""
    with store.transaction(crash_point="signed.before_commit"):
        if notice and not notices.first_time(notice[0], notice[1], notice[2], no, fields):
            return "repeated"
        state = fields.get("state", "unknown")
        known = contracts.find(no)
        trace.caused_by(known["trace_id"])
        _own(known, fields, notice)
        if state == "ended":
            return "applied" if end(no, cause, fields.get("reason") or "ended at the channel", by_channel=True) else "nothing_new"
        contract = contracts.find(no, lock=True)
        if state == "signed":
            return _signed(contract, fields, cause)
        if state in ("failed", "closed", "absent") and contract["state"] == "signing":
            store.move(CONTRACT, no, "failed", cause, row=contract, next_at_ms=None, ended_at_ms=clock.now_ms(),
                       reason=(fields.get("reason") or cause)[:120])
            _drop(contracts.unfinished(no), cause)
            return "applied"
    return "nothing_new"


def apply_with_payment(no: str, fields: Mapping[str, Any], cause: str, notice: tuple[str, str, str]) -> None:
    """A notice of a payment named the channel's contract too: where it succeeded, that is in force."""
    if fields.get("state") == "succeeded" and fields.get("channel_contract_no") and contracts.find(no)["state"] == "signing":
        apply(no, {**fields, "state": "signed"}, cause, (notice[0], f"{notice[1]}:contract", notice[2]))


def _own(contract: Mapping[str, Any], fields: Mapping[str, Any], notice: tuple[str, str, str] | None) -> None:
    if notice and contract["channel_id"] != notice[0]:
        raise Refusal(Code.NOTICE_REJECTED, f"{contract['no']} is not of the channel {notice[0]}")
    theirs = fields.get("channel_contract_no")
    if theirs and contract["channel_no"] and theirs != contract["channel_no"]:
        raise Refusal(Code.NOTICE_REJECTED, f"contract {contract['no']} is {contract['channel_no']} at the channel, not {theirs}")


def _signed(contract: dict[str, Any], fields: Mapping[str, Any], cause: str) -> str:
    no, theirs = contract["no"], fields.get("channel_contract_no") or contract["channel_no"]
    if contract["state"] in ("failed", "ended"):           # given up here, and in force there
        if not contract["unsigned"] and theirs:
            contracts.change(contract, channel_no=theirs)
            outbox.stage("contract.unsign", no)
        return "nothing_new"
    if contract["state"] != "signing":
        if theirs and not contract["channel_no"]:
            contracts.change(contract, channel_no=theirs)
        return "nothing_new"
    now = clock.now_ms()
    values = {"channel_no": theirs, "signed_at_ms": fields.get("signed_at_ms") or now}
    if contract["paid_n"]:
        store.move(CONTRACT, no, "active", cause, row=contract, **values,
                   next_at_ms=contracts.announce_at(contract, contract["paid_until_ms"]))
    else:
        store.move(CONTRACT, no, "signed", cause, row=contract, **values, next_at_ms=now)
        outbox.stage("contract.advance", no)
    signal.emit("contract.signed", channel=contract["channel_id"])
    return "applied"


def ask(no: str) -> None:
    """Ask the channel whether a contract was signed. One whose order was not paid, or paid otherwise, is given up."""
    with store.transaction():
        contract = contracts.find(no, lock=True)
        if contract["state"] != "signing":
            return
        wait_ms = contracts.ask_wait_s(contract["asked"] + 1) * 1000
        contracts.change(contract, asked=contract["asked"] + 1, next_at_ms=clock.now_ms() + wait_ms)
    channel, said = channels.get(contract["channel_id"]), "unknown"
    if wire.declares(channel, "contract_query"):
        outcome = health.operate(channel, "contract_query", facts_of(contract))
        about_it = outcome.fields.get("contract_no") or outcome.fields.get("channel_contract_no")
        said = outcome.state if about_it or outcome.state != "failed" else "unknown"       # the question's own failure
        if said in ("signed", "ended", "failed", "closed"):
            apply(no, {**outcome.fields, "state": said, "reason": outcome.reason}, "asked the channel")
            return
    order = orders.find(contract["order_no"])
    over = order["state"] == "closed" or (order["state"] != "awaiting_payment" and not contract["paid_n"])
    old = clock.now_ms() - contract["created_at_ms"] > GIVE_UP_S * 1000
    if said == "absent" and (over or old):
        apply(no, {"state": "absent", "reason": "the channel never heard of it"}, "asked the channel")
    elif over:
        terminate(no, "its order was not paid", "never signed", seen=contract)


def over_there(no: str) -> bool:
    """Whether the channel says that a contract is over, which a deduction's refusal may mean: then it is over here, too."""
    contract = contracts.find(no)
    channel = channels.get(contract["channel_id"])
    if not wire.declares(channel, "contract_query"):
        return False
    outcome = health.operate(channel, "contract_query", facts_of(contract))
    if outcome.state != "ended":
        return False
    apply(no, {**outcome.fields, "state": "ended", "reason": outcome.reason}, "asked the channel")
    return True


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def terminate(no: str, reason: str, cause: str = "terminated", seen: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """End a contract from our side; what is paid stays delivered, nothing is deducted any more. Quiet when it is over.

    A deduction under way is not stopped by this: a success that still comes goes back to the buyer. `seen`: the contract as it
    was when that was decided; one that was signed or paid since is left alone.
    """
    with store.transaction():
        contracts.find(no)
        end(no, cause, reason, seen=seen)
    return contracts.find(no)


def end(no: str, cause: str, reason: str, by_channel: bool = False, seen: Mapping[str, Any] | None = None) -> bool:
    """Within the open transaction; True when it was not over before."""
    period = contracts.unfinished(no)
    order = orders.find(period["order_no"] if period else contracts.find(no)["order_no"], lock=True)
    contract = contracts.find(no, lock=True)
    if seen is not None and any(contract[word] != seen[word] for word in ("state", "paid_n")):
        return False
    if contract["state"] not in contracts.HELD:
        if by_channel and not contract["unsigned"]:
            contracts.change(contract, unsigned=True)
        return False
    latest = contracts.unfinished(no)
    if (latest or {}).get("no") != (period or {}).get("no"):
        raise Refusal(Code.DATABASE_BUSY, "the contract's next period began in this very moment")
    store.move(CONTRACT, no, "ended", cause, row=contract, next_at_ms=None, ended_at_ms=clock.now_ms(), reason=reason[:120],
               unsigned=by_channel, proposed=None)
    _drop(latest, cause)
    if latest and latest["n"] > 1:
        close_order(order, "the contract is over")
        hooks(context_of_order(order), "renew", "end")
    elif contract["paid_n"]:
        hooks(_last_context(no, contract), "renew", "end")
    if not by_channel:
        outbox.stage("contract.unsign", no)
    signal.emit("contract.ended", channel=contract["channel_id"])
    _log.info("contract %s is over: %s", no, reason, extra={"channel": contract["channel_id"], "cause": cause})
    return True


def _last_context(no: str, contract: Mapping[str, Any]) -> SaleContext:
    return context_of_order(orders.find(contracts.period(no, contract["paid_n"])["order_no"]))


def _drop(period: dict[str, Any] | None, cause: str) -> None:
    """A period that will not be paid; what the grace lengthened ends where it ended."""
    if period is not None:
        store.move(PERIOD, period["no"], "dropped", cause, row=period, bridged=None)
        entitlements.shorten(period["bridged"] or ())


def close_order(order: dict[str, Any], cause: str) -> None:
    """A renewal's order ends unpaid: it holds nothing, so its line's close flow has nothing to do. `order` is locked."""
    if order["state"] == "awaiting_payment":
        store.move(orders.ORDER, order["no"], "closed", cause, row=order, ended_at_ms=clock.now_ms())
        for attempt in payments.live(order["no"]):
            outbox.stage("payment.close", attempt["no"], channel=attempt["channel_id"])


def unsign(no: str) -> None:
    """Tell the channel that a contract is over; raises outbox.Later until it knows."""
    contract = contracts.find(no)
    channel = channels.get(contract["channel_id"])
    if contract["unsigned"] or not wire.declares(channel, "unsign"):
        return
    crash.point("unsign.before_call")
    outcome = health.operate(channel, "unsign", facts_of(contract))
    said = outcome.state
    if said not in ("succeeded", "ended", "closed", "absent", "accepted") and wire.declares(channel, "contract_query"):
        said = health.operate(channel, "contract_query", facts_of(contract)).state
    if said not in ("succeeded", "ended", "closed", "absent", "accepted"):
        raise outbox.Later(UNSIGN_AGAIN_S, f"the channel still holds contract {no}: {outcome.reason or said}")
    with store.transaction():
        contracts.change(contracts.find(no, lock=True), unsigned=True)
