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
from typing import Any, Callable, Mapping, NamedTuple

from . import settling, store, wire
from .base import clock, crash, ids, signal, trace
from .base.errors import Code, Refusal
from .config.catalog import Catalog, Scene
from .config.live import live
from .deliver import entitlements
from .flow import outbox
from .pay import channels, payments
from .runs import STEPS, context_of_order, hooks
from .steps.context import SaleContext, base_facts
from .trade import buyers, coupons, orders, pricing, quotes

_log = logging.getLogger("salewright.sale")
Items = list[Mapping[str, Any]]
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
        ctx = _price(catalog, scene, items, buyer_id, contact or {}, fields or {}, wanted_coupons, partner_id, lang)
        return _keep_quote(ctx, items, "open", None)


def _price(catalog: Catalog, scene: Scene, items: Items, buyer_id: str, contact: Mapping[str, str], fields: Mapping[str, Any],
           wanted_coupons: list[str] | None, partner_id: str, lang: str, order_no: str | None = None) -> SaleContext:
    """Hooks quote.check, quote.price and quote.hold; again without a coupon that ran out between price and hold."""
    problems = scene.check_fields(fields)
    if problems:
        raise Refusal(Code.FIELD_INVALID, "the scene's fields are not as it declares them", problems)
    partner = catalog.partner(partner_id or scene.partner_id) if partner_id or scene.partner_id else None
    ctx = SaleContext(ids.new_no("Q"), catalog, scene, buyer_id, partner)
    ctx.chosen, ctx.contact, ctx.fields, ctx.lang = pricing.wanted(scene, items), contact, fields, lang
    ctx.wanted_coupons, ctx.own_journal = wanted_coupons, []
    ctx.order = {"no": order_no} if order_no else None
    ctx.base = base_facts(scene, buyer_id, ctx.buyer, contact, fields, partner, ctx.now_ms)
    while True:
        hooks(ctx, "quote", "check", "price", "hold")
        if ctx.gone is None:
            return ctx
        coupon_id, reason = ctx.gone
        ctx.excluded[coupon_id], ctx.gone, ctx.own_journal = reason, None, []
        ctx.price.clear()


def _keep_quote(ctx: SaleContext, items: Items, state: str, order_no: str | None) -> dict[str, Any]:
    now = ctx.now_ms
    row = {"no": ctx.subject_no, "scene_id": ctx.scene.id, "release_no": ctx.release_no, "buyer_id": ctx.buyer_id,
           "partner_id": ctx.partner.id if ctx.partner else "", "state": state, "currency": ctx.price.currency,
           "payable_minor": ctx.price.payable_minor, "items": [dict(i) for i in items], "fields": dict(ctx.fields),
           "contact": dict(ctx.contact), "wanted": ctx.wanted_coupons, "excluded": ctx.excluded, "facts": ctx.base, "result": ctx.price.result(),
           "steps": ctx.own_journal, "order_no": order_no, "expires_at_ms": now + int(ctx.scene.quote_ttl_s * 1000),
           "created_at_ms": now, "updated_at_ms": now}
    store.current().later(quotes.Quote, row)
    return row


def payable_channels(scene: Scene, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The channels this sale could be paid through now, in the scene's order: {id, title}."""
    return [{"id": c.channel_id, "title": dict(c.title)} for c in scene.channels
            if c.when is None or c.when({**facts, "channel.id": c.channel_id})]


# ── place ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def place(scene_id: str, *, quote_no: str = "", items: Items | None = None, buyer_id: str = "",
          contact: Mapping[str, str] | None = None, fields: Mapping[str, Any] | None = None,
          wanted_coupons: list[str] | None = None, lang: str = "zh", expected_payable_minor: int | None = None,
          external: Mapping[str, Any] | None = None, pay_by: Mapping[str, Any] | None = None,
          remember: Remember | None = None) -> dict[str, Any]:
    """The generic order: from a quote, or from items (then it is quoted in the same transaction). Returns the order's row,
    with its `price`, `claim_token` for a guest and `payment` when it was asked for.

    external   {"no", "paid_minor"} of a shop order that was paid elsewhere, where the scene's tender says so; the same
               number again gives the order it stands for
    pay_by     {"channel", "client": {…}}: make the first payment attempt with the order
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
        ctx = (_adopt_quote(scene_id, quote_no, buyer_id, items, order_no) if quote_no else
               quote_inside(scene_id, items or [], buyer_id, contact or {}, fields or {}, wanted_coupons, lang, order_no))
        _expect(expected_payable_minor, ctx.price)
        ctx.contact, ctx.lang = contact or ctx.contact, lang
        order = write_order(ctx, claim_token, external_no=(external or {}).get("no", ""))
        if external:
            _paid_elsewhere(ctx, order, external)
        elif order["payable_minor"] == 0:
            settling.settle_free(ctx)
        attempt = _begin_attempt(ctx.order, ctx.facts(), ctx.scene, ctx.contact, pay_by) \
            if pay_by and ctx.order["state"] == "awaiting_payment" else None
        order = dict(ctx.order, claim_token=claim_token, payment=attempt.payment if attempt else None,
                     price=ctx.price.result())
        if remember:
            remember(order)
    crash.point("place.after_commit")
    signal.emit("order.placed", scene=scene_id)
    if attempt and attempt.needs_call:
        try:
            order["payment"] = _call_attempt(attempt)
        except Refusal as refusal:             # the order stands; the buyer may pay by other means
            order["payment"] = dict(payments.find(attempt.payment["no"]), reason=refusal.message)
    return order


def _adopt_quote(scene_id: str, quote_no: str, buyer_id: str, items: Items | None, order_no: str,
                 partner_id: str = "") -> SaleContext:
    """The sale as it was quoted, under the quote's release and at its price."""
    row = quotes.lock_open(quote_no, buyer_id, partner_id)
    if row["scene_id"] != scene_id:
        raise Refusal(Code.QUOTE_MISMATCH, f"the quote is of the scene {row['scene_id']}",
                      [{"path": "scene", "found": scene_id, "expected": row["scene_id"]}])
    if items is not None and pieces(items) != pieces(row["items"]):
        raise Refusal(Code.QUOTE_MISMATCH, "the items are not the quote's; leave them out or ask for a new quote",
                      [{"path": "items"}])
    catalog = live.release(row["release_no"])
    scene = catalog.scene(scene_id)
    partner = catalog.partner(row["partner_id"]) if row["partner_id"] else None
    buyer_id = buyer_id or row["buyer_id"]
    ctx = SaleContext(order_no, catalog, scene, buyer_id, partner)
    ctx.chosen, ctx.fields, ctx.base = pricing.wanted(scene, row["items"]), row["fields"], row["facts"]
    ctx.contact, ctx.price = row["contact"], _price_of(row["result"])
    ctx.order = {"quote_no": quote_no}
    quotes.adopt(row, order_no)
    return ctx


