"""THE STORY: the template of an order's life, readable from top to bottom.

    quote → place → pay → (notice or question) → paid → delivered → completed
                  ↘ closed, when nobody pays in time; money that comes later goes back

What is common to every sale is here; what differs is in the scene's flows, which fill the hooks (config/template.py).
Each function is one transaction, or a transaction, one outside call and a transaction; never a call inside one.
Nothing here asks which line, scene, channel or product it is: only what their files say.
"""
from __future__ import annotations

import hashlib
import logging
from typing import Any, Callable, Mapping

from . import paying, quoting, settling, store, wire
from .base import clock, crash, ids, signal, trace
from .base.errors import Code, Refusal
from .config.live import live
from .deliver import entitlements
from .flow import outbox
from .pay import payments
from .quoting import Items
from .runs import context_of_order, hooks
from .steps.context import SaleContext
from .trade import buyers, orders, pricing

_log = logging.getLogger("salewright.sale")
Remember = Callable[[dict[str, Any]], None]


# ── quote ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def quote(scene_id: str, items: Items, *, buyer_id: str = "", contact: Mapping[str, str] | None = None,
          fields: Mapping[str, Any] | None = None, wanted_coupons: list[str] | None = None, partner_id: str = "",
          lang: str = "zh") -> dict[str, Any]:
    """A price for these items in this scene, held until it expires. Returns the quote's row.

    items: [{"sku": "product/sku", "quantity": 1}]. wanted_coupons: None lets whatever applies apply.
    """
    catalog = live.catalog()
    scene = catalog.scene(scene_id)
    with store.transaction():
        ctx = quoting.price(catalog, scene, items, buyer_id, contact or {}, fields or {}, wanted_coupons, partner_id, lang)
        return quoting.keep(ctx, items, "open", None)


# ── place ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def place(scene_id: str, *, quote_no: str = "", items: Items | None = None, buyer_id: str = "",
          contact: Mapping[str, str] | None = None, fields: Mapping[str, Any] | None = None,
          wanted_coupons: list[str] | None = None, lang: str = "zh", expected_payable_minor: int | None = None,
          external: Mapping[str, Any] | None = None, pay_by: Mapping[str, Any] | None = None,
          remember: Remember | None = None, inline: bool = True) -> dict[str, Any]:
    """The generic order: from a quote, or from items (then it is quoted in the same transaction). Returns the order's row,
    with its `price`, `claim_token` for a guest and `payment` when it was asked for.

    external   {"no", "paid_minor"} of a shop order that was paid elsewhere, where the scene's tender says so; the same
               number again gives the order it stands for
    pay_by     {"channel", "client": {…}}: make the first payment attempt with the order
    inline     False leaves the delivering of a shop order to a worker (it failed once inside this transaction)
    remember   called with the order inside its transaction, before the commit (idempotency keys)
    """
    scene = live.catalog().scene(scene_id)
    if "pool" in scene.tenders:
        raise Refusal(Code.METHOD_MISMATCH, f"orders of the scene {scene_id} come in as a partner's charges")
    if bool(external) != ("external" in scene.tenders):
        raise Refusal(Code.METHOD_MISMATCH, f"the scene {scene_id} {'takes' if not external else 'does not take'} orders "
                                            "that were paid elsewhere", [{"path": "external"}])
    with store.transaction(crash_point="place.before_commit"):
        order_no, claim_token = orders.new_no(), "" if buyer_id else ids.token()
        if external and (earlier := orders.take_outside_number(scene_id, external["no"], order_no)) != order_no:
            return _told_before(earlier, items, external["no"], remember)
        ctx = (quoting.adopt(scene, quote_no, buyer_id, items, order_no, fields, wanted_coupons) if quote_no else
               quoting.inside(scene_id, items or [], buyer_id, contact or {}, fields or {}, wanted_coupons, lang, order_no))
        _expect(expected_payable_minor, ctx.price)
        ctx.contact, ctx.lang, ctx.claim_token = contact or ctx.contact, lang, claim_token
        order = write_order(ctx, claim_token, external_no=(external or {}).get("no", ""))
        if external:
            _paid_elsewhere(ctx, order, external, inline)
        elif order["payable_minor"] == 0:
            settling.settle_free(ctx)
        attempt = paying.begin(ctx.order, ctx.facts(), ctx.scene, ctx.contact, pay_by, ctx.price.lines) \
            if pay_by and ctx.order["state"] == "awaiting_payment" else None
        if attempt is None and pay_by and pay_by.get("sign"):
            raise Refusal(Code.CONTRACT_REFUSED, "nothing is to be paid for this order, so nothing is signed with it: order it "
                                                 "without a contract", [{"path": "payable_minor", "found": 0}])
        order = dict(ctx.order, claim_token=claim_token, payment=attempt.payment if attempt else None,
                     price=ctx.price.result())
        if remember:
            remember(order)
    crash.point("place.after_commit")
    signal.emit("order.placed", scene=scene_id)
    if attempt and attempt.needs_call:
        try:
            order["payment"] = paying.call(attempt)
        except Refusal as refusal:             # the order stands; the buyer may pay by other means
            order["payment"] = dict(payments.find(attempt.payment["no"]), reason=refusal.message)
    return order


