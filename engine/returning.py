"""Money goes back that was not paid through a channel of ours: a charge returns to its partner's pool, or a shop elsewhere
refunds its order. What the sale posted is taken back, what the buyer got is revoked; once, whatever is repeated.

A shop may give back a part. A line that is given back whole ends for the buyer. Of any other part the money is booked, what
the buyer got stays, and a work order asks a person to judge: nothing here knows what the part was for. An order that is not
delivered yet goes on to be delivered, and the same is asked.

Locks are taken as everywhere: runs, payment, order, and what is counted last.
"""
from __future__ import annotations

import logging
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Callable, Mapping

from . import settling, store
from .base import crash, signal
from .base.errors import Code, Refusal
from .config.catalog import Partner
from .deliver import charges, entitlements, pools, work_orders
from .flow import executor
from .ledger import postings
from .pay import payments, refunds
from .reporting import report_charge
from .runs import context_of_order, move_on
from .steps import holds
from .steps.context import SaleContext
from .trade import coupons, orders

_log = logging.getLogger("salewright.charge")
UNDER_WAY = ("paid", "fulfilling")             # still to be delivered
GIVEN_BACK = "part_given_back"                 # an order's detail, and the kind of the work order that asks about it
TO_JUDGE = {"zh": "部分退款：核对买家应保留的权益", "en": "A part was given back: judge what the buyer keeps"}


def return_charge(partner: Partner, no: str, reason: str, remember: Callable[[dict[str, Any]], None] | None = None
                  ) -> dict[str, Any]:
    """Take a charge back, by our number or the partner's: the pool gets back what was drawn, the buyer's entitlements end.

    Returns the charge's row; quiet when it was returned before. `remember` is called with it inside the transaction.
    Refusals: CHARGE_UNKNOWN; STATE_REFUSED for one that is not charged.
    """
    order_no = charges.find(partner.id, no)["order_no"]
    row = store.retrying(lambda: _return_charge(order_no, reason, remember or (lambda row: None)))
    crash.point("charge_return.after_commit")
    return row


