"""The executor: phases, journal, retries, compensation, and going on after being cut off anywhere."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock
from engine.config.catalog import Retry
from engine.flow import executor, journal
from engine.flow.step import StepFailed
from engine.trade.orders import OrderDetail
from tests.flow.flows import RETRY_3, SUBJECT, Ctx, Killed, World, entries, jobs, marks, run
from tests.support.together import at_once, errors

T0 = 1_800_000_000_000


@pytest.fixture(autouse=True)
def still(database):
    clock.set_to(T0)


# ── phases ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_write_steps_share_a_transaction_and_calls_stand_between(database):
    world = World().add("a").add("b").add("ring", call=True).add("c")
    world.schedule()
    store.counts.reset()
    assert world.advance() == "done"
    assert store.counts.commits == 3           # a, b and the intent · the outcome · c and the end
    assert marks() == ["a", "b", "c"] and world.ended == ["paid"]
    assert entries() == [("a", "done"), ("b", "done"), ("ring", "intent"), ("ring", "done"), ("c", "done")]
    assert world.rings["ring"].called == [{"no": "ring-1"}] and world.rings["ring"].asked == []
    assert (run()["state"], run()["error"]) == ("done", None)
    assert world.advance() == "done" and marks() == ["a", "b", "c"]


def test_what_is_journaled(database):
    world = World().add("a")
    world.schedule()
    world.advance()
    [row] = journal.of(SUBJECT, "paid")
    assert tuple(row[name] for name in ("number", "name", "attempt", "state", "result", "release_no", "at_ms")) == \
        (1, "a", 1, "done", {"did": "a"}, 7, T0)
    assert len(row["input_hash"]) == 32 and len(row["trace_id"]) == 32


def test_the_input_of_a_step_is_what_it_saw(database, monkeypatch):
    """The same facts, step and parameters: the same hash, and another one otherwise."""
    world = World().add("a").add("a").add("a", params={"x": 1}).add("b").add("a").add("a")
    seen = iter([{"n": 1}, {"n": 1}, {"n": 1}, {"n": 1}, {"n": 2}, {"n": 1}])
    shared = {"n": 1}
    monkeypatch.setattr(Ctx, "facts", lambda ctx: shared if (facts := next(seen)) == shared else facts)
    world.schedule()
    world.advance()
    first, again, other_params, other_step, other_facts, as_first = [row["input_hash"] for row in journal.of(SUBJECT, "paid")]
    assert first == again == as_first and len({first, other_params, other_step, other_facts}) == 4


def test_a_run_nobody_scheduled_is_done(database):
    assert executor.advance("S9/paid", World()) == "done"


def test_a_condition_that_does_not_hold_skips_its_step(database):
    idle = {"when": lambda facts: not facts["go"]}
    world = World().add("a", **idle).add("ring", call=True, **idle).add("b")
    world.schedule()
    assert world.advance() == "done"
    assert entries() == [("a", "skipped"), ("ring", "skipped"), ("b", "done")] and world.rings["ring"].called == []


def test_steps_before_the_first_are_not_run(database):
    world = World().add("check", "check").add("draw", "draw").add("a").add("b")
    world.schedule(3)
    assert world.advance() == "done" and marks() == ["a", "b"]


def test_a_call_gets_its_time_out_and_a_lease_that_outlasts_it(database):
    world = World().add("ring", call=True, timeout_s=90.0)
    leases = []
    world.schedule()
    world.rings["ring"].during = lambda: leases.append(run()["lease_until_ms"] - T0)
    world.advance()
    assert world.rings["ring"].timeouts == [90.0] and leases == [240_000]


def test_a_delayed_run_waits(database):
    world = World().add("a")
    world.schedule(delay_s=30)
    assert jobs() == [("flow.advance", T0 + 30_000)]
    assert world.advance() == "busy" and marks() == []
    clock.advance(30)
    assert world.advance() == "done"


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_failing_step_is_tried_again_later_and_later(database):
    world = World().add("a").add("b", retry=RETRY_3)
    world.trouble["b"] = [ValueError("no"), StepFailed("still no")]
    world.schedule()
    assert world.advance() == "waiting" and marks() == []          # a's work was rolled back with b's
    assert (run()["due_at_ms"], run()["attempt"], run()["error"]) == (T0 + 10_000, 2, "ValueError: no")
    assert world.advance() == "busy"
    clock.advance(10)
    assert world.advance() == "waiting" and run()["due_at_ms"] == clock.now_ms() + 20_000
    clock.advance(20)
    assert world.advance() == "done" and marks() == ["a", "b"]
    assert entries() == [("b", "failed"), ("b", "failed"), ("a", "done"), ("b", "done")]
    assert [due - T0 for _, due in jobs()] == [0, 10_000, 30_000]
    assert [s["error"] for s in journal.of(SUBJECT)] == ["ValueError: no", "still no", None, None]


def test_each_step_has_its_own_attempts(database):
    """What an earlier step of the same transaction used up is not charged to a later one."""
    world = World().add("a", retry=RETRY_3).add("b", retry=RETRY_3)
    world.trouble = {"a": [ValueError()] * 2, "b": [ValueError()] * 2}
    world.schedule()
    for wait in (10, 20, 10, 20):
        assert world.advance() == "waiting" and run()["due_at_ms"] == clock.now_ms() + wait * 1000
        clock.advance(wait)
    assert world.advance() == "done"


def test_a_step_that_fails_for_good_is_compensated_for(database):
    world = World().add("a", undo="un_a").add("b").add("ring", call=True, undo="un_ring")
    world.add("c", undo="un_c").add("d", retry=Retry(2, 1, 1))
    world.trouble["d"] = [ValueError("no")] * 2
    world.schedule()
    assert world.advance() == "waiting"
    clock.advance(1)
    assert world.advance() == "failed"
    assert marks() == ["a", "b", "un_ring", "un_a"]                # c never was, and is not undone
    assert entries()[-4:] == [("d", "failed"), ("d", "failed"), ("ring", "undone"), ("a", "undone")]
    assert world.given_up == [("d", "ValueError: no")] and run()["error"] == "d: ValueError: no"
    assert world.advance() == "failed" and world.ended == []


def test_a_step_used_with_an_undo_of_its_own(database):
    world = World().add("other", undo="mend").add("a", undo="un_a").add("ring", call=True)
    world.uses[1] = world.uses[1].__class__(2, "deliver", "a", undo="mend")
    world.rings["ring"].answers = [{"said": "no", "again": False}]
    world.schedule()
    assert world.advance() == "failed" and marks() == ["other", "a", "mend", "mend"]


def test_giving_up_undoes_no_further_than_the_run_began(database):
    """What came before the money (a pool that was drawn) is not this run's to undo."""
    world = World().add("draw", "draw", undo="un_draw").add("a", undo="un_a").add("ring", call=True)
    world.rings["ring"].answers = [{"said": "no", "again": False}]
    with store.transaction():                  # the first two were done in the transaction that scheduled the rest
        executor.run_hooks(world.steps, world.flow(None), Ctx(SUBJECT), ("draw", "deliver"))
    world.schedule(3, first_number=2)
    assert world.advance() == "failed" and marks() == ["draw", "a", "un_a"]
    assert executor.retry_failed(f"{SUBJECT}/paid", world)
    assert world.advance() == "done" and marks() == ["draw", "a", "un_a", "a"]


