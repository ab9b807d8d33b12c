"""Orders: finding them, and one order's whole story with what may be done about it."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import flash, g, request, url_for
from flask_admin import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup

from engine import sale, settling
from engine.base.errors import Code, Refusal
from engine.flow import executor
from engine.pay import payments
from engine.runs import HOST
from engine.trade import orders
from engine.trade.orders import ORDER, TradeOrder

from .. import catalogue, ui, words
from ..access import audit
from ..drawing import machine
from ..keyset import Sort
from ..listing import Filter, Listing, cell, day_ms
from ..queries import order_page, order_search, timeline
from ..room import ask_first, deed
from .partners import amount_text


def _link(row: TradeOrder) -> Markup:
    return Markup('<a class="no" href="{}">{}</a>').format(url_for("orders.order", no=row.no), row.no)


def _what(row: TradeOrder) -> Markup:
    return Markup('{}<br><small class="muted">{}</small>').format(row.title, catalogue.scene_title(row.scene_id))


def _buyer(row: TradeOrder) -> Markup:
    guest = Markup('<span class="muted">{}</span>').format(_("Guest"))
    return Markup("{}").format(row.buyer_id) if row.buyer_id else guest


def _amount(row: TradeOrder) -> Markup:
    if row.subtotal_minor == row.payable_minor:
        return ui.money(row.payable_minor, row.currency)
    return Markup('{}<br><small class="was">{}</small>').format(
        ui.money(row.payable_minor, row.currency), ui.money_text(row.subtotal_minor, row.currency))


def _back(no: str, **_values: Any) -> str:
    return url_for("orders.order", no=no)


class Orders(Listing):
    table = TradeOrder
    sorts = (Sort("newest", _l("Newest first"), TradeOrder.no), Sort("oldest", _l("Oldest first"), TradeOrder.no, False),
             Sort("dearest", _l("Largest amount"), TradeOrder.payable_minor),
             Sort("cheapest", _l("Smallest amount"), TradeOrder.payable_minor, False))
    column_list = ("no", "state", "title", "line_id", "buyer_id", "payable_minor", "created_at_ms", "paid_at_ms", "release_no")
    column_labels = {"no": _l("Order"), "state": _l("State"), "title": _l("What · scene"), "line_id": _l("Line"),
                     "buyer_id": _l("Buyer"), "payable_minor": _l("To pay"), "created_at_ms": _l("Placed"),
                     "paid_at_ms": _l("Paid at"), "release_no": _l("Release"), "scene_id": _l("Scene"), "currency": _l("Currency"),
                     "subtotal_minor": _l("List price"), "refunded_minor": _l("Refunded"), "external_no": _l("Outside number"),
                     "partner_id": _l("Partner"), "terminal": _l("Terminal"), "method": _l("Sales method"),
                     "trace_id": _l("Trace")}
    column_formatters = {
        "no": cell(_link), "state": cell(lambda row: ui.badge("order", row.state)), "title": cell(_what),
        "line_id": cell(lambda row: catalogue.line_title(row.line_id)), "buyer_id": cell(_buyer), "payable_minor": cell(_amount),
        "created_at_ms": cell(lambda row: ui.time(row.created_at_ms)), "paid_at_ms": cell(lambda row: ui.time(row.paid_at_ms))}
    column_export_list = ("no", "state", "title", "scene_id", "line_id", "terminal", "method", "buyer_id", "partner_id",
                          "external_no", "currency", "subtotal_minor", "payable_minor", "refunded_minor", "created_at_ms",
                          "paid_at_ms", "release_no", "trace_id")
    column_formatters_export = {
        "state": cell(lambda row: words.state("order", row.state)),
        **{name: cell(lambda row, name=name: ui.money_text(getattr(row, name), row.currency).replace(",", "").replace("−", "-"))
           for name in ("subtotal_minor", "payable_minor", "refunded_minor")},
        **{name: cell(lambda row, name=name: ui.time_text(getattr(row, name))) for name in ("created_at_ms", "paid_at_ms")}}
    empty_text = _l("No order was placed yet. Orders come in through the API; the start-up text shows a command that places one.")
    search_hint = _l("Order, buyer, telephone, payment, outside or channel number")

    def visible(self, query: Any) -> Any:
        return query.where(TradeOrder.line_id << sorted(g.person.lines)) if g.person.lines else query

    def search(self, query: Any, text: str) -> Any:
        return query.where(order_search.condition(text))

    def _sort(self, asked: dict[str, str]) -> Sort:
        """Numbers grow with time and stand behind other columns in indexes; a span of days is walked by its own index."""
        sort = super()._sort(asked)
        spans = sort.field is TradeOrder.no and ("from" in asked or "to" in asked)
        return replace(sort, field=TradeOrder.created_at_ms) if spans else sort

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: TradeOrder.state == value,
                   lambda: list(words.states("order").items())),
            Filter("scene", _l("Scene"), "choice", lambda value: TradeOrder.scene_id == value, catalogue.scenes),
            Filter("line", _l("Line"), "choice", lambda value: TradeOrder.line_id == value, catalogue.lines),
            Filter("from", _l("From"), "day", lambda day: (at := day_ms(day)) and TradeOrder.created_at_ms >= at),
            Filter("to", _l("Until"), "day", lambda day: (at := day_ms(day, 1)) and TradeOrder.created_at_ms < at))

    # ── one order ────────────────────────────────────────────────────────────────────────────────────────────────────

    @expose("/<no>")
    def order(self, no: str) -> Any:
        page = order_page.load(mine(no)["no"])
        moves = [move for move in page["log"] if move["machine"] == "order"]
        picture = machine.draw(ORDER, moves, page["order"]["state"], lambda at_ms: ui.local(at_ms).strftime("%m-%d %H:%M:%S"))
        return self.render("console/order.html", **page, picture=picture, timeline=timeline.of(page), groups=timeline.group_words(),
                           catalogue=catalogue, page_title=no, may_close=ORDER.allows(page["order"]["state"], "closed"),
                           may_ask=[p for p in page["payments"] if p["state"] in payments.LIVE], anchors=order_page.numbers(page),
                           drawn=_drawn(page),
                           trail=audit.of_object("order", no, 20))

    @expose("/<no>/close", methods=("POST",))
    @deed("order.act", _back)
    def close(self, no: str) -> Any:
        order = mine(no)
        question = _("Close order %(no)s? What it holds becomes free; money that still comes in goes back.", no=no)
        if page := ask_first(question, _("Close the order"), _back(no), danger=True):
            return page
        with audit.deed("order.close", "order", no, before={"state": order["state"]}) as entry:
            entry.after = {"state": sale.close(no, f"closed by {g.person.login}")["state"]}
        flash(_("Order %(no)s is closed.", no=no), "success")

    @expose("/<no>/ask", methods=("POST",))
    @deed("order.act", _back)
    def ask(self, no: str) -> Any:
        mine(no)
        open_ones = [p for p in payments.of_order(no) if p["state"] in payments.LIVE]
        if not open_ones:
            flash(_("No payment of this order is open: there is nothing to ask."), "info")
        for payment in open_ones:
            with audit.deed("order.ask", "order", no, note=payment["no"], before={"payment": payment["state"]}) as entry:
                after = settling.ask_payment(payment["no"])
                entry.after = {"payment": after}
            said = words.state("payment", after)
            flash(_("The channel was asked about %(no)s: %(state)s.", no=payment["no"], state=said), "info")

    @expose("/<no>/retry", methods=("POST",))
    @deed("order.act", _back)
    def retry(self, no: str) -> Any:
        order, flow = mine(no), request.form.get("flow", "")[:16]
        return ask_retry(f"{order['no']}/{flow}", _back(no))


def _drawn(page: dict[str, Any]) -> str:
    """What a direct charge drew from its partner's pool, in the pool's unit; "" without one, or when its partner is gone."""
    catalog, charge = catalogue.current(), page["charge"]
    partner = catalog.partners.get(charge["partner_id"]) if catalog and charge else None
    return amount_text(partner, charge["amount"]) if partner and charge["amount"] else ""


def ask_retry(run_no: str, back_url: str) -> str | None:
    """Send a failed flow round again and say so, after a question."""
    question = _("Send the flow \"%(flow)s\" of this order round again from its first step?",
                 flow=words.word(words.FLOWS, run_no.rpartition("/")[2]))
    if page := ask_first(question, _("Retry"), back_url):
        return page
    with audit.deed("flow.retry", "flow", run_no):
        if not executor.retry_failed(run_no, HOST):
            raise Refusal(Code.STATE_REFUSED, f"the flow {run_no} has not failed", [{"path": "flow", "found": run_no}])
    flash(_("The flow %(no)s goes round again.", no=run_no), "success")
    return None


def mine(no: str) -> dict[str, Any]:
    """The order's row, if this person may see its line. Refusal ORDER_UNKNOWN otherwise, as if it were not there."""
    order = orders.find(no)
    if not g.person.sees_line(order["line_id"]):
        raise Refusal(Code.ORDER_UNKNOWN, f"there is no order {no!r}", [{"path": "order", "found": no}])
    return order
