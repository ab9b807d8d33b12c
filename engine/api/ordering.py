"""Endpoints of orders: placing, paying, closing, claiming, looking."""
from __future__ import annotations

from typing import Any

from .. import sale, store
from ..base import clock, settings
from ..base.errors import Code, Refusal
from ..deliver import entitlements, messages, work_orders
from ..pay import payments, refunds
from ..store import StateLog
from ..trade import orders
from . import answers, paging, requests, views
from .endpoint import Answer, Call, endpoint, needed
from .once import UNFINISHED, in_flight
from .selling import PRICING, answered

CALL_GRACE_S = 5                               # beyond a call's time-out: then it was cut off, not slow
_PAYING = (Code.CHANNEL_NOT_ALLOWED, Code.CHANNEL_LIMIT_REACHED, Code.CHANNEL_UNAVAILABLE)


@endpoint("POST", "/v1/orders", "orders.place", ("提交订单", "Place an order"), scopes="sell", body=requests.ORDER, key="required",
          answers={201: answers.NEW_ORDER}, refusals=PRICING + _PAYING + (
              Code.METHOD_MISMATCH, Code.QUOTE_UNKNOWN, Code.QUOTE_EXPIRED, Code.QUOTE_USED, Code.QUOTE_MISMATCH,
              Code.PRICE_CHANGED, Code.COUPON_GONE))
def place(call: Call) -> Answer:
    """The generic order, for every scene: from a quote, which it adopts at its price, or from items. With `pay` the first
    payment is made at once. A guest (no buyer) is given a claim token, this once."""
    body, once = call.body, call.once
    call.client.need_scene(body["scene"])
    shown: dict[str, Any] = {}

    def remember(order: dict[str, Any]) -> None:
        shown.update(views.new_order(order))
        once.remember(order["no"], UNFINISHED if _call_is_due(order["payment"]) else 201, shown)

    def work() -> tuple[int, Any]:
        order = sale.place(body["scene"], quote_no=body.get("quote", ""), items=body.get("items"),
                           buyer_id=body.get("buyer", {}).get("id", ""), contact=body.get("contact"),
                           fields=body.get("fields"), wanted_coupons=body.get("coupons"), lang=body.get("lang", "zh"),
                           expected_payable_minor=body.get("expected_payable_minor"), external=body.get("external"),
                           pay_by=body.get("pay"), remember=remember)
        if shown["payment"] and shown["payment"]["state"] == "created":
            return once.finish(201, {**shown, "payment": views.payment(order["payment"])})
        return 201, shown
    return answered(call, once.run(work, lambda row: _resume_order(call, row)))


def _call_is_due(payment: dict[str, Any] | None) -> bool:
    """Whether the channel is still to be called for this payment, after the commit."""
    return payment is not None and payment["state"] == "created"


def _resume_order(call: Call, row: dict[str, Any]) -> tuple[int, Any]:
    """The order stands, but whoever placed it did not live to give the payment back."""
    body, shown = call.body, row["answer"]
    try:
        payment = _pay_on(row["resource_no"], shown["payment"]["no"], body["pay"])
    except Refusal as refusal:
        if refusal.code in (Code.IDEMPOTENCY_IN_FLIGHT, Code.PAYMENT_IN_PROGRESS):
            raise
        payment = {**payments.find(shown["payment"]["no"]), "reason": refusal.message}
    return call.once.finish(201, {**shown, "payment": views.payment(payment)})


def _pay_on(order_no: str, payment_no: str, pay: dict[str, Any]) -> dict[str, Any]:
    """The payment that an interrupted attempt leads to. IDEMPOTENCY_IN_FLIGHT while its call may be under way."""
    payment = payments.find(payment_no)
    if payment["state"] == "created" and clock.now_ms() - payment["created_at_ms"] < _call_may_take_ms():
        raise in_flight()
    if payment["state"] == "succeeded" or payment["client"] is not None:
        return payment
    return sale.pay(order_no, pay["channel"], pay.get("client"))


def _call_may_take_ms() -> int:
    return int((float(settings.get("CALL_TIMEOUT_S")) + CALL_GRACE_S) * 1000)


@endpoint("POST", "/v1/orders/{order}/pay", "orders.pay", ("预支付", "Pay an order"), scopes="sell", body=requests.PAY, key="required",
          answers={201: answers.PAYMENT}, refusals=_PAYING + (Code.ORDER_UNKNOWN, Code.ORDER_STATE, Code.PAYMENT_IN_PROGRESS))