def test_a_refusal_that_can_never_change_is_not_tried_again(database):
    world = World().add("a", retry=RETRY_3)
    world.trouble["a"] = [StepFailed("never", retryable=False)]
    world.schedule()
    assert world.advance() == "failed" and entries() == [("a", "failed")]


@pytest.mark.parametrize("call", [False, True])
def test_a_step_that_may_fail_is_passed_over(database, call):
    world = World().add("a").add("b", call=call, may_fail=True, retry=Retry(2, 1, 1)).add("c")
    if call:
        world.rings["b"].answers = [{"said": "no"}] * 2
    else:
        world.trouble["b"] = [ValueError()] * 2
    world.schedule()
    assert world.advance() == "waiting"
    clock.advance(1)
    assert world.advance() == "done" and marks() == ["a", "c"]
    assert ("b", "passed") in entries() and world.ended == ["paid"]


def test_compensation_that_fails_is_tried_again_whole(database):
    world = World().add("a", undo="un_a").add("b", undo="un_b").add("ring", call=True)
    world.rings["ring"].answers = [{"said": "no", "again": False}] * 2
    world.trouble["un_a"] = [ValueError("can't undo")]
    world.schedule()
    with pytest.raises(ValueError):
        world.advance()
    assert run()["state"] == "running" and marks() == ["a", "b"]
    clock.advance(61)                          # the lease is over; the sweeper sends it round
    assert executor.overdue() == [f"{SUBJECT}/paid"]
    assert world.advance() == "failed" and marks() == ["a", "b", "un_b", "un_a"]


# ── a person's retry ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_failed_run_is_sent_round_again(database):
    world = World().add("a", undo="un_a").add("keep").add("ring", call=True).add("tail", may_fail=True).add("b")
    world.trouble = {"b": [ValueError()], "tail": [ValueError()]}
    world.schedule()
    assert world.advance() == "failed" and marks() == ["a", "keep", "un_a"]
    assert executor.retry_failed(f"{SUBJECT}/paid", world) and not executor.retry_failed(f"{SUBJECT}/paid", world)
    assert world.advance() == "done"
    assert marks() == ["a", "keep", "un_a", "a", "tail", "b"]      # what stands is not done again
    assert len(world.rings["ring"].called) == 1
    assert ("a", "restarted") in entries()


