"""Endpoints of what comes after a sale: buyers, entitlements, work orders."""
from __future__ import annotations

import logging
from typing import Any

from .. import charge, runs, store
from ..base.errors import Code, Refusal
from ..deliver import entitlements, work_orders
from ..trade import buyers, orders
from . import answers, paging, requests, views
from .endpoint import Answer, Call, endpoint, needed
from .schema import choice, text
from .selling import answered

_log = logging.getLogger("salewright.api")


# ── buyers ───────────────────────────────────────────────────────────────────────────────────────────────────────────

@endpoint("PUT", "/v1/buyers/{buyer}", "buyers.put", ("登记买家", "Register or change a buyer"), scopes="sell support",
          body=requests.PUT_BUYER, answers={200: answers.BUYER, 201: answers.BUYER})
def put_buyer(call: Call) -> Answer:
    """Register a buyer, or change what is given. Charges that waited for a new buyer go on at once."""
    buyer_id, body = call.path["buyer"], call.body

    def work() -> tuple[dict[str, Any], bool]:
        with store.transaction():
            return buyers.put(buyer_id, body.get("phone"), body.get("name"), body.get("tags"))
    row, is_new = store.retrying(work)
    try:
        charge.buyer_registered(buyer_id, row["phone"])
    except Exception:                          # the buyer is registered all the same, and a timer tries the charges again
        _log.exception("charges that wait for the buyer could not go on", extra={"buyer": buyer_id})
    return Answer(views.buyer(row), 201 if is_new else 200)


@endpoint("GET", "/v1/buyers/{buyer}", "buyers.get", ("买家", "A buyer"), scopes="sell support", answers={200: answers.BUYER},
          refusals=(Code.NOT_FOUND,))
def get_buyer(call: Call) -> Answer:
    """What is known of a buyer."""
    row = buyers.find(call.path["buyer"])
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"the buyer {call.path['buyer']!r} is not registered", [
            {"path": "{buyer}", "found": call.path["buyer"]}])
    return Answer(views.buyer(row))


# ── entitlements ─────────────────────────────────────────────────────────────────────────────────────────────────────

@endpoint("GET", "/v1/entitlements", "entitlements.list", ("权益列表", "A buyer's entitlements"), scopes="sell support", query={
    "buyer": needed(requests.BUYER_QUERY), "only_now": requests.ONLY_NOW}, answers={200: answers.ENTITLEMENTS})
def list_entitlements(call: Call) -> Answer:
    """What a buyer may do, or could: of every scene it bought in. `only_now` leaves what is in force at this moment."""
    rows = entitlements.of_buyer(call.query["buyer"], call.query["only_now"])
    return Answer({"items": [views.entitlement(row) for row in rows]})


@endpoint("POST", "/v1/entitlements/consume", "entitlements.consume", ("核销权益", "Use a right's quota"), scopes="sell",
          body=requests.CONSUME, key="required", answers={200: answers.USE}, refusals=(
              Code.ENTITLEMENT_UNKNOWN, Code.ENTITLEMENT_INACTIVE, Code.QUOTA_EXHAUSTED))
def consume(call: Call) -> Answer:
    """Use some of a right's quota: all that is asked for or nothing, of the entitlement that ends first before the others."""
    body, once = call.body, call.once

    def work() -> tuple[int, Any]:
        with store.transaction():
            shown = views.use(entitlements.consume(body["buyer"]["id"], body["right"], body.get("amount", 1), once.name(128)))
            once.remember(shown["parts"][0]["entitlement"], 200, shown)
        return 200, shown
    return answered(call, once.run(work))


# ── work orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

@endpoint("GET", "/v1/work-orders", "work_orders.list", ("工单列表", "Work orders"), scopes="support", query={
    "queue": needed(text("队列", "Queue", 48, pattern="^[A-Za-z0-9._-]+$")),
    "state": choice("状态", "State", "open", "in_progress", "done", "cancelled", default="open"),
    "limit": requests.LIMIT, "cursor": requests.CURSOR}, answers={200: answers.WORK_ORDERS})
def list_work_orders(call: Call) -> Answer:
    """A queue's work orders in a state, oldest first."""
    query, limit = call.query, call.query["limit"]
    also, params = ["1 = 1"], []
    if "cursor" in query:
        also.append("no > ?")
        params += paging.key_of(query["cursor"], str)
    if not call.client.sees_all:
        mine = " OR ".join(["scene_id LIKE ?"] * len(call.client.scenes))
        also.append(f"order_no IN (SELECT no FROM trade_order WHERE {mine})")
        params += [pattern.replace("*", "%") for pattern in call.client.scenes]
    rows = store.many(work_orders.WorkOrder, queue=query["queue"], state=query["state"], also=" AND ".join(also),
                      params=params, order_by="no", limit=limit + 1)
    rows, after = paging.page(rows, limit, lambda row: (row["no"],))
    return Answer({"items": [views.work_order(row) for row in rows], "next": after})


@endpoint("POST", "/v1/work-orders/{work_order}/take", "work_orders.take", ("领取工单", "Take a work order"), scopes="support",
          body=requests.TAKE, answers={200: answers.WORK_ORDER}, refusals=(Code.WORK_ORDER_UNKNOWN, Code.STATE_REFUSED))
def take(call: Call) -> Answer:
    """Somebody takes an open work order. Taking what one has already is quiet."""
    no = _visible(call)

    def work() -> dict[str, Any]:
        with store.transaction():
            return work_orders.take(no, call.body["worker"])
    return Answer(views.work_order(store.retrying(work)))


@endpoint("POST", "/v1/work-orders/{work_order}/finish", "work_orders.finish", ("完成工单", "Finish a work order"), scopes="support",
          body=requests.FINISH, answers={200: answers.WORK_ORDER}, refusals=(Code.WORK_ORDER_UNKNOWN, Code.STATE_REFUSED))
def finish(call: Call) -> Answer:
    """A work order is done, with what came of it. The last one of an order lets the order go on."""
    no, body = _visible(call), call.body
    return Answer(views.work_order(store.retrying(
        lambda: runs.finish_work_order(no, body["worker"], body.get("result", {})))))


def _visible(call: Call) -> str:
    """The work order's number; WORK_ORDER_UNKNOWN when it belongs to a scene this key does not see."""
    no = call.path["work_order"]
    if not call.client.sees_all:
        row = work_orders.find(no)
        if not call.client.sees(orders.find(row["order_no"])["scene_id"]):
            raise Refusal(Code.WORK_ORDER_UNKNOWN, f"there is no work order {no!r}", [{"path": "{work_order}", "found": no}])
    return no
