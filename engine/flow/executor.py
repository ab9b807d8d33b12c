"""The executor: runs any flow, step by step, with journal, retry, compensation and resume.

Consecutive pure and write steps share one transaction; a call step is a phase of its own (intent committed → call →
outcome committed). A run that was cut off goes on at its next step; a call whose outcome is not known is *asked for*
when its step can ask. The executor never looks at what a flow is for: a `Host` tells it where contexts come from.
"""
from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from typing import Any, Mapping

from .. import store
from ..base import canon, clock, crash, settings, signal, trace
from ..config.catalog import Flow, StepUse
from . import journal, outbox
from .journal import FlowRun
from .step import Context, Host, Step, StepError, StepFailed

_log = logging.getLogger("salewright.flow")


def run_hooks(steps: Mapping[str, Step], flow: Flow, ctx: Context, hooks: tuple[str, ...], *,
              passed: frozenset[int] = frozenset(), done: frozenset[int] = frozenset(), start: int = 0) -> int | None:
    """Run the flow's steps of these hooks inside the open transaction, from number `start`, until a call step.

    passed   steps that failed for good and may fail: journaled, not run
    done     steps whose work stands from an earlier round: left alone
    Returns the number of the call step it stopped before, or None when all of these hooks are done. Raises StepError,
    whose `cause` is what the step raised; the caller's transaction must then end.
    """
    written = _Written()
    for use in flow.steps:
        if use.number < start or use.hook not in hooks or use.number in done:
            continue
        if steps[use.name].call is not None:
            return use.number
        if use.number in passed:
            ctx.journal(flow.name, use, "passed")
            continue
        _run_one(steps[use.name], flow, use, ctx, written)
    return None


class _Written:
    """Facts as JSON, written once for steps one after the other that see the same."""

    def __init__(self) -> None:
        self._facts: Mapping[str, Any] | None = None
        self._json = b""

    def of(self, facts: Mapping[str, Any]) -> bytes:
        if facts is not self._facts:
            self._facts, self._json = facts, canon.dumps_sorted(facts)
        return self._json


def _run_one(step: Step, flow: Flow, use: StepUse, ctx: Context, written: _Written) -> None:
    crash.point("flow.before_step")
    facts = ctx.facts()
    if use.when is not None and not use.when(facts):
        ctx.journal(flow.name, use, "skipped")
        return
    try:
        result = step.run(ctx, use.params)
    except Exception as error:
        raise StepError(use, error) from error
    ctx.journal(flow.name, use, "done", input_hash=_input_hash(use, written.of(facts)), result=result)


def _input_hash(use: StepUse, facts_json: bytes) -> str:
    return hashlib.blake2b(facts_json + repr((use.name, use.params)).encode(), digest_size=16).hexdigest()


def schedule(flow: Flow, ctx: Context, next_number: int, *, first_number: int | None = None, delay_s: float = 0) -> None:
    """Leave the rest of a flow to a worker: a run and a job, in the open transaction.

    first_number   where what belongs together begins (default: next_number): giving up undoes back to it and no further,
                   and a person's retry starts from it
    """
    now = clock.now_ms()
    run_no = f"{ctx.subject_no}/{flow.name}"
    store.current().later(FlowRun, {
        "no": run_no, "subject_no": ctx.subject_no, "flow": flow.name, "scene_id": ctx.scene_id,
        "release_no": ctx.release_no, "state": "running", "next_number": next_number, "attempt": 1,
        "first_number": next_number if first_number is None else first_number,
        "due_at_ms": now + int(delay_s * 1000), "lease_until_ms": 0, "traceparent": trace.current().traceparent,
        "error": None, "created_at_ms": now, "updated_at_ms": now})
    outbox.stage("flow.advance", run_no, delay_s=delay_s)


def is_scheduled(subject_no: str, flow_name: str) -> bool:
    """Whether a worker has, or has had, this flow of this subject."""
    return store.one(FlowRun, columns=("no",), no=f"{subject_no}/{flow_name}") is not None


@dataclass
class _Work:
    """A call whose intent is committed. `mark`: the run as this worker left it."""
    use: StepUse
    intent: dict
    attempt: int
    in_doubt: bool
    mark: tuple


def _mark(run: Mapping[str, Any]) -> tuple:
    """What of a run changes whenever a worker takes it on: a worker that finds another mark than it left was too slow."""
    return tuple(run[name] for name in ("state", "next_number", "attempt", "due_at_ms", "lease_until_ms"))