def test_a_retry_gives_every_step_its_attempts_again(database):
    world = World().add("a", retry=Retry(2, 1, 1))
    world.trouble["a"] = [ValueError()] * 3
    world.schedule()
    world.advance(), clock.advance(1)
    assert world.advance() == "failed"
    executor.retry_failed(f"{SUBJECT}/paid", world)
    assert world.advance() == "waiting"
    clock.advance(1)
    assert world.advance() == "done"


def test_only_a_failed_run_is_sent_round_again(database):
    world = World().add("a")
    assert not executor.retry_failed(f"{SUBJECT}/paid", world)
    world.schedule()
    assert not executor.retry_failed(f"{SUBJECT}/paid", world)


# ── calls in doubt ───────────────────────────────────────────────────────────────────────────────────────────────────

def after_lease(world):
    assert world.advance() == "busy" and executor.overdue() == []
    clock.advance(61)
    assert executor.overdue() == [f"{SUBJECT}/paid"]
    return world.advance()


@pytest.mark.parametrize("lost",
                         [Killed(), TimeoutError("no answer"), StepFailed("cut", in_doubt=True), {"said": "maybe"},
                                  {"said": "broken"}],
                         ids=["killed", "time-out", "said so", "concluded so", "conclude raised"])
@pytest.mark.parametrize("heard", [{"said": "yes"}, None], ids=["it happened", "never heard of"])
def test_a_call_in_doubt_is_asked_for(database, lost, heard):
    """Repeated only when the outside has never heard of it, and then under the same number."""
    world = World().add("a").add("ring", call=True, retry=RETRY_3).add("b")
    ring = world.rings["ring"]
    ring.answers, ring.ask_answers = [lost], [heard]
    world.schedule()
    if isinstance(lost, Killed):
        with pytest.raises(Killed):
            world.advance()
        assert after_lease(world) == "done"
    else:
        assert world.advance() == "waiting"
        clock.advance(10)
        assert world.advance() == "done"
    assert ring.asked == [{"no": "ring-1"}] and ring.prepared == 1
    assert ring.called == [{"no": "ring-1"}] * (1 if heard else 2)
    assert marks() == ["a", "b"]


def test_doubt_lasts_until_somebody_knows(database):
    world = World().add("ring", call=True, retry=Retry(5, 10, 10))
    ring = world.rings["ring"]
    ring.answers = [TimeoutError()]
    ring.ask_answers = [TimeoutError(), {"said": "maybe"}, StepFailed("not now", in_doubt=True), {"said": "yes"}]
    world.schedule()
    for _ in range(4):
        assert world.advance() == "waiting"
        clock.advance(10)
    assert world.advance() == "done" and len(ring.called) == 1 and len(ring.asked) == 4


@pytest.mark.parametrize("failure", [{"said": "no"}, StepFailed("refused before sending")])
def test_a_definite_failure_is_called_anew(database, failure):
    world = World().add("ring", call=True, retry=RETRY_3)
    ring = world.rings["ring"]
    ring.answers = [failure]
    world.schedule()
    assert world.advance() == "waiting"
    clock.advance(10)
    assert world.advance() == "done"
    assert ring.asked == [] and ring.called == [{"no": "ring-1"}, {"no": "ring-2"}]


@pytest.mark.parametrize("said, kept", [("no", 1), ("broken", 0)])
def test_a_returned_failure_keeps_what_conclude_wrote_a_raised_one_does_not(database, said, kept):
    world = World().add("ring", call=True, retry=RETRY_3)
    world.rings["ring"].answers = [{"said": said}]
    world.schedule()
    assert world.advance() == "waiting" and len(store.many(OrderDetail, kind="concluded")) == kept


def test_a_call_step_that_can_not_be_asked_is_called_again(database):
    world = World().add("ring", call=True, retry=RETRY_3)
    ring = world.rings["ring"]
    ring.ask = None
    ring.answers = [TimeoutError()]
    world.schedule()
    world.advance(), clock.advance(10)
    assert world.advance() == "done" and ring.called == [{"no": "ring-1"}] * 2


def test_doubt_about_a_run_given_up_is_asked_about_when_it_is_sent_round_again(database):
    world = World().add("ring", call=True)
    ring = world.rings["ring"]
    ring.answers, ring.ask_answers = [TimeoutError()], [{"said": "yes"}]
    world.schedule()
    assert world.advance() == "failed"
    executor.retry_failed(f"{SUBJECT}/paid", world)
    assert world.advance() == "done" and len(ring.called) == len(ring.asked) == 1


# ── cut off ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("at",
                         ["in a step", "in prepare", "in the call", "in conclude", "in the last step", "at the end"])
