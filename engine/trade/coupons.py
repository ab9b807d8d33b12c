"""Coupons: which apply, what they take off, and holding them so that no cap or budget is ever exceeded.

Only two moments touch a coupon: the quote (checked and held) and the payment (redeemed). Closing an order or letting a
quote expire releases what was held; a refund returns it when the coupon says so.

Eligibility (`when`) is decided by the scene's rule set; validity, threshold, stacking and benefit here; caps and budget by
one conditional UPDATE a counter, so that any number of buyers at once can't pass them.
"""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock, ids, money
from ..base.errors import Code, Refusal
from ..config import conditions
from ..config.catalog import Coupon, Scene
from . import pricing


class CouponHold(store.TradeTable):
    """One use of a coupon: held by a quote, redeemed by a payment."""
    no = peewee.CharField(max_length=32, primary_key=True)
    coupon_id = peewee.CharField(max_length=64, index=True)
    buyer_id = peewee.CharField(max_length=64)
    quote_no = peewee.CharField(max_length=32, index=True)
    order_no = peewee.CharField(max_length=32, null=True, index=True)
    amount_minor = peewee.BigIntegerField()
    currency = peewee.CharField(max_length=3)
    on_refund = peewee.CharField(max_length=8)
    counted = peewee.BooleanField()            # total/budget counter was raised for it
    counted_buyer = peewee.BooleanField()
    state = peewee.CharField(max_length=12)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


COUPON = store.Machine("coupon", CouponHold, "no", initial=("held",), moves={
    "held": ("redeemed", "released"), "redeemed": ("returned",), "released": (), "returned": ()},
    titles={"zh": "优惠券", "en": "Coupon"})


class CouponUsage(store.TradeTable):
    """A capped or budgeted coupon's counter, with the limits it was last raised under."""
    coupon_id = peewee.CharField(max_length=64, primary_key=True)
    used = peewee.BigIntegerField()
    used_minor = peewee.BigIntegerField()
    cap_total = peewee.BigIntegerField(null=True)
    budget_minor = peewee.BigIntegerField(null=True)


class CouponBuyerUsage(store.TradeTable):
    coupon_id = peewee.CharField(max_length=64)
    buyer_id = peewee.CharField(max_length=64)
    used = peewee.BigIntegerField()
    cap = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("coupon_id", "buyer_id")


REASONS = {
    "not_in_scope": "It does not cover what is bought.",
    "not_started": "It is not valid yet.",
    "expired": "It is no longer valid.",
    "not_eligible": "Its condition is not met",
    "below_threshold": "The eligible goods do not reach its threshold",
    "login_required": "It has a limit per buyer and needs a known buyer.",
    "group_taken": "Another coupon of its group applies",
    "not_combinable": "It can't stand beside another coupon that applies",
    "no_benefit": "It would not lower this price.",
    "cap_reached": "All of it has been given out.",
    "buyer_cap_reached": "This buyer has used it as often as one may.",
    "budget_spent": "Its budget is spent.",
    "not_chosen": "It was not among the coupons asked for.",
}


def apply(price: pricing.Price, scene: Scene, facts: Mapping[str, Any], now_ms: int, buyer_id: str,
          wanted: list[str] | None, excluded: Mapping[str, str]) -> list[tuple[Coupon, int]]:
    """Lower a price by every coupon that may apply; returns (coupon, amount) in order, and notes on `price` why each other
    one did not. `wanted`: only these ids ([]: none, None: whatever applies). `excluded`: id → reason, from failed holds."""
    if wanted:
        known = {c.id for c in scene.coupons}
        for coupon_id in wanted:
            if coupon_id not in known:
                raise Refusal(Code.COUPON_UNKNOWN, f"there is no coupon {coupon_id!r} in the scene {scene.id}",
                              [{"path": "coupons", "found": coupon_id}])
    lines_of = {c.id: _eligible(price, c) for c in scene.coupons}
    matching = _matching(price, scene, facts, set(lines_of.values()))
    taken: list[tuple[Coupon, int]] = []
    for coupon in scene.coupons:
        lines = lines_of[coupon.id]
        refused = (("not_chosen", "") if wanted is not None and coupon.id not in wanted
                   else (excluded[coupon.id], "") if coupon.id in excluded
                   else _refusal(price, coupon, lines, facts, coupon.id in matching.get(lines, ()), now_ms, buyer_id)
                   or _stacking(coupon, taken))
        amount = 0 if refused else _benefit(price, coupon, lines)
        if not refused and amount <= 0:
            refused = ("no_benefit", "")
        if refused:
            reason, more = refused
            sentence = REASONS[reason] + (f": {more}." if more else "" if REASONS[reason].endswith(".") else ".")
            price.refuse_coupon(coupon.id, coupon.title, reason, sentence)
        else:
            taken.append((coupon, price.discount("coupon", coupon.id, coupon.title, amount, list(lines))))
    return taken


