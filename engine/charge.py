"""Direct charge: a partner's prepaid order for one of its users. Three entries over the same steps.

    registered     the buyer is known: checked, drawn from the pool, delivered, in one transaction → charged
    unregistered   the buyer is not: checked and written → charging, until the buyer registers or its time is over
    retry          a charging order is tried again, by the partner, by a timer, or because the buyer registered

The partner's order number makes each charge one, whatever is repeated.
"""
from __future__ import annotations

import logging
from typing import Any, Mapping

import peewee

from . import quoting, sale, settling, store
from .base import clock, signal
from .base.errors import Code, Refusal
from .config.catalog import Partner
from .config.live import live
from .deliver import charges
from .deliver.charges import CHARGE
from .pay import payments
from .runs import context_of_order, hooks
from .steps.context import SaleContext
from .steps.partnering import amount_of
from .trade import buyers, orders

_log = logging.getLogger("salewright.charge")
Items = list[Mapping[str, Any]]


def charge_registered(partner: Partner, partner_order_no: str, scene_id: str, items: Items, buyer_id: str,
                      fields: Mapping[str, Any] | None = None, lang: str = "zh") -> dict[str, Any]:
    """Charge a registered buyer at once; returns the charge's row. Nothing is kept of a refused charge.

    Refusals: BUYER_UNKNOWN (use the unregistered entry), AGREEMENT_REFUSED, POOL_EXHAUSTED, PURCHASE_CAP_REACHED …
    """
    if buyers.find(buyer_id) is None:
        raise Refusal(Code.BUYER_UNKNOWN, f"the buyer {buyer_id} is not registered: use the entry for unregistered buyers",
                      [{"path": "buyer.id", "found": buyer_id}])
    return _once(partner, partner_order_no, items, lambda: _enter(
        partner, partner_order_no, scene_id, items, buyer_id, "", fields, lang))


def charge_unregistered(partner: Partner, partner_order_no: str, scene_id: str, items: Items, phone: str, buyer_id: str = "",
                        fields: Mapping[str, Any] | None = None, lang: str = "zh") -> dict[str, Any]:
    """Accept a charge for somebody who is not registered yet, known by phone (and by the id it will have, if given).

    The pool is drawn when the charge is delivered, not before. BUYER_REGISTERED when the buyer is known already.
    """
    known = buyers.find(buyer_id) or (buyers.by_phone(phone) if phone else None)
    if known is not None and charges.by_partner_order(partner.id, partner_order_no) is None:
        raise Refusal(Code.BUYER_REGISTERED, f"the buyer {known['id']} is registered: use the entry for registered buyers",
                      [{"path": "buyer", "found": known["id"]}])
    return _once(partner, partner_order_no, items, lambda: _enter(
        partner, partner_order_no, scene_id, items, buyer_id, phone, fields, lang))


def retry(partner: Partner, no: str) -> dict[str, Any]:
    """Try a charging charge again now, by our number or the partner's own; quiet when it is charged already."""
    charge = charges.find(partner.id, no)
    if charge["state"] == "charging":
        complete(charge["no"])
    return charges.find(partner.id, no)


def _once(partner: Partner, partner_order_no: str, items: Items, enter: Any) -> dict[str, Any]:
    """The partner's number stands for one charge: the same again gives it back, other goods under it are refused."""
    for attempt in (1, 2):
        earlier = charges.by_partner_order(partner.id, partner_order_no)
        if earlier is not None:
            sold = {line["sku"]: line["quantity"] for line in orders.lines(earlier["order_no"])}
            if sold != quoting.pieces(items):
                raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the order number {partner_order_no!r} was used for other goods",
                              [{"path": "partner_order_no", "found": partner_order_no}])
            return earlier
        try:
            return enter()
        except peewee.IntegrityError:          # a twin was faster; read what it left
            if attempt == 2:
                raise
    raise AssertionError("unreachable")


