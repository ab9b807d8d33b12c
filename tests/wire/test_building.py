"""Building requests: bodies and their content types, methods, and the order of encoding and signing."""
from __future__ import annotations

import hashlib

import pytest

from engine.wire import building, codecs
from engine.wire.compile import compile_channel
from engine.wire.model import Unreadable
from engine.wire.secrets import Given

from .making import built, facts, plain, secrets

TREE = {"no": "{payment.no}", "fen": "{payment.amount:fen}", "gone": "{client.ip?}"}
JUDGE = [{"http": 200, "then": "pending"}]


def request(sign="none", line="post", path="/p", **spec):
    doc = plain(sign=sign, operations={"pay": {line: path, "judge": JUDGE, **spec}})
    return built(compile_channel(doc, Given(secrets())), "pay", facts())[0]


@pytest.mark.parametrize("kind, body, content_type", [
    ("json", b'{"no":"P1","fen":990}', "application/json"),
    ("form", b"no=P1&fen=990", "application/x-www-form-urlencoded"),
    ("form_brackets", b"no=P1&fen=990", "application/x-www-form-urlencoded"),
    ("xml", b"<xml><no>P1</no><fen>990</fen></xml>", "text/xml; charset=utf-8"),
])
def test_bodies(kind, body, content_type):
    made = request(**{kind: TREE})
    assert (made.body, made.headers["content-type"]) == (body, content_type)


def test_a_text_and_its_content_type():
    made = request(text="{payment.no};{payment.amount:yuan}", content_type="text/csv")
    assert (made.body, made.headers["content-type"]) == (b"P1;9.90", "text/csv")


def test_all_absent_is_an_empty_body_not_none():
    assert request(json={"gone": "{client.ip?}"}).body == b"{}"


@pytest.mark.parametrize("line", ["get", "post", "put", "patch", "delete"])
def test_methods(line):
    made = request(line=line, path="/p/{payment.no}", query={"a": "{order.title}", "b": "{client.ip?}"})
    assert (made.method, made.url) == (line.upper(), "https://gateway.example/p/P1?a=%E5%91%A8%E5%8D%A1")
    assert made.body == b""


def test_headers_and_basic():
    made = request(headers={"Idempotency-Key": "{payment.no}", "X-Gone": "{client.ip?}"},
                   basic={"user": "{mchid}", "password": ""})
    assert made.headers == {"idempotency-key": "P1", "authorization": "Basic TTE6"}


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_a_signature_in_the_body_is_made_before_the_body_is_encoded():
    made = request({"pairs": {}, "hash": "md5", "body": {"sign": "{signature}"}}, json=TREE)
    assert made.text == "fen=990&no=P1" and codecs.read_json(made.body)["sign"] == made.signature == md5(made.text)


def test_it_may_cover_the_query_too():
    made = request({"text": "{path_and_query}", "hash": "md5", "body": {"sign": "{signature}"}}, json=TREE, query={"a": "1"})
    assert codecs.read_json(made.body)["sign"] == md5("/p?a=1")


def test_a_signature_in_the_query_may_cover_the_body():
    made = request({"text": "{method}{body}{query.a}", "hash": "md5", "query": {"sign": "{signature}"}}, json=TREE,
                   query={"a": "1"})
    assert made.url.endswith("/p?a=1&sign=" + md5("POST" + '{"no":"P1","fen":990}' + "1"))


def test_a_signature_in_a_header_covers_everything():
    sign = {"text": "{method} {host} {path_and_query} {header.X-A} {body:sha256}", "hash": "sha256",
            "header": {"X-S": "v1 {signature}"}}
    made = request(sign, json=TREE, query={"a": "1"}, headers={"X-A": "h"})
    digest = hashlib.sha256(made.body).hexdigest()
    assert made.text == f"POST gateway.example /p?a=1 h {digest}"
    assert made.headers["x-s"] == "v1 " + hashlib.sha256(made.text.encode()).hexdigest()


def test_the_address_of_the_channel_may_hold_a_path():
    doc = plain(base="{settings.sandbox_url}/api/v2/", sign={"text": "{path}", "hash": "md5", "header": {"X": "{signature}"}},
                operations={"pay": {"post": "/p", "judge": JUDGE}})
    made = built(compile_channel(doc, Given(secrets())), "pay", facts())[0]
    assert made.url == "https://gateway.example/api/v2/p" and made.text == "/api/v2/p"


@pytest.mark.parametrize("text", ["a\r\nX: b", "a\nb", "é"])
def test_header_values_stay_one_line(text):
    with pytest.raises(Unreadable):
        building.header_safe(text)
