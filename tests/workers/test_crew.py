"""The crew: jobs are done by threads, removed together, put off when they fail, and given back when it ends."""
from __future__ import annotations

import threading
import time

import pytest

from engine import store
from engine.base import clock
from engine.flow import outbox
from engine.workers.crew import BATCH, Crew
from tests.support.waiting import wait_until


@pytest.fixture
def does(monkeypatch):
    """does(handler) makes it the handler of the task `try`."""
    def install(handler):
        monkeypatch.setitem(outbox._handlers, "try", handler)
    return install


@pytest.fixture
def crew(monkeypatch):
    made = []

    def make(threads=4):
        made.append(Crew(threads))
        monkeypatch.setattr(outbox, "_wake", lambda delay_s: made[-1].look())
        return made[-1]
    yield make
    for one in made:
        one.stop()


def stage(count, **more):
    with store.transaction():
        for n in range(count):
            outbox.stage("try", f"J{n}", **more)


def left():
    return store.many(outbox.Outbox, order_by="id")


def test_every_job_is_done_once_and_removed(database, crew, does):
    seen = []
    does(lambda job: seen.append(job["subject_no"]))
    crew()
    stage(100)
    wait_until(lambda: not left(), "an empty outbox")
    assert sorted(seen) == sorted(f"J{n}" for n in range(100))


def test_many_jobs_share_their_commits(sqlite_database, crew, does):
    does(lambda job: None)
    stage(200)
    store.counts.reset()
    crew(8).look()
    wait_until(lambda: not left(), "an empty outbox")
    # A handful is leased, and what is done removed, in one transaction.
    assert store.counts.commits <= 200 / 8 + 10


def test_rows_that_could_not_be_removed_are_removed_later(database, crew, does, monkeypatch):
    original, failing = outbox.finish, [1, 2]
    monkeypatch.setattr("engine.workers.crew.AWAY_S", 0.01)

    def finish(done):
        if done and failing.pop() if failing else False:
            raise OSError("the disk is full")
        return original(done)
    monkeypatch.setattr(outbox, "finish", finish)
    seen = []
    does(lambda job: seen.append(job["subject_no"]))
    crew(2)
    stage(1)
    wait_until(lambda: not left(), "an empty outbox")
    assert seen == ["J0"]


def test_jobs_are_done_side_by_side(database, crew, does):
    together = threading.Barrier(4)
    does(lambda job: together.wait(10))
    stage(4)
    crew(4).look()
    wait_until(lambda: not left(), "four jobs at once")


def test_a_slow_job_holds_nobody_up(database, crew, does):
    go = threading.Event()
    seen = []
    does(lambda job: go.wait(20) if job["subject_no"] == "J0" else seen.append(job["subject_no"]))
    stage(3 * BATCH)
    crew(3).look()
    wait_until(lambda: len(seen) == 3 * BATCH - 1, "all but the slow one")
    go.set()
    wait_until(lambda: not left(), "the slow one")


def test_a_job_that_fails_is_put_off_and_comes_again(database, crew, does, monkeypatch):
    monkeypatch.setattr(outbox, "WAIT_MIN_S", 0.05)
    monkeypatch.setattr(outbox, "backoff_s", lambda *args: 0.05)
    tries = []

    def stumble(job):
        tries.append(job["attempts"])
        if len(tries) < 3:
            raise RuntimeError("not yet")
    does(stumble)
    looker = crew(2)
    stage(1)
    wait_until(lambda: looker.look() or not left(), "the third try")
    assert len(tries) == 3


def test_work_that_dies_outside_its_handler_keeps_the_crew_alive(database, crew, does, monkeypatch):
    done = []
    original, failing = outbox.do, [True]

    def do(job):
        if failing.pop() if failing else False:
            raise OSError("the disk is full")
        return original(job)
    monkeypatch.setattr(outbox, "do", do)
    does(lambda job: done.append(1))
    crew(1)
    stage(2)
    wait_until(lambda: len(done) == 1, "the other job")
    assert len(left()) <= 2


def test_the_end_finishes_what_is_under_way_and_gives_the_rest_back(database, does):
    begun, go, done = threading.Event(), threading.Event(), []

    def work(job):
        begun.set()
        go.wait(20)
        done.append(job["subject_no"])
    does(work)
    stage(3)
    crew = Crew(1)                             # one at a time, and one more in hand
    crew.look()
    assert begun.wait(10)
    wait_until(lambda: len(crew._jobs) == 2, "the second in hand")
    ending = threading.Thread(target=crew.stop)
    ending.start()
    time.sleep(0.1)
    assert ending.is_alive() and done == []
    go.set()
    ending.join(10)
    assert done == ["J0"] and not ending.is_alive()
    rest = left()
    assert [(j["subject_no"], j["attempts"]) for j in rest] == [("J1", 0), ("J2", 0)]
    assert all(j["due_at_ms"] <= clock.now_ms() for j in rest)


def test_what_is_overdue_is_in_hand_once(database, crew):
    go, tries = threading.Event(), []
    one = crew(4)

    def work(no):
        tries.append(no)
        go.wait(20)
    for _ in range(5):
        one.also("payment", "P1", work)
    one.also("payment", "P2", work)
    go.set()
    wait_until(lambda: not one._in_hand, "both")
    assert sorted(tries) == ["P1", "P2"]
    one.also("payment", "P1", work)
    wait_until(lambda: len(tries) == 3, "again, now that it is done")


def test_what_fails_is_left_alone_for_a_while(database, crew, monkeypatch):
    one, tries, now = crew(2), [], [1000.0]
    monkeypatch.setattr("engine.workers.crew.time.monotonic", lambda: now[0])

    def work(no):
        tries.append(no)
        if len(tries) < 3:
            raise RuntimeError("broken")
    for wait_s, expected in ((0, 1), (4.9, 1), (0.2, 2), (9.9, 2), (0.2, 3)):
        now[0] += wait_s
        one.also("order", "O1", work)
        wait_until(lambda: not one._in_hand, "an end")
        assert len(tries) == expected
    assert one.failing("order") == 0
