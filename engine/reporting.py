"""What we report by ourselves: a charge's result to its partner, a delivery to the shop that sold it, a low pool to whom it
concerns. Whom to tell, and how, is looked up in the live release: an address that was mended holds for old orders too.
"""
from __future__ import annotations

from typing import Any, Mapping

from . import store
from .base import clock
from .config.live import live
from .deliver import outgoing
from .steps.context import SaleContext
from .trade import orders


def report_charge(charge: Mapping[str, Any], order: Mapping[str, Any], event: str, reason: str = "") -> None:
    """Stage the notice that a charge was charged, failed or returned, where its partner wants to be told."""
    partner = live.catalog().partners.get(charge["partner_id"])
    if partner is None or partner.results is None:
        return
    if store.current().staged(orders.OrderLine):
        store.current().flush()
    goods = ",".join(f"{line['sku']}*{line['quantity']}" for line in orders.lines(order["no"]))
    outgoing.stage(partner.results, "notify", partner.id, order["no"], event, {
        "partner.id": partner.id, "order.no": order["no"], "charge.no": charge["no"],
        "charge.partner_order_no": charge["partner_order_no"], "charge.state": event, "charge.reason": reason,
        "charge.amount_minor": order["payable_minor"], "charge.currency": order["currency"],
        "charge.drawn": charge["amount"], "charge.items": goods, "charge.account": charge["phone"] or charge["buyer_id"]})


def report_delivery(ctx: SaleContext) -> None:
    """Stage the notice that an order of an outside shop is delivered. A guest's claim token goes with it, if it is known."""
    scene = live.catalog().scenes.get(ctx.scene.id)
    shop = scene.shop if scene else None
    if shop is None or not ctx.order["external_no"]:
        return
    theirs = {sku: item for item, sku in shop.items.items()}
    bought = [(theirs.get(line["sku"], ""), line["quantity"]) for line in ctx.price.lines]
    outgoing.stage(shop.reporting, "deliver", ctx.scene.id, ctx.subject_no, "delivered", {
        "shop.order_no": ctx.order["external_no"], "order.no": ctx.subject_no, "order.title": ctx.order["title"],
        "shop.item": bought[0][0], "shop.items": ",".join(f"{item}*{quantity}" for item, quantity in bought),
        "delivery.at_ms": clock.now_ms(), "delivery.code": ctx.claim_token})
