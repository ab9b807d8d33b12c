"""What `check_channel` finds beyond the schema: every problem with the place it is at, all at once."""
from __future__ import annotations

import copy

import pytest

from engine.wire import check_channel
from engine.wire.compile import compile_channel
from engine.wire.model import WireError
from engine.wire.secrets import Given

from .making import plain

PAY = ("operations", "pay")
PAID = ("notices", "paid")


def changed(path, value):
    doc = copy.deepcopy(plain())
    node = doc
    for step in path[:-1]:
        node = node[step]
    if value is KeyError:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return doc


def test_a_right_file_has_no_problem():
    assert check_channel(plain()) == []


@pytest.mark.parametrize("path, value, at, said", [
    (("base",), "{settings.sandbox_url}{payment.nr}", ("base",), "did you mean 'payment.no'"),
    (("base",), KeyError, ("base",), "address is missing"),
    (("constants", "token"), "x", ("constants", "token"), "is also a secret"),
    (("constants", "nonce"), "x", ("constants", "nonce"), "is a built-in name"),
    (("secrets", "body"), {"file": "x"}, ("secrets", "body"), "is a built-in name"),
    (("auth",), {"post": "/t", "token": "t", "header": {"X": "{token}"}}, ("secrets", "token"), "is a built-in name"),
    ((*PAY, "post"), "/pay?x=1", (*PAY, "post"), "under `query:`"),
    ((*PAY, "post"), "pay", (*PAY, "post"), "begins with /"),
    ((*PAY, "get"), "/pay", PAY, "is enough"),
    ((*PAY, "form"), {}, PAY, "is enough"),
    ((*PAY, "json", "fen"), "{payment.amount}", (*PAY, "json", "fen"), "say how"),
    ((*PAY, "json", "deep"), {"list": ["{payment.na}"]}, (*PAY, "json", "deep", "list", 0), "can't be named"),
    ((*PAY, "judge", 0, "then"), "paid", (*PAY, "judge", 0, "then"), "is not a state"),
    ((*PAY, "take", "state"), KeyError, (*PAY, "judge"), "`as_taken` needs"),
    ((*PAY, "timeout"), "8", (*PAY, "timeout"), "not a duration"),
    ((*PAY, "client"), {"qr": "{answer.qr}", "text": "x"}, (*PAY, "client"), "write one of"),
    ((*PAY, "client"), {"qr": "{signature}"}, (*PAY, "client", "qr"), "can't be named"),
    ((*PAY, "client"), {"qr": "x", "sign": {"text": "x", "hash": "md5", "client": {"s": "{signature}"}}},
     (*PAY, "client", "sign"), "among `params:`"),
    ((*PAY, "match"), {"amount": "1"}, (*PAY, "match", "amount"), "not a text field"),
    ((*PAY, "open"), {"into": "x"}, (*PAY, "open"), "a step of `open:`"),
    (("operations", "buy"), {"link": "/x", "client": {"redirect": "{url}"}}, ("operations", "buy"), "no operation 'buy'"),
    (("operations", "close"), {"form": {"a": "1"}}, ("operations", "close"), "neither calls"),
    (("sign", "rsa_sha256"), "gateway", ("sign", "rsa_sha256"), "private_key is needed"),
    (("sign", "rsa_sha256"), "kee", ("sign", "rsa_sha256"), "did you mean 'key'"),
    (("sign", "hash"), "md5", ("sign",), "exactly one of"),
    (("sign", "header"), {"X": "y"}, ("sign",), "placed nowhere"),
    (("sign", "body"), {"s": "{signature}"}, ("sign",), "{body} can't be signed"),
    (("sign", "query"), {"s": "{signature}"}, ("sign",), "{path_and_query} can't be signed"),
    (("sign", "client"), {"s": "{signature}"}, PAY, "only the `sign:` of `client:`"),
    (("verify", "rsa_sha256"), "key", ("verify", "rsa_sha256"), "public_key is needed"),
    (("verify", "rsa_sha256"), {"keyring": "gateway"}, ("verify", "rsa_sha256", "keyring"), "keyring is needed"),
    (("verify", "fresh", "at"), "header.X-Other", ("verify", "fresh", "at"), "not covered by the signature"),
    (("verify", "fresh", "at"), "query.t", ("verify", "fresh", "at"), "not covered by the signature"),
    (("verify", "fresh", "as"), "fen", ("verify", "fresh", "as"), "not a way to write a time"),
    (("verify", "fresh", "within"), "5", ("verify", "fresh", "within"), "not a duration"),
    (("verify", "signature"), "parts.v1", ("verify", "signature"), "can't be named here"),
    (("verify", "text"), "{payment.no}", ("verify", "text"), "can't be named here"),
    (("verify",), "none", PAID, "must be verified"),
    ((*PAID, "take", "merchant"), KeyError, (*PAID, "take"), "must match, so it must be taken"),
    ((*PAID, "take", "amount"), KeyError, (*PAID, "take"), "take the amount"),
    ((*PAID, "once_by"), [], (*PAID, "once_by"), "what names an event"),
    ((*PAID, "once_by"), "payment.no", (*PAID, "once_by"), "can't be named"),
    ((*PAID, "answer", "failure"), KeyError, (*PAID, "answer"), "what we answer on failure"),
    ((*PAID, "answer", "success", "json", "code"), "{payment.no}", (*PAID, "answer", "success", "json", "code"), "can't be named"),
    ((*PAID, "verify"), {"text": "{body}", "rsa_sha256": "gateway", "signature": "header.X", "unsigned_when": {"http": 200}},
     (*PAID, "verify", "unsigned_when"), "never believed unsigned"),
    (("tls",), {"certificate": "nothing"}, ("tls", "certificate"), "not a secret kept in a file"),
    (("zone",), "Asia/Shangai", ("zone",), "there is no zone"),
    (("judge",), [{"then": "failed"}], ("judge", 0), "tests nothing"),
], ids=lambda v: ".".join(map(str, v)) if isinstance(v, tuple) else None)
def test_problems(path, value, at, said):
    problems = check_channel(changed(path, value))
    assert any(where == at and said in message for where, message in problems), problems
    with pytest.raises(WireError, match="plain: "):
        compile_channel(changed(path, value), Given({}))


