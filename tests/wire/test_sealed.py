"""Notices that nobody signs: what they say counts because it opens with a key that only the two of us have."""
from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from engine.base import clock
from engine.wire import check_channel, codecs, crypto, receive
from engine.wire.compile import compile_channel
from engine.wire.model import NoticeRejected
from engine.wire.secrets import Given

from .making import AT_MS, incoming, plain, secrets

KEY = hashlib.md5(b"hush-hush-token").hexdigest().encode()
REFUNDED: dict[str, Any] = {
    "body": "json", "verify": "sealed",
    "open": {"aes_ecb": {"key": "{token:md5}", "of": "info"}, "as": "json", "into": "inner"},
    "take": {"merchant": "mchid", "refund_no": "inner.no", "amount": {"fen": "inner.fen"}, "state": {"is": "succeeded"}},
    "match": {"merchant": "{mchid}"}, "once_by": "notice.inner.id",
    "answer": {"success": {"json": {}}, "failure": {"status": 500}}}


def doc(**changes: Any) -> dict[str, Any]:
    return plain(notices={"refunded": {**REFUNDED, **changes}})


def told(key: bytes = KEY, **outer: Any) -> Any:
    inner = json.dumps({"id": "E1", "no": "R1", "fen": 990}).encode()
    sealed = codecs.encode_bytes(crypto.seal("aes_ecb", key, inner), "base64")
    return incoming(json.dumps({"mchid": "M1", "info": sealed, **outer}))


@pytest.fixture(autouse=True)
def now():
    clock.set_to(AT_MS)


def test_it_counts_because_it_opens():
    notice, = receive(compile_channel(doc(), Given(secrets())), "refunded", told())
    assert notice.dedupe_key == "refunded:E1"
    assert notice.fields == {"merchant": "M1", "refund_no": "R1", "amount_minor": 990, "state": "succeeded"}


@pytest.mark.parametrize("request_, code", [
    (told(b"x" * 32), "undecryptable"), (told(info="AAAA"), "undecryptable"), (told(info=None), "unreadable"),
    (told(mchid="M2"), "mismatch"), (told(inner={"no": "R2"}, info=""), "undecryptable"),
])
def test_what_does_not_open_is_refused(request_, code):
    with pytest.raises(NoticeRejected) as refused:
        receive(compile_channel(doc(), Given(secrets())), "refunded", request_)
    assert refused.value.code == code


@pytest.mark.parametrize("change, path, said", [
    ({"open": {"json": "info"}}, ("notices", "refunded", "verify"), "decrypts with a key we share"),
    ({"open": {"rsa_pkcs1": {"key": "key", "of": "info"}}}, ("notices", "refunded", "verify"), "decrypts with a key we share"),
    ({"take": {**REFUNDED["take"], "refund_no": "no"}}, ("notices", "refunded", "take", "refund_no"), "only what was sealed"),
    ({"take": {**REFUNDED["take"], "refund_no": {"header": "X-No"}}}, ("notices", "refunded", "take", "refund_no"), "sealed"),
    ({"once_by": "body.id"}, ("notices", "refunded", "once_by"), "by what was sealed"),
    ({"once_by": "notice.id"}, ("notices", "refunded", "once_by"), "by what was sealed"),
    ({"once_by": "header.X-Id"}, ("notices", "refunded", "once_by"), "by what was sealed"),
])
def test_nothing_is_taken_that_anyone_could_have_written(change, path, said):
    assert [(at, said in message) for at, message in check_channel(doc(**change))] == [(path, True)]


def test_an_answer_is_never_proved_by_being_sealed():
    wrong = plain()
    wrong["operations"]["pay"]["verify"] = "sealed"
    assert [path for path, _ in check_channel(wrong)] == [("operations", "pay", "verify")]
