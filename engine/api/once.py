"""Idempotency: a request under a key is done once, and its first answer is given again.

The happy path costs one more row in the work's own transaction (`remember`). Nothing is looked up before the work: a
repeat shows itself, by the broken unique rule at the commit, or because the work is refused the second time (its quote is
used, its cap reached), and only then the key is asked for. A refusal is not remembered: it changed nothing.

Work with an outside call is remembered unfinished with its intent and finished after; a repeat meanwhile waits a moment,
a repeat after a crash goes on from what the first one left.
"""
from __future__ import annotations

import hashlib
import time
from typing import Any, Callable

import peewee

from .. import store
from ..base import canon, turn
from ..base.errors import Code, Refusal
from ..trade import idempotency

UNFINISHED = 0                                 # status of a row whose answer is not complete yet
WAIT_S, LOOK_EVERY_S = 1.0, 0.05
Answered = tuple[int, Any]                     # (HTTP status, JSON body)


class Once:
    """One request's key. Without a key (`given` false) everything here is quiet."""

    def __init__(self, client_id: str, key: str, method: str, path: str, body: Any):
        self.client_id, self.key = client_id, key
        self._asked = (method, path, body)
        self._committed = self.replayed = False

    @property
    def given(self) -> bool:
        return bool(self.key)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(canon.dumps_sorted(self._asked)).hexdigest()

    def name(self, longest: int) -> str:
        """The key as others keep it: one text for this client and key, at most so long."""
        text = f"{self.client_id}:{self.key}"
        return text if len(text) <= longest else hashlib.sha256(text.encode()).hexdigest()[:longest]

    def remember(self, resource_no: str, status: int, body: Any) -> None:
        """Stage the answer in the open transaction; status UNFINISHED when the answer is to come."""
        if not self.given:
            return
        idempotency.remember(self.client_id, self.key, self.fingerprint, resource_no, status, body)
        store.current().after_commit(self._note_commit)

    def _note_commit(self) -> None:
        self._committed = True

    def finish(self, status: int, body: Any) -> Answered:
        """Complete what was remembered unfinished; returns what was given."""
        if self.given:
            idempotency.complete(self.client_id, self.key, status, body)
        return status, body

    def run(self, work: Callable[[], Answered], resume: Callable[[dict[str, Any]], Answered] | None = None) -> Answered:
        """Do the work, or give its first answer again. `work` calls `remember` in its transaction.

        resume(row): goes on with work that was left unfinished; raises IDEMPOTENCY_IN_FLIGHT while it is being done.
        """
        try:
            return store.retrying(work)
        except (Refusal, peewee.IntegrityError) as stop:
            if not self.given or (self._committed and isinstance(stop, Refusal)):
                raise
            row = idempotency.recall(self.client_id, self.key, self.fingerprint)
            if row is None:
                raise
        return self._again(row, resume)

    def _again(self, row: dict[str, Any], resume: Callable[[dict[str, Any]], Answered] | None) -> Answered:
        self.replayed = True
        until = time.monotonic() + WAIT_S
        while row["status"] == UNFINISHED:
            try:
                if resume is None:
                    raise in_flight()
                return resume(row)
            except Refusal as refusal:
                if refusal.code is not Code.IDEMPOTENCY_IN_FLIGHT or time.monotonic() >= until:
                    raise
            with turn.given_back():
                time.sleep(LOOK_EVERY_S)
            row = idempotency.recall(self.client_id, self.key, self.fingerprint)
        return row["status"], row["answer"]


def in_flight() -> Refusal:
    return Refusal(Code.IDEMPOTENCY_IN_FLIGHT)
