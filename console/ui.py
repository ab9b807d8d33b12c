"""How values are shown: money, times in the business's zone, badges, traces. Installed as filters and globals of Jinja."""
from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.numbers import get_currency_symbol
from flask import Flask, g, url_for
from flask_babel import get_locale, gettext as _
from markupsafe import Markup

from engine.base import canon, clock, money as minor, settings
from engine.ledger import chart

from . import causes, i18n, links, security, words

STATIC = Path(__file__).parent / "static"
_GAP = "\u2009"
_MOBILE = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")        # of the mainland; longer runs of figures are other numbers


def local(at_ms: int) -> Any:
    """The moment as a datetime in the business's zone."""
    return clock.to_datetime(at_ms).astimezone(clock.zone(settings.timezone()))


def time_text(at_ms: int | None, seconds: bool = True) -> str:
    """`2026-11-21 20:04:31`, in the business's zone; "" for None."""
    return "" if at_ms is None else local(at_ms).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def time(at_ms: int | None, seconds: bool = True) -> Markup:
    """A time element: today's and this year's times are written shorter, the whole is in its title."""
    if at_ms is None:
        return Markup('<span class="none">–</span>')
    moment, now = local(at_ms), local(clock.now_ms())
    clock_part = moment.strftime("%H:%M:%S" if seconds else "%H:%M")
    date_part = "" if moment.date() == now.date() else moment.strftime("%m-%d " if moment.year == now.year else "%Y-%m-%d ")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        clock.rfc3339(at_ms), f"{time_text(at_ms)} {settings.timezone()}", date_part + clock_part)


def moment(at_ms: int | None) -> Markup:
    """A time element that always has its date: for what lies at some distance, or is compared with another time."""
    if at_ms is None:
        return Markup('<span class="none">–</span>')
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        clock.rfc3339(at_ms), f"{time_text(at_ms)} {settings.timezone()}", time_text(at_ms, seconds=False))


def span(start_ms: int | None, end_ms: int | None) -> Markup:
    """From one moment to another, each with its date; one dash when neither is known."""
    if start_ms is None and end_ms is None:
        return moment(None)
    return Markup("{} – {}").format(moment(start_ms), moment(end_ms))


def span_text(seconds: float) -> str:
    """`3 d 4 h`, `5 min`, `40 s`: the two largest units, for how long ago or how soon."""
    left = int(abs(seconds))
    parts = []
    for size, unit in ((86400, _("d")), (3600, _("h")), (60, _("min")), (1, _("s"))):
        count, left = divmod(left, size)
        if count and len(parts) < 2:
            parts.append(f"{count}{_GAP}{unit}")
    return " ".join(parts[:2]) or f"0{_GAP}{_('s')}"


def ago(at_ms: int | None) -> str:
    """`5 min ago`, or `in 5 min`."""
    if at_ms is None:
        return ""
    seconds = (clock.now_ms() - at_ms) / 1000
    if abs(seconds) < 1:
        return _("now")
    return _("%(span)s ago", span=span_text(seconds)) if seconds > 0 else _("in %(span)s", span=span_text(seconds))


def money_text(amount_minor: int, currency: str) -> str:
    """`1,234.50`, without its currency."""
    whole, point, part = minor.format_major(abs(amount_minor), currency).partition(".")
    groups = f"{int(whole):,}{point}{part}"
    return f"−{groups}" if amount_minor < 0 else groups


def money(amount_minor: int | None, currency: str = "CNY") -> Markup:
    """An amount with its currency's symbol, in figures of equal width."""
    if amount_minor is None:
        return Markup('<span class="none">–</span>')
    symbol = get_currency_symbol(currency, get_locale() or "en")
    sign = "−" if amount_minor < 0 else ""
    return Markup('<span class="money{}"><i>{}{}</i>{}</span>').format(
        " zero" if amount_minor == 0 else "", sign, symbol, money_text(abs(amount_minor), currency))


def badge(machine: str, state: str) -> Markup:
    return Markup('<span class="state tone-{}" title="{}">{}</span>').format(
        words.tone(machine, state), state, words.state(machine, state))


def trace(trace_id: str | None) -> Markup:
    """The head of a trace id; a click on it marks everything of the same trace on the page."""
    if not trace_id:
        return Markup("")
    return Markup('<button type="button" class="trace" data-trace="{}" title="{}">{}</button>').format(
        trace_id, _("Trace %(id)s: click to mark everything of it", id=trace_id), trace_id[:8])


def phone(number: str | None) -> str:
    """A telephone number, its middle hidden from those who may not see it."""
    if not number:
        return ""
    return number if _may_reveal() or len(number) < 7 else f"{number[:3]}{'*' * (len(number) - 7)}{number[-4:]}"


def masked(text: Any) -> str:
    """A text of any kind with the mobile numbers in it hidden in the same way."""
    return str(text) if _may_reveal() else _MOBILE.sub(lambda found: f"{found[0][:3]}****{found[0][-4:]}", str(text))


def _may_reveal() -> bool:
    person = g.get("person")
    return person is not None and person.may("buyer.reveal")


def account_word(account: str) -> str:
    """What an account of the ledger is, from the chart."""
    kind = chart.kind_of(account)
    return (kind.zh if i18n.lang() == "zh" else kind.en) if kind else account


def json_text(value: Any) -> str:
    """A JSON value to be read by a person."""
    return masked(json.dumps(canon.loads(canon.dumps(value)), ensure_ascii=False, indent=1, sort_keys=True))


@lru_cache(maxsize=64)
def _digest(path: str, changed_ns: int) -> str:
    return hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]


def asset(path: str) -> str:
    """URL of one of our static files, which changes with its content."""
    return url_for("static", filename=path, v=_digest(path, (STATIC / path).stat().st_mtime_ns))


def has_asset(path: str) -> bool:
    return (STATIC / path).exists()


def install(app: Flask) -> None:
    app.jinja_env.filters.update(time=time, time_text=time_text, ago=ago, money=money, phone=phone, masked=masked,
                                 json_text=json_text, title_of=i18n.title, reason=words.reason, cause=causes.said,
                                 moment=moment, span=span)
    app.jinja_env.globals.update(account_word=account_word, badge=badge, trace=trace, number=links.number, asset=asset,
                                 has_asset=has_asset, word=words.word, words=words, state_word=words.state, lang=i18n.lang,
                                 languages=i18n.NAMES, csp_nonce=security.nonce, timezone=settings.timezone)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
