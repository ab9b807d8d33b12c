"""Canonical texts, signatures and freshness: every mode, and every part that is signed can't be changed."""
from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, strategies as st

from engine.wire.casts import Setting
from engine.wire.compile_signing import compile_canonical, compile_checks, compile_signer
from engine.wire.draft import Draft
from engine.wire.model import Message, Unverified
from engine.wire.scope import PLACE, SIGN, VERIFY, Scope
from engine.wire.secrets import Given, SecretBox
from engine.wire.signing import verify

from .making import AT_MS, AT_S

SECRETS = {"key": {"file": "k"}, "ring": {"file": "r", "as": "keyring"}}
VALUES = {"key": "K", "ring": {"a": "KA", "b": "KB"}}
NAMES = st.text("abcXYZ019_", min_size=1, max_size=4)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6)


def scope(tree=None, **message):
    made = Scope(Setting("CNY", "UTC"), SecretBox(SECRETS, Given(VALUES)), {"id": "M1"}, {},
                 {"timestamp": AT_MS, "nonce": "n"})
    made.message = Message(tree=tree, **message)
    return made


def canonical(spec, own=()):
    draft = Draft({"id"}, SECRETS)
    made = compile_canonical(draft, spec, SIGN, own, ())
    assert draft.problems == []
    return made


def text(tree, **spec):
    return canonical({"pairs": spec}).text(scope(tree))


FIELDS = {"b": "2", "a1": "1", "a": "x y&", "empty": "", "none": None, "B": 3, "flag": True, "deep": {"z": [1, "é"]}}


@pytest.mark.parametrize("spec, expected", [
    ({}, 'B=3&a=x y&&a1=1&b=2&deep={"z":[1,"é"]}&flag=true'),
    ({"empties": "keep"}, 'B=3&a=x y&&a1=1&b=2&deep={"z":[1,"é"]}&empty=&flag=true&none='),
    ({"sort": "entry", "only": ["a", "a1"]}, "a1=1&a=x y&"),          # '1' sorts before '='
    ({"sort": "key", "only": ["a", "a1"]}, "a=x y&&a1=1"),
    ({"sort": "none", "only": ["b", "a1", "a"]}, "b=2&a1=1&a=x y&"),
    ({"sort": "value", "only": ["b", "a1", "B"]}, "a1=1&b=2&B=3"),
    ({"ignore_case": True, "only": ["a", "b", "B"]}, "a=x y&&b=2&B=3"),
    ({"ignore_case": True, "sort": "entry", "only": ["a1", "B"]}, "a1=1&B=3"),
    ({"except": ["deep", "flag", "a*"]}, "B=3&b=2"),
    ({"only": ["a*"], "except": ["a1"]}, "a=x y&"),
    ({"value": "url", "only": ["a"]}, "a=x%20y%26"),
    ({"value": "form", "only": ["a"]}, "a=x+y%26"),
    ({"show": "values", "only": ["a1", "b", "B"]}, "3&1&2"),
    ({"join": "", "between": "", "before": "{key}", "after": "{key}", "only": ["a1", "b"]}, "Ka11b2K"),
    ({"after": "&key={key}", "only": ["b"]}, "b=2&key=K"),
    ({"add": {"a0": "{timestamp}", "zz": "{id}"}, "only": ["b"]}, f"a0={AT_S}&b=2&zz=M1"),
])
def test_pairs(spec, expected):
    assert text(FIELDS, **spec) == expected


@given(st.dictionaries(NAMES, TEXTS), st.randoms())
def test_sorted_pairs_do_not_depend_on_the_order_of_fields(tree, random):
    shuffled = list(tree.items())
    random.shuffle(shuffled)
    for sort in ("key", "entry", "value"):
        for ignore_case in (False, True):
            first = text(tree, sort=sort, ignore_case=ignore_case)
            if sort != "value" and not ignore_case:
                assert first == text(dict(shuffled), sort=sort)
    assert text(tree) == "&".join(f"{k}={v}" for k, v in sorted(tree.items()) if v)
    assert text(tree, sort="entry", empties="keep") == "&".join(sorted(f"{k}={v}" for k, v in tree.items()))


@given(st.dictionaries(NAMES, TEXTS, min_size=1), st.data())
def test_dropping_empties_loses_nothing_else(tree, data):
    name = data.draw(st.sampled_from(sorted(tree)))
    assert text({**tree, name: ""}) == text({k: v for k, v in tree.items() if k != name})
    assert text({**tree, name: "!"}) != text({**tree, name: "?"})


@pytest.mark.parametrize("of, message", [("query", {"query": {"a": "1"}}), ("headers", {"headers": {"a": "1"}})])
def test_other_sources(of, message):
    made = scope(**message)
    assert canonical({"pairs": {"of": of}}).text(made) == "a=1"


def test_the_field_that_carries_the_signature_is_never_signed():
    draft = Draft((), SECRETS)
    signer = compile_signer(draft, {"pairs": {}, "hash": "md5", "body": {"sign": "{signature}", "extra": "x"}}, SIGN, PLACE, ())
    made = scope({"a": "1", "sign": "old"})
    assert signer.sign(made) == ("a=1", hashlib.md5(b"a=1").hexdigest())
    assert signer.placed("body", made) == {"sign": hashlib.md5(b"a=1").hexdigest(), "extra": "x"}


