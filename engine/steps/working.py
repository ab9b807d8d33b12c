"""Steps that give rise to other work: work orders for people, upstream orders with suppliers."""
from __future__ import annotations

from typing import Any, Mapping

from .. import wire
from ..deliver import upstream, work_orders
from ..flow.step import StepFailed
from ..pay import channels
from .checks import _TITLE
from .context import SaleContext
from .registry import call_step, step

_ORDERS = {"type": "array", "minItems": 1, "items": {
    "type": "object", "additionalProperties": False, "required": ["kind", "title", "queue"], "properties": {
        "kind": {"type": "string", "maxLength": 48}, "title": _TITLE, "queue": {"type": "string", "maxLength": 48},
        "due": {"type": "string", "format": "duration"}, "blocking": {"type": "boolean"},
        "under": {"type": "string"}}}}


@step("place.break_down paid.deliver", "write", params={"orders": _ORDERS}, required=("orders",),
      undo="cancel_work_orders", opens_work=True)
def open_work_orders(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Open work orders for people. `blocking` (default true) keeps the order from completing before it is done; `under`
    names the kind of an earlier one in the list that this one is a part of."""
    opened: dict[str, str] = {}
    for wanted in params["orders"]:
        row = work_orders.open_one(
            ctx.subject_no, wanted["kind"], wanted["title"], wanted["queue"], blocking=wanted.get("blocking", True),
            due_s=wanted.get("due"),
            parent_no=opened.get(wanted.get("under", ""), ""))
        opened[wanted["kind"]] = row["no"]
    return {"opened": opened}


@step("paid.deliver close.release", "write")
def cancel_work_orders(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Cancel the order's unfinished work orders."""
    return {"cancelled": work_orders.cancel_all(ctx.subject_no, "order ends")}


@call_step("open_upstream_order", "paid.deliver", required=("merchant",), params={
    "merchant": {"type": "string", "x-refers-to": "supplier"}, "item": {"type": "string", "minLength": 1, "maxLength": 130}})
class OpenUpstreamOrder:
    """Order from a supplier what this order needs, through the supplier's own channel. `item` is the supplier's name for
    it; without it the order's first SKU."""

    def prepare(self, ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
        merchant = ctx.catalog.merchants[params["merchant"]]
        line = ctx.price.lines[0]
        item = params.get("item") or line["sku"]
        no = upstream.again(ctx.subject_no, merchant.id, item) or upstream.create(
            ctx.subject_no, merchant.id, merchant.upstream_channel, item, line["quantity"])
        return {"channel": merchant.upstream_channel, "facts": {
            "upstream.no": no, "upstream.item": item, "upstream.quantity": line["quantity"], "order.no": ctx.subject_no,
            "order.title": ctx.order["title"], "buyer.phone": ctx.recipient,
            **channels.common_facts(merchant.upstream_channel)}}

    def call(self, intent: dict, timeout_s: float | None) -> dict[str, Any]:
        return _outcome(wire.operate(channels.get(intent["channel"]), "charge", intent["facts"], timeout_s=timeout_s))

    def ask(self, intent: dict, timeout_s: float | None) -> dict[str, Any] | None:
        outcome = wire.operate(channels.get(intent["channel"]), "query", intent["facts"], timeout_s=timeout_s)
        if outcome.state == "failed" and not any(outcome.fields.get(number) for number in ("channel_no", "upstream_no")):
            raise StepFailed(f"the supplier can't be asked: {outcome.reason}", in_doubt=True)
        return None if outcome.state == "absent" else _outcome(outcome)

    def conclude(self, ctx: SaleContext, params: Mapping[str, Any], intent: dict, outcome: dict) -> Any:
        no, said = intent["facts"]["upstream.no"], outcome["state"]
        if said == "busy":
            return StepFailed(f"the supplier is busy: {outcome['reason']}")
        state = _UPSTREAM.get(said)
        if state is None:
            return StepFailed(f"the supplier's answer is not known: {outcome['reason']}", in_doubt=True)
        row = upstream.answered(no, state, outcome["external_no"], outcome["reason"])
        if row["state"] == "failed":
            return StepFailed(f"the supplier refused: {row['error']}", retryable=not outcome["sent"])
        return {"upstream_no": no, "external_no": row["external_no"], "state": row["state"]}


_UPSTREAM = {"succeeded": "done", "accepted": "accepted", "pending": "accepted", "partial": "accepted", "failed": "failed"}


def _outcome(outcome: Any) -> dict[str, Any]:
    return {"state": outcome.state, "reason": outcome.reason, "sent": outcome.sent,
            "external_no": outcome.fields.get("channel_no")}
