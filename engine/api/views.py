"""Rows as answers: what the tables hold, in the words of `answers.py`. Nothing is read here."""
from __future__ import annotations

from typing import Any, Iterable, Mapping

from .. import signing, wire
from ..base.clock import rfc3339
from ..config.catalog import Offer, Scene
from ..deliver.statements import Statement
from ..pay import channels

Row = Mapping[str, Any]
_CLIENT = "client."


def scene_brief(scene: Scene) -> dict[str, Any]:
    return {"id": scene.id, "title": dict(scene.title), "terminal": scene.terminal, "method": scene.method,
            "login": scene.login, "line": scene.line_id, "currency": scene.currency}


def scene(scene: Scene, release_no: int) -> dict[str, Any]:
    return {**scene_brief(scene), "release": release_no, "skus": [_sku(sku) for sku in scene.skus.values()],
            "fields": scene.fields_schema, "tenders": sorted(scene.tenders), "quote_holds_s": scene.quote_ttl_s,
            "pay_within_s": scene.pay_within_s, "channels": [
                {**_offer(offer), "conditional": all(choice.when is not None for choice in offer.of),
                 "route": [choice.channel_id for choice in offer.of] if offer.is_route else None}
                for offer in scene.channels]}


def _sku(sku: Any) -> dict[str, Any]:
    return {"sku": sku.key, "title": dict(sku.title), "type": sku.type_id, "merchant": sku.merchant_id,
            "currency": sku.currency, "price_minor": sku.price_minor, "quantity_max": sku.quantity_max,
            "purchase_cap": sku.purchase_cap, "grants": [
                {"right": g.right, "title": dict(g.title), "count": g.count, "unit": g.unit, "quota": g.quota}
                for g in sku.grants]}


def _offer(offer: Offer) -> dict[str, Any]:
    """What a channel needs of the buyer's terminal; a route needs what any of its channels does."""
    needs: set[str] = set()
    for choice in offer.of:
        channel = channels.get(choice.channel_id)
        needs |= wire.needs_facts(channel, signing.operation_of(channel))
    return {"id": offer.id, "title": dict(offer.title),
            "needs": sorted(name.removeprefix(_CLIENT) for name in needs if name.startswith(_CLIENT))}


def quote(row: Row, offered: Iterable[Offer]) -> dict[str, Any]:
    """offered: what it could be paid by."""
    result = row["result"]
    return {"no": row["no"], "scene": row["scene_id"], "release": row["release_no"], **_sums(result),
            "lines": result["lines"], "discounts": result["discounts"], "not_applied": result["not_applied"],
            "channels": [_offer(offer) for offer in offered], "created_at": rfc3339(row["created_at_ms"]),
            "expires_at": rfc3339(row["expires_at_ms"])}


def _sums(result: Row) -> dict[str, Any]:
    return {name: result[name] for name in ("currency", "subtotal_minor", "discount_minor", "payable_minor")}


def order_brief(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "scene": row["scene_id"], "line": row["line_id"], "title": row["title"], "state": row["state"],
            "buyer": row["buyer_id"] or None, "partner": row["partner_id"] or None,
            "external_no": row["external_no"] or None, "quote": row["quote_no"] or None, "release": row["release_no"],
            "currency": row["currency"], "subtotal_minor": row["subtotal_minor"], "payable_minor": row["payable_minor"],
            "refunded_minor": row["refunded_minor"], "created_at": rfc3339(row["created_at_ms"]),
            "expires_at": rfc3339(row["expires_at_ms"]), "paid_at": rfc3339(row["paid_at_ms"]),
            "ended_at": rfc3339(row["ended_at_ms"]), "trace_id": row["trace_id"]}


def new_order(row: Row) -> dict[str, Any]:
    """What `sale.place` returned."""
    return {**order_brief(row), "lines": row["price"]["lines"], "discounts": row["price"]["discounts"],
            "claim_token": row["claim_token"] or None, "payment": payment(row["payment"]) if row["payment"] else None}


