"""The `when:` language: what holds, why it does not, and what is wrong with a condition, from tables of cases."""
from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from engine.config import conditions
from engine.config.conditions import DEPTH_MAX, TESTS_MAX, compile_closure, explain, facts_named, in_words, parse
from engine.config.facts import FactTable
from engine.config.reader import read_text
from tests.config.trees import ANYTHING, FACTS, FIELDS, TABLE, TREES, condition, naive

FILE = Path(__file__).parent / "cases" / "conditions.yaml"
SOURCE, PROBLEMS = read_text(FILE.read_bytes(), FILE.name)
assert not PROBLEMS, [str(p) for p in PROBLEMS]
HOLDS, FAULTS = SOURCE.data["holds"], SOURCE.data["faults"]


@pytest.mark.parametrize("case", HOLDS, ids=[str(case["when"])[:80] for case in HOLDS])
def test_holds(case):
    parsed, faults = parse(case["when"], TABLE, currency=case.get("currency", "CNY"))
    assert faults == []
    facts = TABLE.closed(case["facts"])
    assert compile_closure(parsed)(facts) is case["holds"]
    assert explain(parsed, facts) == case.get("because", "")


@pytest.mark.parametrize("case", FAULTS, ids=[str(case["when"])[:80] for case in FAULTS])
def test_faults(case):
    parsed, faults = parse(case["when"], FactTable.at(case.get("stage", "pay")).with_fields(FIELDS))
    assert parsed is None
    assert len(faults) == len(case["faults"]), faults
    for fault, wanted in zip(faults, case["faults"]):
        path, _, part = wanted.partition(": ")
        assert "/" + "/".join(map(str, fault.path)) == path
        assert part in str(SOURCE.problem(fault))


def test_a_fault_lies_under_the_path_of_its_condition():
    _, [fault] = parse({"eq": {"scene.idd": "a"}}, TABLE, ("coupons", 0, "when"))
    assert fault.path == ("coupons", 0, "when", "eq", "scene.idd") and fault.at_key


def test_the_condition_itself():
    tree = {"eq": {"scene.id": "a"}, "gte": {"subtotal": "9.90"}}
    assert condition(tree) == conditions.AllOf((conditions.Test("eq", "scene.id", "text", "a", "a"),
                                                conditions.Test("gte", "subtotal", "money", 990, "9.90")))
    known = {"not": {"exists": "buyer.id"}}
    assert facts_named(condition({"all": [tree, known]})) == {"scene.id", "subtotal", "buyer.id"}
    assert in_words(condition({"any": [tree, known]})) == \
        "(scene.id eq a and subtotal gte 9.90) or not (buyer.id exists)"


def test_a_condition_has_an_end():
    deep = {"eq": {"scene.id": "a"}}
    for _ in range(DEPTH_MAX):
        deep = {"not": deep}
    assert parse(deep, TABLE)[1] == []
    assert "deep" in parse({"not": deep}, TABLE)[1][0].message
    wide = [{"eq": {"scene.id": "a"}}] * TESTS_MAX
    assert parse({"all": wide}, TABLE)[1] == []
    [fault] = parse({"all": wide * 3}, TABLE)[1]
    assert "at most" in fault.message and fault.path == ("all", TESTS_MAX, "eq", "scene.id")


def test_a_fact_that_a_stored_quote_does_not_have_counts_as_empty():
    tree = {"ne": {"scene.id": "a"}, "lt": {"quantity": 1}, "not": {"has": {"buyer.tags": "x"}}}
    assert compile_closure(condition(tree))({})


@given(ANYTHING)
def test_parse_never_raises(tree):
    parsed, faults = parse(tree, TABLE)
    assert (parsed is None) == bool(faults)


def test_parse_takes_what_python_itself_stumbles_over():
    circular: list = []
    circular.append(circular)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in (10 ** 5000, circular, deep, float("nan"), object(), {("a",): 1}, "x" * 10 ** 6):
        for tree in (value, {"all": value}, {"eq": value}, {"eq": {"subtotal": value}}, {"eq": {"quantity": value}},
                     {"in": {"scene.id": value}}, {"in": {"quantity": [value]}}, {"exists": value}, {"all": [value]},
                     {"matches": {"scene.id": value}}, {"not": value}):
            parsed, faults = parse(tree, TABLE)
            assert parsed is None
            assert all(len(str(fault.found)) < 100 and len(fault.message) < 300 for fault in faults)


@given(TREES, FACTS)
def test_closures_say_what_the_words_say(tree, facts):
    parsed = condition(tree)
    assert compile_closure(parsed)(facts) is naive(tree, facts)
    assert (explain(parsed, facts) == "") is naive(tree, facts)
