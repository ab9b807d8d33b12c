"""Ways from one thing to another: a number's first letter says what it is, and so where its page is."""
from __future__ import annotations

from typing import Any, Callable

from flask import g, url_for
from markupsafe import Markup

# Things with a page of their own; all others are shown on their order's page, which the search finds by any of their numbers.
_PAGES: dict[str, Callable[[str], str]] = {
    "O": lambda no: url_for("orders.order", no=no), "C": lambda no: url_for("contracts.contract", no=no),
    "W": lambda no: url_for("work.work_order", no=no)}
_OBJECTS: dict[str, Callable[[str], str]] = {
    "order": _PAGES["O"], "contract": _PAGES["C"], "work_order": _PAGES["W"],
    "charge": lambda no: url_for("orders.index_view", q=no),
    "flow": lambda no: url_for("orders.order", no=no.partition("/")[0]),
    "partner": lambda id: url_for("partners.partner", partner_id=id),
    "draft": lambda id: url_for("drafts.draft", draft_id=id),
    "release": lambda no: url_for("releases.release", no=int(no)),
    "user": lambda login: url_for("users.index_view", q=login) if g.person.may("user.manage") else ""}


def to_number(no: str) -> str:
    """The address of an order, a contract, a work order, or the search for whatever else has this number."""
    own, _slash, _part = no.partition("/")     # a flow or a period is a part of what stands before the stroke
    return _PAGES.get(own[:1], lambda text: url_for("orders.index_view", q=text))(own)


def number(no: str) -> Markup:
    return Markup('<a class="no" href="{}">{}</a>').format(to_number(no), no)


def to_object(kind: str, id: str) -> str:
    """The address of a thing that the audit trail names; "" when it has none, or none any more."""
    try:
        return _OBJECTS[kind](id) if id and kind in _OBJECTS else ""
    except ValueError:                         # an id that was never one
        return ""


def thing(kind: str, id: Any) -> Markup:
    """A thing of the audit trail, linked to its page where it has one."""
    url = to_object(kind, str(id))
    return Markup('<a href="{}"><code>{}</code></a>').format(url, id) if url else Markup("<code>{}</code>").format(id)
