"""Endpoints of selling: scenes, quotes, payments."""
from __future__ import annotations

from typing import Any

from .. import quoting, sale, store
from ..base.errors import Code, Refusal
from ..config.catalog import Offer
from ..config.live import live
from ..pay import payments
from ..trade import orders, pricing
from . import answers, requests, views
from .endpoint import Answer, Call, endpoint

PRICING = (Code.SCENE_UNKNOWN, Code.NOT_SOLD_HERE, Code.QUANTITY_INVALID, Code.FIELD_INVALID, Code.LOGIN_REQUIRED,
            Code.BUYER_UNKNOWN, Code.PURCHASE_CAP_REACHED, Code.NOT_ELIGIBLE, Code.COUPON_UNKNOWN, Code.NOT_READY)


@endpoint("GET", "/v1/scenes", "scenes.list", ("场景列表", "Scenes"), scopes="sell support", answers={200: answers.SCENES},
          refusals=(Code.NOT_READY,))
def list_scenes(call: Call) -> Answer:
    """The scenes this key may sell in, as the live release has them."""
    catalog = live.catalog()
    return Answer({"items": [views.scene_brief(s) for s in catalog.scenes.values() if call.client.sees(s.id)],
                   "release": catalog.release_no})


@endpoint("GET", "/v1/scenes/{scene}", "scenes.get", ("场景", "A scene"), scopes="sell support",
          answers={200: answers.SCENE}, refusals=(Code.SCENE_UNKNOWN, Code.NOT_READY))
def get_scene(call: Call) -> Answer:
    """What can be sold in a scene: SKUs with list prices, the extra fields its orders take, its channels."""
    catalog = live.catalog()
    scene_id = call.path["scene"]
    if not call.client.sees(scene_id):
        raise Refusal(Code.SCENE_UNKNOWN, f"there is no scene {scene_id!r}", [{"path": "{scene}", "found": scene_id}])
    return Answer(views.scene(catalog.scene(scene_id), catalog.release_no))


@endpoint("POST", "/v1/quotes", "quotes.create", ("预下单", "Quote"), scopes="sell", body=requests.QUOTE, key="taken",
          answers={201: answers.QUOTE}, refusals=PRICING)
def create_quote(call: Call) -> Answer:
    """A price for these items in this scene, held until it expires: lines, discounts, why each other coupon did not apply,
    and the channels it could be paid through with what each needs."""
    body = call.body
    call.client.need_scene(body["scene"])

    def work() -> tuple[int, Any]:
        with store.transaction():
            row = sale.quote(body["scene"], body["items"], buyer_id=body.get("buyer", {}).get("id", ""),
                             contact=body.get("contact"), fields=body.get("fields"), wanted_coupons=body.get("coupons"),
                             lang=body.get("lang", "zh"))
            shown = views.quote(row, _offered(row))
            call.once.remember(row["no"], 201, shown)
        return 201, shown
    return answered(call, call.once.run(work))


def _offered(row: dict[str, Any]) -> list[Offer]:
    result = row["result"]
    price = pricing.Price(result["currency"], result["lines"], result["discounts"], result["not_applied"])
    scene = live.release(row["release_no"]).scene(row["scene_id"])
    return quoting.payable_now(scene, {**row["facts"], **pricing.facts(price)})


@endpoint("GET", "/v1/payments/{payment}", "payments.get", ("支付单", "A payment"), scopes="sell support",
          answers={200: answers.PAYMENT_WITH_ORDER}, refusals=(Code.PAYMENT_UNKNOWN,))
def get_payment(call: Call) -> Answer:
    """A payment's state and its order's: what a page that waits for the buyer's payment asks for."""
    row = payments.find(call.path["payment"])
    order = orders.find(row["order_no"])
    if not call.client.sees(order["scene_id"]):
        raise Refusal(Code.PAYMENT_UNKNOWN, f"there is no payment {row['no']!r}", [{"path": "{payment}", "found": row["no"]}])
    return Answer({**views.payment(row), "order_state": order["state"]})


def answered(call: Call, done: tuple[int, Any]) -> Answer:
    """What `Once.run` gave, marked when it is a first answer again."""
    status, body = done
    return Answer(body, status, {"Idempotent-Replayed": "true"} if call.once.replayed else {})
