"""Schemas on requests: the fast yes never says yes where jsonschema says no, and the no names every place."""
from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api import requests, validation
from engine.api.endpoint import ENDPOINTS
from engine.api import app                     # noqa: F401  fills the table of endpoints
from engine.base.errors import Code, Refusal

BODIES = {name: found for name, found in ENDPOINTS.items() if found.body is not None}
GOOD = {
    "quotes.create": {"scene": "a", "items": [{"sku": "b/c", "quantity": 2}], "buyer": {"id": "b"}, "fields": {"x": [1]},
                      "coupons": ["five"], "lang": "en", "contact": {"phone": "+86 138", "name": "n"}},
    "orders.place": {"scene": "a", "items": [{"sku": "b/c"}], "expected_payable_minor": 990, "external": {"no": "1", "paid_minor": 2},
                     "pay": {"channel": "c", "client": {"ip": "::1", "openid": "o", "return_url": "https://x.example/"}}},
    "orders.pay": {"channel": "c"},
    "orders.close": {"reason": "r"},
    "orders.claim": {"claim_token": "t", "buyer": {"id": "b"}},
    "entitlements.consume": {"buyer": {"id": "b"}, "right": "r", "amount": 3},
    "buyers.put": {"phone": "13800000000", "name": "n", "tags": ["a", "b"]},
    "work_orders.take": {"worker": "w"},
    "work_orders.finish": {"worker": "w", "result": {"anything": {"deep": [None]}}},
    "charges.registered": {"partner_order_no": "1", "scene": "a", "items": [{"sku": "b/c"}], "buyer": {"id": "b"}},
    "charges.unregistered": {"partner_order_no": "1", "scene": "a", "items": [{"sku": "b/c"}], "phone": "138"},
    "charges.refund": {"reason": "r"},
    "pools.top_up": {"unit": "money", "amount": 100},
    "contracts.sign": {"scene": "a", "sku": "b/c", "quantity": 1, "buyer": {"id": "b"}, "channel": "c", "sign": "first",
                       "client": {"ip": "::1"}, "fields": {"x": [1]}, "coupons": ["five"], "lang": "en"},
    "contracts.terminate": {"reason": "r"},
    "contracts.price": {"price_minor": 2900},
    "contracts.consent": {"price_minor": 2900, "agrees": True},
}
ODD = [None, True, 0, -1, 1.0, 2 ** 63, "", "x" * 2000, "a b", "line\n", "\0", "a/b", "13800000000\n", [], [1], {}, {"id": 1}]


def test_every_body_has_a_good_case_that_passes_fast():
    assert GOOD.keys() == BODIES.keys()
    for name, body in GOOD.items():
        checker = BODIES[name].checker
        assert checker._accepts(body) and not list(checker._validator.iter_errors(body)), name
        checker.check(body)


def _places(value, path=()):
    yield path
    for key, inner in (value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()):
        yield from _places(inner, (*path, key))


def _changed(body, path, odd):
    body = copy.deepcopy(body)
    if not path:
        return odd
    here = body
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = odd
    return body


@pytest.mark.parametrize("name", GOOD)
def test_fast_and_thorough_agree_on_every_odd_value(name):
    checker = BODIES[name].checker
    for path in _places(GOOD[name]):
        for odd in ODD:
            body = _changed(GOOD[name], path, odd)
            if odd != 1 or isinstance(odd, bool) or type(odd) is int:      # 1.0 is whole to jsonschema alone
                assert checker._accepts(body) == (not list(checker._validator.iter_errors(body))), (path, odd)


_JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                         st.sampled_from(["scene", "items", "sku", "quantity", "buyer", "id", "fields", "quote", "x"]), inner,
                         max_size=4), max_leaves=12)


@given(_JSON)
@settings(max_examples=300)
def test_fast_never_says_yes_to_what_is_wrong(value):
    for name in ("quotes.create", "orders.place"):
        checker = BODIES[name].checker
        if checker._accepts(value):
            assert not list(checker._validator.iter_errors(value))


@pytest.mark.parametrize("schema", [{"type": "number"}, {"type": "string", "format": "date", "not": {}},
                                    {"type": ["string", "null"]}, {"$ref": "#/x"}, {}])
def test_a_keyword_it_does_not_know_is_left_to_jsonschema(schema):
    assert validation.accepts(schema)(1) is False and validation.accepts(schema)("x") is False