def _eligible(price: pricing.Price, coupon: Coupon) -> tuple[int, ...]:
    if not coupon.product_scope:
        return tuple(line["n"] for line in price.lines)
    return tuple(line["n"] for line in price.lines
                 if line["product"] in coupon.product_scope or line["sku"] in coupon.product_scope)


def _part(price: pricing.Price, lines: tuple[int, ...]) -> pricing.Price:
    return pricing.Price(price.currency, [line for line in price.lines if line["n"] in lines])


def _matching(price: pricing.Price, scene: Scene, facts: Mapping[str, Any],
              line_sets: set[tuple[int, ...]]) -> dict[tuple[int, ...], frozenset[str]]:
    """For each distinct set of eligible lines: the coupons whose `when` holds for just these lines."""
    found = {}
    for lines in line_sets:
        if lines and scene.coupon_rules is not None:
            found[lines] = scene.coupon_rules.matching({**facts, **pricing.facts(_part(price, lines))})
    return found


def _refusal(price: pricing.Price, coupon: Coupon, lines: tuple[int, ...], facts: Mapping[str, Any], matches: bool,
             now_ms: int, buyer_id: str) -> tuple[str, str] | None:
    if not lines:
        return "not_in_scope", ""
    if coupon.valid_from_ms is not None and now_ms < coupon.valid_from_ms:
        return "not_started", ""
    if coupon.valid_until_ms is not None and now_ms >= coupon.valid_until_ms:
        return "expired", ""
    part = _part(price, lines)
    if not matches:
        return "not_eligible", conditions.explain(coupon.when_tree, {**facts, **pricing.facts(part)})
    if part.subtotal_minor < coupon.threshold_minor:
        missing = coupon.threshold_minor - part.subtotal_minor
        return "below_threshold", f"{money.format_major(missing, price.currency)} {price.currency} are missing"
    if coupon.cap_per_buyer is not None and not buyer_id:
        return "login_required", ""
    return None


def _stacking(coupon: Coupon, taken: list[tuple[Coupon, int]]) -> tuple[str, str] | None:
    for other, _ in taken:
        if other.group == coupon.group:
            return "group_taken", other.id
        if not (other.combines and coupon.combines):
            return "not_combinable", other.id
    return None


def _benefit(price: pricing.Price, coupon: Coupon, lines: tuple[int, ...]) -> int:
    part = _part(price, lines)
    benefit = coupon.benefit
    if benefit.kind == "amount":
        amount = benefit.value
    elif benefit.kind == "percent":
        amount = money.percent_of(part.payable_minor, benefit.value)
    else:
        amount = sum(max(0, line["payable_minor"] - benefit.value * line["quantity"]) for line in part.lines)
    if benefit.at_most_minor is not None:
        amount = min(amount, benefit.at_most_minor)
    return min(amount, part.payable_minor)


def hold(quote_no: str, order_no: str | None, buyer_id: str, currency: str,
         taken: list[tuple[Coupon, int]]) -> tuple[str, str] | None:
    """Hold every coupon of a quote in the open transaction, or none: then (coupon id, reason) of the one that is gone.

    `order_no`: the order that is written in this same transaction, when the quote is not a separate request.
    """
    held: list[dict[str, Any]] = []
    # Counters are always taken in one order, here and when they are lowered: no two orders wait for each other.
    for coupon, amount_minor in sorted(taken, key=lambda pair: pair[0].id):
        row = _hold_row(coupon, amount_minor, quote_no, order_no, buyer_id, currency)
        reason = _raise_counters(coupon, amount_minor, buyer_id)
        if reason:
            for other in held:
                _lower_counters(other)
            return coupon.id, reason
        held.append(row)
    for row in held:
        store.current().later(CouponHold, row)
        store.born(COUPON, row["no"], "held", f"quote {quote_no}")
    return None


def _hold_row(coupon: Coupon, amount_minor: int, quote_no: str, order_no: str | None, buyer_id: str,
              currency: str) -> dict[str, Any]:
    now = clock.now_ms()
    return {"no": ids.new_no("K"), "coupon_id": coupon.id, "buyer_id": buyer_id, "quote_no": quote_no, "order_no": order_no,
            "amount_minor": amount_minor, "currency": currency, "on_refund": coupon.on_refund,
            "counted": coupon.cap_total is not None or coupon.budget_minor is not None,
            "counted_buyer": coupon.cap_per_buyer is not None, "state": "held", "created_at_ms": now, "updated_at_ms": now}


