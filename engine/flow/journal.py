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
from ..config.catalog import StepUse


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