WRONG = [
    # (body of an order, path, found, expected, nearest)
    ([], "", "[]", "an object", None),
    ({"items": [{"sku": "a/b"}]}, "/scene", "missing", "letters, digits and . _ : @ + = -", None),
    ({"scene": "a"}, "", '{"scene": "a"}', "a quote or items", None),
    ({"scene": 3, "quote": "Q"}, "/scene", "3", "text", None),
    ({"scene": "a", "quote": "Q", "buyers": {}}, "/buyers", "a field that is not known here", None, "buyer"),
    ({"scene": "a", "items": [{"sku": "a/b", "quantity": "2"}]}, "/items/0/quantity", '"2"', "a whole number", None),
    ({"scene": "a", "items": [{"sku": "a/b", "quantity": 2.5}]}, "/items/0/quantity", "2.5", "a whole number", None),
    ({"scene": "a", "items": [{"sku": "a/b", "quantity": True}]}, "/items/0/quantity", "true", "a whole number", None),
    ({"scene": "a", "items": [{"sku": "a/b", "quantity": 0}]}, "/items/0/quantity", "0", "at least 1", None),
    ({"scene": "a", "items": [{"quantity": 1}]}, "/items/0/sku", "missing", "text", None),
    ({"scene": "a", "items": []}, "/items", "[]", "at least 1 entry", None),
    ({"scene": "a", "quote": "Q", "lang": "fr"}, "/lang", '"fr"', "one of zh, en", None),
    ({"scene": "a", "quote": "Q", "buyer": {"id": "a\n"}}, "/buyer/id", '"a\\n"', "letters, digits and . _ : @ + = -", None),
    ({"scene": "a", "quote": "Q", "fields": []}, "/fields", "[]", "an object", None),
    ({"scene": "a", "quote": "Q", "expected_payable_minor": 10 ** 15}, "/expected_payable_minor", str(10 ** 15), f"at most {10 ** 14}", None),
    ({"scene": "a", "quote": "Q", "a/b~c": 1}, "/a~1b~0c", "a field that is not known here", None, None),
]


@pytest.mark.parametrize("body, path, found, expected, nearest", WRONG)
def test_what_is_wrong_is_named_with_its_place(body, path, found, expected, nearest):
    with pytest.raises(Refusal) as refused:
        BODIES["orders.place"].checker.check(body)
    assert refused.value.code is Code.BAD_REQUEST
    detail = next(d for d in refused.value.details if d["path"] == path)
    assert detail["found"] == found and (expected is None or detail["expected"] == expected)
    assert detail.get("nearest") == nearest
    json.dumps(refused.value.details)


def test_a_whole_number_is_an_integer_however_it_is_written():
    body = {"scene": "a", "items": [{"sku": "a/b", "quantity": 2.0}], "fields": {"x": [1.0, 1.5]}}
    found = BODIES["orders.place"].checker.check(body)
    assert json.dumps(found) == '{"scene": "a", "items": [{"sku": "a/b", "quantity": 2}], "fields": {"x": [1, 1.5]}}'
    with pytest.raises(Refusal):
        BODIES["orders.place"].checker.check({**body, "expected_payable_minor": 1e300})


def test_everything_wrong_is_told_at_once_and_no_more_than_a_page():
    with pytest.raises(Refusal) as refused:
        BODIES["orders.place"].checker.check({"items": [{"sku": 1}] * 3, "lang": "fr"})
    assert {d["path"] for d in refused.value.details} == {"/scene", "/lang", "/items/0/sku", "/items/1/sku", "/items/2/sku"}
    assert "(and 4 more)" in refused.value.message
    with pytest.raises(Refusal) as many:
        BODIES["orders.place"].checker.check({"scene": "a", "items": [{"sku": 1}] * 50})
    assert len(many.value.details) == validation.DETAILS_MAX


def test_the_longest_texts_fit_their_columns():
    """A value that passes here and not the database would be our error instead of the caller's."""
    from engine.deliver import charges, work_orders
    from engine.trade import buyers

    def longest(schema, *path):
        for step in path:
            schema = schema["properties"][step]
        return schema["maxLength"]
    for size, field in ((longest(requests.PUT_BUYER, "name"), buyers.Buyer.name),
                        (longest(requests.PUT_BUYER, "phone"), buyers.Buyer.phone),
                        (longest(requests.CHARGE_REGISTERED, "partner_order_no"), charges.Charge.partner_order_no),
                        (longest(requests.TAKE, "worker"), work_orders.WorkOrder.worker),
                        (longest(requests.CLOSE, "reason"), None)):
        assert size <= (field.max_length if field else 80)
