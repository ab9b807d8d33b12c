"""Steps that look and refuse: they change nothing."""
from __future__ import annotations

from typing import Any, Mapping

from ..base.errors import Code, Refusal
from .context import SaleContext
from .registry import step

_TITLE = {"type": "object", "required": ["zh", "en"], "additionalProperties": False,
          "properties": {"zh": {"type": "string"}, "en": {"type": "string"}}}


@step("quote.check place.check", "pure")
def buyer_is_known(ctx: SaleContext, params: Mapping[str, Any]) -> None:
    """In a scene that needs a login the buyer must be given and registered; a guest scene lets anybody pass."""
    if ctx.scene.login != "required":
        return
    if not ctx.buyer_id:
        raise Refusal(Code.LOGIN_REQUIRED, f"the scene {ctx.scene.id} sells to a known buyer only: send buyer.id",
                      [{"path": "buyer.id", "expected": "a registered buyer"}])
    if ctx.buyer is None:
        raise Refusal(Code.BUYER_UNKNOWN, f"the buyer {ctx.buyer_id} is not registered: PUT /v1/buyers/{ctx.buyer_id} first",
                      [{"path": "buyer.id", "found": ctx.buyer_id}])


@step("quote.check place.check charge.check", "pure")
def within_purchase_cap(ctx: SaleContext, params: Mapping[str, Any]) -> None:
    """The buyer must not already hold as many of a product as one may buy (oversell). Guests can't be counted."""
    if not ctx.buyer_id:
        return
    for sku, quantity in ctx.chosen:
        if sku.purchase_cap is None:
            continue
        held = ctx.pieces_held(sku.cap_key)
        if held + quantity > sku.purchase_cap:
            raise cap_reached(sku, held)


def cap_reached(sku: Any, held: int) -> Refusal:
    return Refusal(Code.PURCHASE_CAP_REACHED, f"a buyer may hold {sku.purchase_cap} of {sku.cap_key}; this one holds or is "
                                              f"buying {held}",
                   [{"path": "items", "found": sku.key, "expected": f"at most {sku.purchase_cap}"}])


@step("quote.check place.check", "pure", params={"message": _TITLE}, required=("message",))
def refuse(ctx: SaleContext, params: Mapping[str, Any]) -> None:
    """Refuse the sale with a message; give the step a `when`, or nothing can ever be sold."""
    raise Refusal(Code.NOT_ELIGIBLE, params["message"]["zh"] if ctx.lang == "zh" else params["message"]["en"])
