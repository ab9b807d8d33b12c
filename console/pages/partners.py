"""Partners: their pools, what was drawn, a day's statement, what they were told; topping up, and taking a charge back."""
from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from flask import Response, flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine.base import clock, money, settings
from engine.base.errors import Code, Refusal
from engine.config.catalog import Partner
from engine.deliver import charges, outgoing, pools, statements
from engine.returning import return_charge

from .. import catalogue, refusals, ui, words
from ..access import audit
from ..i18n import title
from ..queries import partners
from ..refusals import Said
from ..room import Page, ask_first, deed

AMOUNT_MAX = 10 ** 12


class Partners(Page):
    @expose("/")
    def index(self) -> Any:
        return self.render("console/partners.html", partners=partners.listed(catalogue.current(), g.person), catalogue=catalogue)

    @expose("/<partner_id>")
    def partner(self, partner_id: str) -> Any:
        partner, catalog = _mine(partner_id), catalogue.current()
        state = partners.state(catalog, partner, g.person)
        return self.render("console/partner.html", **state, log=partners.log(catalog, partner, g.person),
                           charges=partners.charges(partner_id), notices=outgoing.of_owner(partner_id, 20), today=_today(),
                           catalogue=catalogue, page_title=title(partner.title, partner_id), typed=request.args,
                           amount_text=amount_text,
                           trail=audit.of_object("partner", partner_id, 20))

    @expose("/<partner_id>/statement")
    def statement(self, partner_id: str) -> Any:
        """A day's statement, on a page or (`as=csv`) as a table to take away."""
        partner, day = _mine(partner_id), request.args.get("day", "") or _today()
        try:
            made = statements.of_day(partner, day)
        except Refusal as refusal:
            flash(refusals.text(refusal), "danger")
            return redirect(url_for(".statement", partner_id=partner_id))
        if request.args.get("as") == "csv":
            audit.record("export", "partner", partner_id, note=f"statement {day}")
            name = f"{partner_id}-{day}.csv"
            return Response(statements.csv_of(made), mimetype="text/csv",
                            headers={"Content-Disposition": f'attachment; filename="{name}"'})
        state = partners.state(catalogue.current(), partner, g.person)
        return self.render("console/statement.html", **state, made=made, today=_today(),
                           page_title=title(partner.title, partner_id),
                           day_before=_days_from(day, -1), day_after=_days_from(day, 1) if day < _today() else "")

    @expose("/<partner_id>/charges/<no>/return", methods=("POST",))
    @deed("charge.return", lambda partner_id, no: url_for("partners.partner", partner_id=partner_id))
    def return_charge(self, partner_id: str, no: str) -> Any:
        partner = _mine(partner_id)
        charge, reason = charges.find(partner_id, no), request.form.get("reason", "").strip()[:80]
        if len(reason) < 2:
            raise Said(Code.BAD_REQUEST, _("Say why: the partner is told."))
        said = amount_text(partner, charge["amount"])
        question = _("Take charge %(no)s back? The buyer's entitlements end, and %(amount)s return to the pool.",
                     no=charge["partner_order_no"], amount=said)
        if page := ask_first(question, _("Take back"), url_for(".partner", partner_id=partner_id), danger=True):
            return page
        with audit.deed("charge.return", "charge", charge["no"], note=reason, before={"state": charge["state"]}) as entry:
            entry.after = {"state": return_charge(partner, charge["no"], reason)["state"]}
        flash(_("Charge %(no)s was taken back; %(amount)s are in the pool again.", no=charge["partner_order_no"], amount=said),
              "success")

    @expose("/<partner_id>/top-up", methods=("POST",))
    @deed("pool.top_up", lambda partner_id: url_for("partners.partner", partner_id=partner_id, **_typed()))
    def top_up(self, partner_id: str) -> Any:
        partner = _mine(partner_id)
        amount, key = _amount(partner), request.form.get("key", "").strip()[:64]
        if len(key) < 3:
            raise Said(Code.BAD_REQUEST, _("Name the receipt: the bank's number of the transfer, or the agreement's. It counts "
                                           "once."))
        name, back = title(partner.title, partner_id), url_for(".partner", partner_id=partner_id)
        said = amount_text(partner, amount)
        question = _("Top up the pool of %(name)s by %(amount)s, on receipt %(key)s?", name=name, amount=said, key=key)
        if sharing := partners.state(catalogue.current(), partner, g.person)["sharing"]:
            question += " " + _("%(others)s draw from it too.", others=", ".join(title(p.title, p.id) for p, _seen in sharing))
        if page := ask_first(question, _("Top up"), back):
            return page
        if partners.is_booked(partner.pool.id, key):
            raise Said(Code.NOTHING_CHANGED, _("Receipt %(key)s was booked before; nothing was added.", key=key))
        before = pools.of(partner)["balance"]
        with audit.deed("pool.top_up", "partner", partner_id, note=key, before={"balance": before}) as entry:
            entry.after = {"balance": pools.top_up(partner, amount, key)["balance"], "amount": amount}
        flash(_("%(amount)s were added to the pool of %(name)s.", amount=said, name=name), "success")
        return redirect(back)


def _today() -> str:
    return clock.business_date(clock.now_ms(), settings.timezone())


def _days_from(day: str, count: int) -> str:
    """A day some days later or earlier; "" beyond the calendar."""
    try:
        return (date.fromisoformat(day) + timedelta(days=count)).isoformat()
    except OverflowError:
        return ""


def _typed() -> dict[str, str]:
    """What was typed, given back to the page when it was refused."""
    return {name: request.form.get(name, "")[:64] for name in ("amount", "key") if request.form.get(name)}


def _amount(partner: Partner) -> int:
    text, unit = request.form.get("amount", "").strip().replace(",", ""), partner.pool.unit
    try:
        amount = money.parse_major(text, partner.pool.currency) if unit == "money" else int(text)
    except ValueError:
        said = (_("%(text)s is not an amount: write it like 50000.00, without letters.", text=text or "–") if unit == "money"
                else _("%(text)s is not a whole number of %(unit)s.", text=text or "–", unit=words.word(words.UNITS, unit)))
        raise Said(Code.BAD_REQUEST, said) from None
    if not 0 < amount <= AMOUNT_MAX:
        raise Said(Code.BAD_REQUEST, _("The amount must be more than nothing, and less than all the money there is."))
    return amount


def amount_text(partner: Partner, amount: int) -> str:
    """An amount in the pool's unit, as text."""
    if partner.pool.unit == "money":
        return f"{ui.money_text(amount, partner.pool.currency)} {partner.pool.currency}"
    return f"{amount:,} {words.word(words.UNITS, partner.pool.unit)}"


def _mine(partner_id: str) -> Partner:
    """The partner, if this person may see one of its scenes. Refusal PARTNER_UNKNOWN otherwise."""
    catalog = catalogue.current()
    if catalog is None or partner_id not in catalog.partners or not partners.sees(catalog, catalog.partners[partner_id], g.person):
        raise Refusal(Code.PARTNER_UNKNOWN, f"there is no partner {partner_id!r}", [{"path": "partner", "found": partner_id}])
    return catalog.partners[partner_id]
