"""Rule sets: whoever evaluates, the answer is the same; and the fence around durable-rules holds."""
from __future__ import annotations

import importlib.util
import logging
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import conditions, rules
from engine.config.facts import FactTable
from engine.config.rules import RuleSet, backend
from tests.config.trees import FACTS, PAIRS, TABLE, TREES, condition, naive

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fence(monkeypatch) -> rules._Fence:
    return new_fence(monkeypatch)


def new_fence(monkeypatch) -> rules._Fence:
    fresh = rules._Fence()
    monkeypatch.setattr(rules, "_fence", fresh)
    return fresh


def assert_durable_answered(fence: rules._Fence) -> None:
    """Closures stand in for a set that fails, in silence but for the log: the tests must not be deceived by that."""
    if backend()[0] == "durable-rules":
        assert fence._usable and all(fence._usable.values())


def both(trees: dict[str, Any]) -> tuple[RuleSet, RuleSet]:
    parsed = {rule_id: condition(tree) for rule_id, tree in trees.items()}
    return RuleSet("test", parsed, TABLE), RuleSet("test", parsed, TABLE, closures_only=True)


@given(st.lists(TREES, min_size=1, max_size=12), st.lists(FACTS, min_size=1, max_size=5))
def test_all_evaluators_give_one_answer(trees, many_facts):
    with pytest.MonkeyPatch.context() as monkeypatch:
        fence = new_fence(monkeypatch)                          # each example its own: sets are bounded in number
        named = {f"r{i}": tree for i, tree in enumerate(trees)}
        durable, closures = both(named)
        for facts in many_facts:
            expected = {rule_id for rule_id, tree in named.items() if naive(tree, facts)}
            assert closures.matching(facts) == expected
            assert durable.matching(facts) == expected
            assert durable.matching(facts) == expected          # and again, from memory
        assert_durable_answered(fence)


