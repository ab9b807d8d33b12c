"""The `when:` language: a small tree over declared facts, checked once and compiled to closures.

    when:
      all:
        - has: {buyer.tags: first-time}
        - any: [{eq: {scene.terminal: app}}, {in: {partner.mode: [fund_pool, quantity_pool]}}]
        - not: {gte: {buyer.orders_paid: 1}}

| word | takes | holds when |
|---|---|---|
| `all` `any` | a list of conditions | all, or at least one, of them hold |
| `not` | one condition | it does not hold |
| `eq` `ne` | `{fact: value}` | equal, not equal |
| `gt` `gte` `lt` `lte` | `{fact: value}` | a number, an amount or a date is greater, … |
| `between` | `{fact: [low, high]}` | low ≤ fact ≤ high |
| `in` | `{fact: [value, …]}` | the fact is one of them |
| `has` | `{list fact: value}` | the list has the value |
| `exists` | a text, date or list fact | it is not empty |
| `matches` | `{text fact: pattern}` | the pattern matches the whole text (see `patterns.py`) |

What stands side by side must all hold: several words in one mapping, several facts under one word. Amounts are written
in major units (`100.00`). An unknown fact or word and a value of the wrong type are faults, all of them reported.
"""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Callable, Mapping, Union

from ..base import money
from .facts import EMPTY, FACTS, Fact, FactTable, is_date
from .patterns import PatternError, compile_pattern
from .problems import Fault, nearest_word, shown

Facts = Mapping[str, Any]
TESTS_MAX = 200                # tests in one condition
DEPTH_MAX = 16                 # all, any and not inside one another
INT_MAX = 2 ** 53 - 1          # what every JSON reader holds exactly

GROUPS = ("all", "any", "not")
# word → the types of fact it takes
TESTS: Mapping[str, tuple[str, ...]] = {
    "eq": ("text", "int", "bool", "money", "date"), "ne": ("text", "int", "bool", "money", "date"),
    "gt": ("int", "money", "date"), "gte": ("int", "money", "date"),
    "lt": ("int", "money", "date"), "lte": ("int", "money", "date"), "between": ("int", "money", "date"),
    "in": ("text", "int", "money", "date"), "has": ("list",), "exists": ("text", "date", "list"), "matches": ("text",),
}
_INSTEAD = {                   # (word, type of fact) → what its author probably wants
    ("eq", "list"): "a list is asked with `has`", ("in", "list"): "a list is asked with `has`, once for each value",
    ("ne", "list"): "a list is asked with `not: {has: …}`", ("has", "text"): "one text is compared with `eq` or `in`",
    ("in", "bool"): "true or false is compared with `eq`",
    ("exists", "int"): "a number is always there, 0 when nothing was given: compare it, as in `gt: {fact: 0}`",
    ("exists", "money"): "an amount is always there, 0 when nothing was given: compare it, as in `gt: {fact: 0}`",
    ("exists", "bool"): "true or false is always there, false when nothing was given: use `eq`",
}
_EXPECTED = {"text": "text", "int": "a whole number", "bool": "true or false", "list": "text",
             "date": "a date as YYYY-MM-DD"}


@dataclass(frozen=True, slots=True)
class Test:
    """One word about one fact. `value`: a scalar (amounts in minor units), a tuple for `in` and `between`, or None.

    `written` is the value as its author wrote it, for explanations.
    """
    word: str
    fact: str
    type: str
    value: Any
    written: str


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = Union[Test, AllOf, AnyOf, Not]


def parse(tree: Any, facts: FactTable, path: tuple = (), currency: str = "CNY") -> tuple[Condition | None, list[Fault]]:
    """A condition as written (plain data) → (condition, []) or (None, every fault with its path under `path`).

    `currency` is the one that amounts are written in. Never raises, whatever the tree is.
    """
    parser = _Parser(facts, currency)
    condition = parser.condition(tree, tuple(path), 0)
    return (None, parser.faults) if parser.faults else (condition, [])


