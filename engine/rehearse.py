"""Rehearsing: what a catalogue would answer, with nothing changed and no database asked."""
from __future__ import annotations

from typing import Any, Mapping

from .base.errors import Code, Refusal
from .config.catalog import Catalog, Scene
from .runs import hooks
from .quoting import payable_channels
from .steps.context import SaleContext, base_facts
from .trade import pricing

_BUYER, _PHONE = "example-buyer", "13800000000"


def run_scene_example(catalog: Catalog, scene: Scene, given: Mapping[str, Any]) -> dict[str, Any]:
    """Quote one example. `given` as `config.check_examples.given` makes it.

    Returns {payable_minor, coupons: [ids], not_applied: {id: reason}, channels: [ids]} or {refused: code, message}.
    """
    try:
        return _quote(catalog, scene, given)
    except Refusal as refusal:
        return {"refused": refusal.code.code, "message": refusal.message}


def _quote(catalog: Catalog, scene: Scene, given: Mapping[str, Any]) -> dict[str, Any]:
    problems = scene.check_fields(given["fields"])
    if problems:
        raise Refusal(Code.FIELD_INVALID, str(problems[0]), problems)
    partner = catalog.partner(given["partner_id"]) if given["partner_id"] else None
    buyer = given["buyer"]
    row = _row(buyer) if buyer and buyer["registered"] else None
    ctx = SaleContext("example", catalog, scene, _BUYER if buyer else "", partner)
    ctx.buyer = row
    ctx.now_ms, ctx.fields, ctx.wanted_coupons, ctx.own_journal = given["at_ms"], given["fields"], given["coupons"], []
    ctx.chosen = pricing.wanted(scene, given["items"])
    ctx.held_before = _held(catalog, (buyer or {}).get("bought", {}))
    ctx.contact = {"phone": _PHONE} if buyer and buyer["phone_known"] else {}
    ctx.base = base_facts(scene, ctx.buyer_id, row, ctx.contact, ctx.fields, partner, ctx.now_ms)
    hooks(ctx, "quote", "check", "price")
    return {"payable_minor": ctx.price.payable_minor, "coupons": [coupon.id for coupon, _ in ctx.taken],
            "not_applied": {n["id"]: n["reason"] for n in ctx.price.not_applied},
            "channels": [offer.id for offer in payable_channels(scene, ctx.facts(), catalog.channels)]}


def _row(buyer: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": _BUYER, "tags": list(buyer["tags"]), "orders_paid": buyer["orders_paid"],
            "phone": _PHONE if buyer["phone_known"] else ""}


def _held(catalog: Catalog, bought: Mapping[str, int]) -> dict[str, int]:
    held: dict[str, int] = {}
    for key, pieces in bought.items():
        cap_key = catalog.skus[key].cap_key
        held[cap_key] = held.get(cap_key, 0) + pieces
    return held