BLOCK = {"text": "{header.X-Time}.{query.q}.{body}", "hmac_sha256": "key", "signature": "header.X-Sign",
         "fresh": {"at": "header.X-Time", "within": "300s"}}


def checks(spec):
    draft = Draft((), SECRETS)
    made = compile_checks(draft, spec, VERIFY, ())
    assert draft.problems == []
    return made


def signed(at_s=AT_S, key="K", **changes):
    import hmac
    message = {"body": b'{"a":1}', "query": {"q": "1"}, "headers": {"x-time": str(at_s)}}
    data = f"{at_s}.1.".encode() + message["body"]
    message["headers"]["x-sign"] = hmac.new(key.encode(), data, "sha256").hexdigest()
    message["headers"].update(changes.pop("headers", {}))
    return scope(**{**message, **changes})


def code_of(block, made, now_ms=AT_MS):
    try:
        verify(checks(block), made, now_ms)
    except Unverified as refused:
        return refused.code
    return None


def test_a_good_message():
    assert code_of(BLOCK, signed()) is None


@pytest.mark.parametrize("changes, code", [
    ({"body": b'{"a":2}'}, "signature_invalid"), ({"body": b'{"a":1} '}, "signature_invalid"),
    ({"query": {"q": "2"}}, "signature_invalid"), ({"headers": {"x-time": str(AT_S + 1)}}, "signature_invalid"),
    ({"headers": {"x-sign": "00"}}, "signature_invalid"), ({"headers": {"x-sign": ""}}, "signature_missing"),
    ({"query": {}}, "signature_missing"),
])
def test_every_signed_part_is_bound(changes, code):
    assert code_of(BLOCK, signed(**changes)) == code


def test_upper_case_hex_is_another_signature():
    made = signed()
    made.message.headers["x-sign"] = made.message.headers["x-sign"].upper()
    assert code_of(BLOCK, made) == "signature_invalid"
    assert code_of({**BLOCK, "encode": "HEX"}, made) is None


def test_a_swapped_key():
    assert code_of(BLOCK, signed(key="K2")) == "signature_invalid"


@pytest.mark.parametrize("off_ms, code", [(0, None), (300_000, None), (-300_000, None), (300_001, "stale"), (-300_001, "stale")])
def test_freshness_to_the_millisecond(off_ms, code):
    assert code_of(BLOCK, signed(), AT_MS + off_ms) == code


def test_a_time_nobody_can_read():
    assert code_of({**BLOCK, "fresh": {"at": "header.X-Time", "as": "rfc3339", "within": "300s"}}, signed()) == "stale"


@pytest.mark.parametrize("key, block, code", [
    ("KA", {"hmac_sha256": {"keyring": "ring"}}, None), ("KB", {"hmac_sha256": {"keyring": "ring"}}, None),
    ("KC", {"hmac_sha256": {"keyring": "ring"}}, "signature_invalid"),
    ("KA", {"hmac_sha256": {"keyring": "ring", "by": "header.X-Key"}}, None),
    ("KB", {"hmac_sha256": {"keyring": "ring", "by": "header.X-Key"}}, "signature_invalid"),
])
def test_keyrings(key, block, code):
    assert code_of({**BLOCK, **block}, signed(key=key, headers={"x-key": "a"})) == code


@pytest.mark.parametrize("key_id, code", [("c", "key_unknown"), (None, "signature_missing")])
def test_a_key_nobody_has(key_id, code):
    headers = {"x-key": key_id} if key_id else {}
    block = {**BLOCK, "hmac_sha256": {"keyring": "ring", "by": "header.X-Key"}}
    assert code_of(block, signed(headers=headers)) == code


def test_ways_are_tried_in_order():
    other = {**BLOCK, "signature": "header.X-Other"}
    assert code_of([other, BLOCK], signed()) is None
    assert code_of([other, BLOCK], signed(headers={"x-sign": "00"})) == "signature_invalid"
    assert code_of([other, other], signed()) == "signature_missing"


@pytest.mark.parametrize("header, code", [
    ('HMAC ts="{at}",sign="{sign}"', None),
    ('HMAC sign={sign} , ts={at}', None),
    ('Bearer ts="{at}",sign="{sign}"', "signature_missing"),
    ('HMAC ts="{at}"', "signature_missing"), ('HMAC nonsense', "signature_missing"),
])
def test_a_header_taken_apart(header, code):
    import hmac
    sign = hmac.new(b"K", f"{AT_S}.x".encode(), "sha256").hexdigest()
    block = {"parts": {"of": "header.Authorization", "prefix": "HMAC "}, "text": "{parts.ts}.{body}", "hmac_sha256": "key",
             "signature": "parts.sign", "fresh": {"at": "parts.ts", "within": "300s"}}
    made = scope(body=b"x", headers={"authorization": header.format(at=AT_S, sign=sign)})
    assert code_of(block, made) == code
