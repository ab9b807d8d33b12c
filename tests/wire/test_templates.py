"""Templates: what holes may name where, how their values are written, and what is said of a wrong one."""
from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from engine.wire.model import FactMissing, Unreadable, WireError
from engine.wire.scope import BUILD, CLIENT_SIGN, SIGN, VERIFY
from engine.wire.templates import ABSENT

from .making import AT_MS, NONCE
from .scopes import draft, scope


def value(source, allowed=BUILD | VERIFY | CLIENT_SIGN):
    making = draft()
    template = making.template(source, allowed, ("here",))
    assert making.problems == []
    return template.value(scope())


@pytest.mark.parametrize("source, expected", [
    ("{payment.no}", "P1"), ("no {payment.no}!", "no P1!"), ("{{{payment.no}}}", "{P1}"), ("", ""), ("plain", "plain"),
    ("{payment.amount:fen}", 990), ("{payment.amount:fen|text}", "990"), ("¥{payment.amount:yuan}", "¥9.90"),
    ("{refund.amount:major}", "5"),                 # its own currency has no decimals
    ("{payment.expires_at:rfc3339}", "2019-04-02T20:34:20+08:00"), ("{payment.expires_at:%H:%M}", "20:34"), ("{payment.expires_at:day_max(1)|%d %H}", "01 20"),
    ("{timestamp}", AT_MS // 1000), ("{timestamp}.", f"{AT_MS // 1000}."), ("{timestamp:unix_ms}", AT_MS + 7),
    ("{nonce:lower}", NONCE.lower()), ("{upstream.quantity}", 2), ("{mchid}", "M1"), ("{token}", "T"),
    ("{order.title:max(3)|url}", "a%26b"), ("{client.openid?}", ABSENT), ("id={client.openid?}", ABSENT),
    ("{header.X-A}{query.q}{body.deep.0.z}", "A15"), ("{method} {path_and_query} {host} {path}", "POST /p?q=1 h /p"),
    ("{body}", '{"r_x": {"y":"}"}}'), ("{raw.*_x}", '{"y":"}"}'), ("{parts.t}", "1"), ("{answer.code}", "C"),
    ("{params.package}", "p=1"),
    ("{settings.timezone}", "Asia/Shanghai"),
    ("{settings.sandbox_url}", "http://127.0.0.1:8702"),
])
def test_values(source, expected):
    found = value(source)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("source, error", [
    ("{payment.channel_no}", FactMissing), ("{client.openid}", FactMissing), ("{settings.nothing}", FactMissing),
    ("{header.X-B}", Unreadable), ("{body.deep.1}", Unreadable), ("{raw.r_y}", Unreadable), ("{answer.x}", Unreadable),
    ("{signature}", WireError),
])
def test_what_is_not_there(source, error):
    with pytest.raises(error):
        value(source, BUILD | VERIFY | CLIENT_SIGN | {"signature"})


@pytest.mark.parametrize("source, allowed, said", [
    ("{payment.amount}", BUILD, "say how 'payment.amount' is written"), ("{payment.expires_at}", BUILD, "say how"), ("{payment.expires_at:day_max(28)}", BUILD, "say how"),
    ("{payment.amount:unix}", BUILD, "takes time"), ("{payment.no:fen}", BUILD, "takes money"),
    ("{payment.amount:fen|yuan}", BUILD, "takes money"), ("{payment.no:uper}", BUILD, "did you mean 'upper'"),
    ("{paymant.no}", BUILD, "did you mean 'payment.no'"), ("{mchd}", BUILD, "did you mean 'mchid'"),
    ("{tokn}", BUILD, "did you mean 'token'"),
    ("{pem}", BUILD, "is a private_key"),
    ("{body}", BUILD, "can't be named here"),
    ("{payment.no}", VERIFY, "can't be named here"), ("{answer.x}", SIGN, "can't be named here"),
    ("{header.X-A}", BUILD, "can't be named here"), ("{", BUILD, "lone brace"), ("a}b", BUILD, "lone brace"),
    ("{}", BUILD, "does not name anything"), ("{a b}", BUILD, "does not name anything"),
])
def test_problems(source, allowed, said):
    making = draft()
    making.template(source, allowed, ("here",))
    assert making.problems[0][0] == ("here",)
    assert any(said in message for _, message in making.problems), making.problems


@given(st.text())
def test_text_without_holes_is_itself(text):
    assert value(text.replace("{", "{{").replace("}", "}}")) == text
