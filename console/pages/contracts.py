"""Contracts: what is due, what failed, each contract's periods; deduct again now, end one."""
from __future__ import annotations

from typing import Any

from flask import flash, g, request, url_for
from flask_admin import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup

from engine import renewing, repricing, signing, store
from engine.base import clock, money
from engine.base.errors import Code, Refusal
from engine.pay import contracts
from engine.pay.contracts import CONTRACT, Contract, ContractPeriod

from .. import catalogue, ui, words
from ..access import audit
from ..drawing import machine
from ..keyset import Sort
from ..listing import Filter, Listing, cell
from ..queries import contracts as queries
from ..refusals import Said
from ..room import ask_first, deed

REASON_MAX = 120
PRICE_MAX_MINOR = 10 ** 10


def _link(row: Contract) -> Markup:
    return Markup('<a class="no" href="{}">{}</a>').format(url_for("contracts.contract", no=row.no), row.no)


def _what(row: Contract) -> Markup:
    return Markup('{}<br><small class="muted">{}</small>').format(row.title, catalogue.scene_title(row.scene_id))


def _paid(row: Contract) -> Markup:
    return Markup('{}<br><small class="muted">{}</small>').format(row.paid_n, ui.moment(row.paid_until_ms))


def _next_minor(row: Contract) -> int:
    return contracts.price_of(row.__data__, row.paid_n + 1) * row.quantity


def _price(row: Contract) -> Markup:
    return ui.money(_next_minor(row), row.currency) if row.state in contracts.HELD else ui.money(None)


def _back(no: str, **_values: Any) -> str:
    return url_for("contracts.contract", no=no)