def _return_charge(order_no: str, reason: str, remember: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    with store.transaction(crash_point="charge_return.before_commit"):
        order, payment = _locked(order_no)
        charge = store.one(charges.Charge, order_no=order_no, lock=True)
        if charge["state"] == "returned":
            remember(charge)
            return charge
        if charge["state"] != "charged":
            raise Refusal(Code.STATE_REFUSED, f"charge {charge['no']} is {charge['state']}: there is nothing to take back",
                          [{"path": "charge.state", "found": charge["state"], "expected": "charged"}])
        ctx = context_of_order(order)
        take_back(ctx, payment, payment["amount_minor"], "charge", reason)
        pools.give_back(ctx.partner, charge["amount"], order_no)
        store.move(charges.CHARGE, charge["no"], "returned", reason, row=charge, reason=reason)
        report_charge(charge, order, "returned", reason)
        returned = charges.find(charge["partner_id"], charge["no"])
        remember(returned)
    signal.emit("charge.returned", partner=charge["partner_id"])
    _log.info("charge %s was returned: %s", charge["no"], reason, extra={"order": order_no, "partner": charge["partner_id"]})
    return returned


@dataclass(frozen=True, slots=True)
class Returned:
    """What a shop says that it gave back of an order's line. `amount_minor` None: what so many pieces cost."""
    line_n: int
    pieces: int
    amount_minor: int | None


def refund_elsewhere(order_no: str, amount_minor: int | None, number: str, reason: str,
                     lines: list[Returned] | None = None) -> bool:
    """A shop has given the buyer back `amount_minor` (None: all that is left, or what its lines come to) of an order, in the
    open transaction; `lines`: of which of its lines, where the shop says so.

    Returns False when its refund `number` was booked before. NOTICE_REJECTED when more is given back than was paid.
    """
    order, payment = _locked(order_no)
    if payment is None:
        raise Refusal(Code.NOTICE_REJECTED, f"order {order_no} was not paid at a shop")
    if refunds.by_number(payment["no"], number):
        return False
    ctx = context_of_order(order)
    shares = _shares(ctx, lines or [])
    left = order["payable_minor"] - order["refunded_minor"]
    amount = amount_minor if amount_minor is not None else sum(shares.values()) if lines else left
    if not 0 < amount <= left:
        raise Refusal(Code.NOTICE_REJECTED, f"order {order_no}: {amount} can't be given back, {left} are left")
    take_back(ctx, payment, amount, "shop", reason, number, shares if sum(shares.values()) == amount else {})
    return True


def _shares(ctx: SaleContext, lines: list[Returned]) -> dict[int, int]:
    """line → what is given back of it; {} when the lines do not say, or it is more than is left of one."""
    shares: dict[int, int] = {}
    by_n = {line["n"]: line for line in ctx.price.lines}
    for back in lines:
        line = by_n[back.line_n]
        amount = back.amount_minor
        if amount is None:
            amount = line["payable_minor"] * back.pieces // line["quantity"]
        shares[back.line_n] = shares.get(back.line_n, 0) + amount
    before = _given_back(ctx.subject_no)
    if any(not 0 < amount <= by_n[n]["payable_minor"] - before.get(n, 0) for n, amount in shares.items()):
        return {}
    return shares


def _given_back(order_no: str) -> dict[int, int]:
    """line → what was given back of it by earlier refunds that named it."""
    total: dict[int, int] = {}
    for detail in orders.details(order_no, GIVEN_BACK):
        for n, amount in detail["lines"].items():
            total[int(n)] = total.get(int(n), 0) + amount
    return total


def _locked(order_no: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(order, its payment from elsewhere), locked, and with them what is still to be done for the order."""
    executor.lock(order_no)
    paid = next((p["no"] for p in payments.of_order(order_no)
                 if p["tender_kind"] in ("pool", "external") and p["state"] == "succeeded"), None)
    payment = payments.find(paid, lock=True) if paid else None
    return orders.find(order_no, lock=True), payment


def take_back(ctx: SaleContext, payment: Mapping[str, Any], amount_minor: int, kind: str, reason: str,
              number: str | None = None, shares: Mapping[int, int] = MappingProxyType({})) -> None:
    """Book that money is back where it came from; with the last of it what the buyer got, or was still to get, ends. Until
    then an order that is not delivered yet goes on. `ctx.order` is locked. `shares`: line → how much of it, adding up to the
    amount, or {} when nobody said."""
    before, state = ctx.order["refunded_minor"], ctx.order["state"]
    whole = before + amount_minor == ctx.order["payable_minor"]
    sources = _sources(ctx, amount_minor, shares)
    refunds.outside_channels(dict(payment), amount_minor, kind, reason, sources, settling.money_account(ctx, payment), number)
    if whole:
        executor.cancel(ctx.subject_no)
        entitlements.revoke(ctx.subject_no, reason)
        work_orders.cancel_all(ctx.subject_no, reason)
        coupons.give_back(ctx.subject_no, reason)
        holds.release_purchase_cap(ctx, {})
        after = "refunded"
    else:
        after = state if state in UNDER_WAY else "partially_refunded"
        _part_given_back(ctx, amount_minor, shares, reason, judged=state in UNDER_WAY)
    move_on(ctx, "refunding", reason)
    move_on(ctx, after, reason, refunded_minor=before + amount_minor)


def _part_given_back(ctx: SaleContext, amount_minor: int, shares: Mapping[int, int], reason: str, judged: bool) -> None:
    """Lines that are given back whole end; for the rest, or for all of an order that is still to be delivered (`judged`), a
    person is asked, once at a time."""
    given = _given_back(ctx.subject_no)
    orders.add_detail(ctx.subject_no, GIVEN_BACK, {"amount_minor": amount_minor, "lines": {str(n): m for n, m in shares.items()}})
    prices = {line["n"]: line["payable_minor"] for line in ctx.price.lines}
    ended = [n for n, amount in shares.items() if given.get(n, 0) + amount == prices[n]] if not judged else []
    for n in ended:
        entitlements.revoke(ctx.subject_no, reason, line_n=n)
    if len(ended) == len(shares) > 0 or any(w["kind"] == GIVEN_BACK and w["state"] in ("open", "in_progress")
                                            for w in work_orders.of_order(ctx.subject_no)):
        return
    work_orders.open_one(ctx.subject_no, GIVEN_BACK, TO_JUDGE, "refunds", blocking=False)
    signal.emit("shop.part_given_back", scene=ctx.scene.id)
    _log.warning("a part of order %s was given back, and no one said what for: a person has to judge", ctx.subject_no)


def _sources(ctx: SaleContext, amount_minor: int, shares: Mapping[int, int]) -> list[tuple[str, int]]:
    """(account, amount) that gives `amount_minor` back: of the lines' own merchants where lines are named, otherwise merchant
    after merchant; never more than is left of what an account was credited."""
    accounts, left, wanted = settling.accounts_of(ctx), {}, {}
    for line in ctx.price.lines:
        account = accounts[line["merchant"]]
        left[account] = left.get(account, 0) + line["payable_minor"]
        wanted[account] = wanted.get(account, 0) + shares.get(line["n"], 0)
    for account, given in postings.returned(ctx.subject_no).items():
        if account in left:
            left[account] -= given
    taken = {account: min(wanted[account], left[account]) for account in left}
    rest = amount_minor - sum(taken.values())
    for account in left:
        more = min(rest, left[account] - taken[account])
        taken[account] += more
        rest -= more
    return [(account, amount) for account, amount in taken.items() if amount > 0]
