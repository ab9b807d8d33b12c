"""The outbox: what is staged is done, once if nothing dies, again if something does, never not at all."""
from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from engine import store
from engine.base import clock, trace
from engine.flow import outbox
from engine.flow.outbox import Later, Outbox
from tests.support.together import at_once, errors

T0 = 1_800_000_000_000


@pytest.fixture
def done(database, monkeypatch):
    """`subjects` of finished jobs of the task `note`; what `trouble` holds is raised first."""
    clock.set_to(T0)
    seen = SimpleNamespace(subjects=[], trouble=[])

    def note(job):
        if seen.trouble:
            raise seen.trouble.pop(0)
        seen.subjects.append(job["subject_no"])
    monkeypatch.setattr(outbox, "_handlers", {"note": note})
    return seen


def stage(*subjects, **options):
    with store.transaction():
        for subject in subjects:
            outbox.stage("note", subject, **options)


def row():
    [found] = store.many(Outbox)
    return found


def test_a_job_is_done_and_gone(done):
    stage("a", "b", why="test")
    assert outbox.drain() == 2 and done.subjects == ["a", "b"]
    assert store.many(Outbox) == [] and outbox.drain() == 0


def test_a_job_belongs_to_its_transaction(done):
    with pytest.raises(ZeroDivisionError):
        with store.transaction():
            outbox.stage("note", "a")
            raise ZeroDivisionError
    assert store.many(Outbox) == []


def test_what_a_handler_gets(done, monkeypatch):
    seen = []
    monkeypatch.setitem(outbox._handlers, "note", lambda job: seen.append((job, trace.current())))
    with trace.span("the cause") as cause:
        stage("a", delay_s=0, channel="c", n=1)
    outbox.drain()
    job, worker = seen[0]
    assert (job["subject_no"], job["args"], job["attempts"]) == ("a", {"channel": "c", "n": 1}, 0)
    assert (worker.trace_id, worker.producer, worker.consumer) == (cause.trace_id, cause.trace_id, "outbox.note")
    assert worker.span_id != cause.span_id


def test_a_delayed_job_waits(done):
    stage("a", delay_s=1.5)
    assert outbox.drain() == 0
    clock.advance(1.5)
    assert outbox.drain() == 1 and store.many(outbox.Outbox) == []


def test_the_longest_due_come_first_and_a_batch_has_an_end(done):
    stage("late", delay_s=2)
    stage("b", delay_s=1)
    stage("a")
    clock.advance(60)
    assert outbox.drain(limit=2) == 2 and done.subjects == ["a", "b"]


def test_a_failing_job_comes_back_later_and_later_and_is_given_up(done):
    done.trouble += [ValueError(f"no {n}") for n in range(outbox.ATTEMPTS_MAX)]
    stage("a")
    waits = []
    for _ in range(outbox.ATTEMPTS_MAX - 1):
        outbox.drain()
        waits.append(row()["due_at_ms"] - clock.now_ms())
        assert outbox.drain() == 0
        clock.set_to(row()["due_at_ms"])
    assert waits == [1000 * 2 ** n for n in range(11)]
    outbox.drain()
    assert (row()["state"], row()["error"]) == ("dead", "ValueError('no 11')")
    clock.advance(86400)
    assert outbox.drain() == 0 and done.subjects == []
    assert outbox.replay(row()["id"]) and not outbox.replay(row()["id"])
    assert outbox.drain() == 1 and done.subjects == ["a"]


def test_only_a_dead_job_is_replayed(done):
    stage("a")
    [job] = outbox.lease()
    assert not outbox.replay(job["id"])        # somebody is at it
    assert outbox.lease() == [] and not outbox.replay(999)


def test_later_is_no_failure(done):
    done.trouble += [Later(30, "not yet") for _ in range(40)]
    stage("a")
    for _ in range(40):
        outbox.drain()
        assert (row()["due_at_ms"], row()["error"], row()["attempts"]) == (clock.now_ms() + 30_000, "not yet", 0)
        clock.advance(30)
    outbox.drain()
    assert done.subjects == ["a"]


