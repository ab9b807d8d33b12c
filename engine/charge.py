"""Direct charge: a partner's prepaid order for one of its users. Three entries over the same steps.

    registered     the buyer is known: checked, drawn from the pool, delivered, in one transaction → charged
    unregistered   the buyer is not: checked and written → charging, until the buyer registers or its time is over
    retry          a charging order is tried again, by the partner, by a timer, or because the buyer registered

The partner's order number makes each charge one, whatever is repeated.
"""
from __future__ import annotations

import logging
from typing import Any, Callable, Mapping, TypeVar

import peewee

from . import quoting, sale, settling, store
from .base import clock, signal
from .base.errors import Code, Refusal
from .config.catalog import Partner
from .config.live import live
from .deliver import charges
from .deliver.charges import CHARGE
from .flow.step import StepError
from .pay import payments
from .reporting import report_charge
from .runs import context_of_order, hooks
from .steps.context import SaleContext
from .steps.partnering import amount_of
from .trade import buyers, orders

T = TypeVar("T")
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
    return _once(partner, partner_order_no, scene_id, items, (buyer_id, ""), lambda inline: _enter(
        partner, partner_order_no, scene_id, items, (buyer_id, ""), True, fields or {}, lang, inline))


def charge_unregistered(partner: Partner, partner_order_no: str, scene_id: str, items: Items, phone: str, buyer_id: str = "",
                        fields: Mapping[str, Any] | None = None, lang: str = "zh") -> dict[str, Any]:
    """Accept a charge for somebody who is not registered yet, known by phone (and by the id it will have, if given).

    The pool is drawn when the charge is delivered, not before. BUYER_REGISTERED when the buyer is known already.
    """
    known = buyers.find(buyer_id) or (buyers.by_phone(phone) if phone else None)
    if known is not None and charges.by_partner_order(partner.id, partner_order_no) is None:
        raise Refusal(Code.BUYER_REGISTERED, f"the buyer {known['id']} is registered: use the entry for registered buyers",
                      [{"path": "buyer", "found": known["id"]}])
    return _once(partner, partner_order_no, scene_id, items, (buyer_id, phone), lambda inline: _enter(
        partner, partner_order_no, scene_id, items, (buyer_id, phone), False, fields or {}, lang, inline))


def retry(partner: Partner, no: str) -> dict[str, Any]:
    """Try a charging charge again now, by our number or the partner's own; quiet when it is charged already."""
    charge = charges.find(partner.id, no)
    if charge["state"] == "charging":
        complete(charge["no"])
    return charges.find(partner.id, no)


def _once(partner: Partner, partner_order_no: str, scene_id: str, items: Items, who: tuple[str, str],
          enter: Callable[[bool], dict[str, Any]]) -> dict[str, Any]:
    """The partner's number stands for one charge: the same again gives it back; other goods, another scene, or another buyer
    (id or phone) under it are refused."""
    earlier = charges.by_partner_order(partner.id, partner_order_no)
    if earlier is None:
        try:
            return _settled(enter)
        except (peewee.IntegrityError, Refusal):           # a twin was faster, and perhaps took the last of something
            earlier = charges.by_partner_order(partner.id, partner_order_no)
            if earlier is None:
                raise
    sold = {line["sku"]: line["quantity"] for line in orders.lines(earlier["order_no"])}
    phone = earlier["phone"] or (buyers.find(earlier["buyer_id"]) or {}).get("phone", "")
    for differs, what in ((sold != quoting.pieces(items), "other goods"),
                          (orders.find(earlier["order_no"])["scene_id"] != scene_id, "another scene"),
                          (any(given and known and given != known for given, known in
                               zip(who, (earlier["buyer_id"], phone))), "another buyer")):
        if differs:
            raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the order number {partner_order_no!r} was used for {what}",
                          [{"path": "partner_order_no", "found": partner_order_no}])
    return earlier


def _settled(work: Callable[[bool], T]) -> T:
    """Run a transaction that charges, `work(inline)`. When what is delivered fails in it, the charge is made all the same
    and the delivering left to a worker, as after a payment."""
    try:
        return store.retrying(lambda: work(True))
    except StepError as stop:
        _log.warning("delivering a charge failed inside its transaction: %s", stop.cause, exc_info=True)
        return store.retrying(lambda: work(False))