def test_cut_off_anywhere_it_goes_on_where_it_was(database, at, monkeypatch):
    world = World().add("a").add("ring", call=True).add("b")
    ring = world.rings["ring"]
    ring.ask_answers = [{"said": "yes"}] if at == "in conclude" else []
    victim = {"in prepare": (ring, "prepare"), "in the call": (ring, "call"), "in conclude": (ring, "conclude"),
              "at the end": (world, "finished")}.get(at)
    world.trouble = {"a": [Killed()] if at == "in a step" else [], "b": [Killed()] if at == "in the last step" else []}
    if victim:
        monkeypatch.setattr(*victim, lambda *a: (_ for _ in ()).throw(Killed()))
    world.schedule()
    with pytest.raises(Killed):
        world.advance()
    if victim:
        monkeypatch.undo()
    clock.advance(61)
    assert executor.overdue() == [f"{SUBJECT}/paid"]
    assert world.advance() == "done"
    assert marks() == ["a", "b"] and world.ended[-1:] == ["paid"] and len(store.many(journal.FlowRun)) == 1
    assert [e for e in entries() if e[1] == "done"] == [("a", "done"), ("ring", "done"), ("b", "done")]
    if at == "in conclude":                    # the call had been made, and only its outcome was lost
        assert len(ring.called) == 1 == len(ring.asked)


def test_a_flow_that_changed_its_names_is_an_error(database):
    world = World().add("a").add("ring", call=True, retry=RETRY_3)
    world.rings["ring"].answers = [TimeoutError()]
    world.schedule()
    world.advance(), clock.advance(10)
    changed = World().add("a").add("bell", call=True)
    with pytest.raises(RuntimeError, match="step 2 was ring and is now bell"):
        changed.advance()
    with pytest.raises(RuntimeError, match="step 2 was ring and is now None"):
        World().add("a").advance()


# ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_eight_workers_at_one_run_do_each_step_once(database):
    world = World().add("a").add("ring", call=True).add("b")
    world.schedule()
    states = at_once(lambda n: world.advance(), range(8))
    assert not errors(states) and set(states) <= {"done", "busy"} and "done" in states
    assert marks() == ["a", "b"] and len(world.rings["ring"].called) == 1


def test_a_call_under_way_is_nobody_elses(database):
    world = World().add("ring", call=True)
    seen = []
    world.rings["ring"].during = lambda: seen.append(at_once(lambda n: world.advance(), [1]))
    world.schedule()
    assert world.advance() == "done" and seen == [["busy"]]


@pytest.mark.parametrize("answer", [{"said": "yes"}, {"said": "no"}, TimeoutError()], ids=["done", "failed", "lost"])
def test_a_worker_slower_than_its_lease_changes_nothing(database, answer):
    """Another worker asked meanwhile, went on, and ended the run; the first one's outcome comes too late."""
    world = World().add("ring", call=True, retry=RETRY_3).add("b")
    ring = world.rings["ring"]
    ring.ask_answers, ring.answers = [{"said": "yes"}], [answer]

    def overtaken():
        ring.during = None
        clock.advance(61)
        assert at_once(lambda n: world.advance(), [1]) == ["done"]
    ring.during = overtaken
    world.schedule()
    assert world.advance() == "busy"
    assert run()["state"] == "done" and marks() == ["b"] and world.ended == ["paid"]
    assert entries() == [("ring", "intent"), ("ring", "done"), ("b", "done")]


def test_a_failure_that_another_worker_overtook_changes_nothing(database, monkeypatch):
    """Rolled back, and before the failure could be noted somebody else had done it all."""
    world = World().add("a")
    world.trouble["a"] = [ValueError("only me")]
    world.schedule()
    real = executor._stumble

    def late(*given):
        monkeypatch.setattr(executor, "_stumble", real)
        assert at_once(lambda n: world.advance(), [1]) == ["done"]
        return real(*given)
    monkeypatch.setattr(executor, "_stumble", late)
    assert world.advance() == "busy"
    assert run()["state"] == "done" and entries() == [("a", "done")]


def test_overdue_runs_are_those_nobody_is_at(database):
    world = World().add("a", retry=RETRY_3).add("ring", call=True)
    world.trouble["a"] = [ValueError()]
    world.schedule()
    assert executor.overdue() == [f"{SUBJECT}/paid"]
    world.advance()
    assert executor.overdue() == []            # waiting
    clock.advance(10)
    assert executor.overdue() == [f"{SUBJECT}/paid"]
    found = []
    world.rings["ring"].during = lambda: found.append(executor.overdue())
    assert world.advance() == "done" and found == [[]] and executor.overdue() == []


def test_is_scheduled(database):
    assert not executor.is_scheduled(SUBJECT, "paid")
    World().add("a").schedule()
    assert executor.is_scheduled(SUBJECT, "paid") and not executor.is_scheduled(SUBJECT, "fulfil")