_RAISE_TOTAL = """
INSERT INTO coupon_usage (coupon_id, used, used_minor, cap_total, budget_minor) VALUES (?, 1, ?, ?, ?)
ON CONFLICT (coupon_id) DO UPDATE SET used = coupon_usage.used + 1, used_minor = coupon_usage.used_minor + excluded.used_minor,
  cap_total = excluded.cap_total, budget_minor = excluded.budget_minor
WHERE (excluded.cap_total IS NULL OR coupon_usage.used + 1 <= excluded.cap_total)
  AND (excluded.budget_minor IS NULL OR coupon_usage.used_minor + excluded.used_minor <= excluded.budget_minor)"""
_RAISE_BUYER = """
INSERT INTO coupon_buyer_usage (coupon_id, buyer_id, used, cap) VALUES (?, ?, 1, ?)
ON CONFLICT (coupon_id, buyer_id) DO UPDATE SET used = coupon_buyer_usage.used + 1, cap = excluded.cap
WHERE coupon_buyer_usage.used + 1 <= excluded.cap"""


def _execute(sql: str, *params: Any) -> int:
    db = store.trade
    return db.database.execute_sql(sql if db.is_sqlite else sql.replace("?", "%s"), params).rowcount


def _raise_counters(coupon: Coupon, amount_minor: int, buyer_id: str) -> str | None:
    """One use more on every counter of a coupon; the reason when a limit stands against it (then nothing is raised)."""
    if coupon.budget_minor is not None and amount_minor > coupon.budget_minor:
        return "budget_spent"
    if coupon.cap_per_buyer is not None and _execute(_RAISE_BUYER, coupon.id, buyer_id, coupon.cap_per_buyer) != 1:
        return "buyer_cap_reached"
    if coupon.cap_total is None and coupon.budget_minor is None:
        return None
    if _execute(_RAISE_TOTAL, coupon.id, amount_minor, coupon.cap_total, coupon.budget_minor) == 1:
        return None
    if coupon.cap_per_buyer is not None:
        store.update(CouponBuyerUsage, {}, add={"used": -1}, coupon_id=coupon.id, buyer_id=buyer_id)
    usage = store.one(CouponUsage, coupon_id=coupon.id)
    return "cap_reached" if coupon.cap_total is not None and usage["used"] >= coupon.cap_total else "budget_spent"


def _lower_counters(row: Mapping[str, Any]) -> None:
    if row["counted_buyer"]:
        store.update(CouponBuyerUsage, {}, add={"used": -1}, coupon_id=row["coupon_id"], buyer_id=row["buyer_id"])
    if row["counted"]:
        store.update(CouponUsage, {}, add={"used": -1, "used_minor": -row["amount_minor"]}, coupon_id=row["coupon_id"])


def adopt(quote_no: str, order_no: str, count: int) -> None:
    """The order takes over its quote's holds; COUPON_GONE unless all `count` are still held."""
    if store.update(CouponHold, {"order_no": order_no}, quote_no=quote_no, state="held") != count:
        raise Refusal(Code.COUPON_GONE, "a coupon of this quote is no longer held; ask for a new quote")


def redeem(order_no: str) -> int:
    """The order is paid: its held coupons are used up. Returns their sum in minor units."""
    return sum(row["amount_minor"] for row in _move_all("redeemed", "paid", order_no=order_no, state="held"))


def release(cause: str, **where: str) -> int:
    """What is held becomes free again: `quote_no=` of an expired quote or `order_no=` of a closed order."""
    rows = _move_all("released", cause, state="held", **where)
    for row in rows:
        _lower_counters(row)
    return len(rows)


def give_back(order_no: str, cause: str) -> int:
    """A full refund returns the redeemed coupons whose policy says so."""
    rows = _move_all("returned", cause, order_no=order_no, state="redeemed", on_refund="return")
    for row in rows:
        _lower_counters(row)
    return len(rows)


def _move_all(to_state: str, cause: str, **where: Any) -> list[dict[str, Any]]:
    rows = store.many(CouponHold, lock=True, order_by="coupon_id, no", **where)
    for row in rows:
        store.move(COUPON, row["no"], to_state, cause, row=row)
    return rows


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(CouponHold, order_no=order_no, order_by="no")
