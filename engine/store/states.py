"""The one mover of states. Every thing with a life declares its transition table here; nothing else writes `state`.

`move` locks the row, re-reads it, returns quietly when it is already there, refuses what is not in the table, and logs
the move. The console draws the tables; `ledger verify` holds the logs against them.
"""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from ..base import clock, trace
from ..base.errors import Code, Refusal
from . import rows
from .databases import TradeTable
from .transaction import current

MACHINES: dict[str, "Machine"] = {}


class StateLog(TradeTable):
    """Every move of every machine, in order; never changed. from_state "" is the birth.

    One table, so that a transaction that moves five things writes one INSERT; the views `order_log`, `payment_log`,
    `work_order_log`, `coupon_log` … (made by a migration) are its parts for people who read with SQL.
    """
    id = peewee.BigAutoField()
    machine = peewee.CharField(max_length=16)
    no = peewee.CharField(max_length=40)
    from_state = peewee.CharField(max_length=24)
    to_state = peewee.CharField(max_length=24)
    cause = peewee.CharField(max_length=80)
    trace_id = peewee.CharField(max_length=32)
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("no", "machine"), False),)


class Machine:
    """A declared life. `moves`: state → states it may go to; a state with none is an end. `initial`: where it may be born.

    name    "order", "payment" …: the key of `MACHINES`
    table   has columns `key`, `state`, `updated_at_ms`
    logged  False for things too short-lived to keep a log of
    """

    def __init__(self, name: str, table: type[peewee.Model], key: str, initial: tuple[str, ...],
                 moves: Mapping[str, tuple[str, ...]], titles: Mapping[str, str], logged: bool = True):
        self.name, self.table, self.key, self.logged = name, table, key, logged
        self.initial, self.moves, self.titles = initial, moves, titles
        MACHINES[name] = self

    def is_end(self, state: str) -> bool:
        return not self.moves[state]

    def allows(self, from_state: str, to_state: str) -> bool:
        return to_state in (self.moves.get(from_state, ()) if from_state else self.initial)


def born(machine: Machine, no: str, state: str, cause: str) -> None:
    """Log the first state of a row that the caller inserts with it."""
    if not machine.allows("", state):
        raise Refusal(Code.STATE_REFUSED, f"a new {machine.name} can't be {state}")
    _log(machine, no, "", state, cause)


def move(machine: Machine, no: str, to_state: str, cause: str, *, row: Mapping[str, Any] | None = None,
         via: tuple[str, ...] = (), **values: Any) -> bool:
    """Move one thing; True when it moved, False when it was there already. Inside the caller's transaction.

    row     the thing as the caller has just read it *with its lock* in this transaction; read here otherwise
    via     states passed through on the way in this same transaction; each is checked and logged, one UPDATE is made
    values  further columns to set with the move
    Refusal STATE_REFUSED when the table has no such move; the transaction must then not be committed.
    """
    if row is None:
        row = rows.one(machine.table, lock=True, columns=(machine.key, "state"), **{machine.key: no})
        if row is None:
            raise Refusal(Code.NOT_FOUND, f"there is no {machine.name} {no}")
    from_state = row["state"]
    if from_state == to_state:
        return False
    path = (from_state, *via, to_state)
    for here, there in zip(path, path[1:]):
        if not machine.allows(here, there):
            raise Refusal(Code.STATE_REFUSED, f"{machine.name} {no} is {here} and can't become {there}",
                          [{"path": "state", "found": here, "expected": ", ".join(machine.moves[here]) or "no move"}])
    changed = rows.update(machine.table, {"state": to_state, "updated_at_ms": clock.now_ms(), **values},
                          **{machine.key: no, "state": from_state})
    if changed != 1:
        raise RuntimeError(f"{machine.name} {no} was moved by another without its lock")
    for here, there in zip(path, path[1:]):
        _log(machine, no, here, there, cause)
    return True


def _log(machine: Machine, no: str, from_state: str, to_state: str, cause: str) -> None:
    if not machine.logged:
        return
    current().later(StateLog, {"machine": machine.name, "no": no, "from_state": from_state, "to_state": to_state,
                               "cause": cause[:80], "trace_id": trace.trace_id(), "at_ms": clock.now_ms()})
