"""The audit trail. A deed is written down before it is done and completed afterwards, each in the system database's own
transaction, since none spans two databases: whatever is cut off, nothing is done without a trace of who meant to do it.
"""
from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator

from flask import g, has_request_context, request

from engine import store
from engine.base import clock, trace
from engine.base.errors import Refusal

from .tables import Audit


class Entry:
    """An entry in the making: `before` and `after` (JSON), and the id of a thing that is only being made, may be set until
    the deed is done."""

    def __init__(self, object_id: str, before: Any):
        self.object_id, self.before, self.after = object_id, before, None


@contextmanager
def deed(action: str, object_kind: str, object_id: str, *, note: str = "", before: Any = None) -> Iterator[Entry]:
    """`with deed("order.close", "order", no) as entry:` around the calls that do it.

    A Refusal out of the block is kept with its code, any other error as `failed`; both go on to the caller.
    """
    entry = Entry(object_id, before)
    entry_id = _write(action, object_kind, object_id, note, before, "begun", _login())
    outcome, code = "done", ""
    try:
        yield entry
    except Refusal as refusal:
        outcome, code = "refused", refusal.code.code
        raise
    except BaseException as error:
        outcome, code = "failed", type(error).__name__
        raise
    finally:
        with store.transaction(store.system):
            store.update(Audit, {"outcome": outcome, "code": code[:48], "object_id": str(entry.object_id)[:160],
                                 "before": entry.before, "after": entry.after}, id=entry_id)


def record(action: str, object_kind: str, object_id: str, *, note: str = "", login: str = "", outcome: str = "done",
           code: str = "") -> None:
    """Something that has happened already: a login, an export."""
    _write(action, object_kind, object_id, note, None, outcome, login or _login(), code)


def _write(action: str, object_kind: str, object_id: str, note: str, before: Any, outcome: str, login: str,
           code: str = "") -> int:
    with store.transaction(store.system):
        entry = Audit.create(login=login[:64], action=action, object_kind=object_kind, object_id=str(object_id)[:160],
                             before=before, after=None, note=note[:2000], outcome=outcome, code=code,
                             address=(request.remote_addr or "")[:64] if has_request_context() else "",
                             trace_id=trace.trace_id(), at_ms=clock.now_ms())
    return entry.id


def _login() -> str:
    person = g.get("person") if has_request_context() else None
    return person.login if person else ""


def of_object(object_kind: str, object_id: str, limit: int = 50) -> list[dict[str, Any]]:
    """The last entries about one thing, newest first."""
    return store.many(Audit, object_kind=object_kind, object_id=object_id, order_by="id DESC", limit=limit)
