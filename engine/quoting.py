"""Quoting: the scene's price for some items, with what it depends on held; and an order's way back to its quote."""
from __future__ import annotations

from typing import Any, Mapping

from .base import ids
from .base.errors import Code, Refusal
from .config.catalog import Catalog, Offer, Scene
from .config.live import live
from .pay import routing
from .runs import hooks
from .steps.context import SaleContext, base_facts
from .trade import pricing, quotes

Items = list[Mapping[str, Any]]


def price(catalog: Catalog, scene: Scene, items: Items, buyer_id: str, contact: Mapping[str, str],
          fields: Mapping[str, Any], wanted_coupons: list[str] | None, partner_id: str, lang: str,
          order_no: str | None = None) -> SaleContext:
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


def keep(ctx: SaleContext, items: Items, state: str, order_no: str | None) -> dict[str, Any]:
    """Write the quote in the open transaction; returns its row."""
    now = ctx.now_ms
    row = {"no": ctx.subject_no, "scene_id": ctx.scene.id, "release_no": ctx.release_no, "buyer_id": ctx.buyer_id,
           "partner_id": ctx.partner.id if ctx.partner else "", "state": state, "currency": ctx.price.currency,
           "payable_minor": ctx.price.payable_minor, "items": [dict(i) for i in items], "fields": dict(ctx.fields),
           "contact": dict(ctx.contact), "wanted": ctx.wanted_coupons, "excluded": ctx.excluded, "facts": ctx.base,
           "result": ctx.price.result(), "steps": ctx.own_journal, "order_no": order_no,
           "expires_at_ms": now + int(ctx.scene.quote_ttl_s * 1000), "created_at_ms": now, "updated_at_ms": now}
    quotes.write(row)
    return row


def adopt(scene: Scene, quote_no: str, buyer_id: str, items: Items | None, order_no: str,
          fields: Mapping[str, Any] | None = None, wanted_coupons: list[str] | None = None) -> SaleContext:
    """The sale as it was quoted, under the quote's release and at its price. `scene` is the live one that was asked for.

    QUOTE_MISMATCH when the order asks for something else than the quote was made for: it would not get it.
    """
    row = quotes.lock_open(quote_no, buyer_id)
    if row["scene_id"] != scene.id:
        raise Refusal(Code.QUOTE_MISMATCH, f"the quote is of the scene {row['scene_id']}",
                      [{"path": "scene", "found": scene.id, "expected": row["scene_id"]}])
    for name, asked, quoted in (("items", items and pieces(items), pieces(row["items"])), ("fields", fields, row["fields"]),
                                ("coupons", wanted_coupons, row["wanted"])):
        if asked is not None and asked != quoted:
            raise Refusal(Code.QUOTE_MISMATCH, f"the {name} are not the quote's; leave them out or ask for a new quote",
                          [{"path": name}])
    catalog = live.release(row["release_no"])
    scene = catalog.scene(scene.id)
    partner = catalog.partner(row["partner_id"]) if row["partner_id"] else None
    buyer_id = buyer_id or row["buyer_id"]
    ctx = SaleContext(order_no, catalog, scene, buyer_id, partner)
    ctx.chosen, ctx.fields, ctx.base = pricing.wanted(scene, row["items"]), row["fields"], row["facts"]
    ctx.contact, ctx.price = row["contact"], price_of(row["result"])
    ctx.order = {"quote_no": quote_no}
    quotes.adopt(row, order_no)
    return ctx


def inside(scene_id: str, items: Items, buyer_id: str, contact: Mapping[str, str], fields: Mapping[str, Any],
           wanted_coupons: list[str] | None, lang: str, order_no: str, partner_id: str = "") -> SaleContext:
    """An order without a quote is quoted in its own transaction: one path for every price."""
    catalog = live.catalog()
    ctx = price(catalog, catalog.scene(scene_id), items, buyer_id, contact, fields, wanted_coupons, partner_id, lang, order_no)
    row = keep(ctx, items, "adopted", order_no)
    ctx.subject_no, ctx.own_journal, ctx.order = order_no, None, {"quote_no": row["no"]}
    return ctx


def pieces(items: Items) -> dict[str, int]:
    """{"product/sku": quantity} of a list of items."""
    found: dict[str, int] = {}
    for item in items:
        found[item["sku"]] = found.get(item["sku"], 0) + item.get("quantity", 1)
    return found


def price_of(result: Mapping[str, Any]) -> pricing.Price:
    """The price that a quote or an order's snapshot keeps."""
    return pricing.Price(result["currency"], result["lines"], result["discounts"], result["not_applied"])


def payable_channels(scene: Scene, facts: Mapping[str, Any], documents: Mapping[str, Any]) -> list[Offer]:
    """What this sale could be paid by, channels and routes in the scene's order. `documents`: the channels' files."""
    return [offer for offer in scene.channels if routing.offered(offer, facts, documents)]


def payable_now(scene: Scene, facts: Mapping[str, Any]) -> list[Offer]:
    """The same of the live channels, without those that do not work, as long as others do."""
    offered = payable_channels(scene, facts, live.catalog().channels)
    return [offer for offer in offered if routing.works(offer)] or offered