def amount(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def leaf(i: int) -> dict:
    return {"gte": {"subtotal": amount(i)}}


def nested(depth: int) -> dict:
    """`all` in `any` in `all` …, each with a test beside it."""
    tree = leaf(10 ** 6)
    for i in range(depth):
        tree = {"all": [leaf(i), {"any": [tree, leaf(i + 1)]}]}
    return tree



EXTREMES = {
    "a thousand rules that all match": {f"r{i}": leaf(i) for i in range(1000)},
    "a thousand rules of two tests": {f"r{i}": {"all": [leaf(i), {"eq": {"scene.id": "s3"}}]} for i in range(1000)},
    "three hundred rules alike": {f"r{i}": leaf(5) for i in range(300)},
    "long lists": {"r": {"in": {"scene.id": [f"s{i}" for i in range(300)]}},
                   "not": {"not": {"in": {"quantity": [*range(300)]}}}},
    "lists beside lists": {"r": {"all": [{"in": {"scene.id": ["s3", "b"]}}, {"in": {"quantity": [1, 7]}},
                                         {"not": {"in": {"line.id": ["x", "y"]}}}]}},
    "alternatives that multiply": {"r": {"all": PAIRS}, "s": {"any": PAIRS}, "t": {"all": PAIRS[:3]},
                                   "u": {"not": {"all": PAIRS}}},
    "rules with many alternatives": {f"r{i}": {"any": [leaf(i * 20 + j) for j in range(16)]} for i in range(40)},
    "more columns than the engine has": {f"r{i}": {"all": [{"matches": {"scene.id": f"[a-z]{{1,{i + 1}}}.*"}},
                                                           *({"has": {"buyer.tags": f"t{i * j}"}} for j in range(8))]}
                                         for i in range(150)},
    "groups in groups": {"r": nested(3), "s": nested(8)},
    "two hundred tests": {"r": {"all": [leaf(i) for i in range(conditions.TESTS_MAX)]}},
}
EXTREME_FACTS = [{}, {"subtotal": 10 ** 30, "scene.id": "s3", "quantity": 7}, {"subtotal": -10 ** 30, "quantity": 400},
                 {"subtotal": 450, "scene.id": "s299", "buyer.tags": [f"t{i}" for i in range(900)]},
                 {"scene.id": "x" * 70_000}, {"scene.id": "s\0\ud800\""}]


@pytest.mark.parametrize("name", EXTREMES)
def test_extremes(name, fence):
    durable, closures = both(EXTREMES[name])
    for partial in EXTREME_FACTS:
        facts = TABLE.closed(partial)
        expected = {rule_id for rule_id, tree in EXTREMES[name].items() if naive(tree, facts)}
        assert durable.matching(facts) == expected == closures.matching(facts)
    assert_durable_answered(fence)


def test_ids_may_be_anything_and_none_always_holds(fence):
    ids = ["", "爱", "r0", "always", "a\"b", "$all", 'x' * 500]
    table = FactTable.at("quote")
    rule_set = RuleSet("test", {**{i: condition(leaf(1)) for i in ids}, "free": None}, table)
    assert rule_set.matching(table.closed({"subtotal": 1})) == {*ids, "free"}
    assert rule_set.matching(table.closed({})) == {"free"}
    assert RuleSet("test", {}, table).matching(table.closed({})) == frozenset()


def test_a_rule_about_a_fact_of_another_stage_is_refused():
    with pytest.raises(ValueError, match="'late' names 'payable', which is no fact of stage quote"):
        RuleSet("test", {"late": condition({"gte": {"payable": 1}})}, FactTable.at("quote"))


@pytest.mark.parametrize("prefix", ["", "A", "a$state", "a.b", "a\n", "x" * 60])
def test_a_prefix_is_a_plain_word(prefix):
    with pytest.raises(ValueError, match="no prefix"):
        RuleSet(prefix, {}, TABLE)


# -- the fence, with an engine that does what the test wants -----------------------------------------------------------

class FakeEngine:
    """Stands in for the module durable.engine: records the calls, answers by `answer(name, record, rules)`."""

    def __init__(self):
        self.calls: list[tuple] = []
        outer = self

        class Host:
            def __init__(self):
                self.rules: dict[str, dict] = {}
                self._run()

            def _run(self):
                raise AssertionError("timers were started")

            def register_rulesets(self, definitions):
                assert not set(definitions) & set(self.rules), "a name was registered twice"
                self.rules.update(definitions)

            def assert_fact(self, name, record):
                outer.calls.append(("assert", name, dict(record)))
                return outer.answer(name, record, self.rules[name])

            def delete_state(self, name, sid):
                outer.calls.append(("delete", name, sid))

        self.Host = Host

    def answer(self, name: str, record: dict, definition: dict) -> Any:
        definition["always"]["run"](None)
        return {"sid": record["sid"]}


@pytest.fixture
def fake(monkeypatch, fence) -> FakeEngine:
    engine = FakeEngine()
    monkeypatch.setattr(rules, "_imported", (engine, ""))
    return engine


ONE_RULE = {"r": {"gte": {"subtotal": 1}}}
RICH, POOR = TABLE.closed({"subtotal": 100}), TABLE.closed({})


def test_each_call_has_a_state_of_its_own_and_ends_it(fake):
    rule_set, _ = both(ONE_RULE)
    assert rule_set.matching(RICH) == set()                     # the fake fires nothing, and is believed
    assert [call[0] for call in fake.calls] == ["assert", "delete"] * 2     # the first with zeros, to be trusted
    records = [call[2] for call in fake.calls if call[0] == "assert"]
    assert records == [{"f0": 0, "kind": 1, "sid": "0"}, {"f0": 100, "kind": 1, "sid": "1"}]
    assert [call[2] for call in fake.calls if call[0] == "delete"] == ["0", "1"]


def test_an_answer_is_remembered(fake):
    rule_set, _ = both(ONE_RULE)
    for _ in range(3):
        rule_set.matching(RICH)
    assert len([call for call in fake.calls if call[0] == "assert"]) == 2


def test_memory_has_a_bound(fake, monkeypatch):
    monkeypatch.setattr(rules, "ANSWERS_MAX", 3)
    rule_set, _ = both(ONE_RULE)
    for i in range(20):
        rule_set.matching(TABLE.closed({"subtotal": i}))
        assert len(rule_set._slices[0]._answers) <= 3


def raises(name, record, definition):
    raise RuntimeError("error code: 303")


def has_no_end(name, record, definition):
    return 0                                                    # what the host returns when an action was cut short


def fires_but_not_the_last(name, record, definition):
    definition["r0"]["run"](None)
    return {"sid": record["sid"]}


def swallowed_an_exception(name, record, definition):
    definition["always"]["run"](None)
    return {"exception": "exception caught"}


FAILURES = [raises, has_no_end, fires_but_not_the_last, swallowed_an_exception]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.__name__)
def test_a_set_that_fails_is_asked_no_more_and_closures_answer(failure, fake, caplog):
    rule_set, _ = both(ONE_RULE)
    rule_set.matching(POOR)
    fake.answer = failure
    assert rule_set.matching(RICH) == {"r"}
    assert [record.levelno for record in caplog.records] == [logging.ERROR] and "asked no more" in caplog.text
    assert fake.calls[-1][0] == "delete"
    calls = len(fake.calls)
    assert rule_set.matching(TABLE.closed({"subtotal": 300})) == {"r"} and rule_set.matching(POOR) == set()
    assert len(fake.calls) == calls


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.__name__)
def test_a_set_that_fails_at_once_is_never_trusted(failure, fake, caplog):
    fake.answer = failure
    rule_set, _ = both(ONE_RULE)
    assert rule_set.matching(RICH) == {"r"} and "could not be built" in caplog.text
    if failure is raises:                                       # deleting the state of a failed first call is fatal
        assert [call[0] for call in fake.calls] == ["assert"]


