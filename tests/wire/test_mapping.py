"""Fields, judgements and matches: from their words to ours."""
from __future__ import annotations

from decimal import Decimal

import pytest

from engine.wire import mapping
from engine.wire.casts import Setting
from engine.wire.draft import Draft
from engine.wire.model import Message, Unreadable

SETTING = Setting("CNY", "Asia/Shanghai")


def take(spec, tree, **message):
    draft = Draft()
    made = mapping.compile_take(draft, spec, ("take",))
    assert draft.problems == []
    return made.read(Message(**message), tree, SETTING)


@pytest.mark.parametrize("spec, tree, expected", [
    ({"channel_no": "a.b"}, {"a": {"b": 5}}, {"channel_no": "5"}),
    ({"channel_no": "items.1.id"}, {"items": [{}, {"id": "x"}]}, {"channel_no": "x"}),
    ({"channel_no": "*_response.id"}, {"x_response": {"id": "x"}}, {"channel_no": "x"}),
    ({"channel_no": "a", "amount": {"fen": "b"}}, {"a": None}, {}),
    ({"amount": {"fen": "a"}}, {"a": "990"}, {"amount_minor": 990}),
    ({"amount": {"yuan": "a"}}, {"a": Decimal("9.90")}, {"amount_minor": 990}),
    ({"amount": {"major": "a"}, "currency": "c"}, {"a": "990", "c": "JPY"}, {"amount_minor": 990, "currency": "JPY"}),
    ({"paid_at": {"%Y%m%d": "a"}}, {"a": "20190402"}, {"paid_at_ms": 1554134400000}),
    ({"paid_at": {"%Y%m%d": "a"}, "ended_at": {"unix": "b"}}, {"a": "", "b": ""}, {}),
    ({"state": {"of": "s", "OK": "succeeded", "else": "unknown"}}, {"s": "OK"}, {"state": "succeeded"}),
    ({"state": {"of": "s", "1": "succeeded", "true": "failed"}}, {"s": 1}, {"state": "succeeded"}),
    ({"state": {"of": "s", "1": "succeeded", "true": "failed"}}, {"s": True}, {"state": "failed"}),
    ({"state": {"of": "s", "OK": "succeeded", "else": "unknown"}}, {"s": "NEW"}, {"state": "unknown"}),
    ({"currency": {"of": "s", "156": "CNY"}}, {"s": 156}, {"currency": "CNY"}),
    ({"state": {"is": "succeeded"}, "extra.bank": "b"}, {"b": "ICBC"}, {"state": "succeeded", "extra.bank": "ICBC"}),
    ({"reason": {"base64": "r"}}, {"r": "w6k="}, {"reason": "é"}),
    ({"items": {"each": "a.b", "item": "sku", "quantity": {"int": "n"}, "amount": {"fen": "m"}}},
     {"a": {"b": [{"sku": 7, "n": "2", "m": 990}, {"sku": "x"}]}},
     {"items": [{"item": "7", "quantity": 2, "amount_minor": 990}, {"item": "x"}]}),
    ({"items": {"each": "a", "item": "sku"}}, {"a": []}, {"items": []}), ({"items": {"each": "a", "item": "sku"}}, {}, {}),
])
def test_fields(spec, tree, expected):
    assert take(spec, tree) == expected


def test_fields_of_headers_and_query():
    assert take({"event_type": {"header": "X-Event"}, "payment_no": {"query": "no"}}, {},
                headers={"x-event": "paid"}, query={"no": "P1"}) == {"event_type": "paid", "payment_no": "P1"}


@pytest.mark.parametrize("spec, tree", [
    ({"amount": {"fen": "a"}}, {"a": "9.90"}), ({"amount": {"fen": "a"}}, {"a": ""}),
    ({"paid_at": {"rfc3339": "a"}}, {"a": "soon"}),
    ({"channel_no": "a"}, {"a": {}}),
    ({"items": {"each": "a", "item": "sku"}}, {"a": "x"}), ({"items": {"each": "a", "item": "sku"}}, {"a": {"sku": "x"}}),
    ({"items": {"each": "a", "item": "sku"}}, {"a": ["x"]}), ({"items": {"each": "a", "amount": {"fen": "m"}}}, {"a": [{"m": "9.9"}]}),
    ({"state": {"of": "s", "OK": "succeeded"}}, {"s": "NEW"}),
    ({"amount": {"major": "a"}, "currency": "c"}, {"a": "9.9", "c": "JPY"}),
])
def test_malformed_fields(spec, tree):
    with pytest.raises(Unreadable):
        take(spec, tree)