class _Parser:
    def __init__(self, facts: FactTable, currency: str):
        self.facts, self.currency = facts, currency
        self.faults: list[Fault] = []
        self.tests = 0

    def fault(self, path: tuple, message: str, **more: Any) -> None:
        self.faults.append(Fault(path, "condition", message, **more))

    def condition(self, tree: Any, path: tuple, depth: int) -> Condition | None:
        if not isinstance(tree, dict) or not tree:
            return self.fault(path, "a condition is a mapping such as `eq: {scene.terminal: app}`", found=shown(tree))
        if depth > DEPTH_MAX:
            return self.fault(path, f"a condition nests at most {DEPTH_MAX} deep")
        parts = [part for word, body in tree.items() for part in self.parts(word, body, (*path, word), depth)]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def parts(self, word: Any, body: Any, path: tuple, depth: int) -> list:
        if word == "not":
            return [Not(self.condition(body, path, depth + 1))]
        if word in ("all", "any"):
            if not isinstance(body, list) or not body:
                self.fault(path, f"`{word}` takes a list of conditions, at least one", found=shown(body))
                return []
            group = tuple(self.condition(part, (*path, i), depth + 1) for i, part in enumerate(body))
            return [AllOf(group) if word == "all" else AnyOf(group)]
        if word == "exists":
            return [self.test(word, body, None, path, at_key=False)]
        if word in TESTS:
            if not isinstance(body, dict) or not body:
                self.fault(path, f"`{word}` takes a mapping of facts: `{word}: {{fact: value}}`", found=shown(body))
                return []
            return [self.test(word, name, value, (*path, name), at_key=True) for name, value in body.items()]
        words = (*GROUPS, *TESTS)
        self.fault(path, "no such word in a condition", found=shown(word), expected="one of " + ", ".join(words),
                   nearest=nearest_word(word, words), at_key=True)
        return []

    def test(self, word: str, name: Any, written: Any, path: tuple, at_key: bool) -> Test | None:
        self.tests += 1
        if self.tests > TESTS_MAX:
            if self.tests == TESTS_MAX + 1:
                self.fault(path, f"a condition has at most {TESTS_MAX} tests")
            return None
        fact = self.facts.facts.get(name) if isinstance(name, str) else None
        if fact is None:
            return self.unknown_fact(name, path, at_key)
        if fact.type not in TESTS[word]:
            instead = _INSTEAD.get((word, fact.type), f"`{word}` takes a fact of type {' or '.join(TESTS[word])}")
            return self.fault(path, instead, found=f"{name}, of type {fact.type}", at_key=at_key)
        count = len(self.faults)
        value = self.value(word, fact, written, path)
        if len(self.faults) > count:
            return None
        return Test(word, name, fact.type, value, _as_written(fact, value, self.currency))

    def unknown_fact(self, name: Any, path: tuple, at_key: bool) -> None:
        if any(fact.name == name for fact in FACTS):
            return self.fault(path, f"the fact is not known yet at this stage ({self.facts.stage})", found=shown(name),
                              at_key=at_key)
        self.fault(path, "no such fact", found=shown(name), expected="a declared fact",
                   nearest=nearest_word(name, self.facts.facts), at_key=at_key)

    def value(self, word: str, fact: Fact, written: Any, path: tuple) -> Any:
        if word == "exists":
            return None
        if word not in ("in", "between"):
            return self.scalar(word, fact, written, path)
        count = "a list of two, [low, high]" if word == "between" else "a list of values, at least one"
        if not isinstance(written, list) or not written or word == "between" and len(written) != 2:
            return self.fault(path, f"`{word}` takes {count}", found=shown(written))
        faults = len(self.faults)
        values = tuple(self.scalar(word, fact, one, (*path, i)) for i, one in enumerate(written))
        if word == "between" and len(self.faults) == faults and values[0] > values[1]:
            self.fault(path, "the low end is above the high end: nothing lies between", found=shown(written))
        return values if word == "between" else tuple(dict.fromkeys(values))

    def scalar(self, word: str, fact: Fact, written: Any, path: tuple) -> Any:
        """One written value as the fact's type holds it; None and a fault when it is of another type."""
        kind = fact.type
        if word == "matches" and isinstance(written, str):
            try:
                compile_pattern(written)
                return written
            except PatternError as error:
                return self.fault(path, str(error), found=shown(written))
        if kind == "money":
            return self.amount(written, path)
        fits = {"text": isinstance(written, str), "list": isinstance(written, str), "bool": isinstance(written, bool),
                "int": isinstance(written, int) and not isinstance(written, bool) and abs(written) <= INT_MAX,
                "date": is_date(written)}[kind]
        if fits:
            return written
        self.fault(path, f"the fact {fact.name} takes another value", found=shown(written), expected=_EXPECTED[kind])

    def amount(self, written: Any, path: tuple) -> int | None:
        reason = "not an amount"
        if isinstance(written, (int, Decimal)) or isinstance(written, str) and len(written) < 40:
            try:
                amount_minor = money.parse_major(written, self.currency)
                if abs(amount_minor) <= INT_MAX:
                    return amount_minor
                reason = "the amount is too large"
            except ValueError as error:
                reason = str(error)
        self.fault(path, reason, found=shown(written), expected=f"an amount of {self.currency} such as 9.90")


