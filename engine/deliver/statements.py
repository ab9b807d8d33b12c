"""A partner's statement: what went through its pool on one business day, from the opening balance to the closing one, and
what the ledger posted for the very same entries. A day is the business's, in its zone; a closing balance is the next day's
opening one, whatever is asked when. Of a pool that is shared each partner sees its own entries, and what all others did to
the balance as one sum.
"""
from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .. import store
from ..base import clock, money, settings
from ..base.errors import Code, Refusal
from ..config.catalog import Partner
from ..ledger import chart
from . import pools

SETTLES_S = 60                                 # what was begun before midnight is written by then
KINDS = {"top_up": 1, "return": 1, "draw": -1}     # what each does to the balance
COLUMNS = ("time", "kind", "ref", "partner_order_no", "charge_no", "items", "amount", "balance", "value", "currency")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_ENTRIES = """SELECT l.at_ms, l.kind, l.ref, l.amount, l.partner_id, c.no, c.partner_order_no, o.payable_minor
FROM pool_log l LEFT JOIN charge c ON c.order_no = l.ref AND l.kind <> 'top_up' LEFT JOIN trade_order o ON o.no = c.order_no
WHERE l.pool_id = ? AND l.at_ms >= ? AND l.at_ms < ? ORDER BY l.id"""
_BEFORE = "SELECT kind, CAST(SUM(amount) AS BIGINT) FROM pool_log WHERE pool_id = ? AND at_ms < ? GROUP BY kind"
_POSTED = """SELECT COALESCE(SUM(p.amount_minor), 0) FROM pool_log l JOIN ledger_transaction t ON {match}
JOIN ledger_posting p ON p.transaction_no = t.no AND p.account = ?
WHERE l.pool_id = ? AND l.partner_id = ? AND l.at_ms >= ? AND l.at_ms < ? AND l.kind = ?"""
_MATCHES = {"top_up": "t.event = 'pool:' || l.pool_id || ':' || l.ref",
            "draw": "t.order_no = l.ref AND t.kind = 'order_paid'",
            "return": "t.order_no = l.ref AND t.kind = 'refund_succeeded'"}


@dataclass(frozen=True, slots=True)
class Statement:
    """Balances and amounts are in the pool's unit; `…_minor` are minor units of the currency.

    others        what other partners of a shared pool did to its balance: opening + topped_up − drawn + returned + others =
                  closing
    posted_minor  what the ledger posted for these entries: to the partner's favour for a money pool, otherwise owed by it
    final         the day is over, and so nothing can be added
    entries       {at_ms, kind: top_up · draw · return, ref, amount, balance, value_minor, charge_no?, partner_order_no?, items}
    """
    partner_id: str
    pool_id: str
    date: str
    zone: str
    unit: str
    currency: str
    final: bool
    opening: int
    closing: int
    topped_up: int
    drawn: int
    returned: int
    others: int
    posted_minor: int
    entries: tuple[dict[str, Any], ...]


def bounds_ms(date: str) -> tuple[int, int]:
    """(first moment of a business day, first of the next). BAD_REQUEST for what is no day, or one to come."""
    zone = clock.zone(settings.timezone())
    try:
        if not _DATE.match(date):
            raise ValueError(date)
        first = datetime.fromisoformat(date)
        start, end = (clock.from_datetime(day.replace(tzinfo=zone)) for day in (first, first + timedelta(days=1)))
        if start < 0:                          # before time is counted: nothing was ever sold then
            raise ValueError(date)
    except (ValueError, OverflowError):
        raise Refusal(Code.BAD_REQUEST, f"{date!r} is no day", [
            {"path": "{date}", "found": date, "expected": "YYYY-MM-DD, a day in the business's zone"}]) from None
    if start > clock.now_ms():
        raise Refusal(Code.BAD_REQUEST, f"{date} has not begun in {settings.timezone()}", [{"path": "{date}", "found": date}])
    return start, end


