"""The outbox and the flows that are not finished, as people look at them."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.base import clock
from engine.flow.journal import FlowRun
from engine.flow.outbox import Outbox
from engine.trade.orders import TradeOrder

SHOWN = 100


def counts(lines: list[str]) -> dict[str, int]:
    """ready, due (of them, their time has come), late (due for more than a minute), dead, waiting and failed flows."""
    now = clock.now_ms()
    row = store.query(store.trade, """SELECT COALESCE(SUM(CASE WHEN state = 'ready' THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE WHEN state = 'ready' AND due_at_ms <= ? THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE WHEN state = 'ready' AND due_at_ms <= ? THEN 1 ELSE 0 END), 0),
        COALESCE(SUM(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), 0) FROM outbox""", (now, now - 60_000))[0]
    flows = runs(lines, limit=1000)
    return dict(zip(("ready", "due", "late", "dead"), row)) | {
        "waiting": sum(run["state"] != "failed" for run in flows), "failed": sum(run["state"] == "failed" for run in flows)}


def by_task() -> list[dict[str, Any]]:
    """task, ready, dead, oldest_due_at_ms: one row a task."""
    rows = store.query(store.trade, """SELECT task, SUM(CASE WHEN state = 'ready' THEN 1 ELSE 0 END),
        SUM(CASE WHEN state = 'dead' THEN 1 ELSE 0 END), MIN(CASE WHEN state = 'ready' THEN due_at_ms END)
        FROM outbox GROUP BY task ORDER BY task""")
    return [dict(zip(("task", "ready", "dead", "oldest_due_at_ms"), row)) for row in rows]


def dead(limit: int = SHOWN) -> list[dict[str, Any]]:
    return store.many(Outbox, state="dead", order_by="id DESC", limit=limit)


def waiting(limit: int = SHOWN) -> list[dict[str, Any]]:
    """Ready jobs, the one due first at the top."""
    return store.many(Outbox, state="ready", order_by="due_at_ms, id", limit=limit)


def find(job_id: int) -> dict[str, Any] | None:
    return store.one(Outbox, id=job_id)


def runs(lines: list[str], limit: int = SHOWN) -> list[dict[str, Any]]:
    """Unfinished flows of orders of these lines ([]: of all), failed ones first."""
    found = store.many(FlowRun, state=["failed", "running", "waiting"], order_by="state, updated_at_ms DESC", limit=limit)
    if not lines or not found:
        return found
    allowed = {row["no"] for row in store.many(TradeOrder, columns=("no",), no=[run["subject_no"] for run in found], line_id=lines)}
    return [run for run in found if run["subject_no"] in allowed]