def _enter(partner: Partner, partner_order_no: str, scene_id: str, items: Items, whom: tuple[str, str], registered: bool,
           fields: Mapping[str, Any], lang: str, inline: bool) -> dict[str, Any]:
    """Check and write a charge for `whom` (buyer id, phone); of a registered buyer it is charged at once. Nothing is held
    for somebody who is not registered: whether the agreement allows it is seen when it is charged."""
    scene = live.catalog().scene(scene_id)
    if "pool" not in scene.tenders or scene_id not in partner.scenes:
        raise Refusal(Code.AGREEMENT_REFUSED, f"the agreement of {partner.id} does not cover the scene {scene_id}",
                      [{"path": "scene", "found": scene_id, "expected": ", ".join(sorted(partner.scenes))}])
    with store.transaction():
        ctx = quoting.inside(scene_id, items, whom[0] if registered else "", {"phone": whom[1]} if whom[1] else {}, fields,
                             [], lang, orders.new_no(), partner.id)
        if registered:
            ctx.lock_buyer()                   # two charges of one buyer are counted one after the other
        hooks(ctx, "charge", "check")
        sale.write_order(ctx, "", external_no=partner_order_no, expires_in_s=partner.retry_for_s)
        now = ctx.now_ms
        row = {"no": charges.new_no(), "partner_id": partner.id, "partner_order_no": partner_order_no,
               "order_no": ctx.subject_no, "buyer_id": whom[0], "phone": whom[1], "state": "charging",
               "amount": 0, "reason": None if registered else "the buyer is not registered yet", "tries": 0,
               "try_at_ms": None if registered else now + int(partner.retry_every_s * 1000),
               "give_up_at_ms": now + int(partner.retry_for_s * 1000), "created_at_ms": now, "updated_at_ms": now}
        charges.write(row, f"partner's {partner_order_no}")
        if registered:
            store.current().flush()
            _charge(ctx, row, inline)
    return charges.find(partner.id, row["no"])


def _charge(ctx: SaleContext, charge: Mapping[str, Any], inline: bool) -> None:
    """The shared steps: draw from the pool, settle the order with it, deliver and tell."""
    hooks(ctx, "charge", "draw")
    payment = payments.create(ctx.subject_no, ctx.price.payable_minor, ctx.price.currency, kind="pool",
                              ref=ctx.partner.pool.id, state="succeeded", cause="partner's pool",
                              expires_at_ms=ctx.order["expires_at_ms"])
    settling.settle(ctx, payment, inline, flow="charge")
    store.move(CHARGE, charge["no"], "charged", "delivered" if inline else "to be delivered", row=charge,
               amount=amount_of(ctx), reason=None, try_at_ms=None, buyer_id=ctx.buyer_id)
    report_charge({**charge, "amount": amount_of(ctx), "buyer_id": ctx.buyer_id}, ctx.order, "charged")
    signal.emit("charge.charged", partner=ctx.partner.id)


def complete(charge_no: str, buyer_id: str = "") -> str:
    """Try to finish a charging charge: when its buyer is registered, and the pool allows. Returns its state after."""
    try:
        return _settled(lambda inline: _complete(charge_no, buyer_id, inline))
    except Refusal as refusal:                 # the pool is empty, the cap is reached: rolled back, and tried again later
        with store.transaction():
            order, charge = _locked(charge_no)
            return _not_yet(charge, order, refusal.message) if charge["state"] == "charging" else charge["state"]


def _locked(charge_no: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(order, charge) of a charge, both locked."""
    order = orders.find(store.one(charges.Charge, no=charge_no)["order_no"], lock=True)
    return order, store.one(charges.Charge, no=charge_no, lock=True)


def _complete(charge_no: str, buyer_id: str, inline: bool) -> str:
    with store.transaction():
        order, charge = _locked(charge_no)
        if charge["state"] != "charging":
            return charge["state"]
        buyer = buyers.find(buyer_id or charge["buyer_id"]) or (buyers.by_phone(charge["phone"]) if charge["phone"] else None)
        if buyer is None:
            return _not_yet(charge, order, "the buyer is not registered yet")
        order["buyer_id"] = buyer["id"]
        orders.bind(order["no"], buyer["id"])
        ctx = context_of_order(order)
        ctx.lock_buyer()
        ctx.base = {**ctx.base, **buyers.facts(buyer["id"], ctx.buyer)}
        hooks(ctx, "charge", "check")
        hooks(ctx, "place", "hold")            # what could not be held while nobody knew for whom
        _charge(ctx, charge, inline)
        return "charged"


def _not_yet(charge: dict[str, Any], order: dict[str, Any], reason: str) -> str:
    now = clock.now_ms()
    if now >= charge["give_up_at_ms"] or order["state"] == "closed":
        store.move(CHARGE, charge["no"], "failed", "its time is over", row=charge, reason=reason, try_at_ms=None)
        ctx = context_of_order(order)
        if store.move(orders.ORDER, order["no"], "closed", "charge failed", row=order, ended_at_ms=now):
            hooks(ctx, "close", "release", "tell")
        report_charge(charge, order, "failed", reason)
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
