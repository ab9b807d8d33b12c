"""Conditions that can never hold: found exactly, from what is written and what is fixed in a scene.

`never` answers True only when no facts at all satisfy a condition. It follows `all`, `any` and `not` through, so that a
step nobody can reach and two coupons that can never meet are told from those that merely look so. What it can't decide
(two patterns that share no text, say) counts as possible.
"""
from __future__ import annotations

from typing import Any, Collection, Iterable, Mapping, NamedTuple

from .conditions import AllOf, Condition, Not, Test, compile_closure

# Facts that have bounds by their nature.
_BOUNDS: Mapping[str, tuple[int, int | None]] = {
    "time.hour": (0, 23), "time.weekday": (1, 7), "quantity": (1, None), "subtotal": (0, None), "payable": (0, None),
    "buyer.orders_paid": (0, None)}
_TRIED_MAX = 64                # values of a number that are tried one by one
_BRANCHES_MAX = 256            # alternatives looked through before a condition counts as possible


class Known(NamedTuple):
    """What is fixed where a condition stands: fact → its value, and list fact → the only values it can have."""
    values: Mapping[str, Any] = {}
    among: Mapping[str, Collection[str]] = {}


class _Literal(NamedTuple):
    test: Test
    holds: bool


def never(condition: Condition, known: Known = Known()) -> bool:
    """True when no facts satisfy the condition, given what is known."""
    branches = _branches(condition, True)
    return branches is not None and all(_contradicts(branch, known) for branch in branches)


def apart(one: Condition | None, other: Condition | None) -> bool:
    """True when no facts satisfy both conditions (None: always holds)."""
    return one is not None and other is not None and never(AllOf((one, other)))


def _branches(condition: Condition, wanted: bool) -> list[tuple[_Literal, ...]] | None:
    """The ways to make a condition `wanted`, each a conjunction of literals; None when they are too many."""
    if isinstance(condition, Test):
        return [(_Literal(condition, wanted),)]
    if isinstance(condition, Not):
        return _branches(condition.part, not wanted)
    parts = [_branches(part, wanted) for part in condition.parts]
    if any(part is None for part in parts):
        return None
    if isinstance(condition, AllOf) != wanted:                  # any of the parts is enough
        ways = [branch for part in parts for branch in part]
        return ways if len(ways) <= _BRANCHES_MAX else None
    ways = [()]
    for part in parts:
        ways = [way + branch for way in ways for branch in part]
        if len(ways) > _BRANCHES_MAX:
            return None
    return ways


def _contradicts(branch: Iterable[_Literal], known: Known) -> bool:
    by_fact: dict[str, list[_Literal]] = {}
    for literal in branch:
        by_fact.setdefault(literal.test.fact, []).append(literal)
    return any(_impossible(name, literals, known) for name, literals in by_fact.items())


def _impossible(name: str, literals: list[_Literal], known: Known) -> bool:
    if name in known.values:
        return not _fits(name, known.values[name], literals)
    kind = literals[0].test.type
    if kind == "list":
        return _list_impossible(literals, known.among.get(name))
    tried = _to_try(name, kind, literals)
    return tried is not None and not any(_fits(name, value, literals) for value in tried)


def _fits(name: str, value: Any, literals: list[_Literal]) -> bool:
    return all(compile_closure(test)({name: value}) is holds for test, holds in literals)


def _list_impossible(literals: list[_Literal], among: Collection[str] | None) -> bool:
    has = {test.value for test, holds in literals if test.word == "has" and holds}
    lacks = {test.value for test, holds in literals if test.word == "has" and not holds}
    empty = any(test.word == "exists" and not holds for test, holds in literals)
    some = any(test.word == "exists" and holds for test, holds in literals)
    if has & lacks or (has or some) and empty:
        return True
    return among is not None and (not has <= set(among) or some and not set(among) - lacks)


def _to_try(name: str, kind: str, literals: list[_Literal]) -> Iterable[Any] | None:
    """Values among which one fits if any does; None when no such finite set is known."""
    if kind == "bool":
        return (True, False)
    listed = [set(test.value) if test.word == "in" else {test.value}
              for test, holds in literals if holds and test.word in ("eq", "in")]
    if listed:
        low, high = _BOUNDS.get(name, (None, None))
        return [value for value in set.intersection(*listed)
                if (low is None or value >= low) and (high is None or value <= high)]
    if kind == "text":
        return None
    if kind == "date":
        return () if _bounds_cross(literals) else None
    return _numbers(name, literals)


def _edges(literals: list[_Literal]) -> Iterable[tuple[str, Any]]:
    """("low" | "high" | "over" | "under", bound) of every comparison, negations turned round."""
    turned = {"gt": "lte", "gte": "lt", "lt": "gte", "lte": "gt"}
    sides = {"gt": "over", "gte": "low", "lt": "under", "lte": "high"}
    for test, holds in literals:
        if test.word in turned:
            yield sides[test.word if holds else turned[test.word]], test.value
        elif test.word == "between" and holds:
            yield "low", test.value[0]
            yield "high", test.value[1]


def _bounds_cross(literals: list[_Literal]) -> bool:
    edges = list(_edges(literals))
    return any(low > high or low == high and "over" in (side, other) or low == high and other == "under"
               for side, low in edges if side in ("low", "over") for other, high in edges if other in ("high", "under"))


def _numbers(name: str, literals: list[_Literal]) -> Iterable[int] | None:
    low, high = _BOUNDS.get(name, (None, None))
    for side, bound in _edges(literals):
        if side in ("low", "over"):
            least = bound + (side == "over")
            low = least if low is None else max(low, least)
        else:
            most = bound - (side == "under")
            high = most if high is None else min(high, most)
    if low is None or high is None:
        return None
    # more room than can be excluded value by value means that one is left, unless a `not between` covers it all
    return range(low, high + 1) if high - low < _TRIED_MAX else None
