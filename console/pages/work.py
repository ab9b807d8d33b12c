"""Work orders: what people do for orders. Take one, do it, say what came of it; the last one of an order completes it."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup

from engine import runs, store
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.deliver import upstream, work_orders
from engine.deliver.work_orders import WORK_ORDER, WorkOrder
from engine.trade import orders
from engine.trade.orders import TradeOrder

from .. import catalogue, ui, words
from ..access import audit
from ..i18n import title
from ..keyset import Sort
from ..listing import Filter, Listing, cell
from ..refusals import Said
from ..room import deed

NOTE_MAX = 2000


def _link(row: WorkOrder) -> Markup:
    return Markup('<a href="{}">{}</a><br><small class="no muted">{}</small>').format(
        url_for("work.work_order", no=row.no), title(row.title, row.kind), row.no)


def _order(row: WorkOrder) -> Markup:
    return Markup('<a class="no" href="{}">{}</a>').format(url_for("orders.order", no=row.order_no), row.order_no)


def _due(row: WorkOrder) -> Markup:
    if row.due_at_ms is None:
        return ui.time(None)
    late = row.due_at_ms < clock.now_ms() and row.state in ("open", "in_progress")
    return Markup('<span class="{}">{}</span><br><small class="muted">{}</small>').format(
        "bad" if late else "", ui.time(row.due_at_ms, seconds=False), ui.ago(row.due_at_ms))


def _queues() -> list[tuple[str, str]]:
    return [(row[0], row[0]) for row in store.query(store.trade, "SELECT DISTINCT queue FROM work_order ORDER BY queue")]


def _back(no: str) -> str:
    return url_for("work.work_order", no=no)


class Work(Listing):
    table = WorkOrder
    sorts = (Sort("oldest", _l("Oldest first"), WorkOrder.no, False), Sort("newest", _l("Newest first"), WorkOrder.no))
    column_list = ("title", "state", "queue", "worker", "order_no", "due_at_ms", "created_at_ms")
    column_labels = {"title": _l("Work order"), "state": _l("State"), "queue": _l("Queue"), "worker": _l("Worker"),
                     "order_no": _l("Order"), "due_at_ms": _l("Due"), "created_at_ms": _l("Opened"), "no": _l("Number"),
                     "kind": _l("Kind")}
    column_formatters = {"title": cell(_link), "state": cell(lambda row: ui.badge("work_order", row.state)),
                         "order_no": cell(_order), "due_at_ms": cell(_due),
                         "created_at_ms": cell(lambda row: ui.time(row.created_at_ms, seconds=False))}
    column_export_list = ("no", "kind", "state", "queue", "worker", "order_no", "due_at_ms", "created_at_ms")
    column_formatters_export = {"state": cell(lambda row: words.state("work_order", row.state)),
                                **{name: cell(lambda row, name=name: ui.time_text(getattr(row, name)))
                                   for name in ("due_at_ms", "created_at_ms")}}
    list_template = "console/work.html"
    empty_text = _l("There is no work order. Lines open them with the step open_work_orders; they appear here with the order.")
    search_hint = _l("Work order or order number")

    def visible(self, query: Any) -> Any:
        if not g.person.lines:
            return query
        mine = TradeOrder.select(TradeOrder.no).where(TradeOrder.line_id << sorted(g.person.lines))
        return query.where(WorkOrder.order_no << mine)

    def search(self, query: Any, text: str) -> Any:
        return query.where((WorkOrder.no == text) | (WorkOrder.order_no == text))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", _state_is,
                   lambda: [("todo", _("To be done")), *words.states("work_order").items()]),
            Filter("queue", _l("Queue"), "choice", lambda value: WorkOrder.queue == value, _queues),
            Filter("worker", _l("Worker"), "choice", lambda value: WorkOrder.worker == value,
                   lambda: [(g.person.login, _("Me"))]))

    @expose("/<no>")
    def work_order(self, no: str) -> Any:
        row, order = self._mine(no)
        moves = store.many(store.StateLog, no=no, order_by="id")
        upstreams = upstream.of_order(order["no"])
        siblings = [w for w in work_orders.of_order(order["no"]) if w["no"] != no]
        return self.render("console/work_order.html", work=row, order=order, moves=moves, siblings=siblings, catalogue=catalogue,
                           upstream=upstreams, parent=next((w for w in siblings if w["no"] == row["parent_no"]), None),
                           note_max=NOTE_MAX, note=request.args.get("note", ""), page_title=title(row["title"], row["kind"]))

    @expose("/<no>/take", methods=("POST",))
    @deed("work.do", _back)
    def take(self, no: str) -> Any:
        row, _order_row = self._mine(no)
        if row["state"] == "in_progress" and row["worker"] != g.person.login:
            raise Said(Code.STATE_REFUSED, _("%(worker)s has taken it already.", worker=row["worker"]))
        with audit.deed("work.take", "work_order", no, before={"state": row["state"], "worker": row["worker"]}):
            with store.transaction():
                work_orders.take(no, g.person.login)
        flash(_("It is yours."), "success")

    @expose("/<no>/finish", methods=("POST",))
    @deed("work.do", _back)
    def finish(self, no: str) -> Any:
        row, _order_row = self._mine(no)
        note = request.form.get("note", "").strip()[:NOTE_MAX]
        if not note:
            raise Said(Code.BAD_REQUEST, _("Say what came of it: a number, a date, a name."))
        if row["state"] == "done":
            raise Said(Code.STATE_REFUSED, _("It was done already, by %(worker)s.", worker=row["worker"]))
        with audit.deed("work.finish", "work_order", no, note=note, before={"state": row["state"]}) as entry:
            entry.after = {"state": runs.finish_work_order(no, g.person.login, {"note": note})["state"]}
        flash(_("Done. An order goes on when the last of its work orders is."), "success")
        return redirect(_back(no))

    def _mine(self, no: str) -> tuple[dict[str, Any], dict[str, Any]]:
        row = work_orders.find(no)
        order = orders.find(row["order_no"])
        if not g.person.sees_line(order["line_id"]):
            raise Refusal(Code.WORK_ORDER_UNKNOWN, f"there is no work order {no!r}", [{"path": "work_order", "found": no}])
        return row, order


def _state_is(value: str) -> Any:
    open_states = [state for state in WORK_ORDER.moves if not WORK_ORDER.is_end(state)]
    return WorkOrder.state << open_states if value == "todo" else WorkOrder.state == value