def of_day(partner: Partner, date: str) -> Statement:
    """The statement of a business day (`YYYY-MM-DD`); as of now while the day is not over."""
    start, end = bounds_ms(date)
    with store.snapshot():
        pool = pools.of(partner)
        before = dict(store.query(store.trade, _BEFORE, (pool["id"], start)))
        rows = store.query(store.trade, _ENTRIES, (pool["id"], start, end))
        own = [row for row in rows if row[4] == partner.id]
        items = _items([row[2] for row in own if row[1] != "top_up"])
        posted = sum(_posted(partner, pool["unit"], kind, start, end) for kind in KINDS)
    opening = balance = sum(KINDS[kind] * amount for kind, amount in before.items())
    day, entries = dict.fromkeys(KINDS, 0), []
    for at_ms, kind, ref, amount, whose, charge_no, order_no, value in rows:
        balance += KINDS[kind] * amount
        if whose != partner.id:
            continue
        day[kind] += amount
        value = value if kind != "top_up" else amount if pool["unit"] == "money" else 0
        entries.append({"at_ms": at_ms, "kind": kind, "ref": ref, "amount": amount, "balance": balance, "value_minor": value,
                        "charge_no": charge_no, "partner_order_no": order_no, "items": items.get(ref, "")})
    own_sum = sum(KINDS[kind] * amount for kind, amount in day.items())
    return Statement(partner.id, pool["id"], date, settings.timezone(), pool["unit"], pool["currency"],
                     clock.now_ms() >= end + SETTLES_S * 1000, opening, balance, day["top_up"], day["draw"],
                     day["return"], balance - opening - own_sum, posted, tuple(entries))


def _posted(partner: Partner, unit: str, kind: str, start: int, end: int) -> int:
    """What the ledger posted for the partner's entries of a kind, seen from the partner's pool."""
    account = chart.account(*("partner_pool", partner.pool.id) if unit == "money" else ("partner_receivable", partner.id))
    [[total]] = store.query(store.trade, _POSTED.format(match=_MATCHES[kind]),
                            (account, partner.pool.id, partner.id, start, end, kind))
    return -int(total)


def _items(order_nos: list[str]) -> dict[str, str]:
    """order → "product/sku*2,…"."""
    found: dict[str, list[str]] = {}
    for at in range(0, len(order_nos), 500):
        page = order_nos[at:at + 500]
        for order_no, sku, quantity in store.query(
                store.trade, f"SELECT order_no, sku, quantity FROM order_line WHERE order_no IN ({', '.join('?' * len(page))}) "
                             "ORDER BY order_no, n", page):
            found.setdefault(order_no, []).append(f"{sku}*{quantity}")
    return {no: ",".join(goods) for no, goods in found.items()}


def csv_of(statement: Statement) -> bytes:
    """The same as a table: a line for the opening balance, one an entry, one for what other partners of the pool did, if
    they did anything, one for the closing balance; amounts of a money pool in major units. UTF-8 with its mark,
    so that spreadsheets read the Chinese in it."""
    out = io.StringIO()
    write = csv.writer(out).writerow
    write(COLUMNS)
    shown = (lambda n: money.format_major(n, statement.currency)) if statement.unit == "money" else str
    start, end = bounds_ms(statement.date)
    write((_local(start), "opening", "", "", "", "", "", shown(statement.opening), "", statement.currency))
    for e in statement.entries:
        sign = "-" if KINDS[e["kind"]] < 0 else ""
        write((_local(e["at_ms"]), e["kind"], _plain(e["ref"]), _plain(e["partner_order_no"]), e["charge_no"] or "", e["items"],
               sign + shown(e["amount"]), shown(e["balance"]), money.format_major(e["value_minor"], statement.currency),
               statement.currency))
    if statement.others:
        write((_local(min(end, clock.now_ms())), "others", "", "", "", "", shown(statement.others), shown(statement.closing), "",
               statement.currency))
    write((_local(min(end, clock.now_ms())), "closing", "", "", "", "", "", shown(statement.closing), "", statement.currency))
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def _plain(text: str | None) -> str:
    """A number that others chose, so written that no spreadsheet takes it for a formula."""
    return f"'{text}" if text and text[0] in "=+-@" else text or ""


def _local(at_ms: int) -> str:
    return clock.to_datetime(at_ms).astimezone(clock.zone(settings.timezone())).isoformat(timespec="seconds")
