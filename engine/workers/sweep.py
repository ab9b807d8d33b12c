"""The sweep: every few seconds one worker looks, by index, for what is overdue. It finds what a lost wake-up, a killed
worker or a silent channel left behind.

Which worker it is, is a row in the database: held for a few sweeps at a time, and taken over when its holder is silent.
"""
from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import Iterable

import peewee

from .. import store
from ..base import clock, ids, settings
from ..trade import idempotency
from .crew import Crew
from .jobs import Overdue

LIMIT = 100                                    # of each kind, at one sweep
HELD_FOR = 3                                   # sweeps
KEYS_KEPT_DAYS = 7
HOUR_S = 3600.0
_log = logging.getLogger("salewright.workers")


class SweepLease(store.TradeTable):
    """Who sweeps, until when."""
    name = peewee.CharField(max_length=16, primary_key=True)
    holder = peewee.CharField(max_length=120)
    until_ms = peewee.BigIntegerField()


class Sweep:
    """A thread that hands what is overdue to the crew."""

    def __init__(self, crew: Crew, kinds: Iterable[Overdue]):
        self._crew, self._kinds = crew, tuple(kinds)
        self._me = f"{socket.gethostname()}:{os.getpid()}:{ids.token(4)}"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sweep")
        self._clean_at = time.monotonic() + HOUR_S

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, and leave the lease to another worker."""
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        every_s = float(settings.get("SWEEP_EVERY_S"))
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            try:
                self.once(every_s)
            except Exception as error:
                _log.error("this sweep failed: %r", error, exc_info=not isinstance(error, peewee.OperationalError))
                store.trade.close()
            wait_s = every_s
        try:
            with store.transaction(durable=False):
                store.delete(SweepLease, name="sweep", holder=self._me)
        except peewee.DatabaseError as error:
            _log.warning("the sweep's lease is left to run out: %s", error)
        store.trade.close()

    def once(self, every_s: float) -> bool:
        """One sweep, when this worker is the one; True when it is."""
        if not self._hold(every_s):
            return False
        self._crew.look()
        for kind in self._kinds:
            for no in kind.due(LIMIT + self._crew.failing(kind.name)):
                self._crew.also(kind.name, no, kind.do)
        if time.monotonic() >= self._clean_at:
            self._clean_at = time.monotonic() + HOUR_S
            self._crew.also("clean", "idempotency keys", lambda _: idempotency.forget_older_than(KEYS_KEPT_DAYS))
        return True

    def _hold(self, every_s: float) -> bool:
        now = clock.now_ms()
        lease = {"holder": self._me, "until_ms": now + int(HELD_FOR * every_s * 1000)}
        with store.transaction(durable=False):
            if store.update(SweepLease, lease, name="sweep", also="(holder = ? OR until_ms <= ?)", params=(self._me, now)):
                return True
            return store.insert(SweepLease, {"name": "sweep", **lease}, ignore=True) == 1