def pay(call: Call) -> Answer:
    """One payment attempt through a channel; `client` in the answer is what the buyer's terminal needs. A live attempt
    through the same channel is given again; one through another channel is asked to close."""
    order_no, body, once = call.path["order"], call.body, call.once
    _visible(call, order_no)

    def remember(payment: dict[str, Any]) -> None:
        once.remember(payment["no"], *((UNFINISHED, None) if _call_is_due(payment) else (201, views.payment(payment))))

    def work() -> tuple[int, Any]:
        states: list[str] = []
        payment = sale.pay(order_no, body["channel"], body.get("client"),
                           lambda row: (states.append(row["state"]), remember(row)))
        shown = views.payment(payment)
        return once.finish(201, shown) if states == ["created"] else (201, shown)

    def resume(row: dict[str, Any]) -> tuple[int, Any]:
        return once.finish(201, views.payment(_pay_on(order_no, row["resource_no"], body)))
    return answered(call, once.run(work, resume))


@endpoint("POST", "/v1/orders/{order}/close", "orders.close", ("关闭订单", "Close an order"), scopes="sell support",
          body=requests.CLOSE, answers={200: answers.ORDER_BRIEF}, refusals=(Code.ORDER_UNKNOWN, Code.STATE_REFUSED))
def close(call: Call) -> Answer:
    """End an order that nobody paid; what it held becomes free. Closing a closed order is quiet."""
    order_no = call.path["order"]
    _visible(call, order_no)
    reason = call.body.get("reason", "")
    return Answer(views.order_brief(store.retrying(lambda: sale.close(order_no, reason or "closed by the seller"))))


@endpoint("POST", "/v1/orders/{order}/claim", "orders.claim", ("认领订单", "Claim a guest's order"), scopes="sell", body=requests.CLAIM,
          answers={200: answers.ORDER_BRIEF}, refusals=(
              Code.ORDER_UNKNOWN, Code.CLAIM_TOKEN_INVALID, Code.BUYER_UNKNOWN, Code.ORDER_ALREADY_CLAIMED))
def claim(call: Call) -> Answer:
    """Bind a guest's order, with its entitlements, to a registered buyer. The same claim again is quiet."""
    order_no, body = call.path["order"], call.body
    _visible(call, order_no)
    return Answer(views.order_brief(store.retrying(
        lambda: sale.claim(order_no, body["claim_token"], body["buyer"]["id"]))))


@endpoint("GET", "/v1/orders", "orders.list", ("订单列表", "A buyer's orders"), scopes="sell support", query={
    "buyer": needed(requests.BUYER_QUERY), "limit": requests.LIMIT, "cursor": requests.CURSOR}, answers={200: answers.ORDERS})
def list_orders(call: Call) -> Answer:
    """A buyer's orders, newest first."""
    limit, also, params = call.query["limit"], ["1 = 1"], []
    if "cursor" in call.query:
        also.append("no < ?")
        params += paging.key_of(call.query["cursor"], str)
    if not call.client.sees_all:
        also.append(f"({' OR '.join(['scene_id LIKE ?'] * len(call.client.scenes))})")
        params += [pattern.replace("*", "%") for pattern in call.client.scenes]
    rows = store.many(orders.TradeOrder, buyer_id=call.query["buyer"], also=" AND ".join(also), params=params,
                      order_by="no DESC", limit=limit + 1)
    rows, after = paging.page(rows, limit, lambda row: (row["no"],))
    return Answer({"items": [views.order_brief(row) for row in rows], "next": after})


@endpoint("GET", "/v1/orders/{order}", "orders.get", ("订单", "An order"), scopes="sell support", answers={200: answers.ORDER},
          refusals=(Code.ORDER_UNKNOWN,))
def get_order(call: Call) -> Answer:
    """An order with its lines, payments, entitlements, work orders, messages and every change of state."""
    no = call.path["order"]
    row = _visible(call, no) or orders.find(no)
    sold, paid, back = orders.sold(no), payments.of_order(no), refunds.of_order(no)
    granted, work, told = entitlements.of_order(no), work_orders.of_order(no), messages.of_order(no)
    numbers = [no, *(r["no"] for rows in (paid, back, granted, work, told) for r in rows)]
    return Answer({
        **views.order_brief(row), "lines": sold["price"]["lines"], "discounts": sold["price"]["discounts"],
        "fields": sold["fields"], "payments": [views.payment(r) for r in paid], "refunds": [views.refund(r) for r in back],
        "entitlements": [views.entitlement(r) for r in granted], "work_orders": [views.work_order(r) for r in work],
        "messages": [views.message(r) for r in told],
        "timeline": [views.move(r) for r in store.many(StateLog, no=numbers, order_by="id")]})


def _visible(call: Call, order_no: str) -> dict[str, Any] | None:
    """The order, when it had to be read to see that the key may see it. ORDER_UNKNOWN for another client's, as for none."""
    if call.client.sees_all:
        return None
    row = orders.find(order_no)
    if not call.client.sees(row["scene_id"]):
        raise Refusal(Code.ORDER_UNKNOWN, f"there is no order {order_no!r}", [{"path": "order", "found": order_no}])
    return row
