"""Steps that make the price. `list_price` (or `partner_price`) comes first, then what lowers it."""
from __future__ import annotations

from typing import Any, Mapping

from ..base import money
from ..base.errors import Code, Refusal
from ..trade import coupons as coupon_room
from ..trade import pricing
from .checks import _TITLE
from .context import SaleContext
from .registry import step

_AMOUNT = {"type": ["string", "number"], "format": "money"}


@step("quote.price", "pure", makes_lines=True)
def list_price(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Every line at the list price of its SKU."""
    pricing.list_price(ctx.price, ctx.chosen)
    return {"subtotal_minor": ctx.price.subtotal_minor}


@step("quote.price", "pure", makes_lines=True)
def partner_price(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Every line at the price agreed with the partner."""
    if ctx.partner is None:
        raise Refusal(Code.AGREEMENT_REFUSED, f"the scene {ctx.scene.id} has no partner, so there is no agreed price")
    pricing.agreed_price(ctx.price, ctx.chosen, ctx.partner.prices)
    return {"subtotal_minor": ctx.price.subtotal_minor}


@step("quote.price", "pure", required=("label",), params={
    "percent": {"type": "number", "exclusiveMinimum": 0, "maximum": 100}, "amount": _AMOUNT, "label": _TITLE})
def adjust(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Lower the price of everything by a percentage or an amount, under a label of its own (not a coupon)."""
    if "percent" in params:
        amount_minor = money.percent_of(ctx.price.payable_minor, params["percent"])
    else:
        amount_minor = params.get("amount", 0)
    taken = ctx.price.discount("adjustment", "adjust", params["label"], amount_minor, [line["n"] for line in ctx.price.lines])
    return {"amount_minor": taken}


@step("quote.price", "pure")
def coupons(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Lower the price by every coupon that may apply, and note why each other one does not."""
    ctx.taken = coupon_room.apply(ctx.price, ctx.scene, ctx.facts(), ctx.now_ms, ctx.buyer_id, ctx.wanted_coupons,
                                  ctx.excluded)
    return {"applied": {coupon.id: amount for coupon, amount in ctx.taken}}
