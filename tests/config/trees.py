"""Random conditions, facts and rule sets for property tests: few constants, so that facts meet them often.

`naive` reads a condition as its author would: the second opinion on every evaluator.
"""
from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from engine.config import conditions
from engine.config.facts import FactTable

FIELDS = {"type": "object", "properties": {
    "note": {"type": "string"}, "seats": {"type": "integer"}, "gift": {"type": "boolean"},
    "colours": {"type": "array", "items": {"type": "string"}}}}
TABLE = FactTable.at("pay").with_fields(FIELDS)

TEXTS = ("", "app", "a", "A", "爱企查", "it's \"quoted\" \\ {x}", "1", "true", "null", "$s", "é", "x" * 300)
# Without alternatives at the top, so that `\Z` after one means the same as matching the whole text.
PATTERNS = ("", "a.*", "[a-z]+", "(?i)A", "爱.", r"\d", ".*x")
INTS = (0, 1, -1, 2, 7, -7, 2 ** 31, -2 ** 31, conditions.INT_MAX, -conditions.INT_MAX)
DATES = ("2026-01-01", "2026-11-11", "2027-02-28")
_CONSTANTS = {"text": st.sampled_from(TEXTS), "int": st.sampled_from(INTS), "bool": st.booleans(),
              "money": st.sampled_from([0, 1, "0.07", "9.90", Decimal("-9.90"), "21474836.48", "90071992547409.91"]),
              "date": st.sampled_from(DATES), "list": st.sampled_from(TEXTS)}


def _test(word: str) -> st.SearchStrategy:
    names = [f.name for f in TABLE if f.type in conditions.TESTS[word]]

    def body(name: str) -> st.SearchStrategy:
        constant = _CONSTANTS[TABLE.facts[name].type]
        if word == "in":
            constant = st.lists(constant, min_size=1, max_size=12)
        elif word == "between":
            constant = st.lists(constant, min_size=2, max_size=2).map(lambda two: sorted(two, key=_order))
        elif word == "matches":
            constant = st.sampled_from(PATTERNS)
        return constant.map(lambda value: {word: {name: value}})

    if word == "exists":
        return st.sampled_from(names).map(lambda name: {"exists": name})
    return st.sampled_from(names).flatmap(body)


def _order(value: Any) -> Any:
    return Decimal(value) if not isinstance(value, str) or value[-1:].isdigit() and "-" not in value[1:] else value


TESTS = st.sampled_from(sorted(conditions.TESTS)).flatmap(_test)
TREES = st.recursive(TESTS, lambda inner: st.one_of(
    st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=4)),
    st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=4)),
    st.builds(lambda part: {"not": part}, inner)), max_leaves=12)

_VALUES = {"text": st.one_of(st.sampled_from(TEXTS), st.text(max_size=8)),
           "int": st.one_of(st.sampled_from(INTS), st.integers()),
           "money": st.one_of(st.sampled_from([0, 1, 7, 100, 990, -990, 2 ** 31, conditions.INT_MAX]), st.integers()),
           "bool": st.booleans(), "date": st.sampled_from(("", *DATES)),
           "list": st.lists(st.sampled_from(TEXTS), max_size=4)}
FACTS = st.fixed_dictionaries({}, optional={f.name: _VALUES[f.type] for f in TABLE}).map(TABLE.closed)

# Beside one another (`all: PAIRS`) these can be satisfied in 2^12 ways.
PAIRS = [{"any": [{"eq": {"scene.id": f"s{i}"}}, {"gte": {"quantity": i}}]} for i in range(12)]
# Anything that JSON or YAML could bring, and a little more.
_WORDS = st.sampled_from([*conditions.TESTS, *conditions.GROUPS, *TABLE.facts])
_KEYS = st.one_of(_WORDS, st.text(max_size=6), st.integers())
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(max_size=12), _WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_KEYS, inner, max_size=4)), max_leaves=20)


def condition(tree: Any) -> conditions.Condition:
    """A tree that is right → its condition."""
    parsed, faults = conditions.parse(tree, TABLE)
    assert not faults, faults
    return parsed


def naive(tree: Any, facts: Any) -> bool:
    """Does a right tree, as written, hold? Slow, and sharing nothing with the engine but the facts' types."""
    [(word, body)] = tree.items()
    if word == "all":
        return all([naive(part, facts) for part in body])
    if word == "any":
        return any([naive(part, facts) for part in body])
    if word == "not":
        return not naive(body, facts)
    if word == "exists":
        return len(facts[body]) > 0
    [(name, written)] = body.items()
    fact = facts[name]
    if word == "matches":
        return len(fact) <= 200 and re.match(written + r"\Z", fact) is not None
    if TABLE.facts[name].type == "money":
        written = [int(Decimal(w) * 100) for w in written] if isinstance(written, list) else int(Decimal(written) * 100)
    return {"eq": lambda: fact == written, "ne": lambda: fact != written, "gt": lambda: fact > written,
            "gte": lambda: fact >= written, "lt": lambda: fact < written, "lte": lambda: fact <= written,
            "between": lambda: written[0] <= fact and fact <= written[1], "in": lambda: fact in written,
            "has": lambda: written in fact}[word]()