def quote_inside(scene_id: str, items: Items, buyer_id: str, contact: Mapping[str, str], fields: Mapping[str, Any],
                 wanted_coupons: list[str] | None, lang: str, order_no: str, partner_id: str = "") -> SaleContext:
    """An order without a quote is quoted in its own transaction: one path for every price."""
    catalog = live.catalog()
    ctx = _price(catalog, catalog.scene(scene_id), items, buyer_id, contact, fields, wanted_coupons, partner_id, lang, order_no)
    row = _keep_quote(ctx, items, "adopted", order_no)
    ctx.subject_no, ctx.own_journal, ctx.order = order_no, None, {"quote_no": row["no"]}
    return ctx


def pieces(items: Items) -> dict[str, int]:
    """{"product/sku": quantity} of a list of items."""
    found: dict[str, int] = {}
    for item in items:
        found[item["sku"]] = found.get(item["sku"], 0) + item.get("quantity", 1)
    return found


def _price_of(result: Mapping[str, Any]) -> pricing.Price:
    return pricing.Price(result["currency"], result["lines"], result["discounts"], result["not_applied"])


def _expect(expected_minor: int | None, price: pricing.Price) -> None:
    if expected_minor is not None and expected_minor != price.payable_minor:
        raise Refusal(Code.PRICE_CHANGED, f"the price is {price.payable_minor}, not {expected_minor} (minor units)",
                      [{"path": "expected_payable_minor", "found": expected_minor, "expected": price.payable_minor}])


def write_order(ctx: SaleContext, claim_token: str, *, external_no: str = "", expires_in_s: float | None = None) -> dict[str, Any]:
    """Hooks place.check, place.hold and place.break_down around writing the order with its snapshot; sets `ctx.order`."""
    hooks(ctx, "place", "check", "hold", "break_down")
    scene, price, now = ctx.scene, ctx.price, ctx.now_ms
    ctx.order = {
        "no": ctx.subject_no, "scene_id": scene.id, "line_id": scene.line_id, "release_no": ctx.release_no,
        "terminal": scene.terminal, "method": scene.method, "buyer_id": ctx.buyer_id,
        "partner_id": ctx.partner.id if ctx.partner else "", "merchant_id": price.lines[0]["merchant"],
        "claim_hash": hashlib.sha256(claim_token.encode()).hexdigest() if claim_token else "", "state": "awaiting_payment",
        "currency": price.currency, "subtotal_minor": price.subtotal_minor, "payable_minor": price.payable_minor,
        "refunded_minor": 0, "quote_no": ctx.order["quote_no"], "external_no": external_no,
        "title": _title(ctx), "trace_id": trace.trace_id(), "created_at_ms": now,
        "expires_at_ms": now + int((expires_in_s or scene.pay_within_s) * 1000), "paid_at_ms": None, "ended_at_ms": None,
        "updated_at_ms": now}
    orders.write(ctx.order, price.lines, {
        "facts": ctx.base, "price": price.result(), "fields": dict(ctx.fields), "contact": dict(ctx.contact),
        "lang": ctx.lang, "accounts": settling.accounts_of(ctx)}, f"scene {scene.id}")
    return ctx.order


