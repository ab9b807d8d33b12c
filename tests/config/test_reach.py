"""Conditions that can never hold: found when they are, never claimed when they are not."""
from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.conditions import compile_closure, parse
from engine.config.facts import FactTable
from engine.config.reach import Known, apart, never

TABLE = FactTable.at("step").with_fields({"properties": {"size": {"type": "integer"}}})


def condition(tree):
    parsed, faults = parse(tree, TABLE)
    assert faults == []
    return parsed


IN_APP = Known({"scene.terminal": "app", "scene.method": "in_app", "partner.mode": ""},
               {"product.skus": ["vip/week", "vip/year"]})


@pytest.mark.parametrize("tree, known, expected", [
    ({"eq": {"scene.terminal": "pc"}}, IN_APP, True),
    ({"ne": {"scene.terminal": "pc"}}, IN_APP, False),
    ({"exists": "partner.mode"}, IN_APP, True),
    ({"not": {"exists": "partner.mode"}}, IN_APP, False),
    ({"has": {"product.skus": "vip/month"}}, IN_APP, True),
    ({"has": {"product.skus": "vip/week"}}, IN_APP, False),
    ({"not": {"has": {"product.skus": "vip/month"}}}, IN_APP, False),
    ({"any": [{"eq": {"scene.terminal": "pc"}}, {"gte": {"quantity": 3}}]}, IN_APP, False),
    ({"any": [{"eq": {"scene.terminal": "pc"}}, {"lt": {"quantity": 1}}]}, IN_APP, True),
    ({"gte": {"quantity": 10}, "lt": {"quantity": 5}}, Known(), True),
    ({"gte": {"quantity": 5}, "lte": {"quantity": 5}}, Known(), False),
    ({"gt": {"quantity": 5}, "lt": {"quantity": 6}}, Known(), True),
    ({"between": {"time.hour": [9, 12]}, "not": {"lte": {"time.hour": 12}}}, Known(), True),
    ({"gt": {"time.hour": 23}}, Known(), True),
    ({"in": {"time.weekday": [0, 8]}}, Known(), True),
    ({"in": {"time.weekday": [7, 8]}}, Known(), False),
    ({"all": [{"not": {"eq": {"time.weekday": day}}} for day in range(1, 8)]}, Known(), True),
    ({"all": [{"not": {"eq": {"time.weekday": day}}} for day in range(1, 7)]}, Known(), False),
    ({"lt": {"subtotal": 0}}, Known(), True),
    ({"lt": {"fields.size": 0}}, Known(), False),
    ({"eq": {"buyer.id": "a"}, "in": {"buyer.id": ["b", "c"]}}, Known(), True),
    ({"eq": {"buyer.id": "ab"}, "matches": {"buyer.id": "[0-9]+"}}, Known(), True),
    ({"eq": {"buyer.id": ""}, "exists": "buyer.id"}, Known(), True),
    ({"has": {"buyer.tags": "a"}, "not": {"has": {"buyer.tags": "a"}}}, Known(), True),
    ({"has": {"buyer.tags": "a"}, "not": {"has": {"buyer.tags": "b"}}}, Known(), False),
    ({"has": {"buyer.tags": "a"}, "not": {"exists": "buyer.tags"}}, Known(), True),
    ({"eq": {"buyer.registered": True}, "not": {"eq": {"buyer.registered": True}}}, Known(), True),
    ({"gte": {"time.date": "2026-11-12"}, "lt": {"time.date": "2026-11-12"}}, Known(), True),
    ({"gte": {"time.date": "2026-11-12"}, "lte": {"time.date": "2026-11-12"}}, Known(), False),
    ({"gt": {"time.date": "2026-11-12"}, "lte": {"time.date": "2026-11-12"}}, Known(), True),
    ({"matches": {"buyer.id": "a+"}, "not": {"matches": {"buyer.id": "a+"}}}, Known(), False),
])
def test_what_can_never_hold(tree, known, expected):
    assert never(condition(tree), known) is expected


def test_conditions_that_never_meet():
    newcomer = condition({"has": {"buyer.tags": "newcomer"}})
    other = condition({"not": {"has": {"buyer.tags": "newcomer"}}})
    assert apart(newcomer, other) and not apart(newcomer, newcomer) and not apart(newcomer, None)


def test_too_many_alternatives_count_as_possible():
    either = [{"any": [{"gte": {"quantity": 2}}, {"eq": {"buyer.id": f"b{n}"}}]} for n in range(12)]
    assert never(condition({"all": [*either, {"lt": {"quantity": 1}}]})) is False
    assert never(condition({"all": [*either[:3], {"lt": {"quantity": 1}}]})) is True


_LEAVES = st.sampled_from([
    {"eq": {"time.weekday": 1}}, {"ne": {"time.weekday": 1}}, {"in": {"time.weekday": [1, 2]}},
    {"gt": {"time.weekday": 2}}, {"between": {"time.weekday": [2, 3]}}, {"lte": {"time.weekday": 1}},
    {"eq": {"buyer.registered": True}},
    {"eq": {"scene.terminal": "pc"}}, {"in": {"scene.terminal": ["app", "h5"]}}, {"exists": "scene.terminal"},
    {"has": {"buyer.tags": "a"}}, {"has": {"buyer.tags": "b"}}, {"exists": "buyer.tags"}])
_TREES = st.recursive(_LEAVES, lambda inner: st.one_of(
    st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
    st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
    inner.map(lambda part: {"not": part})), max_leaves=8)
WORLDS = [{"time.weekday": day, "buyer.registered": registered, "scene.terminal": terminal, "buyer.tags": tags}
          for day, registered, terminal, tags in itertools.product(
              range(1, 8), (True, False), ("", "pc", "app", "h5", "x"), ([], ["a"], ["b"], ["a", "b"], ["c"]))]


@given(_TREES)
def test_never_is_exact_where_all_worlds_can_be_counted(tree):
    parsed = condition(tree)
    holds = compile_closure(parsed)
    assert never(parsed) is not any(holds(world) for world in WORLDS)
