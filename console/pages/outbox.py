"""Every job of the outbox as a list: found by task, state, and what it is for."""
from __future__ import annotations

from typing import Any

from flask import g
from flask_babel import lazy_gettext as _l

from engine import store
from engine.flow.outbox import Outbox

from .. import links, ui, words
from ..keyset import Sort
from ..listing import Filter, Listing, cell


def task_word(task: str) -> str:
    return words.word(words.TASKS, task)


def _tasks() -> list[tuple[str, str]]:
    return [(row[0], task_word(row[0])) for row in store.query(store.trade, "SELECT DISTINCT task FROM outbox ORDER BY task")]


class AllJobs(Listing):
    table = Outbox
    menu_as = "jobs"
    sorts = (Sort("newest", _l("Newest first"), Outbox.id), Sort("oldest", _l("Oldest first"), Outbox.id, False),
             Sort("due", _l("Due first"), Outbox.due_at_ms, False))
    column_list = ("id", "state", "task", "subject_no", "attempts", "error", "due_at_ms", "created_at_ms")
    column_labels = {"id": _l("Job"), "state": _l("State"), "task": _l("Task"), "subject_no": _l("For"), "attempts": _l("Tries"),
                     "error": _l("Said last"), "due_at_ms": _l("Due"), "created_at_ms": _l("Staged")}
    column_formatters = {
        "state": cell(lambda row: ui.badge("job", row.state)), "task": cell(lambda row: task_word(row.task)),
        "subject_no": cell(lambda row: links.number(row.subject_no)),
        "due_at_ms": cell(lambda row: ui.time(row.due_at_ms)), "created_at_ms": cell(lambda row: ui.time(row.created_at_ms))}
    column_formatters_export = {
        "state": cell(lambda row: words.state("job", row.state)),
        **{name: cell(lambda row, name=name: ui.time_text(getattr(row, name))) for name in ("due_at_ms", "created_at_ms")}}
    empty_text = _l("Nothing waits, and nothing was given up.")
    search_hint = _l("Number of what the job is for")

    def visible(self, query: Any) -> Any:
        return query.where(False) if g.person.lines else query       # jobs are of all lines together

    def search(self, query: Any, text: str) -> Any:
        return query.where(Outbox.subject_no == text)

    def filters_of_page(self) -> tuple[Filter, ...]:
        return (
            Filter("state", _l("State"), "choice", lambda value: Outbox.state == value, lambda: list(words.states("job").items())),
            Filter("task", _l("Task"), "choice", lambda value: Outbox.task == value, _tasks))
