"""The audit trail: who did what, when, to what, and what it was before."""
from __future__ import annotations

from typing import Any

from flask import url_for
from flask_admin import expose
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from engine import store
from engine.base.errors import Code, Refusal

from .. import links, ui, words
from ..keyset import Sort
from ..listing import Filter, Listing, cell, day_ms
from .tables import Audit

def _object(row: Audit) -> Markup:
    return Markup('<span class="muted">{}</span> {}').format(
        words.word(words.OBJECTS, row.object_kind), links.thing(row.object_kind, row.object_id))


def _outcome(row: Audit) -> Markup:
    code = Markup(" <code>{}</code>").format(row.code) if row.code else Markup("")
    return ui.badge("audit", row.outcome) + code


def _when(row: Audit) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url_for("trail.entry", entry_id=row.id), ui.time(row.at_ms))


class Trail(Listing):
    needs = "audit.see"
    table = Audit
    sorts = (Sort("newest", _l("Newest first"), Audit.id),)
    column_list = ("at_ms", "login", "action", "object_id", "note", "outcome", "address", "trace_id")
    column_labels = {"at_ms": _l("When"), "login": _l("Who"), "action": _l("What"), "object_id": _l("Object"),
                     "note": _l("Note"), "outcome": _l("Outcome"), "address": _l("Address"), "trace_id": _l("Trace")}
    column_formatters = {"at_ms": cell(_when), "object_id": cell(_object),
                         "action": cell(lambda row: words.word(words.ACTIONS, row.action)),
                         "outcome": cell(_outcome), "trace_id": cell(lambda row: ui.trace(row.trace_id))}
    column_formatters_export = {"at_ms": cell(lambda row: ui.time_text(row.at_ms)),
                                "object_id": cell(lambda row: f"{row.object_kind} {row.object_id}"),
                                "outcome": cell(lambda row: f"{row.outcome} {row.code}".strip())}
    empty_text = _l("Nothing was done yet.")
    search_hint = _l("Who, object or trace, exactly")

    def search(self, query: Any, text: str) -> Any:
        return query.where((Audit.login == text.lower()) | (Audit.object_id == text) | (Audit.trace_id == text))

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("action", _l("What"), "choice", lambda value: Audit.action == value,
                   lambda: [(name, str(word)) for name, word in words.ACTIONS.items()]),
            Filter("from", _l("From"), "day", lambda day: (at := day_ms(day)) and Audit.at_ms >= at),
            Filter("to", _l("Until"), "day", lambda day: (at := day_ms(day, 1)) and Audit.at_ms < at))

    @expose("/<int:entry_id>")
    def entry(self, entry_id: int) -> Any:
        row = store.one(Audit, id=entry_id)
        if row is None:
            raise Refusal(Code.NOT_FOUND)
        return self.render("console/trail_entry.html", entry=row, page_title=words.word(words.ACTIONS, row["action"]),
                           changes=_changes(row["before"], row["after"]),
                           thing=links.thing(row["object_kind"], row["object_id"]))


def _changes(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    """(name, before, after) of what differs between two mappings; everything when there is only one."""
    old, new = before if isinstance(before, dict) else {}, after if isinstance(after, dict) else {}
    return [(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
