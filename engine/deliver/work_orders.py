"""Work orders: internal units of work that people (or later systems) do for an order. They nest, and each can be traced
to the upstream orders it gave rise to."""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock, ids
from ..base.errors import Code, Refusal


class WorkOrder(store.TradeTable):
    """blocking: the order is not complete before it is done."""
    no = peewee.CharField(max_length=32, primary_key=True)
    order_no = peewee.CharField(max_length=32, index=True)
    parent_no = peewee.CharField(max_length=32)
    kind = peewee.CharField(max_length=48)
    title = store.JsonField()
    queue = peewee.CharField(max_length=48)
    state = peewee.CharField(max_length=12)
    blocking = peewee.BooleanField()
    worker = peewee.CharField(max_length=64)   # who took it
    result = store.JsonField(null=True)
    due_at_ms = peewee.BigIntegerField(null=True)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("queue", "state", "due_at_ms"), False),)


WORK_ORDER = store.Machine("work_order", WorkOrder, "no", initial=("open",), moves={
    "open": ("in_progress", "done", "cancelled"), "in_progress": ("open", "done", "cancelled"), "done": (),
    "cancelled": ()}, titles={"zh": "工单", "en": "Work order"})


def open_one(order_no: str, kind: str, title: Mapping[str, str], queue: str, *, due_s: float | None = None,
             blocking: bool = True, parent_no: str = "") -> dict[str, Any]:
    """Stage a new work order in the open transaction."""
    now = clock.now_ms()
    row = {"no": ids.new_no("W"), "order_no": order_no, "parent_no": parent_no, "kind": kind, "title": dict(title),
           "queue": queue, "state": "open", "blocking": blocking, "worker": "", "result": None,
           "due_at_ms": None if due_s is None else now + int(due_s * 1000), "created_at_ms": now, "updated_at_ms": now}
    store.current().later(WorkOrder, row)
    store.born(WORK_ORDER, row["no"], "open", f"order {order_no}")
    return row


def find(no: str, lock: bool = False) -> dict[str, Any]:
    row = store.one(WorkOrder, no=no, lock=lock)
    if row is None:
        raise Refusal(Code.WORK_ORDER_UNKNOWN, f"there is no work order {no!r}", [{"path": "work_order", "found": no}])
    return row


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(WorkOrder, order_no=order_no, order_by="no")


def unfinished(order_no: str) -> int:
    """How many blocking work orders still keep an order from completing, with what is staged but not written yet."""
    staged = [r for r in store.current().staged(WorkOrder) if r["order_no"] == order_no and r["blocking"]]
    return len(staged) + len(store.many(WorkOrder, columns=("no",), order_no=order_no, blocking=True,
                                        state=["open", "in_progress"]))


def take(no: str, worker: str) -> dict[str, Any]:
    """A person takes an open work order; quiet for who has taken it, STATE_REFUSED for others."""
    row = find(no, lock=True)
    if row["state"] == "in_progress" and row["worker"] != worker:
        raise Refusal(Code.STATE_REFUSED, f"{row['worker']} has taken the work order {no}",
                      [{"path": "worker", "found": worker, "expected": row["worker"]}])
    if row["state"] != "in_progress":
        store.move(WORK_ORDER, no, "in_progress", f"taken by {worker}", row=row, worker=worker)
    return find(no)


def finish(no: str, worker: str, result: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """It is done, with what came of it; (row, whether this call finished it). STATE_REFUSED for a cancelled one."""
    row = find(no, lock=True)
    moved = store.move(WORK_ORDER, no, "done", f"done by {worker}", row=row, worker=worker, result=dict(result))
    return row, moved


def cancel_all(order_no: str, cause: str) -> int:
    """The order ends without them."""
    rows = store.many(WorkOrder, order_no=order_no, state=["open", "in_progress"], lock=True)
    for row in rows:
        store.move(WORK_ORDER, row["no"], "cancelled", cause, row=row)
    return len(rows)