def _enter(partner: Partner, partner_order_no: str, scene_id: str, items: Items, buyer_id: str, phone: str,
           fields: Mapping[str, Any] | None, lang: str) -> dict[str, Any]:
    scene = live.catalog().scene(scene_id)
    if "pool" not in scene.tenders or scene_id not in partner.scenes:
        raise Refusal(Code.AGREEMENT_REFUSED, f"the agreement of {partner.id} does not cover the scene {scene_id}",
                      [{"path": "scene", "found": scene_id, "expected": ", ".join(sorted(partner.scenes))}])
    registered = not phone
    with store.transaction():
        ctx = quoting.inside(scene_id, items, buyer_id, {"phone": phone} if phone else {}, fields or {}, [], lang,
                                orders.new_no(), partner.id)
        sale.write_order(ctx, "", external_no=partner_order_no, expires_in_s=partner.retry_for_s)
        hooks(ctx, "charge", "check")
        now = ctx.now_ms
        row = {"no": charges.new_no(), "partner_id": partner.id, "partner_order_no": partner_order_no,
               "order_no": ctx.subject_no, "buyer_id": buyer_id, "phone": phone, "state": "charging",
               "amount": 0, "reason": None if registered else "the buyer is not registered yet", "tries": 0,
               "try_at_ms": None if registered else now + int(partner.retry_every_s * 1000),
               "give_up_at_ms": now + int(partner.retry_for_s * 1000), "created_at_ms": now, "updated_at_ms": now}
        charges.write(row, f"partner's {partner_order_no}")
        if registered:
            store.current().flush()
            _charge(ctx, row)
    return charges.find(partner.id, row["no"])


def _charge(ctx: SaleContext, charge: Mapping[str, Any]) -> None:
    """The shared steps: draw from the pool, settle the order with it, deliver and tell."""
    hooks(ctx, "charge", "draw")
    payment = payments.create(ctx.subject_no, ctx.price.payable_minor, ctx.price.currency, kind="pool",
                              ref=ctx.partner.pool.id, state="succeeded", cause="partner's pool",
                              expires_at_ms=ctx.order["expires_at_ms"])
    settling.settle(ctx, payment, flow="charge")
    store.move(CHARGE, charge["no"], "charged", "delivered", row=charge, amount=amount_of(ctx), reason=None, try_at_ms=None,
               buyer_id=ctx.buyer_id)
    signal.emit("charge.charged", partner=ctx.partner.id)


def complete(charge_no: str, buyer_id: str = "") -> str:
    """Try to finish a charging charge: when its buyer is registered, and the pool allows. Returns its state after."""
    try:
        with store.transaction():
            peek = store.one(charges.Charge, no=charge_no)
            order = orders.find(peek["order_no"], lock=True)
            charge = store.one(charges.Charge, no=charge_no, lock=True)
            if charge["state"] != "charging":
                return charge["state"]
            buyer = buyers.find(buyer_id or charge["buyer_id"]) or (buyers.by_phone(charge["phone"]) if charge["phone"] else None)
            if buyer is None:
                return _not_yet(charge, order, "the buyer is not registered yet")
            ctx = context_of_order(order)
            ctx.buyer_id, ctx.buyer = buyer["id"], buyer
            ctx.base = {**ctx.base, **buyers.facts(buyer["id"], buyer)}
            order["buyer_id"] = buyer["id"]
            orders.bind(order["no"], buyer["id"])
            hooks(ctx, "charge", "check")
            _charge(ctx, charge)
            return "charged"
    except Refusal as refusal:                 # the pool is empty, the cap is reached: rolled back, and tried again later
        with store.transaction():
            order = orders.find(peek["order_no"], lock=True)
            charge = store.one(charges.Charge, no=charge_no, lock=True)
            return _not_yet(charge, order, refusal.message) if charge["state"] == "charging" else charge["state"]


def _not_yet(charge: dict[str, Any], order: dict[str, Any], reason: str) -> str:
    now = clock.now_ms()
    if now >= charge["give_up_at_ms"]:
        store.move(CHARGE, charge["no"], "failed", "its time is over", row=charge, reason=reason, try_at_ms=None)
        ctx = context_of_order(order)
        store.move(orders.ORDER, order["no"], "closed", "charge failed", row=order, ended_at_ms=now)
        hooks(ctx, "close", "release", "tell")
        _log.warning("charge %s is given up: %s", charge["no"], reason)
        return "failed"
    every_s = live.release(order["release_no"]).partner(charge["partner_id"]).retry_every_s
    wait_ms = int(every_s * 1000 * min(2 ** charge["tries"], 64))
    charges.put_off(charge, min(now + wait_ms, charge["give_up_at_ms"]), reason)
    return "charging"


def buyer_registered(buyer_id: str, phone: str) -> list[str]:
    """A buyer has registered: charges that waited for it go on. Returns the numbers that were tried."""
    waiting = charges.waiting_for(buyer_id, phone)
    for charge in waiting:
        complete(charge["no"], buyer_id)
    return [charge["no"] for charge in waiting]
