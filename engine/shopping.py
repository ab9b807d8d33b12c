"""Orders of shops elsewhere: what a channel of role shop tells enters as an order that is paid already, with a line a
product, of the scene that names the shop and its products; its refund takes the order back, or the lines that it names.

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
from .pay import channels, health, notices
from .returning import Returned, refund_elsewhere
from .trade import buyers, orders

_log = logging.getLogger("salewright.shop")
Said = Mapping[str, Any]
NUMBERED = "shop_numbers"                      # an order's detail: what the shop calls its pieces → our sku


def apply_shop(channel_id: str, fields: Said, cause: str, notice: tuple[str, str, str]) -> str:
    """Apply a shop's notice, once; returns applied · repeated · nothing_new. NOTICE_REJECTED when it can't be taken (now).

    fields: {shop_order_no, state, item, quantity?, amount_minor, currency?, phone?}; several products come as `items`, a
    list of {item, number?, quantity?, amount_minor?}. With `channel_refund_no` it is a refund: of all that is left, of
    `amount_minor`, or by line of the `items` that it names.
    notice: (channel id, dedupe key, event).
    """
    if not fields.get("shop_order_no"):
        raise Refusal(Code.NOTICE_REJECTED, "it names no order of the shop")
    if fields.get("channel_refund_no"):
        return store.retrying(lambda: _refunded(channel_id, fields, cause, notice))
    if fields.get("state", "succeeded") == "succeeded" and not (
            (fields.get("item") or fields.get("items")) and "amount_minor" in fields):
        fields = {**_asked(channel_id, fields["shop_order_no"]), **fields}
    try:
        verdict = _sell(channel_id, fields, notice, True)
    except StepError as stop:                  # the money is a fact whatever delivering does: a worker goes on
        _log.warning("delivering a shop's order failed inside its notice: %s", stop.cause, exc_info=True)
        verdict = _sell(channel_id, fields, notice, False)
    crash.point("notice.after_commit")
    return verdict


def _asked(channel_id: str, number: str) -> dict[str, Any]:
    """What the shop says of its order when asked: for notices that only name it. {} when it can't be asked."""
    channel = channels.get(channel_id)
    if not wire.declares(channel, "query"):
        return {}
    outcome = health.operate(channel, "query", {"shop.order_no": number, **channels.common_facts(channel_id)})
    if outcome.state not in ("succeeded", "pending", "accepted"):
        raise Refusal(Code.NOTICE_REJECTED, f"the shop does not say what its order {number} is: {outcome.reason}")
    return {name: value for name, value in outcome.fields.items() if value not in (None, "")}


def _sell(channel_id: str, fields: Said, notice: tuple[str, str, str], inline: bool) -> str:
    """At our price: with the coupons that apply in the scene, or without any; the shop knows nothing of ours."""
    try:
        try:
            return store.retrying(lambda: _sold(channel_id, fields, notice, inline, None))
        except Refusal as refusal:
            if refusal.code is not Code.PRICE_CHANGED:
                raise
        return store.retrying(lambda: _sold(channel_id, fields, notice, inline, []))
    except Refusal as refusal:
        if refusal.code is Code.NOTICE_REJECTED:
            raise
        signal.emit("shop.order_refused", channel=channel_id, code=refusal.code.code)
        raise Refusal(Code.NOTICE_REJECTED, f"the shop's order {fields['shop_order_no']} can't be sold: {refusal.message}",
                      refusal.details) from None


def _sold(channel_id: str, fields: Said, notice: tuple[str, str, str], inline: bool, coupons: list[str] | None) -> str:
    with store.transaction(crash_point="notice.before_commit"):
        if not notices.first_time(*notice, "", fields):
            return "repeated"
        if fields.get("state", "succeeded") != "succeeded":
            return "nothing_new"
        scene, bought = _bought(channel_id, _entries(fields))
        if fields.get("currency", scene.currency) != scene.currency:
            raise Refusal(Code.NOTICE_REJECTED, f"it was paid in {fields['currency']}, {scene.id} sells in {scene.currency}")
        buyer = buyers.by_phone(fields.get("phone", ""))
        own = {name: fields[theirs] for name, theirs in scene.shop.fields.items() if fields.get(theirs)}
        order = sale.place(scene.id, items=[{"sku": e["sku"], "quantity": e["quantity"]} for e in bought],
                           buyer_id=buyer["id"] if buyer else "", fields=own, wanted_coupons=coupons, inline=inline,
                           contact={"phone": fields["phone"]} if fields.get("phone") else {},
                           external={"no": fields["shop_order_no"], "paid_minor": fields.get("amount_minor")})
        if any(e["number"] for e in bought) and not orders.details(order["no"], NUMBERED):
            orders.add_detail(order["no"], NUMBERED, {"numbers": {e["number"]: e["sku"] for e in bought if e["number"]}})
    return "applied"


def _entries(fields: Said) -> list[Said]:
    return fields["items"] if fields.get("items") else [fields]


def _bought(channel_id: str, entries: list[Said]) -> tuple[Scene, list[dict[str, Any]]]:
    """The scene that sells the shop's products, and what was bought there: {sku, quantity, number} each."""
    names = [str(entry.get("item", "")) for entry in entries]
    selling = [[scene for scene in _scenes_of(channel_id) if name in scene.shop.items] for name in names]
    for name, scenes in zip(names, selling):
        if not scenes:
            raise Refusal(Code.NOTICE_REJECTED, f"no scene sells the product {name!r} of the shop {channel_id}",
                          [{"path": "item", "found": name}])
    scene = next((s for s in selling[0] if all(s in others for others in selling)), None)
    if scene is None:
        raise Refusal(Code.NOTICE_REJECTED, f"no one scene sells the products {', '.join(names)} of the shop {channel_id}",
                      [{"path": "items", "found": ", ".join(names)}])
    return scene, [{"sku": scene.shop.items[name], "quantity": _pieces(entry.get("quantity", 1)),
                    "number": str(entry.get("number", ""))} for name, entry in zip(names, entries)]


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
                                  fields.get("reason") or cause, _given_back(channel_id, order_no, fields.get("items") or []))
    return "applied" if booked else "nothing_new"


def _given_back(channel_id: str, order_no: str, entries: list[Said]) -> list[Returned] | None:
    """What a refund says of the order's lines; None when it names none, or one that is not to be found."""
    by_item = {item: sku for scene in _scenes_of(channel_id) for item, sku in scene.shop.items.items()}
    by_number = {number: sku for detail in orders.details(order_no, NUMBERED) for number, sku in detail["numbers"].items()}
    lines = {line["sku"]: line["n"] for line in orders.lines(order_no)}
    skus = [by_number.get(str(entry.get("number", ""))) or by_item.get(str(entry.get("item", ""))) for entry in entries]
    if not entries or any(sku not in lines for sku in skus):
        return None
    return [Returned(lines[sku], _pieces(entry.get("quantity", 1)), entry.get("amount_minor")) for sku, entry in zip(skus, entries)]
