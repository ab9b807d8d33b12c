"""JSON, once: compact, and the same for equal values where a hash is wanted."""
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base import canon

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-2 ** 53, 2 ** 53) | TEXT, lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)), max_leaves=12)


def test_how_it_looks():
    assert canon.dumps({"b": 1, "a": ["中", None, True]}) == '{"b":1,"a":["中",null,true]}'
    assert canon.dumps_sorted({"b": 1, "a": {"d": 1, "c": 2}}) == b'{"a":{"c":2,"d":1},"b":1}'
    assert canon.dumps({1: Decimal("9.90"), "s": {"b", "a"}, "f": frozenset(), "t": (1,)}) == \
        '{"1":"9.90","s":["a","b"],"f":[],"t":[1]}'


@given(JSON)
def test_it_comes_back_as_it_went(value):
    assert canon.loads(canon.dumps(value)) == value == canon.loads(canon.dumps_sorted(value))


@given(st.dictionaries(st.text("abc", max_size=3), JSON, min_size=2))
def test_the_order_of_keys_does_not_count(value):
    assert canon.digest(value) == canon.digest(dict(reversed(value.items())))


@given(JSON, JSON)
def test_different_values_have_different_digests(one, other):
    assert (canon.digest(one) == canon.digest(other)) == (canon.dumps_sorted(one) == canon.dumps_sorted(other))


def test_a_digest_is_stable():
    assert canon.digest({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


@pytest.mark.parametrize("value", [object(), 2 ** 70, b"bytes"])
def test_what_is_no_json(value):
    with pytest.raises(TypeError):
        canon.dumps({"x": value})


def test_how_deep_a_value_is():
    assert not canon.is_deeper(1, 0) and canon.is_deeper([], 0) and not canon.is_deeper([1, "[["], 1)
    assert canon.is_deeper({"a": [1, {"b": {}}]}, 3) and not canon.is_deeper({"a": [1, {"b": {}}]}, 4)