def _expect(expected_minor: int | None, price: pricing.Price) -> None:
    if expected_minor is not None and expected_minor != price.payable_minor:
        raise Refusal(Code.PRICE_CHANGED, f"the price is {price.payable_minor}, not {expected_minor} (minor units)",
                      [{"path": "expected_payable_minor", "found": expected_minor, "expected": price.payable_minor}])


def write_order(ctx: SaleContext, claim_token: str, *, external_no: str = "", expires_in_s: float | None = None) -> dict[str, Any]:
    """Hooks place.check, place.hold and place.break_down around writing the order with its snapshot; sets `ctx.order`."""
    hooks(ctx, "place", "check", "hold", "break_down")
    return keep_order(ctx, claim_token, external_no, expires_in_s or ctx.scene.pay_within_s)


def keep_order(ctx: SaleContext, claim_token: str, external_no: str, expires_in_s: float) -> dict[str, Any]:
    """Stage the order's row, lines and snapshot; sets `ctx.order`. One that renews a contract says so in its snapshot."""
    scene, price, now = ctx.scene, ctx.price, ctx.now_ms
    ctx.order = {
        "no": ctx.subject_no, "scene_id": scene.id, "line_id": scene.line_id, "release_no": ctx.release_no,
        "terminal": scene.terminal, "method": scene.method, "buyer_id": ctx.buyer_id,
        "partner_id": ctx.partner.id if ctx.partner else "", "merchant_id": price.lines[0]["merchant"],
        "claim_hash": hashlib.sha256(claim_token.encode()).hexdigest() if claim_token else "", "state": "awaiting_payment",
        "currency": price.currency, "subtotal_minor": price.subtotal_minor, "payable_minor": price.payable_minor,
        "refunded_minor": 0, "quote_no": ctx.order["quote_no"], "external_no": external_no,
        "title": _title(ctx), "trace_id": trace.trace_id(), "created_at_ms": now,
        "expires_at_ms": now + int(expires_in_s * 1000), "paid_at_ms": None, "ended_at_ms": None,
        "updated_at_ms": now}
    orders.write(ctx.order, price.lines, {
        "facts": ctx.base, "price": price.result(), "fields": dict(ctx.fields), "contact": dict(ctx.contact),
        "lang": ctx.lang, "accounts": settling.accounts_of(ctx), **({"renewal": ctx.renewal} if ctx.renewal else {})},
                 f"scene {scene.id}")
    return ctx.order


def _title(ctx: SaleContext) -> str:
    first = ctx.price.lines[0]["title"].get(ctx.lang) or ctx.price.lines[0]["title"]["zh"]
    return first if len(ctx.price.lines) == 1 else f"{first} +{len(ctx.price.lines) - 1}"


def _told_before(order_no: str, items: Items | None, external_no: str, remember: Remember | None) -> dict[str, Any]:
    """The order that a shop's number already stands for; other goods under it are refused."""
    if items is not None and quoting.pieces(items) != {line["sku"]: line["quantity"] for line in orders.lines(order_no)}:
        raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the shop's number {external_no!r} was used for other goods",
                      [{"path": "external.no", "found": external_no}])
    order = dict(orders.find(order_no), claim_token="", payment=None, price=orders.sold(order_no)["price"])
    if remember:
        remember(order)
    return order


def _paid_elsewhere(ctx: SaleContext, order: dict[str, Any], external: Mapping[str, Any], inline: bool) -> None:
    if external.get("paid_minor") != order["payable_minor"]:
        raise Refusal(Code.PRICE_CHANGED, f"the shop says {external.get('paid_minor')} were paid, the price here is "
                                          f"{order['payable_minor']} (minor units)", [{"path": "external.paid_minor"}])
    payment = payments.create(order["no"], order["payable_minor"], order["currency"], kind="external",
                              ref=str(external["no"])[:64], state="succeeded", cause="paid elsewhere",
                              expires_at_ms=order["expires_at_ms"])
    settling.settle(ctx, payment, inline)


# ── pay ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