class Contracts(Listing):
    table = Contract
    sorts = (Sort("newest", _l("Newest first"), Contract.no), Sort("oldest", _l("Oldest first"), Contract.no, False))
    list_template = "console/contracts.html"
    column_list = ("no", "state", "title", "buyer_id", "channel_id", "paid_n", "next_price_minor", "next_at_ms")
    column_labels = {"no": _l("Contract"), "state": _l("State"), "title": _l("What · scene"), "buyer_id": _l("Buyer"),
                     "channel_id": _l("Channel"), "paid_n": _l("Paid periods · until"), "next_price_minor": _l("Next price"),
                     "currency": _l("Currency"), "quantity": _l("Pieces"),
                     "next_at_ms": _l("Seen to next"), "scene_id": _l("Scene"), "sku": _l("SKU"), "line_id": _l("Line"),
                     "channel_no": _l("Channel number"), "order_no": _l("Order"), "paid_until_ms": _l("Paid until"),
                     "signed_at_ms": _l("Signed"), "ended_at_ms": _l("Ended"), "reason": _l("Reason")}
    column_formatters = {
        "no": cell(_link), "state": cell(lambda row: ui.badge("contract", row.state)), "title": cell(_what),
        "channel_id": cell(lambda row: catalogue.channel_title(row.channel_id)), "paid_n": cell(_paid),
        "next_price_minor": cell(_price),
        "next_at_ms": cell(lambda row: ui.moment(row.next_at_ms))}
    column_export_list = ("no", "state", "scene_id", "line_id", "sku", "quantity", "buyer_id", "channel_id", "channel_no",
                          "order_no", "paid_n", "paid_until_ms", "next_price_minor", "currency", "next_at_ms", "signed_at_ms",
                          "ended_at_ms", "reason")
    column_formatters_export = {
        "state": cell(lambda row: words.state("contract", row.state)),
        **{name: cell(lambda row, name=name: ui.time_text(getattr(row, name)))
           for name in ("paid_until_ms", "next_at_ms", "signed_at_ms", "ended_at_ms")},
        "next_price_minor": cell(lambda row: money.format_major(_next_minor(row), row.currency))}
    empty_text = _l("There is no contract. Recurring products are signed for where a channel takes contracts; they appear "
                    "here with the order.")
    search_hint = _l("Contract, buyer, order or channel number")

    def visible(self, query: Any) -> Any:
        return query.where(Contract.line_id << sorted(g.person.lines)) if g.person.lines else query

    def search(self, query: Any, text: str) -> Any:
        renewed = ContractPeriod.select(ContractPeriod.contract_no).where(ContractPeriod.order_no == text)
        theirs = Contract.channel_id << [id for id, _title in catalogue.channels("withhold")]
        return query.where((Contract.no == text) | (Contract.buyer_id == text) | (theirs & (Contract.channel_no == text))
                           | (Contract.no << renewed))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: Contract.state == value,
                   lambda: list(words.states("contract").items())),
            Filter("look", _l("Look at"), "choice", _looked_at,
                   lambda: [("due", _("due within a day")), ("failed", _("deduction failed")), ("unknown", _("outcome unknown")),
                            ("consent", _("waits for consent"))]),
            Filter("channel", _l("Channel"), "choice", lambda value: Contract.channel_id == value,
                   lambda: catalogue.channels("withhold")),
            Filter("line", _l("Line"), "choice", lambda value: Contract.line_id == value, catalogue.lines))

    def more_for_page(self) -> dict[str, Any]:
        lines = sorted(g.person.lines)
        return {"calendar": queries.calendar(clock.now_ms(), lines), "failing": queries.failing(lines)}

    # ── one contract ─────────────────────────────────────────────────────────────────────────────────────────────────

    @expose("/<no>")
    def contract(self, no: str) -> Any:
        row = mine(no)
        periods = contracts.periods(no)
        failed = contracts.unfinished(no)
        moves = store.many(store.StateLog, no=[no, *(p["no"] for p in periods)], order_by="id")
        picture = machine.draw(CONTRACT, [m for m in moves if m["machine"] == "contract"], row["state"],
                               lambda at_ms: ui.local(at_ms).strftime("%m-%d %H:%M"))
        return self.render("console/contract.html", contract=row, periods=list(reversed(periods)), moves=list(reversed(moves)),
                           picture=picture, next_minor=contracts.price_of(row, row["paid_n"] + 1) * row["quantity"],
                           may_retry=row["state"] in contracts.LIVE and failed is not None and failed["state"] == "failed",
                           retry_question=_retry_question(row, failed) if failed else "", next_n=row["paid_n"] + 1,
                           may_end=row["state"] in contracts.HELD, in_force=row["state"] in contracts.LIVE, catalogue=catalogue,
                           reason_max=REASON_MAX, trail=audit.of_object("contract", no, 20), page_title=no)

    @expose("/<no>/retry", methods=("POST",))
    @deed("contract.act", _back)
    def retry(self, no: str) -> Any:
        row = mine(no)
        failed = contracts.unfinished(no)
        if failed and (page := ask_first(_retry_question(row, failed), _("Deduct again now"), _back(no))):
            return page
        with audit.deed("contract.retry", "contract", no, before={"state": row["state"], "paid_n": row["paid_n"]}) as entry:
            after = renewing.retry_now(no)
            entry.after = {"state": after["state"], "paid_n": after["paid_n"]}
        if after["paid_n"] > row["paid_n"]:
            flash(_("Period %(n)s is deducted.", n=after["paid_n"]), "success")
        else:
            flash(_("It was tried, and is not deducted yet."), "info")

    @expose("/<no>/terminate", methods=("POST",))
    @deed("contract.act", _back)
    def terminate(self, no: str) -> Any:
        row = mine(no)
        reason = request.form.get("reason", "").strip()[:REASON_MAX]
        if not reason:
            raise Said(Code.BAD_REQUEST, _("Say why the contract ends."))
        question = _("End contract %(no)s? Nothing is deducted any more and the channel is told; it can't be undone.", no=no)
        if page := ask_first(question, _("End the contract"), _back(no), danger=True):
            return page
        with audit.deed("contract.terminate", "contract", no, note=reason, before={"state": row["state"]}) as entry:
            entry.after = {"state": signing.terminate(no, reason, f"ended by {g.person.login}")["state"]}
        flash(_("Contract %(no)s is over.", no=no), "success")

    @expose("/<no>/price", methods=("POST",))
    @deed("contract.act", _back)
    def price(self, no: str) -> Any:
        row, text = mine(no), request.form.get("price", "").strip()[:32]
        try:
            minor = money.parse_major(text, row["currency"])
        except ValueError:
            minor = 0
        if not 0 < minor <= PRICE_MAX_MINOR:
            raise Said(Code.BAD_REQUEST, _("%(text)s is no amount: write it like 25.00, more than nothing.", text=text or "–"))
        question = _("Propose %(amount)s %(currency)s a piece for contract %(no)s? A lower price holds at once, a higher one "
                     "when the buyer has agreed.", amount=ui.money_text(minor, row["currency"]), currency=row["currency"], no=no)
        if page := ask_first(question, _("Propose"), _back(no)):
            return page
        with audit.deed("contract.price", "contract", no, note=text, before={"proposed": row["proposed"]}) as entry:
            after = repricing.propose(no, minor)
            entry.after = {"proposed": after["proposed"]}
        flash(_("The price waits for the buyer's consent.") if after["proposed"] else
              _("The lower price holds from the next period on."), "success")


def _retry_question(contract: dict[str, Any], period: dict[str, Any]) -> str:
    return _("Deduct %(amount)s %(currency)s for period %(n)s from %(buyer)s now?", n=period["n"], buyer=contract["buyer_id"],
             amount=ui.money_text(period["amount_minor"], contract["currency"]), currency=contract["currency"])


def _looked_at(value: str) -> Any:
    if value == "due":
        return (Contract.state << contracts.LIVE) & (Contract.paid_until_ms <= clock.now_ms() + 86_400_000)
    if value == "consent":
        return Contract.proposed.is_null(False)
    states = {"failed": "failed", "unknown": "deducting"}
    if value not in states:
        return None
    return Contract.no << ContractPeriod.select(ContractPeriod.contract_no).where(ContractPeriod.state == states[value])


def mine(no: str) -> dict[str, Any]:
    """The contract's row, if this person may see its line. Refusal CONTRACT_UNKNOWN otherwise, as if it were not there."""
    row = contracts.find(no)
    if not g.person.sees_line(row["line_id"]):
        raise Refusal(Code.CONTRACT_UNKNOWN, f"there is no contract {no!r}", [{"path": "contract", "found": no}])
    return row