def advance(run_no: str, host: Host) -> str:
    """Take a run as far as it goes now. Returns done · waiting · failed · busy (another worker is at it)."""
    while True:
        try:
            state, work = _transaction_phase(run_no, host)
        except StepError as stop:
            state, work = _stumble(run_no, host, stop.use, stop.cause, stop.mark), None
        if work is not None:
            state = _call_phase(run_no, host, work)
        if state != "running":
            return state


def _locked_run(run_no: str) -> dict[str, Any] | None:
    return store.one(FlowRun, lock=True, no=run_no)


def _transaction_phase(run_no: str, host: Host) -> tuple[str, _Work | None]:
    """Run what needs no call; then finish, or commit the intent of the next call."""
    with store.transaction():
        run = _locked_run(run_no)
        if run is None or run["state"] in ("done", "failed", "cancelled"):
            return (run["state"] if run else "done"), None
        now = clock.now_ms()
        if run["lease_until_ms"] > now or run["due_at_ms"] > now:
            return "busy", None
        try:
            work = _run_steps(run, host, host.flow(run), host.context(run))
        except StepError as stop:
            stop.mark = _mark(run)
            raise
    if work is not None:
        return "running", work
    crash.point("flow.after_commit")
    return "done", None


def _run_steps(run: dict, host: Host, flow: Flow, ctx: Context) -> _Work | None:
    """Run steps up to the next call and prepare that, or to the flow's end."""
    history = journal.of(run["subject_no"], run["flow"])
    journal.same_names(flow, history)
    passed, done = journal.passed(history), journal.done(history)
    hooks = tuple(dict.fromkeys(s.hook for s in flow.steps))
    number = run_hooks(host.steps, flow, ctx, hooks, passed=passed, done=done, start=run["next_number"])
    while number is not None:
        use = next(s for s in flow.steps if s.number == number)
        if number not in passed and (use.when is None or use.when(ctx.facts())):
            return _commit_intent(run, host, flow, use, ctx, history)
        ctx.journal(flow.name, use, "passed" if number in passed else "skipped")
        number = run_hooks(host.steps, flow, ctx, hooks, passed=passed, done=done, start=number + 1)
    host.finished(ctx, flow.name)
    _save(run, state="done", lease_until_ms=0, error=None)
    return None


def _commit_intent(run: dict, host: Host, flow: Flow, use: StepUse, ctx: Context, history: list[dict]) -> _Work:
    doubtful = journal.doubtful([s for s in history if s["number"] == use.number])
    attempt = journal.attempt(history, use.number)
    intent = doubtful["result"] if doubtful else host.steps[use.name].call.prepare(ctx, use.params)
    if not doubtful:
        seen = canon.dumps_sorted(ctx.facts())
        ctx.journal(flow.name, use, "intent", attempt=attempt, input_hash=_input_hash(use, seen), result=intent)
    # Long enough for a question and the call itself: nobody asks about a call that is still under way.
    lease_s = settings.get_int("CALL_LEASE_S") + 2 * int(use.timeout_s or 0)
    _save(run, next_number=use.number, attempt=attempt, lease_until_ms=clock.now_ms() + lease_s * 1000)
    # A killed worker's intent is found by its lease's end; the job that woke us may be gone by then.
    outbox.stage("flow.advance", run["no"], delay_s=lease_s + 1)
    return _Work(use, intent, attempt, doubtful is not None, _mark(run))


def _call_phase(run_no: str, host: Host, work: _Work) -> str:
    """The outside call, then its outcome in a transaction."""
    crash.point("flow.intent_committed")
    call = host.steps[work.use.name].call
    ask = getattr(call, "ask", None)
    try:
        outcome = ask(work.intent, work.use.timeout_s) if work.in_doubt and ask else None
        if outcome is None:
            outcome = call.call(work.intent, work.use.timeout_s)
        crash.point("flow.called")
        with store.transaction():
            run = _locked_run(run_no)
            if _mark(run) != work.mark:
                return _too_slow(run, work.use)
            ctx = host.context(run)
            result = call.conclude(ctx, work.use.params, work.intent, outcome)
            failed = result if isinstance(result, StepFailed) else None
            if failed is None:
                ctx.journal(run["flow"], work.use, "done", attempt=work.attempt, result=result)
                _save(run, state="running", next_number=work.use.number + 1, attempt=1, lease_until_ms=0, error=None)
    except Exception as error:
        return _stumble(run_no, host, work.use, error, work.mark, getattr(error, "in_doubt", True))
    crash.point("flow.after_commit")
    return "running" if failed is None else _stumble(run_no, host, work.use, failed, work.mark, failed.in_doubt)