@pytest.mark.parametrize("spec, said", [
    ({"chanel_no": "a"}, "did you mean 'channel_no'"),
    ({"amount": "a"}, "say how amount is written"),
    ({"paid_at": "a"}, "say how"),
    ({"state": "a"}, "say what its words mean"), ({"state": {"of": "s", "OK": "suceeded"}}, "is not a state"),
    ({"state": {"of": "s", "else": "nope"}}, "is not a state"), ({"state": {"is": "nope"}}, "is not a state"),
    ({"amount": {"unix": "a"}}, "can't be read as"), ({"channel_no": {"md5": "a"}}, "can't be read as"),
    ({"amount": {"of": "a", "1": "2"}}, "no list of words"),
    ({"channel_no": {"text": "a", "upper": "b"}}, "write one key"),
])
def test_wrong_fields(spec, said):
    draft = Draft()
    mapping.compile_take(draft, spec, ("take",))
    assert any(said in message for _, message in draft.problems), draft.problems


def holds(spec, tree, status=200):
    draft = Draft()
    test = mapping.compile_condition(draft, spec, ())
    assert draft.problems == []
    return test(Message(status=status), tree)


@pytest.mark.parametrize("spec, tree, status, expected", [
    ({"http": 200}, {}, 200, True), ({"http": 200}, {}, 201, False), ({"http": "200..299"}, {}, 299, True),
    ({"http": ["200..201", 404]}, {}, 404, True),
    ({"http": ["200..201", 404]}, {}, 202, False),
    ({"http": 200}, {}, None, False),
    ({"eq": {"code": 0}}, {"code": "0"}, 200, True), ({"eq": {"code": "0"}}, {"code": 0}, 200, True),
    ({"eq": {"code": 0}}, {"code": False}, 200, False), ({"eq": {"code": ""}}, {}, 200, False),
    ({"eq": {"a.b": "x", "c": "y"}}, {"a": {"b": "x"}, "c": "z"}, 200, False),
    ({"eq": {"ok": True}}, {"ok": True}, 200, True),
    ({"ne": {"code": 0}}, {}, 200, True), ({"ne": {"code": 0}}, {"code": 0}, 200, False),
    ({"in": {"code": ["A", 1]}}, {"code": "1"}, 200, True), ({"in": {"code": ["A"]}}, {}, 200, False),
    ({"exists": "a.b"}, {"a": {"b": 0}}, 200, True),
    ({"exists": "a"}, {"a": ""}, 200, False),
    ({"exists": "a"}, {"a": None}, 200, False),
    ({"matches": {"c": "E[0-9]+"}}, {"c": "E12"}, 200, True),
    ({"matches": {"c": "E[0-9]+"}}, {"c": "xE12"}, 200, False),
    ({"any": [{"http": 500}, {"eq": {"c": 1}}]}, {"c": 1}, 200, True),
    ({"all": [{"http": 500}, {"eq": {"c": 1}}]}, {"c": 1}, 200, False),
    ({"not": {"eq": {"c": 1}}}, {"c": 2}, 200, True), ({"http": 200, "eq": {"c": 1}}, {"c": 1}, 500, False),
    ({"eq": {"c": 1}}, "text", 200, False), ({"eq": {"c": 1}}, [], 200, False),
])
def test_conditions(spec, tree, status, expected):
    assert holds(spec, tree, status) is expected


@pytest.mark.parametrize("spec, said", [
    ({"equals": {}}, "no condition 'equals'"),
    ({"http": "2xx"}, "not an HTTP status"),
    ({"matches": {"a": "("}}, "not a regular"),
    ({}, "tests nothing"), ({"any": [{}]}, "tests nothing"),
])
def test_wrong_conditions(spec, said):
    draft = Draft()
    mapping.compile_condition(draft, spec, ())
    assert any(said in message for _, message in draft.problems)


def test_the_first_rule_that_holds_decides():
    draft = Draft()
    rules = mapping.compile_rules(draft, [{"eq": {"a": 1}, "then": "failed"}, {"http": 200, "then": "as_taken"},
                                          {"http": 200, "then": "nope"}], ("judge",))
    assert [path for path, _ in draft.problems] == [("judge", 2, "then")]
    assert mapping.judge(rules, Message(status=200), {"a": 1}).then == "failed"
    assert mapping.judge(rules, Message(status=200), {}).then == "as_taken"
    assert mapping.judge(rules, Message(status=500), {}) is None
