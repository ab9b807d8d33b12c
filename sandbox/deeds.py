"""Kinds of deeds: by which facts a call names one, in which words of `take:` it is told, and which notices tell its end.

A *deed* is a thing that a caller asked for: a payment, a refund, a contract, an order. It is written first and told
afterwards, so an answer or a notice can be lost without losing the deed.
"""
from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from engine.base import clock

from .state import Row


class Kind(NamedTuple):
    """`no`, `channel_no`: the facts that name it. `events`: notices that may tell of it, the likeliest first. `says`: the
    field by which a notice shows that it is about such a deed."""
    no: str
    channel_no: str
    events: tuple[str, ...]
    says: str


KINDS = {
    "payment": Kind("payment.no", "payment.channel_no", ("paid",), "payment_no"),
    "deduction": Kind("payment.no", "payment.channel_no", ("withheld", "paid"), "payment_no"),
    "refund": Kind("refund.no", "refund.channel_no", ("refunded",), "refund_no"),
    "contract": Kind("contract.no", "contract.channel_no", ("signed", "unsigned"), "contract_no"),
    "charge": Kind("upstream.no", "upstream.channel_no", ("delivered",), "upstream_no"),
    "invoice": Kind("invoice.no", "invoice.channel_no", ("issued", "invoiced"), "invoice_no"),
    "message": Kind("message.no", "", ("delivered",), "message_no"),
    "shop_order": Kind("shop.order_no", "", ("ordered", "paid"), "shop_order_no"),
    "note": Kind("", "", (), ""),
}
PAYING = ("payment", "deduction")
GOOD = ("succeeded", "partial", "signed")


def number_of(facts: Mapping[str, Any]) -> str:
    """The number that a call is about, for faults asked for by a number's beginning."""
    for name in ("refund.no", "payment.no", "contract.no", "upstream.no", "invoice.no", "message.no", "notify.no",
                 "shop.order_no", "payment.channel_no", "contract.channel_no"):
        if facts.get(name):
            return str(facts[name])
    return ""


def fields_of(deed: Row, contract: Row | None = None) -> dict[str, Any]:
    """A deed in the words of `take:`; `contract`: the one that belongs to a payment."""
    kind, no, facts = deed["kind"], deed["no"], deed["facts"]
    done_at_ms = (deed["done_at_ms"] or clock.now_ms()) if deed["state"] in GOOD else None
    common = {"amount_minor": deed["amount_minor"], "currency": deed["currency"]} if deed["amount_minor"] else {}
    if kind in PAYING:
        return {**(fields_of(contract) if contract else {}), **common, "payment_no": no, "channel_no": deed["channel_no"],
                "paid_at_ms": done_at_ms, "order_no": facts.get("order.no")}
    if kind == "refund":
        return {**common, "payment_no": deed["parent_no"], "refund_no": no, "channel_refund_no": deed["channel_no"],
                "refunded_at_ms": done_at_ms, "shop_order_no": facts.get("shop.order_no"),
                "channel_no": facts.get("payment.channel_no")}
    if kind == "contract":
        ended = deed["state"] == "ended"
        return {"contract_no": no, "channel_contract_no": deed["channel_no"], "next_at_ms": facts.get("contract.next_at_ms"),
                "signed_at_ms": deed["made_at_ms"] if ended else done_at_ms,
                "ended_at_ms": deed["done_at_ms"] if ended else None}
    if kind == "charge":
        return {**common, "upstream_no": no, "channel_no": deed["channel_no"], "delivered_at_ms": done_at_ms}
    if kind == "invoice":
        return {**common, "invoice_no": no, "channel_invoice_no": deed["channel_no"], "paid_at_ms": done_at_ms,
                "link": f"https://invoice.example/{deed['channel_no']}.pdf"}
    if kind == "shop_order":
        return {**common, "shop_order_no": no, "channel_no": deed["channel_no"], "paid_at_ms": done_at_ms,
                **{name: facts.get(name) for name in ("item", "quantity", "phone", "payer")},
                "items": _items(no, facts, common)}
    return {"message_no": no, "channel_no": deed["channel_no"]}


def _items(no: str, facts: Mapping[str, Any], common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was bought in a shop, an entry a product; each with a number of its own."""
    bought = facts.get("items") or [{**common, "item": facts.get("item"), "quantity": facts.get("quantity", 1)}]
    return [{"number": f"{no}-{n}", "quantity": 1, **entry} for n, entry in enumerate(bought, 1)]
