"""Money goes back that was not paid through a channel of ours: a charge returns to its partner's pool, or a shop elsewhere
refunds its order. What the sale posted is taken back, what the buyer got is revoked; once, whatever is repeated.

Locks are taken as everywhere: runs, payment, order, and what is counted last.
"""
from __future__ import annotations

import logging
from typing import Any, Callable, Mapping

from . import settling, store
from .base import crash, signal
from .base.errors import Code, Refusal
from .config.catalog import Partner
from .deliver import charges, entitlements, pools, work_orders
from .flow import executor
from .pay import payments, refunds
from .reporting import report_charge
from .runs import context_of_order, move_on
from .steps import holds
from .steps.context import SaleContext
from .trade import coupons, orders

_UNDELIVERED = ("paid", "fulfilling")
_log = logging.getLogger("salewright.charge")


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


def refund_elsewhere(order_no: str, amount_minor: int | None, number: str, reason: str) -> bool:
    """A shop has given the buyer back `amount_minor` (None: all that is left) of an order, in the open transaction.

    Returns False when its refund `number` was booked before. NOTICE_REJECTED when more is given back than was paid.
    """
    order, payment = _locked(order_no)
    if payment is None:
        raise Refusal(Code.NOTICE_REJECTED, f"order {order_no} was not paid at a shop")
    if refunds.by_number(payment["no"], number):
        return False
    left = order["payable_minor"] - order["refunded_minor"]
    amount = left if amount_minor is None else amount_minor
    if not 0 < amount <= left:
        raise Refusal(Code.NOTICE_REJECTED, f"order {order_no}: {amount} can't be given back, {left} are left")
    take_back(context_of_order(order), payment, amount, "shop", reason, number)
    return True


def _locked(order_no: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """(order, its payment from elsewhere), locked, and with them what is still to be done for the order."""
    executor.lock(order_no)
    paid = next((p["no"] for p in payments.of_order(order_no)
                 if p["tender_kind"] in ("pool", "external") and p["state"] == "succeeded"), None)
    payment = payments.find(paid, lock=True) if paid else None
    return orders.find(order_no, lock=True), payment


def take_back(ctx: SaleContext, payment: Mapping[str, Any], amount_minor: int, kind: str, reason: str,
              number: str | None = None) -> None:
    """Book that money is back where it came from; with the last of it what the buyer got, or was still to get, ends. Until
    then an order that is not delivered yet goes on. `ctx.order` is locked."""
    before, was = ctx.order["refunded_minor"], ctx.order["state"]
    whole = before + amount_minor == ctx.order["payable_minor"]
    sources = _sources(ctx, before, amount_minor)
    refunds.outside_channels(dict(payment), amount_minor, kind, reason, sources, settling.money_account(ctx, payment), number)
    if whole:
        executor.cancel(ctx.subject_no)
        entitlements.revoke(ctx.subject_no, reason)
        work_orders.cancel_all(ctx.subject_no, reason)
        coupons.give_back(ctx.subject_no, reason)
        holds.release_purchase_cap(ctx, {})
    move_on(ctx, "refunding", reason)
    after = "refunded" if whole else was if was in _UNDELIVERED else "partially_refunded"
    move_on(ctx, after, reason, refunded_minor=before + amount_minor)


def _sources(ctx: SaleContext, before: int, amount_minor: int) -> list[tuple[str, int]]:
    """(account, amount) that gives `amount_minor` back, merchant after merchant, when `before` was given back already."""
    found, passed = [], 0
    for merchant_id, account in settling.accounts_of(ctx).items():
        share = sum(line["payable_minor"] for line in ctx.price.lines if line["merchant"] == merchant_id)
        taken = min(before + amount_minor, passed + share) - max(before, passed)
        if taken > 0:
            found.append((account, taken))
        passed += share
    return found