def pay(order_no: str, channel_id: str, client: Mapping[str, Any] | None = None,
        remember: Remember | None = None) -> dict[str, Any]:
    """One payment attempt through a channel: returns its row with `client`, what the buyer's terminal needs.

    A live attempt through the same channel is returned again; one through another channel is asked to close, and should
    both be paid in the end, the second is refunded. Refusals: ORDER_STATE, CHANNEL_NOT_ALLOWED, PAYMENT_IN_PROGRESS,
    CHANNEL_UNAVAILABLE. `remember` as in `place`, with the payment.
    """
    paying.clear_doubt(order_no, channel_id)
    with store.transaction(crash_point="pay.before_commit"):
        order = orders.find(order_no, lock=True)
        if order["state"] != "awaiting_payment" or order["expires_at_ms"] <= clock.now_ms():
            state = "expired" if order["state"] == "awaiting_payment" else order["state"]
            raise Refusal(Code.ORDER_STATE, f"order {order_no} is {state}: there is nothing to pay",
                          [{"path": "order.state", "found": state, "expected": "awaiting_payment"}])
        sold = orders.sold(order_no)
        facts = {**sold["facts"], **pricing.facts(quoting.price_of(sold["price"]))}
        scene = live.release(order["release_no"]).scene(order["scene_id"])
        earlier = paying.earlier_attempt(order_no, paying.channels_of(scene, channel_id))
        attempt = paying.Attempt(earlier, False, {}) if earlier else paying.begin(
            order, facts, scene, sold["contact"], {"channel": channel_id, "client": client or {}}, sold["price"]["lines"])
        if remember:
            remember(attempt.payment)
    return paying.call(attempt) if attempt.needs_call else attempt.payment


# ── the end of an unpaid order ───────────────────────────────────────────────────────────────────────────────────────

def close(order_no: str, cause: str) -> dict[str, Any]:
    """End an order nobody paid: free what it held, and tell its open attempts to close. Quiet when closed already.

    Money that comes in all the same is refunded; the order stays closed.
    """
    with store.transaction():
        order = orders.find(order_no, lock=True)
        if order["state"] != "closed":
            ctx = context_of_order(order)
            store.move(orders.ORDER, order_no, "closed", cause, row=order, ended_at_ms=clock.now_ms())
            hooks(ctx, "close", "release", "tell")
            for attempt in payments.live(order_no):
                outbox.stage("payment.close", attempt["no"], channel=attempt["channel_id"])
    return orders.find(order_no)


def expire(order_no: str) -> None:
    """The order's time to pay is over. Its open attempts are asked for first: the buyer may have paid, and only the notice
    be lost."""
    for attempt in payments.of_order(order_no):
        if attempt["state"] in payments.LIVE:
            try:
                settling.ask_payment(attempt["no"])
            except (Refusal, wire.WireError) as error:     # a channel that is gone or broken keeps no order open
                _log.error("payment %s can't be asked for before its order is closed: %s", attempt["no"], error,
                           extra={"order": order_no, "channel": attempt["channel_id"]})
    order = orders.find(order_no)
    if order["state"] == "awaiting_payment":
        if any(p["state"] == "unknown" for p in payments.of_order(order_no)):
            _log.warning("order %s is closed while a payment's outcome is unknown", order_no)
        try:
            close(order_no, "not paid in time")
        except Refusal as refusal:             # it was paid in this very moment, and so it is not closed
            if refusal.code is not Code.STATE_REFUSED:
                raise


# ── a guest becomes a buyer ──────────────────────────────────────────────────────────────────────────────────────────

def claim(order_no: str, claim_token: str, buyer_id: str) -> dict[str, Any]:
    """A guest's order, with its entitlements, becomes a registered buyer's. The same claim again is quiet."""
    with store.transaction():
        order = orders.find(order_no, lock=True)
        if not order["claim_hash"] or hashlib.sha256(claim_token.encode()).hexdigest() != order["claim_hash"]:
            raise Refusal(Code.CLAIM_TOKEN_INVALID, "the claim token is not this order's", [{"path": "claim_token"}])
        if buyers.find(buyer_id, lock=True) is None:       # two claims, or a claim and a payment: one after the other
            raise Refusal(Code.BUYER_UNKNOWN, f"the buyer {buyer_id} is not registered", [{"path": "buyer.id"}])
        if order["buyer_id"] and order["buyer_id"] != buyer_id:
            raise Refusal(Code.ORDER_ALREADY_CLAIMED, f"order {order_no} already belongs to a buyer")
        if not order["buyer_id"]:
            orders.bind(order_no, buyer_id)
            entitlements.bind(order_no, buyer_id)
            orders.add_detail(order_no, "claimed", {"buyer_id": buyer_id})
            if order["paid_at_ms"] is not None:
                buyers.count_paid_order(buyer_id)
    return orders.find(order_no)
