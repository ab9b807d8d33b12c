"""Payments and refunds as lists: what finance looks for by channel, state and day, and takes away as a table."""
from __future__ import annotations

from typing import Any, Callable

import peewee
from flask import g, url_for
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from engine.base import money
from engine.pay.payments import PaymentOrder
from engine.pay.refunds import Refund
from engine.trade.orders import TradeOrder

from .. import catalogue, causes, links, ui, words
from ..keyset import Sort, first_no
from ..listing import Filter, Listing, cell, day_ms

_LABELS = {"no": _l("Number"), "state": _l("State"), "order_no": _l("Order"), "channel_id": _l("Channel"),
           "channel_no": _l("Channel number"), "channel_refund_no": _l("Channel number"), "tender_kind": _l("Paid by"),
           "amount_minor": _l("Amount"), "surplus_minor": _l("Surplus"), "refunded_minor": _l("Refunded"),
           "currency": _l("Currency"),
           "payment_no": _l("Payment"), "reason": _l("Reason"), "error": _l("Error"), "kind": _l("Kind"), "twin_of": _l("Twin of"),
           "created_at_ms": _l("Begun"), "succeeded_at_ms": _l("Succeeded"), "updated_at_ms": _l("Changed last")}


def _on_its_order(row: Any) -> Markup:
    return Markup('<a class="no" href="{}#{}">{}</a>').format(url_for("orders.order", no=row.order_no), row.no, row.no)


def _times(*names: str) -> dict[str, Callable[..., Any]]:
    return {name: cell(lambda row, name=name: ui.time(getattr(row, name))) for name in names}


def _plain(*names: str) -> dict[str, Callable[..., Any]]:
    """Amounts and times for a spreadsheet."""
    write = {True: lambda row, name: money.format_major(getattr(row, name), row.currency),
             False: lambda row, name: ui.time_text(getattr(row, name))}
    return {name: cell(lambda row, name=name: write[name.endswith("_minor")](row, name)) for name in names}


class _OfOrders(Listing):
    """What hangs on orders, in the order of its numbers, which begin with their time: a day is a stretch of them."""
    prefix: str
    column_labels = _LABELS

    def visible(self, query: Any) -> Any:
        if not g.person.lines:
            return query
        mine = TradeOrder.select(TradeOrder.no).where(TradeOrder.line_id << sorted(g.person.lines))
        return query.where(self.table.order_no << mine)

    def days(self) -> tuple[Filter, Filter]:
        def bound(day: str, days: int) -> str | None:
            at_ms = day_ms(day, days)
            return None if at_ms is None else first_no(self.prefix, at_ms)

        def since(day: str) -> peewee.Expression | None:
            return self.table.no >= no if (no := bound(day, 0)) else None

        def until(day: str) -> peewee.Expression | None:
            return self.table.no < no if (no := bound(day, 1)) else None
        return Filter("from", _l("From"), "day", since), Filter("to", _l("Until"), "day", until)


