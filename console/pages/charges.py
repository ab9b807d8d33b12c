"""Direct charges: what partners asked for, found by their numbers, partner, state and day."""
from __future__ import annotations

from typing import Any

from flask import g, url_for
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from engine.base import money
from engine.deliver.charges import Charge
from engine.trade.orders import TradeOrder

from .. import catalogue, causes, ui, words
from ..keyset import Sort
from ..listing import Filter, Listing, cell, day_ms
from .partners import amount_text


def _link(row: Charge) -> Markup:
    return Markup('<a class="no" href="{}#{}">{}</a><br><small class="no muted">{}</small>').format(
        url_for("orders.order", no=row.order_no), row.no, row.partner_order_no, row.no)


def _partner(row: Charge) -> Markup:
    return Markup('<a href="{}">{}</a>').format(
        url_for("partners.partner", partner_id=row.partner_id), catalogue.partner_title(row.partner_id))


def _state(row: Charge) -> Markup:
    why = Markup('<br><small class="muted">{}</small>').format(causes.said(row.reason)) if row.reason else Markup("")
    return ui.badge("charge", row.state) + why


def _buyer(row: Charge) -> Markup:
    return Markup('{}<br><small class="muted">{}</small>').format(row.buyer_id or "–", ui.phone(row.phone))


def _amount(row: Charge) -> str:
    catalog = catalogue.current()
    partner = catalog.partners.get(row.partner_id) if catalog else None
    if not row.amount:
        return "–"                             # nothing is drawn before the buyer is known
    return amount_text(partner, row.amount) if partner else str(row.amount)


def _plain_amount(row: Charge) -> str:
    """For a spreadsheet: major units of money, or pieces, in figures only."""
    catalog = catalogue.current()
    partner = catalog.partners.get(row.partner_id) if catalog else None
    return money.format_major(row.amount, partner.pool.currency) \
        if partner and partner.pool.unit == "money" else str(row.amount)


def _unit(row: Charge) -> str:
    catalog = catalogue.current()
    partner = catalog.partners.get(row.partner_id) if catalog else None
    if partner is None:
        return ""
    return partner.pool.currency if partner.pool.unit == "money" else words.word(words.UNITS, partner.pool.unit)


class Charges(Listing):
    table = Charge
    sorts = (Sort("newest", _l("Newest first"), Charge.no), Sort("oldest", _l("Oldest first"), Charge.no, False))
    column_list = ("partner_order_no", "state", "partner_id", "order_no", "buyer_id", "amount", "tries", "created_at_ms")
    column_labels = {"partner_order_no": _l("Charge"), "no": _l("Number"), "state": _l("State"), "partner_id": _l("Partner"),
                     "order_no": _l("Order"), "buyer_id": _l("Buyer"), "amount": _l("Drawn"), "unit": _l("Unit"),
                     "tries": _l("Tries"), "reason": _l("Reason"), "created_at_ms": _l("Placed"), "phone": _l("Telephone")}
    column_formatters = {
        "partner_order_no": cell(_link), "state": cell(_state), "partner_id": cell(_partner),
        "order_no": cell(lambda row: Markup('<a class="no" href="{}">{}</a>').format(
            url_for("orders.order", no=row.order_no), row.order_no)),
        "buyer_id": cell(_buyer), "amount": cell(_amount), "created_at_ms": cell(lambda row: ui.time(row.created_at_ms))}
    column_export_list = ("partner_id", "partner_order_no", "no", "state", "reason", "order_no", "buyer_id", "phone", "amount",
                          "unit", "tries", "created_at_ms")
    column_formatters_export = {
        "state": cell(lambda row: words.state("charge", row.state)), "reason": cell(lambda row: causes.said(row.reason)),
        "phone": cell(lambda row: ui.phone(row.phone)), "amount": cell(_plain_amount), "unit": cell(_unit),
        "created_at_ms": cell(lambda row: ui.time_text(row.created_at_ms))}
    empty_text = _l("No partner has charged anybody yet. Partners charge through the API, under the agreement in their file.")
    search_hint = _l("Partner's number, charge, order, buyer or telephone")

    def visible(self, query: Any) -> Any:
        if not g.person.lines:
            return query
        mine = TradeOrder.select(TradeOrder.no).where(TradeOrder.line_id << sorted(g.person.lines))
        return query.where(Charge.order_no << mine)

    def search(self, query: Any, text: str) -> Any:
        theirs = Charge.partner_id << [id for id, _title in catalogue.partners()]
        return query.where((Charge.no == text) | (Charge.order_no == text) | (Charge.buyer_id == text) | (Charge.phone == text)
                           | (theirs & (Charge.partner_order_no == text)))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: Charge.state == value,
                   lambda: list(words.states("charge").items())),
            Filter("partner", _l("Partner"), "choice", lambda value: Charge.partner_id == value, catalogue.partners),
            Filter("from", _l("From"), "day", lambda day: (at := day_ms(day)) and Charge.created_at_ms >= at),
            Filter("to", _l("Until"), "day", lambda day: (at := day_ms(day, 1)) and Charge.created_at_ms < at))