def test_all_problems_at_once():
    doc = changed((*PAY, "json", "fen"), "{payment.amount}")
    doc["verify"]["fresh"]["within"] = "5"
    doc["operations"]["pay"]["judge"] = []
    del doc["judge"]
    paths = {path for path, _ in check_channel(doc)}
    assert {(*PAY, "json", "fen"), ("verify", "fresh", "within"), PAY} <= paths


@pytest.mark.parametrize("body, sign, said", [
    ({}, {"pairs": {}, "hash": "md5", "body": {"s": "{signature}"}}, "has no fields there"),
    ({"text": "x"}, {"pairs": {}, "hash": "md5", "body": {"s": "{signature}"}}, "has no fields there"),
    ({}, {"pairs": {}, "hash": "md5", "header": {"s": "{signature}"}}, "has none"),
])
def test_a_signature_over_a_body_that_is_not_there(body, sign, said):
    query = {"post": "/q", "judge": [{"http": 200, "then": "pending"}], **body}
    problems = check_channel(plain(sign=sign, operations={"query": query}))
    assert any(said in message for _, message in problems), problems


@pytest.mark.parametrize("line", ["get", "link"])
def test_no_body_where_none_can_be(line):
    spec = {line: "/q", "json": {"a": "1"}, "judge": [{"http": 200, "then": "pending"}], "client": {"redirect": "{url}"}}
    assert any("has no body" in message for _, message in check_channel(plain(operations={"query": spec})))
