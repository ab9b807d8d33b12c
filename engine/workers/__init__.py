"""The workers: they do what is due. The database remembers it; huey only wakes somebody up, and a sweep finds what nobody
was woken for.

    any process   commit → outbox → `queue.Waker` → huey's queue
    a worker      huey: `drain` → `crew.Crew`: lease due jobs, hand them to threads, remove what is done
                  `sweep.Sweep`, in one worker at a time: what is overdue by an index → the same threads

A worker that is killed loses nothing: its leases run out, and its work is done again by steps that can stand it.
`listen()` makes a process wake the workers; `run()` is a worker.
"""
from __future__ import annotations

import signal
import threading

from ..base import settings
from . import jobs
from .crew import Crew
from .queue import connect, listen, task
from .sweep import Sweep

__all__ = ["listen", "run"]
HEALTH_EVERY_S = 10.0


def run(threads: int = 0) -> None:
    """A worker's whole life, in the main thread of a process whose engine was started. SIGTERM and SIGINT end it: what is
    under way is finished, what was not begun is given back."""
    stopped = threading.Event()
    crew = Crew(threads or settings.get_int("WORKER_THREADS"))
    sweep = Sweep(crew, jobs.OVERDUE)
    connect(crew.look)
    listen()
    consumer = task().huey.create_consumer(**_polling())
    consumer.start()
    for number in (signal.SIGTERM, signal.SIGINT):         # huey has set its own, which would drop what is under way
        signal.signal(number, lambda *_: stopped.set())
    sweep.start()
    while not stopped.wait(HEALTH_EVERY_S):
        consumer.check_worker_health()
    consumer.stop(graceful=True)
    sweep.stop()
    crew.stop()


def _polling() -> dict[str, float]:
    """One thread listens to the queue. Redis calls it, so waits are for when Redis is away; a file has to be looked into."""
    blocking = task().huey.storage.blocking
    return {"workers": 1, "periodic": False, "scheduler_interval": 60, "initial_delay": 0.2 if blocking else 0.02,
            "max_delay": 5.0 if blocking else 0.2, "backoff": 1.15}
