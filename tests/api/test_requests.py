"""Whatever comes in over HTTP, there is an answer in the one shape: no traceback, no HTML, nothing changed."""
from __future__ import annotations

import io
import json

import peewee
import pytest

from engine import sale, store
from engine.api.asked import BODY_MAX, Asked
from engine.base.errors import Code, Refusal
from tests.api.client import everything
from tests.api.conftest import opened

ORDERS = "/v1/orders"
GOOD = json.dumps({"scene": "filings-pc", "items": [{"sku": "filing/standard"}]}).encode()

BAD = [
    # (name, method, path, how it is asked, status, code)
    ("no json", "POST", ORDERS, {"raw": b"{scene"}, 400, "bad_json"),
    ("not utf-8", "POST", ORDERS, {"raw": b'{"scene": "\xff"}'}, 400, "bad_json"),
    ("lone surrogate", "POST", ORDERS, {"raw": b'{"scene": "\\ud800"}'}, 400, "bad_json"),
    ("NaN", "POST", ORDERS, {"raw": b'{"expected_payable_minor": NaN}'}, 400, "bad_json"),
    ("very deep", "POST", ORDERS, {"raw": b"[" * 100_000}, 400, "bad_json"),
    ("deep, in a field", "POST", ORDERS, {"raw": b'{"scene": "cards", "fields": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}"}, 400, "bad_json"),
    ("deep, with a NUL", "POST", ORDERS, {"raw": b'["\\u0000", ' + b"[" * 1000 + b"]" * 1000 + b"]"}, 400, "bad_json"),
    ("two values", "POST", ORDERS, {"raw": b"{}{}"}, 400, "bad_json"),
    ("a list", "POST", ORDERS, {"raw": b"[]"}, 400, "bad_request"),
    ("null", "POST", ORDERS, {"raw": b"null"}, 400, "bad_request"),
    ("nothing", "POST", ORDERS, {"raw": b""}, 400, "bad_request"),
    ("NUL in a text", "POST", ORDERS, {"raw": b'{"scene": "filings-pc", "contact": {"name": "a\\u0000"}}'}, 400, "bad_request"),
    ("NUL in a name", "POST", ORDERS, {"raw": b'{"scene": "filings-pc", "fields": {"\\u0000": 1}}'}, 400, "bad_request"),
    ("huge number", "POST", ORDERS, {"raw": b'{"scene": "a", "quote": "Q", "expected_payable_minor": 1' + b"0" * 400 + b"}"}, 400, None),
    ("form", "POST", ORDERS, {"raw": GOOD, "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415, "wrong_content_type"),
    ("no type", "POST", ORDERS, {"raw": GOOD, "headers": {"Content-Type": ""}}, 415, "wrong_content_type"),
    ("text/json", "POST", ORDERS, {"raw": GOOD, "headers": {"Content-Type": "text/json"}}, 415, "wrong_content_type"),
    ("too large", "POST", ORDERS, {"raw": b" " * (BODY_MAX + 1)}, 413, "body_too_large"),
    ("unknown field", "POST", ORDERS, {"body": {"scene": "a", "quote": "Q", "price": 1}}, 400, "bad_request"),
    ("no such address", "GET", "/v1/nothing", {}, 404, "not_found"),
    ("slashes", "GET", "//v1//scenes", {}, 404, "not_found"),
    ("trailing slash", "GET", "/v1/scenes/", {}, 404, "not_found"),
    ("wrong method", "DELETE", ORDERS, {}, 405, "method_not_allowed"),
    ("options", "OPTIONS", ORDERS, {}, 405, "method_not_allowed"),
    ("no key", "GET", "/v1/scenes", {"key": ""}, 401, "unauthenticated"),
    ("unknown parameter", "GET", "/v1/orders?buyer=b&sort=up", {}, 400, "bad_request"),
    ("missing parameter", "GET", "/v1/orders", {}, 400, "bad_request"),
    ("a parameter twice", "GET", "/v1/orders?buyer=a&buyer=b", {}, 400, "bad_request"),
    ("wrong parameter", "GET", "/v1/orders?buyer=a&limit=many", {}, 400, "bad_request"),
    ("too many", "GET", "/v1/orders?buyer=a&limit=201", {}, 400, "bad_request"),
    ("a made-up cursor", "GET", "/v1/orders?buyer=a&cursor=WzFd", {}, 400, "bad_request"),
    ("no cursor at all", "GET", "/v1/orders?buyer=a&cursor=%00", {}, 400, "bad_request"),
    ("a cursor of a list of lists", "GET", "/v1/orders?buyer=a&cursor=W1siYSJdXQ", {}, 400, "bad_request"),
    ("wrong flag", "GET", "/v1/entitlements?buyer=a&only_now=yes", {}, 400, "bad_request"),
    ("odd number", "GET", "/v1/orders/%00", {}, 400, "bad_request"),
    ("a long number", "GET", "/v1/orders/" + "x" * 3000, {}, 400, "bad_request"),
    ("not utf-8 in the address", "GET", "/v1/orders/%ff%fe", {}, 400, "bad_request"),
    ("no such order", "GET", "/v1/orders/O1", {}, 404, "order_unknown"),
    ("no such buyer", "GET", "/v1/buyers/nobody", {}, 404, "not_found"),
    ("unknown channel", "POST", "/v1/notices/nowhere/paid", {}, 404, "notice_unknown"),
    ("unknown notice", "POST", "/v1/notices/till/stolen", {}, 404, "notice_unknown"),
    ("too large a notice", "POST", "/v1/notices/till/paid", {"raw": b" " * (BODY_MAX + 1)}, 413, "body_too_large"),
]


@pytest.mark.parametrize("name, method, path, how, status, code", BAD, ids=[b[0] for b in BAD])
def test_a_bad_request_is_answered_in_the_one_shape(lite, name, method, path, how, status, code):
    before = everything()
    how = {"once": "k1", **how} if method == "POST" else how
    reply = lite.ask(method, path, how.pop("body", None), **how)
    assert reply.status == status
    assert reply.headers["Content-Type"] == "application/problem+json" and code in (None, reply["code"])
    assert reply.json.keys() == {"type", "title", "status", "code", "message", "details", "trace_id", "retryable"}
    assert reply["status"] == reply.status and reply["type"] == f"/docs#{reply['code']}"
    assert b"Traceback" not in reply.raw and b"<html" not in reply.raw.lower()
    assert reply["trace_id"] in reply.headers["traceparent"]
    assert everything() == before


def test_a_wrong_method_says_which_are_right(lite):
    assert lite.ask("DELETE", "/v1/orders").headers["Allow"] in ("GET, HEAD, POST", "HEAD, GET, POST")


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_by_any_of_its_names(lite, content_type):
    assert lite.post(ORDERS, raw=GOOD, once="k", headers={"Content-Type": content_type}).status == 201


def test_an_escaped_backslash_is_no_nul(lite):
    raw = b'{"scene": "filings-pc", "items": [{"sku": "filing/standard"}], "contact": {"name": "a\\\\u0000"}}'
    assert lite.post(ORDERS, raw=raw, once="k").status == 201


def test_a_trace_goes_in_and_comes_out(lite, caplog):
    came = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with caplog.at_level("INFO", "salewright.api"):
        reply = lite.post(ORDERS, raw=GOOD, once="k", headers={"traceparent": came})
    out = reply.headers["traceparent"].split("-")
    assert out[1] == "0af7651916cd43dd8448eb211c80319c" and out[2] != "b7ad6b7169203331"
    assert reply["trace_id"] == out[1]
    line = next(r for r in caplog.records if r.name == "salewright.api")
    assert line.interface == "orders.place" and line.took_ms > 0 and line.getMessage() == "POST /v1/orders 201"
    for bad in ("00-0-1-01", "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x" * 500):
        assert lite.get("/healthz", headers={"traceparent": bad}).headers["traceparent"].split("-")[1] not in (bad, "0" * 32)


# ── when it is our fault ─────────────────────────────────────────────────────────────────────────────────────────────

def test_an_error_nobody_expected_tells_nothing_of_our_inside(lite, monkeypatch, caplog):
    def fall(*args, **more):
        raise KeyError("secret-inside")
    monkeypatch.setattr(sale, "place", fall)
    reply = lite.post(ORDERS, raw=GOOD, once="k")
    assert (reply.status, reply["code"], reply["retryable"]) == (500, "internal", True)
    assert b"secret-inside" not in reply.raw and "secret-inside" in caplog.text


@pytest.mark.parametrize("error", [peewee.OperationalError("server closed the connection"), peewee.InterfaceError("gone")])
def test_a_database_that_is_gone_is_said_so_and_connected_to_anew(lite, monkeypatch, error):
    def fall(*args, **more):
        raise error
    with monkeypatch.context() as patch:
        patch.setattr(sale, "place", fall)
        reply = lite.post(ORDERS, raw=GOOD, once="k")
    assert (reply.status, reply["code"], reply["retryable"]) == (503, "database_busy", True)
    assert "closed the connection" not in reply.raw.decode() and store.trade.database.is_closed()
    assert lite.post(ORDERS, raw=GOOD, once="k").status == 201


def test_a_server_that_was_restarted_costs_at_most_one_answer(postgresql_database, gateway, monkeypatch):
    api = opened(monkeypatch, gateway)
    assert api.post(ORDERS, raw=GOOD, once="k1").status == 201
    postgresql_database.server.cut_connections(postgresql_database.name)
    seen = [api.get("/v1/buyers/nobody") for _ in range(2)]
    assert seen[0]["code"] in ("database_busy", "not_found") and seen[1]["code"] == "not_found"
    assert api.post(ORDERS, raw=GOOD, once="k2").status == 201
    for db in store.LOGICAL.values():          # what nobody asked since is still broken
        db.close()


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────────

class Dripping(io.RawIOBase):
    """A chunked body that never ends."""

    def __init__(self):
        self.given = 0

    def read(self, size=-1):
        assert 0 < size <= BODY_MAX + 1, "it must not be read without a bound"
        self.given += min(size, 10_000)
        return b"x" * min(size, 10_000)


def test_a_chunked_body_is_read_no_further_than_the_bound():
    stream = Dripping()
    asked = Asked({"REQUEST_METHOD": "POST", "wsgi.input": stream, "wsgi.input_terminated": True})
    with pytest.raises(Refusal):
        _ = asked.body
    assert stream.given <= BODY_MAX + 10_000


@pytest.mark.parametrize("length, code", [(str(BODY_MAX + 1), Code.BODY_TOO_LARGE), ("many", Code.BAD_REQUEST)])
def test_an_announced_body_is_refused_unread(length, code):
    asked = Asked({"REQUEST_METHOD": "POST", "wsgi.input": None, "CONTENT_LENGTH": length})
    with pytest.raises(Refusal) as refused:
        _ = asked.body
    assert refused.value.code is code


@pytest.mark.parametrize("environ, body", [
    ({"wsgi.input": io.BytesIO(b"abc")}, b""),                          # neither a length nor an end: there is none
    ({"wsgi.input": io.BytesIO(b"abcdef"), "CONTENT_LENGTH": "3"}, b"abc"),
    ({"wsgi.input": io.BytesIO(b"ab"), "CONTENT_LENGTH": "3"}, b"ab"),  # the client went away
    ({"wsgi.input": io.BytesIO(b"abc"), "wsgi.input_terminated": True}, b"abc")])
def test_what_is_read_of_a_body(environ, body):
    assert Asked({"REQUEST_METHOD": "POST", **environ}).body == body