def payment(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "order": row["order_no"], "state": row["state"], "channel": row["channel_id"] or None,
            "tender": row["tender_kind"], "currency": row["currency"], "amount_minor": row["amount_minor"],
            "refunded_minor": row["refunded_minor"], "client": row["client"], "channel_no": row["channel_no"],
            "reason": row["reason"], "created_at": rfc3339(row["created_at_ms"]),
            "expires_at": rfc3339(row["expires_at_ms"]), "succeeded_at": rfc3339(row["succeeded_at_ms"])}


def refund(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "payment": row["payment_no"], "kind": row["kind"], "state": row["state"],
            "currency": row["currency"], "amount_minor": row["amount_minor"], "reason": row["reason"],
            "created_at": rfc3339(row["created_at_ms"])}


def entitlement(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "order": row["order_no"], "right": row["right"], "state": row["state"],
            "starts_at": rfc3339(row["starts_at_ms"]), "ends_at": rfc3339(row["ends_at_ms"]),
            "quota_total": row["quota_total"], "quota_used": row["quota_used"]}


def use(result: Row) -> dict[str, Any]:
    return {"right": result["right"], "amount": result["amount"], "left": result["left"],
            "parts": [{"entitlement": no, "amount": amount} for no, amount in result["parts"]]}


def work_order(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "order": row["order_no"], "parent": row["parent_no"] or None, "kind": row["kind"],
            "title": row["title"], "queue": row["queue"], "state": row["state"], "blocking": bool(row["blocking"]),
            "worker": row["worker"] or None, "result": row["result"], "due_at": rfc3339(row["due_at_ms"]),
            "created_at": rfc3339(row["created_at_ms"])}


def message(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "template": row["template"], "channel": row["channel_id"], "state": row["state"],
            "attempts": row["attempts"], "created_at": rfc3339(row["created_at_ms"])}


def move(row: Row) -> dict[str, Any]:
    return {"at": rfc3339(row["at_ms"]), "what": row["machine"], "no": row["no"], "from": row["from_state"] or None,
            "to": row["to_state"], "cause": row["cause"], "trace_id": row["trace_id"]}


def buyer(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "phone": row["phone"] or None, "name": row["name"] or None, "tags": row["tags"],
            "orders_paid": row["orders_paid"], "created_at": rfc3339(row["created_at_ms"]),
            "updated_at": rfc3339(row["updated_at_ms"])}


def charge(row: Row) -> dict[str, Any]:
    return {"no": row["no"], "partner_order_no": row["partner_order_no"], "order": row["order_no"], "state": row["state"],
            "buyer": row["buyer_id"] or None, "amount": row["amount"], "reason": row["reason"], "tries": row["tries"],
            "try_at": rfc3339(row["try_at_ms"]), "give_up_at": rfc3339(row["give_up_at_ms"]),
            "created_at": rfc3339(row["created_at_ms"])}


def statement(made: Statement) -> dict[str, Any]:
    return {"partner": made.partner_id, "pool": made.pool_id, "date": made.date, "zone": made.zone,
            "final": made.final, "unit": made.unit, "currency": made.currency,
            "opening": made.opening, "closing": made.closing, "topped_up": made.topped_up,
            "drawn": made.drawn, "returned": made.returned, "others": made.others,
            "posted_minor": made.posted_minor, "entries": [
                {"at": rfc3339(e["at_ms"]), "kind": e["kind"], "ref": e["ref"], "amount": e["amount"], "balance": e["balance"],
                 "value_minor": e["value_minor"], "charge": e["charge_no"], "partner_order_no": e["partner_order_no"],
                 "items": e["items"]} for e in made.entries]}


def pool(partner_id: str, row: Row) -> dict[str, Any]:
    return {"partner": partner_id, "pool": row["id"], "unit": row["unit"], "currency": row["currency"], "balance": row["balance"],
            "floor": row["floor"], "available": max(0, row["balance"] - row["floor"]), "topped_up": row["topped_up"],
            "drawn": row["drawn"], "returned": row["returned"]}
