"""What a flow has done: one row a step and attempt, never changed. `FlowRun` exists only for a flow that could not be
finished inside the transaction that began it; the journal is complete either way.

    flow_step.state   done · skipped (its `when` was false) · intent (an outside call may be under way) · failed ·
                      passed (failed for good, but `may_fail`) · undone (compensated) · restarted (a person sent the run
                      round again from its first step)
    flow_run.state    running · waiting (for a retry's time) · done · failed (given up and compensated)
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, trace
from ..config.catalog import Flow, StepUse


class FlowRun(store.TradeTable):
    """An unfinished flow (kept when finished, as history). no = "<subject>/<flow>"."""
    no = peewee.CharField(max_length=64, primary_key=True)
    subject_no = peewee.CharField(max_length=40, index=True)
    flow = peewee.CharField(max_length=16)
    scene_id = peewee.CharField(max_length=64)
    release_no = peewee.IntegerField()
    state = peewee.CharField(max_length=24)
    first_number = peewee.IntegerField()       # of the steps that belong to it; earlier ones came before it
    next_number = peewee.IntegerField()
    attempt = peewee.IntegerField()            # at the step it is at
    due_at_ms = peewee.BigIntegerField()
    lease_until_ms = peewee.BigIntegerField()
    traceparent = peewee.CharField(max_length=64)
    error = peewee.TextField(null=True)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("state", "due_at_ms"), False),)


class FlowStep(store.TradeTable):
    """The journal."""
    id = peewee.BigAutoField()
    subject_no = peewee.CharField(max_length=40)
    flow = peewee.CharField(max_length=16)
    number = peewee.IntegerField()
    name = peewee.CharField(max_length=48)
    attempt = peewee.IntegerField()
    state = peewee.CharField(max_length=12)
    input_hash = peewee.CharField(max_length=64)
    result = store.JsonField(null=True)
    error = peewee.TextField(null=True)
    trace_id = peewee.CharField(max_length=32)
    release_no = peewee.IntegerField()
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("subject_no", "flow", "number"), False),)


def record(subject_no: str, flow: str, use: StepUse, state: str, *, attempt: int = 1, input_hash: str = "",
           result: Any = None, error: str | None = None, release_no: int = 0) -> None:
    """Stage one journal row in the open transaction."""
    store.current().later(FlowStep, {
        "subject_no": subject_no, "flow": flow, "number": use.number, "name": use.name, "attempt": attempt,
        "state": state, "input_hash": input_hash, "result": result, "error": error and error[:2000],
        "trace_id": trace.trace_id(), "release_no": release_no, "at_ms": clock.now_ms()})


def of(subject_no: str, flow: str | None = None) -> list[dict]:
    """A subject's journal in the order it was written."""
    where = {"subject_no": subject_no} | ({"flow": flow} if flow else {})
    return store.many(FlowStep, order_by="id", **where)


# --- what a flow's history says

def done(history: list[dict]) -> frozenset[int]:
    """Steps whose work stands: done, and not undone since."""
    standing: set[int] = set()
    for row in history:
        if row["state"] == "done":
            standing.add(row["number"])
        elif row["state"] == "undone":
            standing.discard(row["number"])
    return frozenset(standing)


def attempt(history: list[dict], number: int) -> int:
    """Which attempt at a step comes now, counted since a person last sent the run round again."""
    failed = 0
    for row in history:
        if row["state"] == "restarted":
            failed = 0
        elif row["state"] == "failed" and row["number"] == number:
            failed += 1
    return failed + 1


def passed(history: list[dict]) -> frozenset[int]:
    """Steps that failed for good but may fail, since a person last sent the run round again."""
    numbers: set[int] = set()
    for row in history:
        if row["state"] == "restarted":
            numbers.clear()
        elif row["state"] == "passed":
            numbers.add(row["number"])
    return frozenset(numbers)


def same_names(flow: Flow, history: list[dict]) -> None:
    """RuntimeError when a step has another name than it was journaled under."""
    names = {s.number: s.name for s in flow.steps}
    for row in history:
        if names.get(row["number"]) != row["name"]:
            raise RuntimeError(f"{row['subject_no']}/{flow.name}: step {row['number']} was {row['name']} and is now "
                               f"{names.get(row['number'])}: a run can't change its flow")


def doubtful(rows: list[dict]) -> dict | None:
    """The intent whose outcome is not known: nothing certain was journaled after it."""
    found = None
    for row in rows:
        if row["state"] == "intent":
            found = row
        elif row["state"] in ("done", "undone") or row["state"] == "failed" and not row["result"]["in_doubt"]:
            found = None
    return found
