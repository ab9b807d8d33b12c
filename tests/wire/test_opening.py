"""From a body to the document: going in, reading JSON texts, decrypting, and splitting a batch."""
from __future__ import annotations

import base64

import pytest

from engine.wire import codecs, crypto, opening
from engine.wire.casts import Setting
from engine.wire.draft import Draft
from engine.wire.model import Unreadable
from engine.wire.scope import EXPECT, Scope
from engine.wire.secrets import Given, SecretBox

from .making import OURS

SECRETS = {"key": {"file": "k"}, "pem": {"file": "p", "as": "private_key"}}
VALUES = {"key": "k" * 32, "pem": OURS["private_key"]}


def opened(spec, tree, facts=None):
    draft = Draft((), SECRETS)
    run = opening.compile_open(draft, spec, ("open",), EXPECT)
    assert draft.problems == []
    return run(tree, Scope(Setting("CNY", "UTC"), SecretBox(SECRETS, Given(VALUES)), {}, facts or {}))


def sealed(name, text, iv=b"", aad=b"", key=b"k" * 32, encoding="base64"):
    return codecs.encode_bytes(crypto.seal(name, key, text.encode(), iv, aad), encoding)


@pytest.mark.parametrize("spec, tree, expected", [
    (None, {"a": 1}, {"a": 1}),
    ({"in": "a.b"}, {"a": {"b": {"c": 1}}}, {"c": 1}),
    ({"in": "*_response"}, {"sign": "s", "x_response": {"c": 1}}, {"c": 1}),
    ({"json": "msg"}, {"msg": '{"c":1}'}, {"c": 1}),
    ([{"in": "a"}, {"json": "msg"}], {"a": {"msg": '{"c":1}'}}, {"c": 1}),
    ({"json": "msg", "into": "inner.msg"}, {"id": 1, "msg": '{"c":1}'}, {"id": 1, "msg": '{"c":1}', "inner": {"msg": {"c": 1}}}),
    ({"aes_ecb": {"key": "key", "of": "x"}}, {"x": sealed("aes_ecb", '{"c":1}')}, {"c": 1}),
    ({"aes_ecb": {"key": "key", "of": "x", "encode": "hex"}, "as": "text"}, {"x": sealed("aes_ecb", "t", encoding="hex")}, "t"),
    ({"aes_cbc": {"key": "key", "of": "x", "iv": "i"}, "as": "form"},
     {"i": "i" * 16, "x": sealed("aes_cbc", "c=1", b"i" * 16)}, {"c": "1"}),
    ({"aes_gcm": {"key": "key", "of": "x", "nonce": "n"}}, {"n": "n" * 12, "x": sealed("aes_gcm", "[1]", b"n" * 12)}, [1]),
    ({"aes_gcm": {"key": "key", "of": "x", "nonce": "n", "aad": "a"}}, {"n": "n" * 12, "x": sealed("aes_gcm", "[1]", b"n" * 12)}, [1]),
    ({"aes_gcm": {"key": "key", "of": "x", "nonce": "n", "aad": "a"}},
     {"n": "n" * 12, "a": "A", "x": sealed("aes_gcm", "[1]", b"n" * 12, b"A")}, [1]),
])
def test_steps(spec, tree, expected):
    before = codecs.write_json(tree)
    assert opened(spec, tree) == expected
    assert codecs.write_json(tree) == before, "what came is left as it came"


REFUNDS = {"data": [{"id": 1, "note": {"no": "R1"}}, {"id": 2}, {"id": 3, "note": {"no": "R3"}}, {"id": 4, "note": {"no": "R3"}}]}


@pytest.mark.parametrize("wanted, spec, expected", [
    ("R1", {}, {"id": 1, "note": {"no": "R1"}}), ("R3", {}, {"id": 3, "note": {"no": "R3"}}), ("R4", {}, {}), ("", {}, {}),
    ("R1", {"into": "one"}, {**REFUNDS, "one": REFUNDS["data"][0]}),
])
def test_the_item_that_is_meant_is_found_in_a_list(wanted, spec, expected):
    assert opened({"find": "data", "by": "note.no", "is": "{settings.no?}", **spec}, REFUNDS, {"settings.no": wanted}) == expected


@pytest.mark.parametrize("tree", [{}, {"data": {}}, {"data": "R1"}])
def test_nothing_is_found_where_there_is_no_list(tree):
    with pytest.raises(Unreadable):
        opened({"find": "data", "by": "no", "is": "R1"}, tree)


def test_rsa():
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    key = load_pem_public_key(OURS["public_key"].encode())
    text = base64.b64encode(crypto.seal("rsa_oaep_sha256", key, b'{"c":1}')).decode()
    assert opened({"rsa_oaep_sha256": {"key": "pem", "of": "x"}}, {"x": text}) == {"c": 1}


@pytest.mark.parametrize("spec, tree, error", [
    ({"in": "a"}, {}, Unreadable), ({"json": "msg"}, {"msg": "{"}, Unreadable), ({"json": "msg"}, {}, Unreadable),
    ({"aes_ecb": {"key": "key", "of": "x"}}, {"x": sealed("aes_ecb", "{}", key=b"x" * 32)}, opening.Sealed),
    ({"aes_ecb": {"key": "key", "of": "x"}}, {"x": "***"}, Unreadable),
    ({"aes_gcm": {"key": "key", "of": "x", "nonce": "n"}}, {"x": "AAAA"}, Unreadable),
    ({"aes_ecb": {"key": "key", "of": "x"}}, {"x": sealed("aes_ecb", "not json")}, Unreadable),
])
def test_what_can_not_be_opened(spec, tree, error):
    with pytest.raises(error):
        opened(spec, tree)


@pytest.mark.parametrize("spec, said", [
    ({"find": "a"}, "find needs"), ({"find": "a", "by": "b"}, "find needs"), ({"in": "a", "is": "b"}, "one of in, json"),
    ({"find": "a", "by": "b", "is": "{refund.nr}"}, "can't be named here"),
    ({}, "one of in, json"), ({"in": "a", "json": "b"}, "one of in, json"), ({"aes_ecb": {"key": "key"}}, "takes"),
    ({"aes_gcm": {"key": "key", "of": "x"}}, "takes"), ({"aes_ecb": {"key": "key", "of": "x", "nonce": "n"}}, "takes"),
    ({"aes_ecb": {"key": "kay", "of": "x"}}, "did you mean 'key'"),
    ({"aes_ecb": {"key": "pem", "of": "x"}}, "is private_key"),
    ({"rsa_pkcs1": {"key": "key", "of": "x"}}, "private_key is needed"),
])
def test_wrong_steps(spec, said):
    draft = Draft((), SECRETS)
    opening.compile_open(draft, spec, ("open",))
    assert any(said in message for _, message in draft.problems), draft.problems


def test_batches():
    tree = {"items": [{"event": {"a": 1}}, {"event": {"a": 2}}]}
    assert opening.items_of(tree, ("items",), ("event",)) == [{"a": 1}, {"a": 2}]
    assert opening.items_of(tree, ("items",), ()) == tree["items"]
    with pytest.raises(Unreadable):
        opening.items_of({"items": {}}, ("items",), ())
