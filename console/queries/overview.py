"""Today at one glance: orders by state and line, what was paid, hour by hour."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.config.catalog import Catalog
from engine.pay import limits, terms, troubles

from ..keyset import first_no

HOUR_MS = 3_600_000
_HOURS = 24
_MARGIN_MS = 600_000                           # a number is given a little before its row's time


def _lines(lines: list[str]) -> tuple[str, list[str]]:
    """A condition on line_id for restricted people, and its parameters."""
    return (f" AND line_id IN ({', '.join('?' * len(lines))})", lines) if lines else ("", [])


def orders_by_line_and_state(since_ms: int, lines: list[str]) -> dict[str, dict[str, int]]:
    """line → state → orders placed since."""
    more, params = _lines(lines)
    found: dict[str, dict[str, int]] = {}
    for line, state, count in store.query(
            store.trade, f"SELECT line_id, state, COUNT(*) FROM trade_order WHERE created_at_ms >= ?{more} "
                         "GROUP BY line_id, state ORDER BY line_id, state", [since_ms, *params]):
        found.setdefault(line, {})[state] = count
    return found


def paid_since(since_ms: int, lines: list[str]) -> list[dict[str, Any]]:
    """What was paid since, whenever it was ordered (a renewal's order is days old by then): line, currency, orders,
    amount_minor."""
    more, params = _lines(lines)
    rows = store.query(
        store.trade, "SELECT o.line_id, o.currency, COUNT(*), CAST(SUM(o.payable_minor) AS BIGINT) FROM ledger_transaction t "
                     "JOIN trade_order o ON o.no = t.order_no "
                     f"WHERE t.no >= ? AND t.at_ms >= ? AND t.kind = 'order_paid'{more} "
                     "GROUP BY o.line_id, o.currency ORDER BY o.line_id, o.currency",
        [first_no("L", since_ms - _MARGIN_MS), since_ms, *params])
    return [dict(zip(("line", "currency", "orders", "amount_minor"), row)) for row in rows]


def by_channel(since_ms: int, lines: list[str]) -> dict[str, dict[str, int]]:
    """channel → {asked, paid, not_taken, open}: payment attempts begun since."""
    more, params = _lines(lines)
    rows = store.query(
        store.trade, "SELECT p.channel_id, COUNT(*), SUM(CASE WHEN p.state = 'succeeded' THEN 1 ELSE 0 END), "
                     "SUM(CASE WHEN p.state = 'failed' THEN 1 ELSE 0 END), "
                     "SUM(CASE WHEN p.state IN ('created', 'pending', 'unknown') THEN 1 ELSE 0 END) FROM payment_order p "
                     "JOIN trade_order o ON o.no = p.order_no "
                     f"WHERE p.no >= ? AND p.created_at_ms >= ? AND p.tender_kind = 'channel'{more} GROUP BY p.channel_id",
        [first_no("P", since_ms - _MARGIN_MS), since_ms, *params])
    return {channel: {"asked": int(asked), "paid": int(paid), "not_taken": int(failed), "open": int(undecided)}
            for channel, asked, paid, failed, undecided in rows}


def channels(catalog: Catalog | None, since_ms: int, lines: list[str]) -> list[dict[str, Any]]:
    """What takes payments, with today's attempts, what of it is left out, and how full its day is: those of which there is
    something to say."""
    tried, used, broken = by_channel(since_ms, lines), limits.used_today(), troubles.current()
    found = []
    for id, document in (catalog.channels.items() if catalog else ()):
        limit, bad = terms.of_document(document).limits, [row for row in broken if row["channel_id"] == id]
        if document.get("role") == "pay" and (id in tried or bad or limit.by_day):
            count, minor = used.get(limit.account, (0, 0))
            found.append({"id": id, "currency": document.get("currency", "CNY"), "limit": limit, "count": count, "minor": minor,
                          "broken": bad, **tried.get(id, {"asked": 0, "paid": 0, "not_taken": 0, "open": 0})})
    return found


def by_hour(since_ms: int, lines: list[str]) -> list[dict[str, int]]:
    """24 hours from `since_ms`: {placed, paid}, orders placed in that hour and, of them, those that are paid."""
    more, params = _lines(lines)
    hours = [{"placed": 0, "paid": 0} for _hour in range(_HOURS)]
    for hour, placed, paid in store.query(
            store.trade, f"SELECT (created_at_ms - ?) / {HOUR_MS}, COUNT(*), COUNT(paid_at_ms) FROM trade_order "
                         f"WHERE created_at_ms >= ? AND created_at_ms < ?{more} GROUP BY 1",
            [since_ms, since_ms, since_ms + _HOURS * HOUR_MS, *params]):
        hours[int(hour)] = {"placed": placed, "paid": paid}
    return hours