def test_a_task_nobody_handles_is_kept(done):
    with store.transaction():
        outbox.stage("unheard-of", "a")
    outbox.drain()
    assert "nothing handles the task 'unheard-of'" in row()["error"] and row()["state"] == "ready"


def test_a_worker_that_dies_leaves_its_jobs_to_others(done):
    stage("a", "b")
    assert len(outbox.lease()) == 2            # and it is never heard of again
    assert outbox.drain() == 0
    clock.advance(60)
    assert outbox.drain() == 2 and done.subjects == ["a", "b"] and store.many(Outbox) == []


def test_a_worker_that_dies_between_doing_and_removing_does_it_again(done, monkeypatch):
    stage("a")
    monkeypatch.setattr(outbox, "finish", lambda ids: (_ for _ in ()).throw(SystemExit()))
    with pytest.raises(SystemExit):
        outbox.drain()
    monkeypatch.undo()
    monkeypatch.setattr(outbox, "_handlers", {"note": lambda job: done.subjects.append("again")})
    clock.set_to(T0 + 60_000)
    outbox.drain()
    assert done.subjects == ["a", "again"] and store.many(Outbox) == []


def test_what_was_not_begun_is_given_back(done):
    stage("a", "b")
    jobs = outbox.lease()
    outbox.give_back(jobs[1:])
    assert [j["subject_no"] for j in outbox.lease()] == ["b"]
    assert [j["attempts"] for j in store.many(Outbox, order_by="id")] == [1, 1]


def test_workers_never_share_a_job(done):
    stage(*[f"j{n}" for n in range(200)])
    taken = at_once(lambda n: [job["id"] for _ in range(6) for job in outbox.lease(limit=7)], range(8))
    assert not errors(taken)
    ids = [job for batch in taken for job in batch]
    assert len(ids) == len(set(ids)) == 200


def test_everything_is_done_by_eight_workers(done):
    stage(*[f"j{n}" for n in range(100)])
    lock, count = threading.Lock(), []

    def work(n):
        while outbox.drain(limit=5):
            with lock:
                count.append(n)
    assert not errors(at_once(work, range(8)))
    assert sorted(done.subjects) == sorted(f"j{n}" for n in range(100)) and store.many(Outbox) == []


def test_one_who_waits_keeps_nobody_waiting(postgresql_database, monkeypatch):
    """Rows that another worker has locked are skipped, not waited for."""
    clock.set_to(T0)
    stage("a", "b")
    held, free = threading.Event(), threading.Event()

    def holder(n):
        with store.transaction():
            store.many(Outbox, subject_no="a", lock=True)
            held.set()
            assert free.wait(20)

    def other(n):
        assert held.wait(20)
        try:
            return [j["subject_no"] for j in outbox.lease()]
        finally:
            free.set()
    assert at_once(lambda work: work(0), [holder, other])[1] == ["b"]


def test_somebody_is_woken_after_the_commit_and_only_then(done, monkeypatch):
    woken = []
    monkeypatch.setattr(outbox, "_wake", woken.append)
    with store.transaction():
        outbox.stage("note", "a", delay_s=5)
        assert woken == []
    assert woken == [5]
    with pytest.raises(ZeroDivisionError):
        with store.transaction():
            outbox.stage("note", "b")
            raise ZeroDivisionError
    assert woken == [5]


@pytest.mark.parametrize("attempt, wait", [(1, 1.0), (2, 2.0), (5, 16.0), (12, 2048.0), (13, 3600.0), (10_000, 3600.0)])
def test_backoff(attempt, wait):
    assert outbox.backoff_s(attempt) == wait


def test_a_task_is_registered_by_its_handler(monkeypatch):
    monkeypatch.setattr(outbox, "_handlers", {})

    @outbox.handles("thing")
    def handler(job):
        return None
    assert outbox._handlers == {"thing": handler}
