"""Casts: how one value is written on the wire, and how it is read back. Each works in both directions where it can.

`{payment.amount:fen}` writes 990, `{payment.amount:yuan}` writes 9.90; `amount: {fen: amount.total}` reads 990.
"""
from __future__ import annotations

import base64
import hashlib
import re
import zlib
from datetime import datetime
from decimal import Decimal
from typing import Any, Callable, NamedTuple
from urllib.parse import quote, unquote

from cryptography import x509

from ..base import clock, money
from . import codecs
from .model import Unreadable


class Setting(NamedTuple):
    """What a cast must know beside the value: the currency of amounts, the zone of times written without one, and the moment
    of the message."""
    currency: str
    zone: str
    now_ms: int = 0


class Cast(NamedTuple):
    word: str
    takes: str                                              # money | time | text
    write: Callable[[Any, Setting], Any]
    read: Callable[[Any, Setting], Any] | None = None       # None: can't be undone (a digest)
    gives: str = "text"                                     # what it leaves for the next cast


_DIGITS = re.compile(r"[0-9]{1,15}\Z")


def as_text(value: Any) -> str:
    """The text of a plain value as forms and signatures write it; nested values become compact JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    return codecs.write_json(value).decode()


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read_text(raw: Any, _: Setting) -> str:
    if isinstance(raw, (dict, list)):
        raise Unreadable("a single value was expected, not a structure")
    return as_text(raw)


def _read_minor(raw: Any, _: Setting) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 10 ** 15:
        return raw
    if isinstance(raw, str) and _DIGITS.match(raw):
        return int(raw)
    raise Unreadable("an amount in minor units is a whole number")


def _read_major(raw: Any, setting: Setting) -> int:
    if isinstance(raw, (str, Decimal)) or (isinstance(raw, int) and not isinstance(raw, bool)):
        try:
            amount_minor = money.parse_major(raw, setting.currency)
        except money.MoneyError as error:
            raise Unreadable(str(error)) from None
        if amount_minor >= 0:
            return amount_minor
    raise Unreadable("an amount in major units is a decimal, not below zero")


def _read_unix(raw: Any, _: Setting) -> int:
    return _whole(raw) * 1000


def _read_unix_ms(raw: Any, _: Setting) -> int:
    return _whole(raw)


def _whole(raw: Any) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < 10 ** 15:
        return raw
    if isinstance(raw, str) and _DIGITS.match(raw):
        return int(raw)
    raise Unreadable("a time was expected as a whole number")


def _write_rfc3339(at_ms: int, setting: Setting) -> str:
    local = clock.to_datetime(at_ms).astimezone(clock.zone(setting.zone))
    return local.isoformat(timespec="seconds")


def _read_rfc3339(raw: Any, _: Setting) -> int:
    try:
        return clock.parse_rfc3339(read_text(raw, _))
    except ValueError:
        raise Unreadable("a time was expected as 2026-11-21T12:00:00+08:00") from None


def _seconds_left(at_ms: int, setting: Setting) -> int:
    """Whole seconds from the message's moment, at least one: senders refuse an end that has passed."""
    return max(1, (at_ms - setting.now_ms) // 1000)


_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?\Z")


def signed(cast: Cast, keep: bool, turn: bool = False) -> Cast:
    """A cast of amounts that may stand below zero, with thousands set off, as statements write them: the sign is kept or
    left out, and turned round with `turn`."""
    def read(raw: Any, setting: Setting) -> int:
        text = as_text(raw).strip()
        below, text = text.startswith("-"), text.lstrip("+-") if text[:2] not in ("--", "-+", "+-", "++") else text
        amount_minor = cast.read(text.replace(",", "") if _GROUPED.match(text) else text, setting)  # type: ignore[misc]
        return -amount_minor if keep and below is not turn else amount_minor
    return cast._replace(read=read)


_COMMON = "%Y-%m-%d %H:%M:%S"
_COMMONLY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} (?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}").fullmatch


def _parse(text: str, pattern: str) -> datetime:
    """`strptime`; the form that most senders write, without its detours."""
    if pattern == _COMMON and _COMMONLY(text):
        return datetime.fromisoformat(text)
    return datetime.strptime(text, pattern)


