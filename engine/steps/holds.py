"""Steps that hold and release what a sale depends on."""
from __future__ import annotations

from typing import Any, Mapping

from ..flow import journal
from ..trade import coupons, orders
from .checks import cap_reached
from .context import SaleContext
from .registry import step


@step("quote.hold", "write", undo="release_coupons")
def hold_coupons(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the coupons of the price until the quote ends. One that has run out meanwhile makes the quote be priced again
    without it."""
    ctx.gone = coupons.hold(ctx.subject_no, ctx.order["no"] if ctx.order else None, ctx.buyer_id, ctx.price.currency,
                            ctx.taken)
    return {"held": [] if ctx.gone else [coupon.id for coupon, _ in ctx.taken]}


@step("close.release", "write")
def release_coupons(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Coupons held by the order become free again."""
    return {"released": coupons.release("order closed", order_no=ctx.subject_no)}


@step("place.hold", "write", undo="release_purchase_cap")
def hold_purchase_cap(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Count the pieces towards the buyer's purchase cap, atomically; refuse the order when that would pass it."""
    counted: dict[str, int] = {}
    # Always in the same order, so that two orders of one buyer never wait for each other.
    for sku, quantity in sorted(ctx.chosen, key=lambda piece: piece[0].cap_key) if ctx.buyer_id else ():
        if sku.purchase_cap is None:
            continue
        if not orders.take_purchase_cap(ctx.buyer_id, sku.cap_key, quantity, sku.purchase_cap):
            raise cap_reached(sku, orders.purchased(ctx.buyer_id, sku.cap_key))
        counted[sku.cap_key] = counted.get(sku.cap_key, 0) + quantity
    return {"buyer": ctx.buyer_id, "counted": counted}


@step("close.release", "write")
def release_purchase_cap(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Pieces of an order that ends unpaid no longer count towards the buyer's cap: those that were counted, for whom they
    were (a guest's are not, also when the order was claimed since)."""
    freed: dict[str, int] = {}
    for entry in journal.of(ctx.subject_no, "place"):
        if entry["name"] == hold_purchase_cap.__name__ and entry["state"] == "done":
            for cap_key, pieces in entry["result"]["counted"].items():
                orders.free_purchase_cap(entry["result"]["buyer"], cap_key, pieces)
                freed[cap_key] = freed.get(cap_key, 0) + pieces
    return {"freed": freed}
