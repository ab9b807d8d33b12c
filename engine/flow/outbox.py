"""The outbox: work that must happen after a commit, staged in the same transaction as its cause.

The database remembers what is due; the queue only wakes somebody up (`on_wake`). A job is leased, done, and removed; a
worker that dies leaves its lease to run out. Handlers are idempotent: a job may run twice, never not at all.
"""
from __future__ import annotations

import logging
from typing import Any, Callable, Iterable

import peewee

from .. import store
from ..base import clock, crash, settings, signal, trace

DONE_BEFORE_COMMIT = "outbox.done_before_commit"
ATTEMPTS_MAX = 12
WAIT_MIN_S, WAIT_MAX_S = 1.0, 3600.0
_log = logging.getLogger("salewright.outbox")


class Outbox(store.TradeTable):
    """state: ready · dead (given up; a person may replay it). A finished job's row is removed."""
    id = peewee.BigAutoField()
    task = peewee.CharField(max_length=40)
    subject_no = peewee.CharField(max_length=64)
    args = store.JsonField()
    state = peewee.CharField(max_length=8)
    due_at_ms = peewee.BigIntegerField()
    attempts = peewee.IntegerField()
    traceparent = peewee.CharField(max_length=64)
    error = peewee.TextField(null=True)
    created_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("state", "due_at_ms"), False),)


Handler = Callable[[dict[str, Any]], None]
_handlers: dict[str, Handler] = {}
_wake: Callable[[float], None] = lambda delay_s: None


class Later(Exception):
    """A handler's word that the job is not done and should come again in `wait_s`; it is not a failure."""

    def __init__(self, wait_s: float, why: str = ""):
        self.wait_s = wait_s
        super().__init__(why)


class GivenUp(Exception):
    """A handler's word that trying again by itself is of no use: the job is dead at once, and a person may replay it."""


def handles(task: str) -> Callable[[Handler], Handler]:
    """Register the handler of a task; it gets the job's row."""
    def register(fn: Handler) -> Handler:
        _handlers[task] = fn
        return fn
    return register


def on_wake(fn: Callable[[float], None]) -> None:
    """Who is told, after a commit, that work is due in so many seconds."""
    global _wake
    _wake = fn


def stage(task: str, subject_no: str, *, delay_s: float = 0, **args: Any) -> None:
    """Stage a job in the open transaction."""
    tx = store.current()
    now = clock.now_ms()
    tx.later(Outbox, {"task": task, "subject_no": subject_no, "args": args, "state": "ready",
                      "due_at_ms": now + int(delay_s * 1000), "attempts": 0, "created_at_ms": now, "error": None,
                      "traceparent": trace.current().traceparent})
    tx.after_commit(lambda: _wake(delay_s))


def lease(limit: int = 20, done: Iterable[int] = ()) -> list[dict[str, Any]]:
    """Take due jobs: their due time moves to the lease's end, so that a dead worker's jobs come back by themselves. Rows of
    jobs that are `done` are removed in the same transaction."""
    now, done = clock.now_ms(), list(done)
    with store.transaction(crash_point=DONE_BEFORE_COMMIT if done else ""):
        if done:
            store.delete(Outbox, id=done)
        jobs = store.many(Outbox, state="ready", also="due_at_ms <= ?", params=(now,), order_by="due_at_ms, id",
                          limit=limit, lock=True, skip_locked=True)
        if jobs:
            store.update(Outbox, {"due_at_ms": now + settings.get_int("JOB_LEASE_S") * 1000}, add={"attempts": 1},
                         id=[job["id"] for job in jobs])
    crash.point("outbox.leased")
    return jobs


def backoff_s(attempt: int, wait_min_s: float = WAIT_MIN_S, wait_max_s: float = WAIT_MAX_S) -> float:
    """Doubling: attempt 1 waits the minimum."""
    return min(wait_max_s, wait_min_s * 2 ** min(attempt - 1, 30))


def drain(limit: int = 20) -> int:
    """Do one batch of due jobs, one after the other; returns how many were taken."""
    jobs = lease(limit)
    finish([job["id"] for job in jobs if do(job)])
    return len(jobs)


def finish(done: list[int]) -> None:
    """Remove the rows of jobs that are done."""
    if done:
        with store.transaction(crash_point=DONE_BEFORE_COMMIT):
            store.delete(Outbox, id=done)


def give_back(jobs: list[dict[str, Any]]) -> None:
    """Jobs that were leased and not begun: due again at once, as if nobody had taken them."""
    if jobs:
        with store.transaction() as tx:
            store.update(Outbox, {"due_at_ms": clock.now_ms()}, add={"attempts": -1}, id=[job["id"] for job in jobs])
            tx.after_commit(lambda: _wake(0))


def do(job: dict[str, Any]) -> bool:
    """Run one job under its cause's trace; True when it is done, otherwise it is put off or given up."""
    producer = job["traceparent"].split("-")[1] if job["traceparent"] else ""
    with trace.span(f"outbox.{job['task']}", job["traceparent"], producer=producer):
        try:
            handler = _handlers.get(job["task"])
            if handler is None:
                raise LookupError(f"nothing handles the task {job['task']!r}")
            handler(job)
            return True
        except Later as later:
            _put_off(job, later.wait_s, str(later) or None, attempts=job["attempts"])
        except GivenUp as given_up:
            _give_up(job, str(given_up))
        except Exception as error:
            attempt = job["attempts"] + 1
            _log.exception("job %s failed", job["task"], extra={"subject": job["subject_no"], "attempt": attempt})
            signal.emit("outbox.failed", task=job["task"])
            if attempt >= ATTEMPTS_MAX:
                _give_up(job, repr(error))
            else:
                _put_off(job, backoff_s(attempt), repr(error), attempts=attempt)
    return False


def _put_off(job: dict[str, Any], wait_s: float, error: str | None, attempts: int) -> None:
    with store.transaction() as tx:
        store.update(Outbox, {"due_at_ms": clock.now_ms() + int(wait_s * 1000), "error": error, "attempts": attempts},
                     id=job["id"])
        tx.after_commit(lambda: _wake(wait_s))


def _give_up(job: dict[str, Any], error: str) -> None:
    with store.transaction():
        store.update(Outbox, {"state": "dead", "error": error}, id=job["id"])
    signal.emit("outbox.dead", task=job["task"])


def replay(job_id: int) -> bool:
    """A person sends a dead job round again; True when it was dead."""
    with store.transaction() as tx:
        changed = store.update(Outbox, {"state": "ready", "due_at_ms": clock.now_ms(), "attempts": 0}, id=job_id, state="dead")
        tx.after_commit(lambda: _wake(0))
    return changed == 1