def _format(pattern: str) -> Cast:
    def write(at_ms: int, setting: Setting) -> str:
        return clock.to_datetime(at_ms).astimezone(clock.zone(setting.zone)).strftime(pattern)

    def read(raw: Any, setting: Setting) -> int:
        try:
            moment = _parse(read_text(raw, setting), pattern)
        except ValueError:
            raise Unreadable(f"a time was expected in the form {pattern}") from None
        return clock.from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=clock.zone(setting.zone)))
    return Cast(pattern, "time", write, read)


def _shorten(most: int) -> Cast:
    return Cast(f"max({most})", "text", lambda v, _: as_text(v)[:most], read_text)


def _without(letters: str) -> Cast:
    """For senders that refuse some characters in a title."""
    return Cast(f"without({letters})", "text", lambda v, _: "".join(c for c in as_text(v) if c not in letters), read_text)


def _day_max(most: int) -> Cast:
    """No later day of the month than this: there are plans that can't be due on the 31st."""
    def write(at_ms: int, setting: Setting) -> int:
        moment = clock.to_datetime(at_ms).astimezone(clock.zone(setting.zone))
        return clock.from_datetime(moment.replace(day=min(moment.day, most)))
    return Cast(f"day_max({most})", "time", write, lambda v, _: v, "time")


def _digest(word: str) -> Cast:
    return Cast(word, "text", lambda v, _: hashlib.new(word, as_bytes(as_text(v))).hexdigest())


def _serial(value: Any, _: Setting) -> str:
    """The serial number of a certificate in PEM, in upper-case hex: some want to be told which certificate we sign with."""
    try:
        return f"{x509.load_pem_x509_certificate(as_bytes(as_text(value))).serial_number:X}"
    except ValueError:
        raise Unreadable("a certificate in PEM was expected") from None


def _read_base64(raw: Any, setting: Setting) -> str:
    return codecs.decode_bytes(read_text(raw, setting), "base64").decode("utf-8", "surrogateescape")


_TABLE = {cast.word: cast for cast in (
    Cast("minor", "money", lambda v, _: v, _read_minor),
    Cast("major", "money", lambda v, s: money.format_major(v, s.currency), _read_major),
    Cast("unix", "time", lambda v, _: v // 1000, _read_unix),
    Cast("unix_ms", "time", lambda v, _: v, _read_unix_ms),
    Cast("rfc3339", "time", _write_rfc3339, _read_rfc3339),
    Cast("seconds_left", "time", _seconds_left),
    Cast("text", "text", lambda v, _: as_text(v), read_text),
    Cast("int", "text", lambda v, _: _whole(v), lambda v, _: _whole(v)),
    Cast("upper", "text", lambda v, _: as_text(v).upper(), lambda v, s: read_text(v, s).upper()),
    Cast("lower", "text", lambda v, _: as_text(v).lower(), lambda v, s: read_text(v, s).lower()),
    Cast("url", "text", lambda v, _: quote(as_text(v), safe=""), lambda v, s: unquote(read_text(v, s))),
    Cast("base64", "text", lambda v, _: base64.b64encode(as_bytes(as_text(v))).decode(), _read_base64),
    Cast("serial", "text", _serial),
    _digest("md5"), _digest("sha1"), _digest("sha256"),
    Cast("crc32", "text", lambda v, _: zlib.crc32(as_bytes(as_text(v)))),
)}
_TABLE["fen"] = _TABLE["minor"]       # the words people say for yuan; right for every currency, read best for CNY
_TABLE["yuan"] = _TABLE["major"]
WORDS = tuple(_TABLE)
MONEY_WORDS = ("fen", "yuan", "minor", "major")
TIME_WORDS = ("unix", "unix_ms", "rfc3339")
_WITH_A_VALUE = (
    (re.compile(r"max\(([1-9][0-9]{0,4})\)\Z"), lambda found: _shorten(int(found))),
    (re.compile(r"day_max\((2[0-8]|1[0-9]|[1-9])\)\Z"), lambda found: _day_max(int(found))),
    (re.compile(r"without\(([^()|]+)\)\Z"), lambda found: _without(found)),
)


def cast_named(word: str) -> Cast | None:
    """The cast of a word of `WORDS`, `max(64)`, `without(/&)`, `day_max(28)`, or a date pattern such as `%Y%m%d%H%M%S`; None
    if there is none."""
    if word in _TABLE:
        return _TABLE[word]
    if word.startswith("%"):
        return _format(word)
    return next((make(match[1]) for pattern, make in _WITH_A_VALUE if (match := pattern.match(word))), None)
