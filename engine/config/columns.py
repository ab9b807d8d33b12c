"""Conditions as durable-rules takes them: tests of whole numbers in columns `f0`, `f1`, …

A `Columns` belongs to one set of rules. `expression` turns a condition into durable-rules' JSON and notes which columns
it needs; `values` then gives those columns' numbers for closed facts, without any rule engine.

    amounts, whole numbers   as they are, held to ±2^53 (no condition names a number beyond)
    dates                    20261111; none: 0
    true and false           1 and 0
    texts                    the number of the word that the set's rules compare with; any other text: 0
    has, exists, matches     1 when the test holds; so are long `in` lists, and conditions too wide for a set
"""
from __future__ import annotations

from math import prod
from typing import Any, Callable, Mapping, NamedTuple

from .conditions import INT_MAX, AllOf, AnyOf, Condition, Facts, Not, Test, compile_closure
from .facts import EMPTY

# What one condition may take; a wider one is decided beforehand. The engine's own limits are in `rules.py`.
TESTS_MAX = 24
GROUPS_MAX = 12                # `$and` and `$or`; the engine has room for 15
PATHS_MAX = 16                 # ways to satisfy it: each fires its action once more
IN_MAX = 8                     # a longer `in` is a set look-up
_GROUPS = ("$and", "$or", "$in")
_NEGATED = {"$eq": "$neq", "$neq": "$eq", "$gt": "$lte", "$gte": "$lt", "$lt": "$gte", "$lte": "$gt"}
_OPERATORS = {"eq": "$eq", "ne": "$neq", "gt": "$gt", "gte": "$gte", "lt": "$lt", "lte": "$lte"}


class Columns:
    """The columns of one set of rules; it grows with each `expression`."""

    def __init__(self):
        self._names: dict[Any, str] = {}                        # fact name, or condition decided beforehand → column
        self._readers: list[Callable[[Facts], int]] = []
        self._words: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._names.values())

    def values(self, facts: Facts) -> tuple[int, ...]:
        """The numbers of all columns, in the order of `names`."""
        return tuple([read(facts) for read in self._readers])

    def expression(self, condition: Condition) -> dict[str, Any]:
        """A condition → durable-rules' JSON for one message. Equal answers to the condition's closure, always."""
        tree = _plan(condition, True)
        return self._render(tree) if _fits(tree) else self._flag(condition, True)

    def _render(self, tree: tuple) -> dict[str, Any]:
        kind, *rest = tree
        if kind in _GROUPS:
            return {"$and" if kind == "$and" else "$or": [self._render(part) for part in rest[0]]}
        if kind == "flag":
            return self._flag(*rest)
        test, value = rest
        column = self._column(test.fact, _reader(test, self._words))
        if test.type == "text":
            return {kind: {column: self._words.setdefault(value, len(self._words) + 1)}}
        return {kind: {column: _number(test.type, value)}}

    def _flag(self, condition: Condition, positive: bool) -> dict[str, Any]:
        holds = compile_closure(condition)
        return {"$eq": {self._column(condition, lambda facts: 1 if holds(facts) else 0): 1 if positive else 0}}

    def _column(self, key: Any, reader: Callable[[Facts], int]) -> str:
        if key not in self._names:
            self._names[key] = f"f{len(self._names)}"
            self._readers.append(reader)
        return self._names[key]


class Size(NamedTuple):
    """What a condition takes of a set. `open`: how many of its tests one fact can match and not have followed yet."""
    tests: int
    open: int
    groups: int
    paths: int


_ONE = Size(1, 1, 0, 1)


def size_of(condition: Condition) -> Size:
    """The size of what `Columns.expression` makes of a condition."""
    tree = _plan(condition, True)
    return _measure(tree) if _fits(tree) else _ONE


def _plan(condition: Condition, positive: bool) -> tuple:
    """A condition with its `not`s pushed down to the tests.

    ("$and" | "$or" | "$in", parts), (operator, test, value) or ("flag", test, positive); "$in" is an "$or" of which only
    one part can hold.
    """
    if isinstance(condition, Not):
        return _plan(condition.part, not positive)
    if isinstance(condition, (AllOf, AnyOf)):
        parts = [_plan(part, positive) for part in condition.parts]
        return _group("$and" if isinstance(condition, AllOf) == positive else "$or", parts)
    test = condition
    if test.word in _OPERATORS:
        operator = _OPERATORS[test.word]
        return (operator if positive else _NEGATED[operator], test, test.value)
    if test.word == "between":
        low, high = test.value
        return _group("$and", [("$gte", test, low), ("$lte", test, high)]) if positive else \
            _group("$or", [("$lt", test, low), ("$gt", test, high)])
    if test.word == "in" and len(test.value) <= IN_MAX:
        tests = [("$eq" if positive else "$neq", test, one) for one in test.value]
        return tests[0] if len(tests) == 1 else ("$in" if positive else "$and", tests)
    return ("flag", test, positive)


def _group(kind: str, parts: list[tuple]) -> tuple:
    """One group of its parts, those of its own kind taken in: fewer groups, and the engine has room for few."""
    flat: list[tuple] = []
    for part in parts:
        flat += part[1] if part[0] == kind else [part]
    return flat[0] if len(flat) == 1 else (kind, flat)


def _measure(tree: tuple) -> Size:
    if tree[0] not in _GROUPS:
        return _ONE
    parts = [_measure(part) for part in tree[1]]
    tests, groups = sum(p.tests for p in parts), 1 + sum(p.groups for p in parts)
    if tree[0] == "$and":                          # one part is followed after the other: the last of each is closed
        return Size(tests, 1 + sum(p.open - 1 for p in parts), groups, prod(p.paths for p in parts))
    if tree[0] == "$or":
        return Size(tests, sum(p.open for p in parts), groups, sum(p.paths for p in parts))
    return Size(tests, 1, groups, 1)


def _fits(tree: tuple) -> bool:
    size = _measure(tree)
    return size.tests <= TESTS_MAX and size.groups <= GROUPS_MAX and size.paths <= PATHS_MAX


def _reader(test: Test, words: Mapping[str, int]) -> Callable[[Facts], int]:
    name, empty = test.fact, EMPTY[test.type]
    if test.type == "text":
        return lambda facts: words.get(facts.get(name, empty), 0)
    if test.type in ("bool", "date"):
        kind = test.type
        return lambda facts: _number(kind, facts.get(name, empty))
    return lambda facts: max(-INT_MAX - 1, min(facts.get(name, empty), INT_MAX + 1))


def _number(type: str, value: Any) -> int:
    return int(value.replace("-", "") or 0) if type == "date" else int(value)
