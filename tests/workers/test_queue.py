"""Wake-ups: few, never in a request's way, and nothing but JSON in the queue."""
from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time

import pytest

from engine import store
from engine.flow import outbox
from engine.workers import queue
from tests.support.waiting import wait_until


@pytest.fixture
def woken(monkeypatch):
    """When the queue took a wake-up."""
    times = []
    monkeypatch.setattr(queue, "task", lambda: lambda: times.append(time.monotonic()))
    return times


def test_a_burst_of_commits_is_few_wake_ups(woken):
    wake, began = queue.Waker(), time.monotonic()
    for _ in range(2000):
        wake(0)
    took_s = time.monotonic() - began
    wait_until(lambda: woken, "a wake-up")
    time.sleep(3 * queue.WAKE_EVERY_S)
    assert 1 <= len(woken) <= took_s / queue.WAKE_EVERY_S + 2


def test_the_first_wake_up_waits_for_nothing_and_the_next_for_a_step(woken):
    wake, began = queue.Waker(), time.monotonic()
    wake(0)
    wait_until(lambda: woken, "the first")
    assert not wake._times
    wake(0)
    wake(0)
    assert len(wake._times) == 1               # what is due at once need not be known twice
    wait_until(lambda: len(woken) == 2, "the second")
    assert woken[1] - began >= queue.WAKE_EVERY_S
    time.sleep(1.5 * queue.WAKE_EVERY_S)
    assert len(woken) == 2


def test_a_wake_up_is_never_lost_in_the_gap(woken):
    """Work that is left right after a wake-up has its own: the worker may have looked before it was there."""
    wake = queue.Waker()
    for n in range(1, 6):
        wake(0)
        wait_until(lambda: len(woken) >= n, f"wake-up {n}")


def test_later_work_wakes_later_and_what_the_sweep_will_find_not_at_all(woken, monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_SWEEP_EVERY_S", "1")
    wake, began = queue.Waker(), time.monotonic()
    for delay_s in (0.3, 0.3, 61, 1.5):
        wake(delay_s)
    time.sleep(0.1)
    assert woken == []
    wait_until(lambda: woken, "the wake-up")
    assert woken[0] - began >= 0.3
    time.sleep(0.2)
    assert len(woken) == 1 and not wake._times


def test_a_queue_that_is_down_is_said_once_and_hurts_nobody(monkeypatch, caplog):
    tries = []

    def down():
        tries.append(1)
        raise ConnectionError("no route")
    monkeypatch.setattr(queue, "task", lambda: down)
    wake = queue.Waker()
    with caplog.at_level(logging.WARNING, "salewright.workers"):
        for n in range(1, 4):
            wake(0)
            wait_until(lambda: len(tries) == n, "a try")
        assert len(caplog.records) == 1
        monkeypatch.setattr(queue, "task", lambda: lambda: tries.append(1))
        wake(0)
        wait_until(lambda: len(tries) == 4, "the queue is back")


def test_staging_a_job_wakes_somebody_after_the_commit(database, monkeypatch):
    seen = []
    monkeypatch.setattr(outbox, "_wake", lambda delay_s: seen.append((delay_s, store.in_transaction())))
    with store.transaction():
        outbox.stage("message.send", "M1", delay_s=2)
        assert seen == []
    assert seen == [(2, False)]


def test_the_queue_holds_json_and_no_code(data_dir):
    queue.task()()
    [(data,)] = sqlite3.connect(data_dir / "queue.db").execute("SELECT data FROM task").fetchall()
    message = json.loads(bytes(data))
    assert message[1] == "engine.workers.queue.drain"
    looked = []
    queue.connect(lambda: looked.append(1))
    huey = queue.task().huey
    huey.execute(huey.dequeue())
    assert looked == [1] and huey.dequeue() is None


def test_the_queue_is_redis_where_the_setting_says_so(redis_url, monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_HUEY_URL", redis_url)
    looked = threading.Event()
    queue.connect(looked.set)
    queue.task()()
    huey = queue.task().huey
    huey.execute(huey.dequeue())
    assert looked.is_set() and huey.storage.blocking
