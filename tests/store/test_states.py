"""The one mover of states."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock, trace
from engine.base.errors import Code, Refusal
from engine.deliver.upstream import UPSTREAM, UpstreamOrder, create
from engine.store.states import MACHINES, Machine, StateLog
from engine.trade.quotes import QUOTE, Quote
from tests.support.together import at_once, errors

T0 = 1_800_000_000_000


@pytest.fixture
def no(database):
    """An upstream order, created."""
    clock.set_to(T0)
    with store.transaction():
        return create("O1", "mill", "supply", "form", 1)


def move(no, to, cause="test", **more):
    with store.transaction():
        return store.move(UPSTREAM, no, to, cause, **more)


def row(no):
    return store.one(UpstreamOrder, no=no)


def log(no):
    return [(entry["from_state"], entry["to_state"], entry["cause"])
            for entry in store.many(StateLog, no=no, order_by="id")]


def test_a_move(no):
    clock.advance(5)
    with trace.span("somebody") as t:
        assert move(no, "accepted", external_no="X1")
    assert (row(no)["state"], row(no)["external_no"], row(no)["updated_at_ms"]) == ("accepted", "X1", T0 + 5000)
    assert log(no) == [("", "created", "order O1"), ("created", "accepted", "test")]
    last = store.many(StateLog, order_by="id")[-1]
    assert (last["machine"], last["trace_id"], last["at_ms"]) == ("upstream", t.trace_id, T0 + 5000)


def test_where_it_is_already_it_is_quiet(no):
    move(no, "accepted")
    before = row(no)
    clock.advance(5)
    assert not move(no, "accepted", external_no="other", error="other")
    assert row(no) == before and len(log(no)) == 2


@pytest.mark.parametrize("path",
                         [["done", "created"], ["done", "accepted"], ["failed", "done"], ["accepted", "created"],
                          ["nowhere"]])
def test_what_the_table_does_not_have_is_refused(no, path):
    *way, last = path
    for state in way:
        move(no, state)
    before, logged = row(no), log(no)
    with pytest.raises(Refusal) as caught:
        move(no, last)
    assert caught.value.code is Code.STATE_REFUSED and caught.value.details[0]["found"] == before["state"]
    assert row(no) == before and log(no) == logged


def test_through_other_states_in_one_go(no):
    store.counts.reset(record=True)
    assert move(no, "done", via=("unknown", "accepted"))
    assert len([sql for sql in store.counts.log if sql.startswith("UPDATE")]) == 1
    assert [(a, b) for a, b, _ in log(no)[1:]] == \
        [("created", "unknown"), ("unknown", "accepted"), ("accepted", "done")]
    with pytest.raises(Refusal, match="is done and can't become created"):
        move(no, "created")


@pytest.mark.parametrize("via", [("done",), ("failed",), ("accepted", "unknown")])
def test_every_step_of_the_way_must_be_in_the_table(no, via):
    with pytest.raises(Refusal):
        move(no, "accepted" if via[-1] != "unknown" else "done", via=via)
    assert row(no)["state"] == "created" and len(log(no)) == 1


def test_a_thing_that_does_not_exist(database):
    with pytest.raises(Refusal) as caught:
        move("U1", "done")
    assert caught.value.code is Code.NOT_FOUND


def test_a_row_that_was_not_locked_and_has_moved_meanwhile(no):
    stale = row(no)
    move(no, "accepted")
    with pytest.raises(RuntimeError, match="moved by another without its lock"):
        move(no, "failed", row=stale)
    assert row(no)["state"] == "accepted" and len(log(no)) == 2


def test_sixteen_movers_move_it_once(no):
    moved = at_once(lambda n: move(no, "accepted"), range(16))
    assert not errors(moved) and moved.count(True) == 1 and len(log(no)) == 2


def test_two_movers_to_different_ends(no):
    results = at_once(lambda to: move(no, to), ["done", "failed"] * 4)
    assert results.count(True) == 1 and len(log(no)) == 2


def test_a_birth_is_checked(database):
    with store.transaction(), pytest.raises(Refusal, match="a new upstream can't be done"):
        store.born(UPSTREAM, "U1", "done", "test")


def test_a_life_too_short_for_a_log(database):
    clock.set_to(T0)
    store.insert(Quote, {"no": "Q1", "scene_id": "", "release_no": 1, "buyer_id": "", "partner_id": "", "state": "open",
                         "currency": "CNY", "payable_minor": 0, "items": [], "fields": {}, "contact": {},
                         "wanted": None,
                         "excluded": {}, "facts": {}, "result": {}, "steps": [], "order_no": None, "expires_at_ms": 0,
                         "created_at_ms": 0, "updated_at_ms": 0})
    with store.transaction():
        store.move(QUOTE, "Q1", "expired", "test")
    assert store.one(Quote)["state"] == "expired" and store.many(StateLog) == []


def test_a_long_cause_is_cut(no):
    move(no, "failed", "x" * 500)
    assert log(no)[-1][2] == "x" * 80


def test_outside_a_transaction_nothing_moves(no):
    with pytest.raises(RuntimeError, match="no transaction"):
        store.move(UPSTREAM, no, "done", "test")


# ── the tables themselves ────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("machine", list(MACHINES.values()), ids=list(MACHINES))
def test_every_table_of_moves_is_whole(machine: Machine):
    states = set(machine.moves)
    assert set(machine.initial) <= states and machine.initial
    assert {to for tos in machine.moves.values() for to in tos} <= states
    reached, edge = set(machine.initial), list(machine.initial)
    while edge:
        for to in machine.moves[edge.pop()]:
            if to not in reached:
                reached.add(to)
                edge.append(to)
    assert reached == states                   # no state that nothing leads to
    assert any(machine.is_end(state) for state in states) or machine.name == "entitlement"
    assert all(state not in tos for state, tos in machine.moves.items())
    assert machine.titles["zh"] and machine.titles["en"]
    columns = {field.name for field in machine.table._meta.sorted_fields}
    assert {machine.key, "state", "updated_at_ms"} <= columns
    longest = machine.table._meta.fields["state"].max_length
    assert max(map(len, states)) <= longest