class Payments(_OfOrders):
    table, prefix = PaymentOrder, "P"
    sorts = (Sort("newest", _l("Newest first"), PaymentOrder.no), Sort("oldest", _l("Oldest first"), PaymentOrder.no, False))
    column_list = ("no", "state", "order_no", "channel_id", "channel_no", "amount_minor", "surplus_minor", "created_at_ms",
                   "succeeded_at_ms")
    column_formatters = {
        "no": cell(_on_its_order), "state": cell(lambda row: ui.badge("payment", row.state)),
        "order_no": cell(lambda row: links.number(row.order_no)),
        "channel_id": cell(lambda row: catalogue.channel_title(row.channel_id) if row.channel_id
                           else words.word(words.TENDERS, row.tender_kind)),
        "channel_no": cell(lambda row: Markup('<span class="no">{}</span>').format(row.channel_no or "–")),
        "amount_minor": cell(lambda row: ui.money(row.amount_minor, row.currency)),
        "surplus_minor": cell(lambda row: ui.money(row.surplus_minor or None, row.currency)),
        **_times("created_at_ms", "succeeded_at_ms")}
    column_export_list = ("no", "state", "order_no", "tender_kind", "channel_id", "channel_no", "amount_minor", "surplus_minor",
                          "refunded_minor", "currency", "twin_of", "reason", "created_at_ms", "succeeded_at_ms")
    column_formatters_export = {
        "state": cell(lambda row: words.state("payment", row.state)), "reason": cell(lambda row: causes.said(row.reason)),
        "tender_kind": cell(lambda row: words.word(words.TENDERS, row.tender_kind)),
        **_plain("amount_minor", "surplus_minor", "refunded_minor", "created_at_ms", "succeeded_at_ms")}
    empty_text = _l("Nobody has begun to pay yet. A payment appears here with the first pay call of an order.")
    search_hint = _l("Payment, order or channel number")

    def search(self, query: Any, text: str) -> Any:
        return query.where((PaymentOrder.no == text) | (PaymentOrder.order_no == text) | (PaymentOrder.channel_no == text))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: PaymentOrder.state == value,
                   lambda: list(words.states("payment").items())),
            Filter("channel", _l("Channel"), "choice", lambda value: PaymentOrder.channel_id == value,
                   lambda: catalogue.channels("pay")),
            Filter("look", _l("Look at"), "choice", lambda value: PaymentOrder.surplus_minor > 0 if value == "surplus" else None,
                   lambda: [("surplus", str(_l("Surplus")))]),
            *self.days())


class Refunds(_OfOrders):
    table, prefix = Refund, "R"
    sorts = (Sort("newest", _l("Newest first"), Refund.no), Sort("oldest", _l("Oldest first"), Refund.no, False))
    column_list = ("no", "state", "kind", "order_no", "payment_no", "channel_id", "channel_refund_no", "amount_minor", "reason",
                   "created_at_ms")
    column_formatters = {
        "no": cell(_on_its_order), "state": cell(lambda row: ui.badge("refund", row.state)),
        "kind": cell(lambda row: words.word(words.REFUND_KINDS, row.kind)),
        "order_no": cell(lambda row: links.number(row.order_no)),
        "payment_no": cell(lambda row: Markup('<a class="no" href="{}#{}">{}</a>').format(
            url_for("orders.order", no=row.order_no), row.payment_no, row.payment_no)),
        "channel_id": cell(lambda row: catalogue.channel_title(row.channel_id) if row.channel_id else "–"),
        "channel_refund_no": cell(lambda row: Markup('<span class="no">{}</span>').format(row.channel_refund_no or "–")),
        "amount_minor": cell(lambda row: ui.money(row.amount_minor, row.currency)),
        "reason": cell(lambda row: causes.said(row.reason)), **_times("created_at_ms")}
    column_export_list = ("no", "state", "kind", "order_no", "payment_no", "channel_id", "channel_refund_no", "amount_minor",
                          "currency", "reason", "error", "created_at_ms", "updated_at_ms")
    column_formatters_export = {
        "state": cell(lambda row: words.state("refund", row.state)), "reason": cell(lambda row: causes.said(row.reason)),
        "kind": cell(lambda row: words.word(words.REFUND_KINDS, row.kind)),
        **_plain("amount_minor", "created_at_ms", "updated_at_ms")}
    empty_text = _l("Nothing was refunded yet. Money nobody has a claim on goes back by itself and appears here.")
    search_hint = _l("Refund, payment, order or channel number")

    def search(self, query: Any, text: str) -> Any:
        return query.where((Refund.no == text) | (Refund.order_no == text) | (Refund.payment_no == text)
                           | (Refund.channel_refund_no == text))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: Refund.state == value,
                   lambda: list(words.states("refund").items())),
            Filter("kind", _l("Kind"), "choice", lambda value: Refund.kind == value,
                   lambda: [(name, str(word)) for name, word in words.REFUND_KINDS.items()]),
            Filter("channel", _l("Channel"), "choice", lambda value: Refund.channel_id == value,
                   lambda: catalogue.channels("refund")),
            *self.days())
