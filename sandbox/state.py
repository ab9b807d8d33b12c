"""What the sandbox remembers: deeds (payments, refunds, contracts, orders, messages …), what is due, faults asked for.

One small SQLite file of its own, so that a restart forgets nothing. Every call is one short transaction under one lock.
"""
from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Mapping

import peewee

from engine.base import canon, clock, ids

_TABLES = (
    """CREATE TABLE IF NOT EXISTS deed (
        id INTEGER PRIMARY KEY, channel TEXT NOT NULL, kind TEXT NOT NULL, no TEXT NOT NULL,
        parent_no TEXT NOT NULL DEFAULT '', state TEXT NOT NULL, token TEXT NOT NULL UNIQUE, channel_no TEXT NOT NULL,
        amount_minor INTEGER NOT NULL DEFAULT 0, currency TEXT NOT NULL DEFAULT '', facts TEXT NOT NULL,
        faults TEXT NOT NULL, made_at_ms INTEGER NOT NULL,
        done_at_ms INTEGER, UNIQUE (channel, kind, no))""",
    "CREATE INDEX IF NOT EXISTS deed_parent ON deed (channel, parent_no)",
    "CREATE INDEX IF NOT EXISTS deed_channel_no ON deed (channel_no)",
    """CREATE TABLE IF NOT EXISTS due (
        id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, deed INTEGER NOT NULL,
        detail TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS due_at ON due (at_ms)",
    "CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY, detail TEXT NOT NULL, remaining INTEGER NOT NULL)",
    """CREATE TABLE IF NOT EXISTS said (
        id INTEGER PRIMARY KEY, deed INTEGER NOT NULL, event TEXT NOT NULL, state TEXT NOT NULL,
        attempt INTEGER NOT NULL, answer TEXT NOT NULL, taken INTEGER NOT NULL, at_ms INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
)
_JSON = ("facts", "faults", "detail")

Row = dict[str, Any]


class State:
    """`path`: the SQLite file, or `:memory:`."""

    def __init__(self, path: Path | str):
        self._lock = threading.RLock()
        self._db = peewee.SqliteDatabase(str(path), thread_safe=False, check_same_thread=False,
                                         pragmas={"journal_mode": "wal", "synchronous": "normal", "busy_timeout": 5000})
        for statement in _TABLES:
            self._db.execute_sql(statement)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def lock(self) -> threading.RLock:
        """Held around a read and the write that depends on it."""
        return self._lock

    def _run(self, sql: str, *values: Any) -> Any:
        with self._lock:
            return self._db.execute_sql(sql, values)

    def _rows(self, sql: str, *values: Any) -> list[Row]:
        with self._lock:
            cursor = self._db.execute_sql(sql, values)
            names = [column[0] for column in cursor.description]
            rows = [dict(zip(names, row)) for row in cursor.fetchall()]
        return [{k: canon.loads(v) if k in _JSON else v for k, v in row.items()} for row in rows]

    # --- deeds

    def begin(self, channel: str, kind: str, no: str, state: str, values: Mapping[str, Any]) -> Row:
        """A new deed; `values` may hold parent_no, amount_minor, currency, facts, faults."""
        self._run("INSERT INTO deed (channel, kind, no, parent_no, state, token, channel_no, amount_minor, currency,"
                  " facts, faults, made_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                  channel, kind, no, values.get("parent_no", ""), state, ids.token(), ids.new_no("S"),
                  values.get("amount_minor", 0), values.get("currency", ""), canon.dumps(values.get("facts", {})),
                  canon.dumps(values.get("faults", [])), clock.now_ms())
        return self.find(channel, kind, no)  # type: ignore[return-value]

    def find(self, channel: str, kind: str, no: str) -> Row | None:
        rows = self._rows("SELECT * FROM deed WHERE channel = ? AND kind = ? AND no = ?", channel, kind, no)
        return next(iter(rows), None)

    def find_any(self, channel: str, kinds: tuple[str, ...], no: str, channel_no: str) -> Row | None:
        """By the caller's number, or by ours (which may carry the mark of a second success)."""
        for kind in kinds:
            rows = self._rows("SELECT * FROM deed WHERE channel = ? AND kind = ? AND (no = ? OR channel_no IN (?, ?))"
                              " ORDER BY id LIMIT 1", channel, kind, no, channel_no, channel_no.removesuffix("B")) \
                if no or channel_no else []
            if rows:
                return rows[0]
        return None

    def children(self, channel: str, kind: str, parent_no: str) -> list[Row]:
        """Deeds of a kind that belong to another, oldest first."""
        return self._rows("SELECT * FROM deed WHERE channel = ? AND kind = ? AND parent_no = ? ORDER BY id",
                          channel, kind, parent_no)

    def by_id(self, deed_id: int) -> Row | None:
        return next(iter(self._rows("SELECT * FROM deed WHERE id = ?", deed_id)), None)

    def by_token(self, token: str) -> Row | None:
        """By what a terminal was given: a token, or our number."""
        return next(iter(self._rows("SELECT * FROM deed WHERE token = ? OR channel_no = ? LIMIT 1", token, token)), None)

    def listed(self, kind: str, channel: str = "", no: str = "", limit: int = 200) -> list[Row]:
        """The newest deeds of a kind, those of one channel or number when given."""
        return self._rows("SELECT * FROM deed WHERE kind = ? AND (? = '' OR channel = ?) AND (? = '' OR no = ?)"
                          " ORDER BY id DESC LIMIT ?", kind, channel, channel, no, no, limit)

    def move(self, deed: Row, state: str, of: tuple[str, ...] = ("pending", "accepted")) -> bool:
        """One of the states `of` → `state`, once; False when it had moved already."""
        cursor = self._run("UPDATE deed SET state = ?, done_at_ms = ?"
                           f" WHERE id = ? AND state IN ({', '.join('?' * len(of))})", state, clock.now_ms(), deed["id"], *of)
        return cursor.rowcount == 1

    def given_back_minor(self, channel: str, payment_no: str) -> int:
        """What refunds of a payment have taken or are taking."""
        rows = self._rows("SELECT COALESCE(SUM(amount_minor), 0) AS total FROM deed"
                          " WHERE channel = ? AND kind = 'refund' AND parent_no = ? AND state != 'failed'",
                          channel, payment_no)
        return rows[0]["total"]

    # --- what is due

    def plan(self, kind: str, deed_id: int, after_s: float, **detail: Any) -> None:
        self._run("INSERT INTO due (at_ms, kind, deed, detail) VALUES (?, ?, ?, ?)",
                  clock.now_ms() + int(after_s * 1000), kind, deed_id, canon.dumps(detail))

    def due(self, limit: int = 64) -> list[Row]:
        return self._rows("SELECT * FROM due WHERE at_ms <= ? ORDER BY at_ms, id LIMIT ?", clock.now_ms(), limit)

    def next_due_ms(self) -> int | None:
        return self._rows("SELECT MIN(at_ms) AS at_ms FROM due")[0]["at_ms"]

    def done(self, due_id: int) -> None:
        self._run("DELETE FROM due WHERE id = ?", due_id)

    def put_off(self, due_id: int, after_s: float, **detail: Any) -> None:
        self._run("UPDATE due SET at_ms = ?, detail = ? WHERE id = ?",
                  clock.now_ms() + int(after_s * 1000), canon.dumps(detail), due_id)

    def record(self, deed_id: int, event: str, state: str, attempt: int, answer: str, taken: bool) -> None:
        self._run("INSERT INTO said (deed, event, state, attempt, answer, taken, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
                  deed_id, event, state, attempt, answer, int(taken), clock.now_ms())

    def sayings(self, deed_id: int) -> list[Row]:
        """Every delivery of a notice of this deed, oldest first."""
        return self._rows("SELECT event, state, attempt, answer, taken, at_ms FROM said WHERE deed = ? ORDER BY id",
                          deed_id)

    # --- faults and settings

    def ask_fault(self, detail: Mapping[str, Any], times: int) -> None:
        self._run("INSERT INTO fault (detail, remaining) VALUES (?, ?)", canon.dumps(detail), times)

    def faults(self) -> list[Row]:
        return self._rows("SELECT id, detail, remaining FROM fault WHERE remaining > 0 ORDER BY id")

    def clear_faults(self) -> None:
        self._run("DELETE FROM fault")

    def use_faults(self, channel: str, operation: str, no: str, names: frozenset[str]) -> list[Row]:
        """The faults of these names that meet this call, each counted down by one. Returns their details."""
        met = []
        with self._lock:
            for fault in self.faults():
                detail = fault["detail"]
                if (detail["fault"] in names and detail.get("channel", channel) == channel
                        and detail.get("operation", operation) == operation
                        and no.startswith(detail.get("prefix", ""))):
                    self._run("UPDATE fault SET remaining = remaining - 1 WHERE id = ?", fault["id"])
                    met.append(detail)
        return met

    def setting(self, name: str, default: Any) -> Any:
        rows = self._rows("SELECT value FROM setting WHERE name = ?", name)
        return canon.loads(rows[0]["value"]) if rows else default

    def set_setting(self, name: str, value: Any) -> None:
        self._run("INSERT INTO setting (name, value) VALUES (?, ?)"
                  " ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, canon.dumps(value))
