"""Conditions made to hold, and not to: whatever a file asks of an answer, the sandbox can write."""
from __future__ import annotations

import copy
import re

import pytest

from engine.wire.draft import Draft
from engine.wire.mapping import compile_condition
from engine.wire.model import Message
from sandbox import wishing

CONDITIONS = [
    {"http": 200}, {"http": "400..499"}, {"http": [201, "500..503"]}, {"eq": {"code": "OK"}}, {"eq": {"a.b": 0, "c": "x"}},
    {"ne": {"code": "OK"}}, {"in": {"state": ["A", "B"]}}, {"exists": "data.id"}, {"matches": {"code": "4000[1-46]"}},
    {"matches": {"sub": r"(ACQ|ISV)\.[A-Z_]+"}}, {"not": {"exists": "data.id"}}, {"not": {"eq": {"code": "OK"}}},
    {"all": [{"eq": {"a": 1}}, {"http": 202}]}, {"any": [{"eq": {"a": 1}}, {"eq": {"a": 2}}]},
    {"not": {"any": [{"eq": {"code": "OK"}}, {"exists": "data.id"}]}}, {"not": {"matches": {"code": "O."}}},
    {"http": 200, "eq": {"code": "OK"}, "exists": "items.0.id"}, {"not": {"in": {"code": ["OK", "YES"]}}},
    {"not": {"ne": {"code": "OK"}}}, {"not": {"http": 200}}, {"not": {"not": {"eq": {"code": "OK"}}}},
]
BEFORE = [{}, {"code": "OK", "data": {"id": "1"}}, {"state": "C", "a": 2}]


@pytest.mark.parametrize("condition", CONDITIONS, ids=str)
@pytest.mark.parametrize("before", BEFORE, ids=str)
def test_a_condition_is_made_to_hold(condition, before):
    draft = Draft()
    judge = compile_condition(draft, condition, ())
    assert draft.problems == []
    tree = copy.deepcopy(before)
    statuses = wishing.hold(condition, tree)
    for status in (statuses or wishing.ANY_STATUS)[:3]:
        assert judge(Message(status=status), tree), (status, tree)


def test_what_holds_already_is_left_alone():
    tree = {"state": "B", "code": "40002"}
    wishing.hold({"in": {"state": ["A", "B"]}, "matches": {"code": "4000[1-46]"}}, tree)
    assert tree == {"state": "B", "code": "40002"}


@pytest.mark.parametrize("pattern", ["A", "AB+", "[0-9]{6}", "4000[1-46]", r"(ACQ|ISV)\.[A-Z_]+", r"\d{3}-\d+", "x?y*z", "(?:a|b)c",
                                     ".*TIMEOUT.*", "E[1-3][0-9]{2}", r"[^a]+", "a{2,4}"])
def test_a_sample_of_a_pattern(pattern):
    assert re.fullmatch(pattern, wishing.sample(pattern))


def test_a_pattern_that_is_too_clever_is_said_to_be():
    with pytest.raises(wishing.CannotSay, match="no text was found"):
        wishing.sample(r"(a)\1b")


@pytest.mark.parametrize("steps, tree", [
    ("a.b", {"a": {"b": 1}}), ("items.0.id", {"items": [{"id": 1}]}), ("links.1.href", {"links": [{}, {"href": 1}]}),
    ("a.0.b.1", {"a": [{"b": [{}, 1]}]})])
def test_lists_are_made_where_a_step_is_a_number(steps, tree):
    found = {}
    wishing.put(found, tuple(steps.split(".")), 1)
    assert found == tree
