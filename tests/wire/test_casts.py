"""Casts: what they write, what they read back, and what they refuse."""
from __future__ import annotations

import hashlib
import zlib
from decimal import Decimal

import pytest
from cryptography import x509
from hypothesis import given, strategies as st

from engine.wire.casts import Setting, as_text, cast_named
from engine.wire.model import Unreadable

from .authority import Authority

AT_MS = 1554208460_000       # 2019-04-02 20:34:20 in Shanghai
CNY = Setting("CNY", "Asia/Shanghai", AT_MS)


@pytest.mark.parametrize("word, value, written", [
    ("fen", 990, 990), ("minor", 0, 0), ("yuan", 990, "9.90"), ("major", 5, "0.05"), ("yuan", 100000, "1000.00"),
    ("unix", AT_MS + 999, 1554208460), ("unix_ms", AT_MS, AT_MS), ("rfc3339", AT_MS, "2019-04-02T20:34:20+08:00"),
    ("%Y-%m-%d %H:%M:%S", AT_MS, "2019-04-02 20:34:20"), ("%Y%m%d%H%M%S", AT_MS, "20190402203420"),
    ("seconds_left", AT_MS + 300_999, 300), ("seconds_left", AT_MS + 10, 1), ("seconds_left", AT_MS - 5000, 1),
    ("text", 5, "5"), ("text", True, "true"), ("text", {"a": 1}, '{"a":1}'), ("int", "12", 12),
    ("upper", "aé", "AÉ"), ("lower", "AB", "ab"), ("url", "a b/é", "a%20b%2F%C3%A9"), ("base64", "é", "w6k="),
    ("max(3)", "长长长长", "长长长"), ("max(3)", "ab", "ab"), ("without(/=&)", "a/b = 周卡 & c", "ab  周卡  c"), ("without(.)", "a", "a"),
    ("day_max(1)", AT_MS, AT_MS - 86_400_000), ("day_max(2)", AT_MS, AT_MS),
    ("md5", "a", hashlib.md5(b"a").hexdigest()), ("sha1", "a", hashlib.sha1(b"a").hexdigest()),
    ("sha256", "a", hashlib.sha256(b"a").hexdigest()), ("crc32", "a", zlib.crc32(b"a")),
])
def test_written(word, value, written):
    assert cast_named(word).write(value, CNY) == written


@pytest.mark.parametrize("word, raw, value", [
    ("fen", "990", 990), ("fen", 0, 0), ("yuan", "9.90", 990), ("yuan", "9.9", 990), ("yuan", 9, 900),
    ("yuan", Decimal("9.90"), 990), ("unix", "1554208460", AT_MS), ("unix_ms", AT_MS, AT_MS),
    ("rfc3339", "2019-04-02T12:34:20Z", AT_MS), ("rfc3339", "2019-04-02T20:34:20+08:00", AT_MS),
    ("%Y-%m-%d %H:%M:%S", "2019-04-02 20:34:20", AT_MS), ("%Y-%m-%dT%H:%M:%S%z", "2019-04-02T12:34:20+0000", AT_MS),
    ("%Y-%m-%d %H:%M:%S", "2019-4-2 20:34:20", AT_MS),
    ("upper", "usd", "USD"), ("lower", "USD", "usd"),
    ("text", 7, "7"), ("text", Decimal("1.50"), "1.50"), ("url", "a%20b", "a b"), ("base64", "w6k=", "é"),
])
def test_read(word, raw, value):
    assert cast_named(word).read(raw, CNY) == value


@pytest.mark.parametrize("word, raw", [
    ("fen", "9.90"), ("fen", 9.9), ("fen", -1), ("fen", "-1"), ("fen", True), ("fen", ""), ("fen", "1e3"), ("fen", "９"),
    ("fen", "1" * 20),
    ("yuan", "9.999"),
    ("yuan", "-9.90"),
    ("yuan", 9.9),
    ("yuan", "9,90"),
    ("yuan", " "),
    ("yuan", True),
    ("unix", "yesterday"), ("unix", "-1"), ("rfc3339", "2019-04-02T20:34:20"), ("rfc3339", "2019"),
    ("%Y-%m-%d", "02.04.2019"), ("text", {"a": 1}), ("text", [1]), ("base64", "***"),
    ("%Y-%m-%d %H:%M:%S", "2019-02-30 20:34:20"), ("%Y-%m-%d %H:%M:%S", "2019-04-02 24:00:00"),
    ("%Y-%m-%d %H:%M:%S", "2019-04-02T20:34:20"), ("%Y-%m-%d %H:%M:%S", "2019-04-02 20:34:20+08:00"),
])
def test_refused(word, raw):
    with pytest.raises(Unreadable):
        cast_named(word).read(raw, CNY)


@pytest.mark.parametrize("currency, minor, written", [("JPY", 990, "990"), ("KWD", 990, "0.990"), ("USD", 990, "9.90")])
def test_major_units_know_their_currency(currency, minor, written):
    setting = Setting(currency, "UTC")
    assert cast_named("major").write(minor, setting) == written
    assert cast_named("major").read(written, setting) == minor


def test_the_day_is_that_of_the_zone():
    ends = 1548946800_000                # 31 January 2019, 23:00 in Shanghai; 15:00 in Greenwich
    capped = cast_named("day_max(28)").write(ends, CNY)
    assert cast_named("%Y-%m-%d %H:%M").write(capped, CNY) == "2019-01-28 23:00"
    assert cast_named("day_max(28)").read(capped, CNY) == capped


@pytest.mark.parametrize("word", ["fan", "", "max()", "max(0)", "max(-1)", "max(1", "YUAN", "without()", "without(a", "day_max(29)", "day_max(0)"])
def test_there_is_no_such_cast(word):
    assert cast_named(word) is None


@given(st.integers(0, 10 ** 14), st.sampled_from(["CNY", "JPY", "KWD"]), st.sampled_from(["minor", "major"]))
def test_money_comes_back(amount_minor, currency, word):
    setting, cast = Setting(currency, "UTC"), cast_named(word)
    assert cast.read(cast.write(amount_minor, setting), setting) == amount_minor
    assert cast.read(as_text(cast.write(amount_minor, setting)), setting) == amount_minor


@given(st.integers(0, 4 * 10 ** 9), st.sampled_from(["unix", "unix_ms", "rfc3339", "%Y-%m-%d %H:%M:%S"]),
       st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kolkata"]))
def test_times_come_back(at_s, word, zone):
    setting, cast = Setting("CNY", zone), cast_named(word)
    assert cast.read(cast.write(at_s * 1000, setting), setting) == at_s * 1000


@given(st.text(st.characters(exclude_categories=("Cs",))), st.sampled_from(["url", "base64", "text"]))
def test_texts_come_back(text, word):
    cast = cast_named(word)
    assert cast.read(cast.write(text, CNY), CNY) == text


def test_the_serial_number_of_a_certificate():
    authority = Authority()
    pem = authority.certify("shop.example", authority.key.public_key())
    assert cast_named("serial").write(pem, CNY) == f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"
    with pytest.raises(Unreadable):
        cast_named("serial").write("no certificate", CNY)
