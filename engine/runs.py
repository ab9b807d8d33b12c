"""How an order's flows run: its steps, its context, and what becomes of the order when a flow ends."""
from __future__ import annotations

import logging
from typing import Any, Mapping

from . import store
from .base import clock, signal
from .config.catalog import Flow, StepUse
from .config.live import live
from .deliver import work_orders
from .flow import executor
from .flow.step import StepError
from .reporting import report_delivery
from .steps import registry
from .steps.context import SaleContext
from .trade import orders, pricing

STEPS = registry.load()
_log = logging.getLogger("salewright.sale")


def hooks(ctx: SaleContext, flow_name: str, *names: str) -> None:
    """Run hooks of a flow that must be done within the open transaction; a step's refusal comes out as it is."""
    flow = ctx.scene.flows[flow_name]
    try:
        stopped_at = executor.run_hooks(STEPS, flow, ctx, names)
    except StepError as stop:
        raise stop.cause
    if stopped_at is not None:
        raise RuntimeError(f"{ctx.scene.id}: a call step can't stand in {flow_name}")


def context_of_order(order: dict[str, Any]) -> SaleContext:
    """The sale as it was sold, under the release it was sold by. `order` is its row, locked."""
    catalog = live.release(order["release_no"])
    scene = catalog.scene(order["scene_id"])
    sold = orders.sold(order["no"])
    partner = catalog.partner(order["partner_id"]) if order["partner_id"] else None
    ctx = SaleContext(order["no"], catalog, scene, order["buyer_id"], partner)
    price = sold["price"]
    ctx.order, ctx.base, ctx.fields = order, sold["facts"], sold["fields"]
    ctx.contact, ctx.lang, ctx.renewal = sold["contact"], sold["lang"], sold.get("renewal", {})
    ctx.price = pricing.Price(price["currency"], price["lines"], price["discounts"], price["not_applied"])
    ctx.chosen = [(scene.skus[line["sku"]], line["quantity"]) for line in price["lines"]]
    return ctx


def deliver(ctx: SaleContext, flow_name: str, names: tuple[str, ...], inline: bool) -> str:
    """Run the flow that follows the money, as far as it goes in this transaction; the rest is left to a worker.

    Returns the state the order has then: paid · fulfilling · completed.
    """
    flow = ctx.scene.flows[flow_name]
    first = next((s.number for s in flow.steps if s.hook in names), None)
    number = executor.run_hooks(STEPS, flow, ctx, names) if inline else first
    if number is None:
        return end_state(ctx)
    executor.schedule(flow, ctx, number, first_number=first)
    return "paid"


def end_state(ctx: SaleContext) -> str:
    """Where an order goes when its paid flow is done. With work orders in its scene it is fulfilling until the last of
    them is done, and then its fulfil flow runs; that may be at once, when people were faster than the buyer's money."""
    opens_work = any(STEPS[use.name].spec.opens_work for flow in ("place", "paid") for use in ctx.scene.flows[flow].steps)
    if not opens_work or ctx.renewal:
        return "completed"
    if not work_orders.unfinished(ctx.subject_no):
        _schedule_fulfil(ctx)
    return "fulfilling"


def _schedule_fulfil(ctx: SaleContext) -> None:
    flow = ctx.scene.flows["fulfil"]
    if not executor.is_scheduled(ctx.subject_no, flow.name):
        executor.schedule(flow, ctx, 0)


class OrderHost:
    """The executor's view of orders."""
    steps = STEPS

    def flow(self, run: Mapping[str, Any]) -> Flow:
        return live.release(run["release_no"]).scene(run["scene_id"]).flows[run["flow"]]

    def context(self, run: Mapping[str, Any]) -> SaleContext:
        ctx = context_of_order(orders.find(run["subject_no"], lock=True))
        ctx.lock_buyer()                       # two of a buyer's orders deliver one after the other: no paid day is lost
        ctx.first_time = False
        return ctx

    def finished(self, ctx: SaleContext, flow: str) -> None:
        if flow == "fulfil":
            move_on(ctx, "completed", "fulfilled")
        elif ctx.order["state"] == "paid":
            move_on(ctx, end_state(ctx), f"{flow} is done")

    def gave_up(self, ctx: SaleContext, flow: str, use: StepUse, reason: str) -> None:
        signal.emit("flow.gave_up", flow=flow, step=use.name)
        _log.error("%s of order %s gave up at %s: %s", flow, ctx.subject_no, use.name, reason)


HOST = OrderHost()


def move_on(ctx: SaleContext, state: str, cause: str, via: tuple[str, ...] = (), **values: Any) -> None:
    """Move the order on to `state`, with its time of ending when that is an end."""
    if state == "completed":
        values["ended_at_ms"] = clock.now_ms()
    store.move(orders.ORDER, ctx.subject_no, state, cause, row=ctx.order, via=via, **values)
    ctx.order.update(values, state=state)
    if state == "completed":
        report_delivery(ctx)


def finish_work_order(no: str, worker: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """A person has done a work order; the last one of an order starts its fulfil flow. Returns the work order."""
    order_no = work_orders.find(no)["order_no"]
    with store.transaction():
        order = orders.find(order_no, lock=True)
        _, finished = work_orders.finish(no, worker, result)
        if finished and order["state"] == "fulfilling" and not work_orders.unfinished(order_no):
            _schedule_fulfil(context_of_order(order))
    return work_orders.find(no)