@lru_cache(maxsize=4096)
def compile_closure(condition: Condition) -> Callable[[Facts], bool]:
    """→ a function of closed facts. It takes about 0.1 µs a test; a fact that is missing counts as empty."""
    if isinstance(condition, Test):
        return _test_closure(condition)
    if isinstance(condition, Not):
        inner = compile_closure(condition.part)
        return lambda facts: not inner(facts)
    parts = tuple(compile_closure(part) for part in condition.parts)
    if isinstance(condition, AllOf):
        def holds(facts: Facts) -> bool:
            for part in parts:
                if not part(facts):
                    return False
            return True
    else:
        def holds(facts: Facts) -> bool:
            for part in parts:
                if part(facts):
                    return True
            return False
    return holds


def _test_closure(test: Test) -> Callable[[Facts], bool]:
    name, value, empty = test.fact, test.value, EMPTY[test.type]
    match test.word:
        case "eq":
            return lambda facts: facts.get(name, empty) == value
        case "ne":
            return lambda facts: facts.get(name, empty) != value
        case "gt":
            return lambda facts: facts.get(name, empty) > value
        case "gte":
            return lambda facts: facts.get(name, empty) >= value
        case "lt":
            return lambda facts: facts.get(name, empty) < value
        case "lte":
            return lambda facts: facts.get(name, empty) <= value
        case "between":
            low, high = value
            return lambda facts: low <= facts.get(name, empty) <= high
        case "in":
            values = frozenset(value)
            return lambda facts: facts.get(name, empty) in values
        case "has":
            return lambda facts: value in facts.get(name, empty)
        case "exists":
            return lambda facts: bool(facts.get(name, empty))
    matches = compile_pattern(value)
    return lambda facts: matches(facts.get(name, empty))


def explain(condition: Condition, facts: Facts) -> str:
    """The first test that fails, in the language's words (`buyer.tags has first-time`); "" when the condition holds."""
    if compile_closure(condition)(facts):
        return ""
    if isinstance(condition, AllOf):
        return next(text for part in condition.parts if (text := explain(part, facts)))
    if isinstance(condition, AnyOf):
        return " or ".join(explain(part, facts) for part in condition.parts)
    return in_words(condition)


def in_words(condition: Condition) -> str:
    """The condition on one line: `buyer.tags has first-time and not (subtotal lt 100.00)`."""
    if isinstance(condition, Test):
        return " ".join(filter(None, (condition.fact, condition.word, condition.written)))
    if isinstance(condition, Not):
        return f"not ({in_words(condition.part)})"
    word = " and " if isinstance(condition, AllOf) else " or "
    return word.join(f"({in_words(p)})" if isinstance(p, (AllOf, AnyOf)) else in_words(p) for p in condition.parts)


def facts_named(condition: Condition) -> frozenset[str]:
    """Names of the facts that a condition asks about."""
    if isinstance(condition, Test):
        return frozenset((condition.fact,))
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return frozenset().union(*map(facts_named, parts))


def _as_written(fact: Fact, value: Any, currency: str) -> str:
    def one(item: Any) -> str:
        if isinstance(item, bool):
            return "true" if item else "false"
        return money.format_major(item, currency) if fact.type == "money" else str(item)

    if value is None:
        return ""
    return f"[{', '.join(map(one, value))}]" if isinstance(value, tuple) else one(value)
