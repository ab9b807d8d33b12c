"""A worker's threads, and the one that finds work for them."""
from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

import peewee

from .. import store
from ..base import trace
from ..flow import outbox

BATCH = 20                                     # jobs leased, or removed, at once
LINGER_S = 0.05                                # a finished job's row waits so long for others to be removed with
AWAY_S = 0.5
WAIT_MIN_S, WAIT_MAX_S = 5.0, 600.0            # what could not be done is left alone so long, doubling
_log = logging.getLogger("salewright.workers")


class Crew:
    """Threads that do due jobs, and one that leases jobs for them: as many as there is room for, in one transaction, and
    removes what is done in another."""

    def __init__(self, threads: int):
        self._pool = ThreadPoolExecutor(threads, "job")
        self._threads = threads
        self._ready = threading.Condition()
        self._in_hand: dict[Any, Future] = {}
        self._jobs: dict[Any, dict[str, Any]] = {}
        self._done: list[int] = []
        self._failed: dict[Any, tuple[int, float]] = {}    # what could not be done: (how often, left alone until)
        self._may_be_more = self._stopping = False
        self._leader = threading.Thread(target=self._lead, name="crew")
        self._leader.start()

    def look(self) -> None:
        """There may be jobs in the outbox."""
        with self._ready:
            self._may_be_more = True
            self._ready.notify()

    def also(self, name: str, no: str, do: Callable[[str], Any]) -> None:
        """Do something that is overdue, unless it is in hand already or failed a moment ago."""
        key = (name, no)
        with self._ready:
            if self._stopping or key in self._in_hand or self._failed.get(key, (0, 0.0))[1] > time.monotonic():
                return
            self._in_hand[key] = self._pool.submit(self._do_overdue, key, do)

    def failing(self, name: str) -> int:
        """How many things of a kind are left alone because they fail: they must not stand before the others."""
        return sum(1 for kind, _ in self._failed if kind == name)

    def stop(self) -> None:
        """Finish what is under way, give back what was not begun, and end."""
        with self._ready:
            self._stopping = True
            waiting = [key for key, future in self._in_hand.items() if future.cancel()]
            for key in waiting:
                del self._in_hand[key]
            back = [self._jobs.pop(key) for key in waiting if key in self._jobs]
            self._ready.notify()
        _quietly(lambda: outbox.give_back(back))
        self._leader.join()
        self._pool.shutdown()

    def _lead(self) -> None:
        while True:
            with self._ready:
                self._wait()
                # In hand: one job under way and one to go on with, for each thread; new ones are taken by the handful.
                wanted = min(2 * self._threads - len(self._jobs), BATCH) if self._may_lease() else 0
                self._may_be_more = self._may_be_more and not wanted
                done, self._done = self._done, []
                ended = self._stopping and not self._in_hand
            kept = self._take(wanted, done) if wanted else self._remove(done)
            if ended:
                break
            if not kept:                       # the database is away: try again in a moment
                time.sleep(AWAY_S)
                with self._ready:
                    self._done += done
        store.trade.close()

    def _wait(self) -> None:
        """Until there is something to lease, or rows to remove and no more to be expected at once."""
        while not self._may_lease() and not (self._stopping and not self._in_hand):
            if len(self._done) >= BATCH or not self._ready.wait(LINGER_S if self._done else None):
                return

    def _may_lease(self) -> bool:
        return self._may_be_more and not self._stopping and len(self._jobs) <= self._threads

    def _remove(self, done: list[int]) -> bool:
        return _quietly(lambda: (outbox.finish(done), True)) is not None

    def _take(self, limit: int, done: list[int]) -> bool:
        jobs = _quietly(lambda: outbox.lease(limit, done))
        if jobs is None:
            return False
        with self._ready:
            self._may_be_more = self._may_be_more or len(jobs) == limit
            if not self._stopping:
                for job in jobs:
                    self._jobs[job["id"]] = job
                    self._in_hand[job["id"]] = self._pool.submit(self._do_job, job)
                return True
        _quietly(lambda: outbox.give_back(jobs))
        return True

    def _do_job(self, job: dict[str, Any]) -> None:
        done = _quietly(lambda: outbox.do(job))
        with self._ready:
            if done:
                self._done.append(job["id"])
            self._in_hand.pop(job["id"], None)
            self._jobs.pop(job["id"], None)
            self._ready.notify()

    def _do_overdue(self, key: tuple[str, str], do: Callable[[str], Any]) -> None:
        with trace.span(f"sweep.{key[0]}"):
            done = _quietly(lambda: (do(key[1]), True)) is not None
        with self._ready:
            times = 0 if done else self._failed.get(key, (0, 0.0))[0] + 1
            self._failed.pop(key, None)
            if times:
                self._failed[key] = times, time.monotonic() + min(WAIT_MAX_S, WAIT_MIN_S * 2 ** min(times - 1, 20))
            self._in_hand.pop(key, None)
            self._ready.notify()


def _quietly(work: Callable[[], Any]) -> Any:
    """Work whose failure must not end the thread that does it: what was not done is found again. None when it failed."""
    try:
        return store.retrying(work)
    except Exception as error:
        _log.exception("work failed and will be found again")
        if isinstance(error, (peewee.OperationalError, peewee.InterfaceError)):
            store.trade.close()
        return None
