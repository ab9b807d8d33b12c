"""Partners: their pools, what was drawn, and topping up."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine.base import money
from engine.base.errors import Code, Refusal
from engine.config.catalog import Partner
from engine.deliver import pools

from .. import catalogue, ui, words
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
        partner = _mine(partner_id)
        state = partners.state(catalogue.current(), partner)
        return self.render("console/partner.html", **state, log=partners.log(partner_id), charges=partners.charges(partner_id),
                           catalogue=catalogue, page_title=title(partner.title, partner_id), typed=request.args,
                           trail=audit.of_object("partner", partner_id, 20))

    @expose("/<partner_id>/top-up", methods=("POST",))
    @deed("pool.top_up", lambda partner_id: url_for("partners.partner", partner_id=partner_id, **_typed()))
    def top_up(self, partner_id: str) -> Any:
        partner = _mine(partner_id)
        currency = partners.currency(catalogue.current(), partner)
        amount, key = _amount(partner, currency), request.form.get("key", "").strip()[:64]
        if len(key) < 3:
            raise Said(Code.BAD_REQUEST, _("Name the receipt: the bank's number of the transfer, or the agreement's. It counts "
                                           "once."))
        name, back = title(partner.title, partner_id), url_for(".partner", partner_id=partner_id)
        said = amount_text(partner, amount, currency)
        question = _("Top up the pool of %(name)s by %(amount)s, on receipt %(key)s?", name=name, amount=said, key=key)
        if page := ask_first(question, _("Top up"), back):
            return page
        if partners.is_booked(partner_id, key):
            raise Said(Code.NOTHING_CHANGED, _("Receipt %(key)s was booked before; nothing was added.", key=key))
        before = (pools.find(partner_id) or {"balance": 0})["balance"]
        with audit.deed("pool.top_up", "partner", partner_id, note=key, before={"balance": before}) as entry:
            entry.after = {"balance": pools.top_up(partner, amount, key, currency)["balance"], "amount": amount}
        flash(_("%(amount)s were added to the pool of %(name)s.", amount=said, name=name), "success")
        return redirect(back)


def _typed() -> dict[str, str]:
    """What was typed, given back to the page when it was refused."""
    return {name: request.form.get(name, "")[:64] for name in ("amount", "key") if request.form.get(name)}


def _amount(partner: Partner, currency: str) -> int:
    text, unit = request.form.get("amount", "").strip().replace(",", ""), partner.pool.unit
    try:
        amount = money.parse_major(text, currency) if unit == "money" else int(text)
    except ValueError:
        said = (_("%(text)s is not an amount: write it like 50000.00, without letters.", text=text or "–") if unit == "money"
                else _("%(text)s is not a whole number of %(unit)s.", text=text or "–", unit=words.word(words.UNITS, unit)))
        raise Said(Code.BAD_REQUEST, said) from None
    if not 0 < amount <= AMOUNT_MAX:
        raise Said(Code.BAD_REQUEST, _("The amount must be more than nothing, and less than all the money there is."))
    return amount


def amount_text(partner: Partner, amount: int, currency: str) -> str:
    """An amount in the pool's unit, as text."""
    if partner.pool.unit == "money":
        return f"{ui.money_text(amount, currency)} {currency}"
    return f"{amount:,} {words.word(words.UNITS, partner.pool.unit)}"


def _mine(partner_id: str) -> Partner:
    """The partner, if this person may see one of its scenes. Refusal PARTNER_UNKNOWN otherwise."""
    catalog = catalogue.current()
    if catalog is None or partner_id not in catalog.partners or not partners.sees(catalog, catalog.partners[partner_id], g.person):
        raise Refusal(Code.PARTNER_UNKNOWN, f"there is no partner {partner_id!r}", [{"path": "partner", "found": partner_id}])
    return catalog.partners[partner_id]
