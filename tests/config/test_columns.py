"""What reaches durable-rules: whole numbers in columns, and conditions that its limits can bear."""
from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import rules
from engine.config.columns import Columns, size_of
from tests.config.trees import FACTS, PAIRS, TREES, condition

OPERATORS = {"$and", "$or", "$eq", "$neq", "$gt", "$gte", "$lt", "$lte"}


@given(st.lists(TREES, min_size=1, max_size=12), FACTS)
def test_only_small_numbers_reach_the_engine(trees, facts):
    columns = Columns()
    text = str([columns.expression(condition(tree)) for tree in trees])
    values = columns.values(facts)
    assert len(values) == len(columns.names) == len(set(columns.names))
    assert all(type(value) is int and abs(value) <= 2 ** 53 for value in values)
    assert set(re.findall(r"'([^']*)'", text)) <= {*columns.names, *OPERATORS}


@pytest.mark.parametrize("tree, expression", [
    ({"eq": {"scene.id": "a"}}, {"$eq": {"f0": 1}}),
    ({"not": {"gt": {"quantity": 3}}}, {"$lte": {"f0": 3}}),
    ({"not": {"between": {"quantity": [1, 3]}}}, {"$or": [{"$lt": {"f0": 1}}, {"$gt": {"f0": 3}}]}),
    ({"in": {"scene.id": ["a", "b"]}}, {"$or": [{"$eq": {"f0": 1}}, {"$eq": {"f0": 2}}]}),
    ({"not": {"in": {"scene.id": ["a", "b"]}}}, {"$and": [{"$neq": {"f0": 1}}, {"$neq": {"f0": 2}}]}),
    ({"lt": {"time.date": "2026-11-11"}}, {"$lt": {"f0": 20261111}}),
    ({"not": {"has": {"buyer.tags": "x"}}}, {"$eq": {"f0": 0}}),
    ({"all": [{"eq": {"buyer.registered": True}}, {"all": [{"exists": "buyer.id"}]}]},
     {"$and": [{"$eq": {"f0": 1}}, {"$eq": {"f1": 1}}]}),
    # too wide: one column each
    ({"all": PAIRS}, {"$eq": {"f0": 1}}),
    ({"all": PAIRS[:5]}, {"$eq": {"f0": 1}}),
    ({"not": {"in": {"quantity": [*range(9)]}}}, {"$eq": {"f0": 0}}),
])
def test_expressions(tree, expression):
    assert Columns().expression(condition(tree)) == expression


@pytest.mark.parametrize("subtotal, number", [
    (2 ** 53 - 1, 2 ** 53 - 1), (2 ** 53, 2 ** 53), (10 ** 30, 2 ** 53), (-10 ** 30, -2 ** 53), (-7, -7),
])
def test_numbers_are_held(subtotal, number):
    columns = Columns()
    columns.expression(condition({"gte": {"subtotal": 1}}))
    assert columns.values({"subtotal": subtotal}) == (number,)


def test_a_condition_too_wide_takes_one_column():
    assert size_of(condition({"all": PAIRS}))[:2] == (1, 1)
    assert size_of(condition({"any": PAIRS[:3]}))[:2] == (6, 6)
    assert size_of(condition({"all": PAIRS[:4]}))[:2] == (8, 5)
    assert size_of(condition({"in": {"quantity": [1, 2, 3]}}))[:2] == (3, 1)


def test_no_two_columns_have_one_hash():
    """The engine knows a property by a 32-bit FNV-1a hash of its name only."""
    def fnv(name: str) -> int:
        value = 2166136261
        for byte in name.encode():
            value = (value ^ byte) * 16777619 % 2 ** 32
        return value

    names = [*(f"f{i}" for i in range(rules.TESTS_MAX)), "kind", "sid", "id", "$s", "$forward"]
    assert len({fnv(name) for name in names}) == len(names)
    assert fnv("sid") == 3593476751                             # as in the engine's state.h
