"""Partners' requests: two common dialects as blocks of their files, and a forger at work on both."""
from __future__ import annotations

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest

from engine.base import clock
from engine.wire import IncomingRequest, check_verify, compile_verifier
from engine.wire.model import NoticeRejected, WireError
from engine.wire.secrets import Given

from .making import AT_MS, AT_S

KEY = "partner-secret"
BY_HMAC = {
    "secrets": {"key": {"file": "sandbox-partner.key"}},
    "text": "{method}\n{path_and_query}\n{header.X-Timestamp}\n{header.X-Nonce}\n{body}",
    "hmac_sha256": "key", "signature": "header.X-Signature", "fresh": {"at": "header.X-Timestamp", "within": "300s"}}
BY_MD5 = {
    "secrets": {"key": {"file": "sandbox-partner.key"}}, "body": "json",
    "pairs": {"after": "&key={key}"}, "hash": "md5", "encode": "HEX", "signature": "body.sign",
    "fresh": {"at": "body.timestamp", "within": "300s"}}


@pytest.fixture(autouse=True)
def now():
    clock.set_to(AT_MS)


def verifier(block, key=KEY):
    assert check_verify(block) == []
    return compile_verifier(block, Given({"key": key}))


def by_hmac(body=b'{"a":1}', path="/v1/charges", query="x=1", nonce="n1", at_s=AT_S, method="POST", key=KEY):
    text = f"{method}\n{path}?{query}\n{at_s}\n{nonce}\n".encode() + body
    headers = {"x-timestamp": str(at_s), "x-nonce": nonce, "x-signature": hmac.new(key.encode(), text, "sha256").hexdigest()}
    return IncomingRequest(method, path, {"x": "1"}, headers, body, query)


def by_md5(as_form=False, key=KEY, **fields):
    fields = {"no": "C1", "fen": 990, "empty": "", "timestamp": AT_S, **fields}
    text = "&".join(f"{k}={v}" for k, v in sorted(fields.items()) if v != "") + f"&key={key}"
    tree = {**fields, "sign": hashlib.md5(text.encode()).hexdigest().upper()}
    body = urlencode(tree) if as_form else json.dumps(tree)
    return IncomingRequest("POST", "/v1/charges", {}, {}, body.encode())


def replaced(request, **changes):
    values = {name: getattr(request, name) for name in IncomingRequest.__slots__}
    return IncomingRequest(**{**values, **changes})


def test_good_requests():
    assert verifier(BY_HMAC)(by_hmac()).fresh_s == 300
    assert verifier(BY_MD5)(by_md5()).fresh_s == 300
    assert verifier({**BY_MD5, "body": "form"})(by_md5(as_form=True))


def test_a_replay_has_the_same_key_and_another_request_has_not():
    check = verifier(BY_HMAC)
    assert check(by_hmac()).replay_key == check(by_hmac()).replay_key
    assert len({check(by_hmac(**c)).replay_key for c in ({}, {"nonce": "n2"}, {"body": b"{}"}, {"at_s": AT_S + 1})}) == 4


@pytest.mark.parametrize("request_, code", [
    (by_hmac(key="other"), "signature_invalid"),
    (replaced(by_hmac(), body=b'{"a":2}'), "signature_invalid"),
    (replaced(by_hmac(), path="/v1/other"), "signature_invalid"),
    (replaced(by_hmac(), query_text="x=2"), "signature_invalid"),
    (replaced(by_hmac(), method="PUT"), "signature_invalid"),
    (replaced(by_hmac(), headers={**by_hmac().headers, "x-nonce": "n2"}), "signature_invalid"),
    (replaced(by_hmac(), headers={**by_hmac().headers, "x-timestamp": str(AT_S + 1)}), "signature_invalid"),
    (replaced(by_hmac(), headers={}), "signature_missing"),
    (by_hmac(at_s=AT_S - 301), "stale"), (by_hmac(at_s=AT_S + 301), "stale"),
], ids=range(10))
def test_a_forger_by_hmac(request_, code):
    with pytest.raises(NoticeRejected) as refused:
        verifier(BY_HMAC)(request_)
    assert refused.value.code == code and KEY not in str(refused.value)


@pytest.mark.parametrize("body, code", [
    (by_md5(key="other").body, "signature_invalid"),
    (by_md5().body.replace(b"990", b"991"), "signature_invalid"),
    (by_md5().body.replace(b'"empty": ""', b'"empty": "x"'), "signature_invalid"),
    (by_md5().body.replace(b"{", b'{"more": "x", ', 1), "signature_invalid"),
    (by_md5(timestamp=AT_S - 301).body, "stale"), (by_md5(timestamp="").body, "stale"),
    (b"{}", "signature_missing"), (b"[]", "signature_missing"), (b"not json", "unreadable"), (b"", "signature_missing"),
], ids=range(10))
def test_a_forger_by_md5(body, code):
    with pytest.raises(NoticeRejected) as refused:
        verifier(BY_MD5)(replaced(by_md5(), body=body))
    assert refused.value.code == code


def test_a_body_nobody_can_decode_may_still_be_signed_byte_by_byte():
    assert verifier(BY_HMAC)(by_hmac(body=b"\xff\xfe not json"))


def test_a_wrong_block():
    wrong = {**BY_HMAC, "fresh": {"at": "header.X-Other", "within": "300s"}, "hmac_sha256": "kay"}
    assert {path for path, _ in check_verify(wrong)} == {("fresh", "at"), ("hmac_sha256",)}
    with pytest.raises(WireError):
        compile_verifier(wrong, Given({}))


def test_a_keyring_that_only_a_channel_can_fetch():
    wrong = {**BY_HMAC, "secrets": {**BY_HMAC["secrets"], "ring": {"as": "keyring", "linked": {"hosts": ["a.example"], "name": "a"}}}}
    assert {path for path, _ in check_verify(wrong)} == {("secrets", "ring")}
