"""The table of facts: what each stage knows, how a scene's fields join, how facts are closed."""
from __future__ import annotations

import re

import pytest

from engine.base import clock
from engine.config import facts
from engine.config.facts import EMPTY, FACTS, STAGES, FactError, FactTable, is_date

FIELDS = {"type": "object", "properties": {
    "from_page": {"type": "string", "title": "Source page", "x-title-zh": "来源页", "examples": ["search"]},
    "seats": {"type": "integer"}, "gift": {"type": "boolean"},
    "colours": {"type": "array", "items": {"type": "string"}},
    # … and what no condition can ask about
    "ratio": {"type": "number"}, "sizes": {"type": "array", "items": {"type": "integer"}}, "parts": {"type": "array"},
    "either": {"type": ["string", "null"]}, "any": True, "open": {}}}


@pytest.mark.parametrize("fact", FACTS, ids=[fact.name for fact in FACTS])
def test_every_fact_is_declared_in_full(fact):
    assert re.fullmatch(r"[a-z]+(\.[a-z_]+)?", fact.name)
    assert fact.type in EMPTY and fact.stage in STAGES and fact.about
    assert set(fact.title) == {"zh", "en"} and all(fact.title.values())
    assert FactTable.at("step").closed({fact.name: fact.example})[fact.name] == fact.example != EMPTY[fact.type]


def test_names_are_declared_once():
    assert len({fact.name for fact in FACTS}) == len(FACTS)


def test_a_stage_knows_what_earlier_ones_knew():
    quote, pay, step = (set(FactTable.at(stage).facts) for stage in STAGES)
    assert quote < pay <= step
    assert pay - quote == {"payable", "channel.id", "payment.bank"}
    assert "payable" not in FactTable.at("quote") and "payable" in FactTable.at("pay")


def test_closed_fills_every_fact():
    closed = FactTable.at("quote").closed({"buyer.tags": ("b", "a"), "subtotal": 990, "buyer.id": None})
    assert closed.pop("buyer.tags") == ["b", "a"] and closed.pop("subtotal") == 990
    assert closed["buyer.id"] == "" and closed["product.ids"] == [] and closed["buyer.registered"] is False
    assert set(closed) == set(FactTable.at("quote").facts) - {"buyer.tags", "subtotal"}
    assert not any(closed.values())


def test_closed_lists_are_nobody_elses():
    table, tags = FactTable.at("quote"), ["a"]
    closed = table.closed({"buyer.tags": tags})
    closed["buyer.tags"].append("b")
    closed["product.ids"].append("p")
    assert tags == ["a"] and table.closed({})["product.ids"] == []


@pytest.mark.parametrize("name, value, closed", [
    ("buyer.tags", {"b", "a"}, ["a", "b"]), ("buyer.tags", frozenset("a"), ["a"]), ("quantity", 2.0, 2),
    ("time.date", "", ""), ("time.date", "2024-02-29", "2024-02-29"), ("buyer.registered", False, False),
])
def test_what_closed_coerces(name, value, closed):
    found = FactTable.at("quote").closed({name: value})[name]
    assert found == closed and type(found) is type(closed)


@pytest.mark.parametrize("name, value, part", [
    ("buyer.id", 3, "buyer.id takes text, not int"),
    ("quantity", "3", "quantity takes a whole number, not str"), ("quantity", True, "not bool"),
    ("quantity", 2.5, "not float"),
    ("subtotal", "9.90", "takes minor units"), ("subtotal", float("nan"), "not float"),
    ("buyer.registered", 1, "true or false, not int"),
    ("buyer.tags", "ab", "a list of texts"), ("buyer.tags", ["a", 1], "a list of texts"),
    ("time.date", "2026-02-30", "a date"), ("time.date", "20260228", "a date"),
    ("buyer.tag", ["x"], "did you mean 'buyer.tags'?"), ("payable", 3, "no fact of stage quote"),
])
def test_what_closed_refuses(name, value, part):
    with pytest.raises(FactError, match=re.escape(part)):
        FactTable.at("quote").closed({name: value})


def test_a_refusal_does_not_tell_the_value():
    with pytest.raises(FactError) as refusal:
        FactTable.at("quote").closed({"buyer.registered": "13900001111"})
    assert "1390" not in str(refusal.value)


def test_fields_join_by_their_schema():
    table = FactTable.at("quote").with_fields(FIELDS)
    own = {fact.name: fact.type for fact in table if fact.name.startswith("fields.")}
    assert own == {"fields.from_page": "text", "fields.seats": "int", "fields.gift": "bool", "fields.colours": "list"}
    page = table.facts["fields.from_page"]
    assert page.title == {"zh": "来源页", "en": "Source page"} and page.example == "search"
    assert table.closed({"fields.seats": 3})["fields.from_page"] == ""
    assert "fields.seats" not in FactTable.at("quote")
    assert table.with_fields({}).facts == table.facts


@pytest.mark.parametrize("value, answer", [
    ("2026-11-11", True), ("2026-02-29", False), ("2026-1-1", False), ("2026-W01-1", False), ("20261111", False),
    ("2026-11-11\n", False), (20261111, False), (None, False), ("", False),
])
def test_is_date(value, answer):
    assert is_date(value) is answer


def test_a_business_date_is_a_date():
    assert facts.is_date(clock.business_date(clock.now_ms(), "Asia/Shanghai"))
