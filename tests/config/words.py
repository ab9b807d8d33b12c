"""The vocabulary the checker is given in these tests: the steps by name, and an example runner of the tests' own."""
from __future__ import annotations

from typing import Any

from engine.config.vocabulary import StepSpec, Vocabulary
from tests.config.quoting import run_scene_example

_TEXT = {"type": "string"}
_TITLE = {"type": "object", "required": ["zh", "en"], "additionalProperties": False,
          "properties": {"zh": _TEXT, "en": _TEXT}}
_TAGS = {"type": "array", "uniqueItems": True, "items": {"type": "string", "minLength": 1}}
_ORDERS = {"type": "array", "minItems": 1, "items": {
    "type": "object", "additionalProperties": False, "required": ["kind", "title", "queue"], "properties": {
        "kind": _TEXT, "title": _TITLE, "queue": _TEXT, "due": {"type": "string", "format": "duration"},
        "blocking": {"type": "boolean"}, "under": _TEXT}}}
_DELIVER = "paid.deliver fulfil.deliver charge.deliver"
_TELL = "paid.tell fulfil.tell close.tell charge.tell renew.tell renew.announce renew.fail renew.suspend renew.end"


def _spec(name: str, places: str, kind: str, undo: str | None = None, required: tuple[str, ...] = (),
          makes_lines: bool = False, **params: Any) -> StepSpec:
    schema = {"type": "object", "additionalProperties": False, "properties": params, "required": list(required)}
    return StepSpec(name, f"The step {name}.", schema, frozenset(places.split()), kind, undo,
                    makes_lines=makes_lines)


STEPS = {spec.name: spec for spec in (
    _spec("buyer_is_known", "quote.check place.check", "pure"),
    _spec("within_purchase_cap", "quote.check place.check charge.check", "pure"),
    _spec("refuse", "quote.check place.check", "pure", required=("message",), message=_TITLE),
    _spec("list_price", "quote.price", "pure", makes_lines=True),
    _spec("partner_price", "quote.price", "pure", makes_lines=True),
    _spec("coupons", "quote.price", "write"),
    _spec("adjust", "quote.price", "pure", required=("label",), label=_TITLE,
          percent={"type": "number", "exclusiveMinimum": 0, "maximum": 100},
          amount={"type": ["string", "number"], "format": "money"}),
    _spec("hold_coupons", "quote.hold", "write", "release_coupons"),
    _spec("release_coupons", "close.release", "write"),
    _spec("hold_purchase_cap", "place.hold", "write", "release_purchase_cap"),
    _spec("release_purchase_cap", "close.release", "write"),
    _spec("open_work_orders", "place.break_down paid.deliver", "write", "cancel_work_orders", required=("orders",),
          orders=_ORDERS),
    _spec("cancel_work_orders", "paid.deliver close.release", "write"),
    _spec("open_upstream_order", "paid.deliver", "call", required=("merchant",),
          merchant={"type": "string", "x-refers-to": "supplier"}, item=_TEXT),
    _spec("grant_entitlements", _DELIVER, "write", "revoke_entitlements"),
    _spec("extend_entitlements", "renew.deliver", "write", "revoke_entitlements"),
    _spec("revoke_entitlements", "", "write"),
    _spec("tag_buyer", f"{_DELIVER} renew.deliver", "write", add=_TAGS, remove=_TAGS),
    _spec("agreement_covers", "charge.check", "pure"),
    _spec("draw_pool", "charge.draw", "write", "return_to_pool"),
    _spec("return_to_pool", "", "write"),
    _spec("message", _TELL, "call", required=("template",), template={"type": "string", "x-refers-to": "message"},
          to={"type": "string", "enum": ["buyer", "partner"]}),
)}

VOCABULARY = Vocabulary(STEPS, run_scene_example=run_scene_example)
