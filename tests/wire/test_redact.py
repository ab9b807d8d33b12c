"""Excerpts for the log: secrets are masked however they are spelled, people's data too, the rest stays readable."""
from __future__ import annotations

import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, strategies as st

from engine.wire.model import Reply, Request
from engine.wire.redact import excerpts

AWKWARD = 'p@ss "word"/+é&'


def shown(body="", headers=None, url="https://x.example/p", secrets=(AWKWARD,), facts=None, answer=""):
    request = Request("POST", url, headers or {}, body.encode())
    both = excerpts(request, Reply(200, {}, answer.encode()), list(secrets), facts or {})
    return both["request"] + both["response"]


@pytest.mark.parametrize("spelled", [AWKWARD, quote(AWKWARD, safe=""), quote_plus(AWKWARD),
                                     json.dumps(AWKWARD, ensure_ascii=False)])
def test_every_spelling_of_a_secret(spelled):
    for text in (shown(body=f"k={spelled}&x=1"), shown(answer=spelled), shown(headers={"x-key": spelled}),
                 shown(url=f"https://x.example/?k={spelled}")):
        assert spelled.strip('"') not in text and "***" in text


@pytest.mark.parametrize("name, value, expected", [("Authorization", "Bearer abc", "Bearer ***"), ("authorization", "abc", "***"),
                                                   ("X-Api-Key", "abc", "***"), ("Cookie", "a=b", "***")])
def test_headers_that_are_secrets(name, value, expected):
    assert shown(headers={name: value}, secrets=()) == f"POST https://x.example/p\n{name}: {expected}\n\n200\n\n"


def test_a_server_that_sends_our_headers_back():
    assert shown(headers={"Authorization": "Basic aWQ6aHVzaA=="}, secrets=(), answer="you sent Basic aWQ6aHVzaA==").endswith(
        "you sent Basic ***")


def test_peoples_data():
    facts = {"buyer.phone": "13800138000", "message.text": "您的验证码 1234", "buyer.name": "张三", "client.openid": "o1",
             "buyer.id": "B7"}
    text = shown(body=json.dumps(facts, ensure_ascii=False), facts=facts)
    assert "138****8000" in text and "B7" in text
    assert not any(value in text for value in ("13800138000", "1234", "张三", "o1"))


def test_excerpts_are_short():
    assert len(shown(body="x" * 100_000, answer="y" * 100_000)) <= 4000


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=4, max_size=20).filter(lambda t: t.strip("*") == t),
       st.text("abc &=", max_size=10))
def test_no_secret_survives(secret, around):
    assert secret not in shown(body=around + secret + around, url="https://x", secrets=(secret,)).replace("POST https://x\n", "")
