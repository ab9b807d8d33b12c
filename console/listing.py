"""Lists: Flask-Admin's ModelView with our filters, keyset pager, CSV and templates. It reads; changing is the pages' work.

What Flask-Admin brings: the list of columns, their labels and formatters, the menu, the guard. What it would do here and does
not: COUNT and OFFSET, forms made from tables, actions on many rows, inline scripts.
"""
from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Callable, Iterator

import peewee
from flask import Response, request, stream_with_context, url_for
from flask_admin import expose
from flask_admin.contrib.peewee import ModelView

from engine.base import clock, settings

from . import keyset
from .access import audit
from .keyset import Sort, Window
from .room import Guarded

EXPORT_MAX = 100_000
_CHUNK = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Filter:
    """One field of the filter form.

    kind     choice · text · day (YYYY-MM-DD in the business's zone)
    where    value → condition; None leaves the rows as they are
    choices  → [(value, text)] of a choice, asked for at each request
    """
    name: str
    label: Any
    kind: str
    where: Callable[[Any], peewee.Expression | None]
    choices: Callable[[], list[tuple[str, str]]] = list
    hint: Any = ""


def cell(fn: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function of a row as a Flask-Admin column formatter."""
    return lambda view, context, row, name: fn(row)


def day_ms(text: str, days: int = 0) -> int | None:
    """Midnight (business zone) of a day `YYYY-MM-DD`, or of one some days later, in ms; None when it is no day."""
    zone = settings.timezone()
    try:
        start = clock.from_datetime(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=clock.zone(zone)))
        return clock.add_period(start, days, "day", zone) if days else start
    except (ValueError, OverflowError):
        return None


class Listing(Guarded, ModelView):
    """A list of one table's rows. `table`, `column_list`, `column_labels`, `column_formatters`, `sorts` say what is shown."""
    table: type[peewee.Model]
    sorts: tuple[Sort, ...]
    page_size = 50
    list_template = "console/list.html"
    can_create = can_edit = can_delete = can_export = False
    column_display_actions = False
    empty_text: Any = ""                       # what to do when there is nothing at all
    search_hint: Any = ""                      # what the search box takes
    # Flask-Admin's own doors that are not used: no form, no bulk action, no lookup is reachable.
    create_view = edit_view = details_view = delete_view = action_view = ajax_lookup = ajax_update = export = None

    def __init__(self, name: Any, category: Any = None, icon: str = ""):
        super().__init__(self.table, name=name, category=category, endpoint=type(self).__name__.lower(),
                         menu_icon_type="fa" if icon else None, menu_icon_value=icon or None)

    def scaffold_form(self) -> type:
        return self.form_base_class            # nothing is edited through forms made from columns

    def filters_of_page(self) -> tuple[Filter, ...]:
        """The filters of this list; called at each request."""
        return ()

    def visible(self, query: peewee.ModelSelect) -> peewee.ModelSelect:
        """The rows this person may see."""
        return query

    def search(self, query: peewee.ModelSelect, text: str) -> peewee.ModelSelect:
        """Narrow a query to what the search box says."""
        return query

    @expose("/")
    def index_view(self) -> Any:
        asked = self._asked()
        page = self._window(asked, request.args.get("at"), self.page_size)
        return self.render(self.list_template, page=page, asked=asked, filters=self.filters_of_page(), sorts=self.sorts,
                           sort=self._sort(asked), columns=self._list_columns, get_value=self.get_list_value,
                           is_narrowed=any(v for k, v in asked.items() if k != "sort"), page_url=self._page_url(asked),
                           **self.more_for_page())

    def more_for_page(self) -> dict[str, Any]:
        """Further values of this list's own template."""
        return {}

    def _asked(self) -> dict[str, str]:
        """What the address asks for: the search text, the filters that have a value, the sort."""
        names = ["q", "sort", *(f.name for f in self.filters_of_page())]
        return {name: value for name in names if (value := request.args.get(name, "").strip()[:200])}

    def _sort(self, asked: dict[str, str]) -> Sort:
        return next((sort for sort in self.sorts if sort.name == asked.get("sort")), self.sorts[0])

    def _query(self, asked: dict[str, str]) -> peewee.ModelSelect:
        query = self.visible(self.get_query())
        for filter_ in self.filters_of_page():
            condition = filter_.where(asked[filter_.name]) if filter_.name in asked else None
            if condition is not None:
                query = query.where(condition)
        return self.search(query, asked["q"]) if "q" in asked else query

    def _window(self, asked: dict[str, str], cursor: str | None, size: int) -> Window:
        return keyset.window(self._query(asked), self._sort(asked), cursor, size)

    def _page_url(self, asked: dict[str, str]) -> Callable[..., str]:
        def url(to: str = ".index_view", **changes: str | None) -> str:
            return url_for(to, **{k: v for k, v in {**asked, **changes}.items() if v})
        return url

    # ── CSV ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    @expose("/export.csv")
    def export_csv(self) -> Response:
        """Everything that the filters let through, in the list's order; written out as it is read."""
        asked = self._asked()
        audit.record("export", "list", self.endpoint, note=request.query_string.decode()[:500])
        name = f"{self.endpoint}-{clock.business_date(clock.now_ms(), settings.timezone())}.csv"
        return Response(stream_with_context(self._csv(asked)), mimetype="text/csv; charset=utf-8",
                        headers={"Content-Disposition": f"attachment; filename={name}"})

    def _csv(self, asked: dict[str, str]) -> Iterator[str]:
        columns = self.get_export_columns()
        zone = f" ({settings.timezone()})"     # times are written without it, so that a spreadsheet reads them as times
        yield "\ufeff" + _line([f"{label}{zone if name.endswith('_ms') else ''}" for name, label in columns])   # the mark: UTF-8
        cursor, written = None, 0
        while written < EXPORT_MAX:
            page = self._window(asked, cursor, _CHUNK)
            for row in page.rows:
                yield _line([self.get_export_value(row, name) for name, _label in columns])
            written += len(page.rows)
            cursor = page.after
            if cursor is None:
                return


def _line(values: list[Any]) -> str:
    """One line of CSV; a text that a spreadsheet would take for a formula is made a text again."""
    out = io.StringIO()
    texts = ["" if value is None else str(value) for value in values]
    csv.writer(out).writerow([f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text for text in texts])
    return out.getvalue()


def _is_number(text: str) -> bool:
    return text.lstrip("-").replace(".", "", 1).isdigit()