def test_sets_of_one_content_are_one_and_their_number_is_bounded(fake, fence, monkeypatch, caplog):
    monkeypatch.setattr(rules, "SETS_MAX", 2)
    for text in ("a", "b", "c"):                                # one shape: only words differ, and they stay outside
        rule_set, _ = both({"r": {"eq": {"scene.id": text}}})
        rule_set.matching(POOR)
    assert len(fence._usable) == 1
    for i in range(1, 4):
        rule_set, _ = both({"r": {"gte": {"quantity": i}}})
        assert rule_set.matching(TABLE.closed({"quantity": 3})) == ({"r"} if i > 1 else set())
    assert len(fence._usable) == 2
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


# -- the engine itself -------------------------------------------------------------------------------------------------

def test_backend_says_which_and_why(monkeypatch):
    installed = importlib.util.find_spec("durable") is not None and sys.version_info < (3, 13)
    name, detail = backend()
    assert name == ("durable-rules" if installed else "closures") and detail
    monkeypatch.setattr(rules, "_imported", None)
    monkeypatch.setitem(sys.modules, "durable.engine", None)
    name, reason = backend()
    assert name == "closures" and "can't be imported" in reason
    rule_set, _ = both(ONE_RULE)
    assert rule_set.matching(RICH) == {"r"} and rule_set.matching(POOR) == set()


def test_a_jump_of_the_clock_costs_no_rule(fence, monkeypatch, caplog):
    """The engine drops what is left of an answer when ten seconds seem to have passed between two actions."""
    rule_set, _ = both({f"r{i}": leaf(i) for i in range(5)})
    assert len(rule_set.matching(RICH)) == 5
    if backend()[0] == "durable-rules":
        times = iter(range(0, 10 ** 6, 11))
        monkeypatch.setattr("durable.engine._unix_now", lambda: next(times))
    assert len(rule_set.matching(TABLE.closed({"subtotal": 101}))) == 5
    assert ("the answer has no end" in caplog.text) is (backend()[0] == "durable-rules")


def test_nobody_else_knows_durable_rules():
    importing = re.compile(r"^\s*(?:import|from)\s+durable|import_module\(.durable", re.MULTILINE)
    files = [ROOT / "run.py", *(f for room in ("engine", "console", "sandbox") for f in (ROOT / room).rglob("*.py"))]
    knowing = [file for file in files if importing.search(file.read_text(encoding="utf-8"))]
    assert knowing == [ROOT / "engine" / "config" / "rules.py"]