def _title(ctx: SaleContext) -> str:
    first = ctx.price.lines[0]["title"].get(ctx.lang) or ctx.price.lines[0]["title"]["zh"]
    return first if len(ctx.price.lines) == 1 else f"{first} +{len(ctx.price.lines) - 1}"


def _told_before(order_no: str, items: Items | None, external_no: str, remember: Remember | None) -> dict[str, Any]:
    """The order that a shop's number already stands for; other goods under it are refused."""
    if items is not None and pieces(items) != {line["sku"]: line["quantity"] for line in orders.lines(order_no)}:
        raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the shop's number {external_no!r} was used for other goods",
                      [{"path": "external.no", "found": external_no}])
    order = dict(orders.find(order_no), claim_token="", payment=None, price=orders.sold(order_no)["price"])
    if remember:
        remember(order)
    return order


def _paid_elsewhere(ctx: SaleContext, order: dict[str, Any], external: Mapping[str, Any]) -> None:
    if external.get("paid_minor") != order["payable_minor"]:
        raise Refusal(Code.PRICE_CHANGED, f"the shop says {external.get('paid_minor')} were paid, the price here is "
                                          f"{order['payable_minor']} (minor units)", [{"path": "external.paid_minor"}])
    payment = payments.create(order["no"], order["payable_minor"], order["currency"], kind="external",
                              ref=str(external["no"])[:64], state="succeeded", cause="paid elsewhere",
                              expires_at_ms=order["expires_at_ms"])
    settling.settle(ctx, payment)


# ── pay ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

class Attempt(NamedTuple):
    """A payment attempt whose intent is in the open transaction."""
    payment: dict[str, Any]
    needs_call: bool
    facts: dict[str, Any]


def pay(order_no: str, channel_id: str, client: Mapping[str, Any] | None = None,
        remember: Remember | None = None) -> dict[str, Any]:
    """One payment attempt through a channel: returns its row with `client`, what the buyer's terminal needs.

    A live attempt through the same channel is returned again; one through another channel is asked to close, and should
    both be paid in the end, the second is refunded. Refusals: ORDER_STATE, CHANNEL_NOT_ALLOWED, PAYMENT_IN_PROGRESS,
    CHANNEL_UNAVAILABLE. `remember` as in `place`, with the payment.
    """
    with store.transaction(crash_point="pay.before_commit"):
        order = orders.find(order_no, lock=True)
        if order["state"] != "awaiting_payment" or order["expires_at_ms"] <= clock.now_ms():
            state = "expired" if order["state"] == "awaiting_payment" else order["state"]
            raise Refusal(Code.ORDER_STATE, f"order {order_no} is {state}: there is nothing to pay",
                          [{"path": "order.state", "found": state, "expected": "awaiting_payment"}])
        sold = orders.sold(order_no)
        facts = {**sold["facts"], **pricing.facts(_price_of(sold["price"]))}
        scene = live.release(order["release_no"]).scene(order["scene_id"])
        earlier = _earlier_attempt(order_no, channel_id)
        attempt = Attempt(earlier, False, {}) if earlier else _begin_attempt(
            order, facts, scene, sold["contact"], {"channel": channel_id, "client": client or {}})
        if remember:
            remember(attempt.payment)
    return _call_attempt(attempt) if attempt.needs_call else attempt.payment


def _begin_attempt(order: Mapping[str, Any], facts: Mapping[str, Any], scene: Scene, contact: Mapping[str, str],
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


def _call_attempt(attempt: Attempt) -> dict[str, Any]:
    crash.point("pay.intent_committed")
    outcome = wire.operate(channels.get(attempt.payment["channel_id"]), "pay", attempt.facts)
    crash.point("pay.called")
    return _attempted(attempt.payment["no"], outcome)


def _earlier_attempt(order_no: str, channel_id: str) -> dict[str, Any] | None:
    """The order's live attempt to go on with, if any; attempts through other channels are told to close."""
    for attempt in payments.live(order_no):
        if attempt["channel_id"] != channel_id:
            outbox.stage("payment.close", attempt["no"], channel=attempt["channel_id"])
        elif attempt["state"] == "pending" and attempt["client"] is not None:
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
            settling.ask_payment(attempt["no"])
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
        if buyers.find(buyer_id) is None:
            raise Refusal(Code.BUYER_UNKNOWN, f"the buyer {buyer_id} is not registered", [{"path": "buyer.id"}])
        if order["buyer_id"] and order["buyer_id"] != buyer_id:
            raise Refusal(Code.ORDER_ALREADY_CLAIMED, f"order {order_no} already belongs to a buyer")
        if not order["buyer_id"]:
            store.update(orders.TradeOrder, {"buyer_id": buyer_id, "updated_at_ms": clock.now_ms()}, no=order_no)
            entitlements.bind(order_no, buyer_id)
            orders.add_detail(order_no, "claimed", {"buyer_id": buyer_id})
            if order["paid_at_ms"] is not None:
                buyers.count_paid_order(buyer_id)
    return orders.find(order_no)