def _too_slow(run: Mapping[str, Any], use: StepUse) -> str:
    """Another worker took the run on meanwhile: what it did stands, and ours is left."""
    _log.warning("step %s was too slow: another worker has gone on", use.name,
                 extra={"subject": run["subject_no"], "flow": run["flow"]})
    return "busy"


def _stumble(run_no: str, host: Host, use: StepUse, error: Exception, mark: tuple, in_doubt: bool = False) -> str:
    """A step failed: wait and try again, pass over it, or give up and compensate."""
    reason = getattr(error, "reason", None) or f"{type(error).__name__}: {error}"
    signal.emit("flow.step_failed", step=use.name)
    with store.transaction():
        run = _locked_run(run_no)
        if _mark(run) != mark:
            return _too_slow(run, use)
        ctx, history = host.context(run), journal.of(run["subject_no"], run["flow"])
        attempt, retry = journal.attempt(history, use.number), use.retry
        final = attempt >= retry.attempts or not getattr(error, "retryable", True)
        ctx.journal(run["flow"], use, "failed", attempt=attempt, error=reason, result={"in_doubt": in_doubt})
        _log.warning("step %s failed: %s", use.name, reason, exc_info=not isinstance(error, StepFailed),
                     extra={"subject": run["subject_no"], "flow": run["flow"], "attempt": attempt, "final": final})
        if not final:
            wait_s = outbox.backoff_s(attempt, retry.wait_min_s, retry.wait_max_s)
            _save(run, state="waiting", attempt=attempt + 1, due_at_ms=clock.now_ms() + int(wait_s * 1000),
                  lease_until_ms=0, error=reason)
            outbox.stage("flow.advance", run_no, delay_s=wait_s)
            return "waiting"
        if use.may_fail:
            ctx.journal(run["flow"], use, "passed", attempt=attempt)
            # next_number stays: steps before this one in the same transaction were rolled back with it.
            _save(run, state="running", attempt=1, lease_until_ms=0, error=reason)
            return "running"
        _compensate(run, host, ctx, history)
        _save(run, state="failed", lease_until_ms=0, error=f"{use.name}: {reason}")
        host.gave_up(ctx, run["flow"], use, reason)
        return "failed"


def _compensate(run: dict, host: Host, ctx: Context, history: list[dict]) -> None:
    """Undo what was done, in reverse order, each journaled."""
    flow = host.flow(run)
    uses = {s.number: s for s in flow.steps}
    for number in sorted((n for n in journal.done(history) if n >= run["first_number"]), reverse=True):
        use = uses[number]
        undo = use.undo or host.steps[use.name].spec.undo
        if undo:
            result = host.steps[undo].run(ctx, use.params)
            ctx.journal(flow.name, use, "undone", result={"by": undo, "result": result})


def lock(subject_no: str) -> list[dict[str, Any]]:
    """What is left of a subject's flows, locked. Called before the subject's own lock is taken, as runs are locked first."""
    return store.many(FlowRun, subject_no=subject_no, state=["running", "waiting", "failed"], lock=True, order_by="no")


def cancel(subject_no: str) -> int:
    """End what is left of a subject's flows, in the open transaction: nothing more is done or undone, nor tried again by
    a person. Returns how many were ended. `lock` was called before: what is new since is ended too."""
    runs = lock(subject_no)
    for run in runs:
        _save(run, state="cancelled", lease_until_ms=0)
    return len(runs)


def retry_failed(run_no: str, host: Host) -> bool:
    """A person sends a failed run round again, from its first step; what was done and not undone is not done again. True
    when it was failed."""
    with store.transaction():
        run = _locked_run(run_no)
        if run is None or run["state"] != "failed":
            return False
        first = next(s for s in host.flow(run).steps if s.number >= run["first_number"])
        host.context(run).journal(run["flow"], first, "restarted")
        _save(run, state="running", next_number=first.number, attempt=1, due_at_ms=0, lease_until_ms=0, error=None)
        outbox.stage("flow.advance", run_no)
        return True


def overdue(limit: int = 200) -> list[str]:
    """Runs whose time has come and whose job may have been lost."""
    now = clock.now_ms()
    found = store.many(FlowRun, columns=("no",), state=["running", "waiting"], order_by="due_at_ms", limit=limit,
                       also="due_at_ms <= ? AND lease_until_ms <= ?", params=(now, now))
    return [r["no"] for r in found]


def _save(run: dict, **values: Any) -> None:
    run.update(values)
    store.update(FlowRun, {**values, "updated_at_ms": clock.now_ms()}, no=run["no"])
