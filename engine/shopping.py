"""Orders of shops elsewhere: what a channel of role shop tells enters as an order that is paid already, of the scene that
names the shop and the product; its refund takes the order back.

A shop repeats what we did not take, so nothing is kept of a notice that can't be believed, names a product nobody sells, or
tells another amount than our price: it comes again, and is taken once the catalogue was mended.
"""
from __future__ import annotations

import logging
from typing import Any, Mapping

from . import sale, store, wire
from .base import crash, signal
from .base.errors import Code, Refusal
from .config.catalog import Scene
from .config.live import live
from .flow.step import StepError
from .pay import channels, notices
from .returning import refund_elsewhere
from .trade import buyers, orders

_log = logging.getLogger("salewright.shop")
Said = Mapping[str, Any]


def apply_shop(channel_id: str, fields: Said, cause: str, notice: tuple[str, str, str]) -> str:
    """Apply a shop's notice, once; returns applied · repeated · nothing_new. NOTICE_REJECTED when it can't be taken (now).

    fields: {shop_order_no, state, item, quantity?, amount_minor, currency?, phone?}, or with `channel_refund_no` a refund.
    notice: (channel id, dedupe key, event).
    """
    if not fields.get("shop_order_no"):
        raise Refusal(Code.NOTICE_REJECTED, "it names no order of the shop")
    if fields.get("channel_refund_no"):
        return store.retrying(lambda: _refunded(channel_id, fields, cause, notice))
    if fields.get("state", "succeeded") == "succeeded" and not (fields.get("item") and "amount_minor" in fields):
        fields = {**_asked(channel_id, fields["shop_order_no"]), **fields}
    try:
        verdict = store.retrying(lambda: _sold(channel_id, fields, notice, True))
    except StepError as stop:                  # the money is a fact whatever delivering does: a worker goes on
        _log.warning("delivering a shop's order failed inside its notice: %s", stop.cause, exc_info=True)
        verdict = store.retrying(lambda: _sold(channel_id, fields, notice, False))
    crash.point("notice.after_commit")
    return verdict


def _asked(channel_id: str, number: str) -> dict[str, Any]:
    """What the shop says of its order when asked: for notices that only name it. {} when it can't be asked."""
    channel = channels.get(channel_id)
    if not wire.declares(channel, "query"):
        return {}
    outcome = wire.operate(channel, "query", {"shop.order_no": number, **channels.common_facts(channel_id)})
    if outcome.state not in ("succeeded", "pending", "accepted"):
        raise Refusal(Code.NOTICE_REJECTED, f"the shop does not say what its order {number} is: {outcome.reason}")
    return {name: value for name, value in outcome.fields.items() if value not in (None, "")}


def _sold(channel_id: str, fields: Said, notice: tuple[str, str, str], inline: bool) -> str:
    with store.transaction(crash_point="notice.before_commit"):
        if not notices.first_time(*notice, "", fields):
            return "repeated"
        if fields.get("state", "succeeded") != "succeeded":
            return "nothing_new"
        scene, items = _bought(channel_id, fields)
        if fields.get("currency", scene.currency) != scene.currency:
            raise Refusal(Code.NOTICE_REJECTED, f"it was paid in {fields['currency']}, {scene.id} sells in {scene.currency}")
        buyer = buyers.by_phone(fields.get("phone", ""))
        own = {name: fields[theirs] for name, theirs in scene.shop.fields.items() if fields.get(theirs)}
        try:
            sale.place(scene.id, items=items, buyer_id=buyer["id"] if buyer else "",
                       contact={"phone": fields["phone"]} if fields.get("phone") else {}, fields=own, inline=inline,
                       external={"no": fields["shop_order_no"], "paid_minor": fields.get("amount_minor")})
        except Refusal as refusal:
            signal.emit("shop.order_refused", channel=channel_id, code=refusal.code.code)
            raise Refusal(Code.NOTICE_REJECTED, f"the shop's order {fields['shop_order_no']} can't be sold: "
                                                f"{refusal.message}", refusal.details) from None
    return "applied"


def _bought(channel_id: str, fields: Said) -> tuple[Scene, list[dict[str, Any]]]:
    """The scene that sells the shop's product, and what was bought there."""
    item = str(fields.get("item", ""))
    for scene in _scenes_of(channel_id):
        if item in scene.shop.items:
            return scene, [{"sku": scene.shop.items[item], "quantity": _pieces(fields.get("quantity", 1))}]
    raise Refusal(Code.NOTICE_REJECTED, f"no scene sells the product {item!r} of the shop {channel_id}",
                  [{"path": "item", "found": item}])


def _pieces(quantity: Any) -> int:
    if not str(quantity).isdigit() or not 0 < int(quantity) < 10 ** 6:
        raise Refusal(Code.NOTICE_REJECTED, f"the quantity {quantity!r} is no number of pieces")
    return int(quantity)


def _scenes_of(channel_id: str) -> list[Scene]:
    return [s for s in live.catalog().scenes.values() if s.shop and s.shop.reporting.channel_id == channel_id]


def _refunded(channel_id: str, fields: Said, cause: str, notice: tuple[str, str, str]) -> str:
    with store.transaction(crash_point="notice.before_commit"):
        if not notices.first_time(*notice, "", fields):
            return "repeated"
        if fields.get("state", "succeeded") != "succeeded":
            return "nothing_new"
        number = fields["shop_order_no"]
        order_no = orders.by_outside_number([scene.id for scene in _scenes_of(channel_id)], number)
        if order_no is None:                   # the notice of its payment may be on its way: this one comes again
            raise Refusal(Code.NOTICE_REJECTED, f"there is no order {number!r} of this shop")
        booked = refund_elsewhere(order_no, fields.get("amount_minor"), fields["channel_refund_no"],
                                  fields.get("reason") or cause)
    return "applied" if booked else "nothing_new"
