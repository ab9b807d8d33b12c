"""The queue between those who leave work in the outbox and those who do it. It carries wake-ups only: it may be lost,
doubled or down, and no work is."""
from __future__ import annotations

import heapq
import logging
import os
import threading
import time
from functools import lru_cache
from typing import Any, Callable

from huey import RedisHuey, SqliteHuey
from huey.api import TaskWrapper
from huey.registry import Message
from huey.serializer import Serializer

from ..base import canon, settings
from ..flow import outbox

WAKE_EVERY_S = 0.1                             # wake-ups of one process are at least so far apart
_log = logging.getLogger("salewright.workers")


class _Json(Serializer):
    """huey's messages as JSON: a queue that somebody else can write to must not be able to run code here."""

    def _serialize(self, data: Any) -> bytes:
        return canon.dumps(list(data)).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(*canon.loads(bytes(data)))


def drain() -> None:
    """There may be jobs in the outbox."""
    _look()


@lru_cache(maxsize=None)
def task() -> TaskWrapper:
    """The one task of this process's end of the queue (`task().huey`); calling it puts a wake-up into the queue.

    The queue's loss costs nothing, so a file of it does not wait for the disk.
    """
    url, options = settings.get("HUEY_URL"), {"results": False, "serializer": _Json()}
    queue = (RedisHuey("salewright", url=url, **options) if url else
             SqliteHuey("salewright", filename=str(settings.data_dir() / "queue.db"), fsync=False, **options))
    return queue.task(name="drain")(drain)


_look: Callable[[], None] = lambda: None


def connect(look: Callable[[], None]) -> None:
    """Who looks into the outbox when this process, a worker, takes a wake-up from the queue."""
    global _look
    _look = look


class Waker:
    """Puts wake-ups into the queue from a thread of its own: a request neither waits for the queue nor fails with it."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._times: list[float] = []          # when to wake somebody, the earliest first
        self._known: set[float] = set()
        self._soonest = 0.0                    # when the last wake-up for work that is due at once is, or was, to come
        self._pid = 0
        self._failing = False

    def __call__(self, delay_s: float) -> None:
        """Somebody should look in `delay_s`. Wakes beyond the next sweep are left to it."""
        if delay_s > float(settings.get("SWEEP_EVERY_S")):
            return
        with self._ready:
            now = time.monotonic()
            if self._pid != os.getpid():       # a fork has no thread of its parent's
                self._pid, self._soonest = os.getpid(), 0.0
                threading.Thread(target=self._work, name="waker", daemon=True).start()
            if delay_s > 0:                    # rounded up to the step, so that the times of one moment are one
                at = -(-(now + delay_s) // WAKE_EVERY_S) * WAKE_EVERY_S
            elif self._soonest > now:          # one is on its way
                return
            else:                              # at once, unless somebody was woken a moment ago
                at = self._soonest = max(now, self._soonest + WAKE_EVERY_S)
            if at not in self._known:
                self._known.add(at)
                heapq.heappush(self._times, at)
                self._ready.notify()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._times or (wait_s := self._times[0] - time.monotonic()) > 0:
                    self._ready.wait(wait_s if self._times else None)
                while self._times and self._times[0] <= time.monotonic():
                    self._known.discard(heapq.heappop(self._times))
            self._wake()

    def _wake(self) -> None:
        try:
            task()()
            self._failing = False
        except Exception as error:             # the sweep finds the job; say so once, not at every wake-up
            if not self._failing:
                _log.warning("the queue does not take wake-ups, the sweep goes on without them: %s", error)
            self._failing = True


wake = Waker()


def listen() -> None:
    """From now on, work that this process leaves in the outbox wakes a worker."""
    outbox.on_wake(wake)
