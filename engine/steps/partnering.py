"""Steps of a partner's direct charge."""
from __future__ import annotations

from typing import Any, Mapping

from .. import store
from ..base.errors import Code, Refusal
from ..base import money, signal
from ..config.live import live
from ..deliver import messages, pools
from .context import SaleContext
from .registry import step

_HELD_BEFORE = """SELECT 1 FROM trade_order o JOIN order_line l ON l.order_no = o.no
WHERE o.buyer_id = ? AND l.product_id = ? AND o.paid_at_ms IS NOT NULL AND o.no <> ? LIMIT 1"""
_CHARGED_BEFORE = """SELECT COALESCE(SUM(l.quantity), 0) FROM trade_order o JOIN order_line l ON l.order_no = o.no
WHERE o.buyer_id = ? AND o.partner_id = ? AND o.paid_at_ms IS NOT NULL AND o.no <> ?
  AND EXISTS (SELECT 1 FROM charge c WHERE c.order_no = o.no AND c.state <> 'returned')"""


@step("charge.check", "pure")
def agreement_covers(ctx: SaleContext, params: Mapping[str, Any]) -> None:
    """The partner's agreement must be in force, cover the scene, allow the buyer (new customers only, where that is its
    mode) and not pass its cap per buyer."""
    partner = ctx.partner
    if partner.valid_from_ms is not None and ctx.now_ms < partner.valid_from_ms or \
            partner.valid_until_ms is not None and ctx.now_ms >= partner.valid_until_ms:
        raise _refused(partner, "is not in force now")
    if ctx.scene.id not in partner.scenes:
        raise _refused(partner, f"does not cover the scene {ctx.scene.id}")
    if not ctx.buyer_id:
        return
    if partner.mode == "new_customer":
        for product in {sku.product_id for sku, _ in ctx.chosen}:
            if store.query(store.trade, _HELD_BEFORE, (ctx.buyer_id, product, ctx.subject_no)):
                raise _refused(partner, f"is for new customers, and the buyer already had {product}")
    if partner.per_buyer_cap is not None:
        earlier = store.query(store.trade, _CHARGED_BEFORE, (ctx.buyer_id, partner.id, ctx.subject_no))[0][0]
        if earlier + sum(quantity for _, quantity in ctx.chosen) > partner.per_buyer_cap:
            raise _refused(partner, f"allows a buyer {partner.per_buyer_cap} pieces, and this one was charged {earlier}")


def _refused(partner: Any, why: str) -> Refusal:
    return Refusal(Code.AGREEMENT_REFUSED, f"the agreement of {partner.id} {why}", [{"path": "partner", "found": partner.id}])


def amount_of(ctx: SaleContext) -> int:
    """What a charge draws, in the pool's unit."""
    unit = ctx.partner.pool.unit
    return ctx.price.payable_minor if unit == "money" else 1 if unit == "heads" else \
        sum(line["quantity"] for line in ctx.price.lines)


@step("charge.draw", "write", undo="return_to_pool")
def draw_pool(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Draw the charge from the partner's pool, never below its floor."""
    amount = amount_of(ctx)
    left = pools.draw(ctx.partner, amount, ctx.subject_no)
    mark = ctx.partner.pool.low_water
    if left < mark <= left + amount:           # draws of a pool come one after the other: one of them crosses the mark
        _tell_low(ctx, left, mark)
    return {"drawn": amount, "left": left, "low": left < mark}


def _tell_low(ctx: SaleContext, left: int, mark: int) -> None:
    """The pool has gone below its low-water mark: a message to the contact of each partner that shares it, as the live
    release has them; a contact that several of them name gets one."""
    catalog, pool = live.catalog(), ctx.partner.pool
    signal.emit("pool.low", partner=ctx.partner.id)
    shown = [money.format_major(n, pool.currency) if pool.unit == "money" else str(n) for n in (left, mark)]
    told = set()
    for partner in catalog.sharing(pool.id) or [ctx.partner]:
        if partner.low_water is None or partner.low_water in told:
            continue
        told.add(partner.low_water)
        template, lang = catalog.messages[partner.low_water.template], partner.low_water.lang
        text = messages.render(template["text"][lang], {
            "partner.title": partner.title[lang], "pool.balance": shown[0], "pool.low_water": shown[1], "currency": pool.currency})
        messages.queue(ctx.subject_no, partner.low_water.template, template["channel"], partner.low_water.to, text)


@step("charge.draw", "write")
def return_to_pool(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return to the pool what the charge drew."""
    amount = amount_of(ctx)
    return {"returned": amount, "left": pools.give_back(ctx.partner, amount, ctx.subject_no)}
