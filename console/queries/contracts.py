"""What is due day by day, and what fails, over all contracts a person may see."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.base import clock, settings

DAYS = 14
DAY_MS = 86_400_000


def calendar(now_ms: int, lines: list[str]) -> list[dict[str, Any]]:
    """The deductions of the next days: [{day: YYYY-MM-DD, due, overdue}] of days that have any, by the index of what is seen
    to next."""
    more, params = _lines(lines)
    shift_ms = int(clock.to_datetime(now_ms).astimezone(clock.zone(settings.timezone())).utcoffset().total_seconds() * 1000)
    rows = store.query(
        store.trade, f"SELECT (paid_until_ms + ?) / {DAY_MS}, COUNT(*), SUM(CASE WHEN state = 'active' THEN 0 ELSE 1 END) "
                     "FROM contract WHERE next_at_ms <= ? AND paid_until_ms <= ? AND "
                     f"state IN ('active', 'overdue', 'suspended'){more} "
                     "GROUP BY 1 ORDER BY 1",
        [shift_ms, now_ms + DAYS * DAY_MS, now_ms + DAYS * DAY_MS, *params])
    return [{"day": clock.to_datetime(int(day) * DAY_MS).strftime("%Y-%m-%d"), "due": int(due), "overdue": int(late)}
            for day, due, late in rows]


def failing(lines: list[str]) -> dict[str, int]:
    """state → contracts, of those that need somebody's eye."""
    more, params = _lines(lines)
    return dict(store.query(store.trade, f"SELECT state, COUNT(*) FROM contract WHERE state IN ('overdue', 'suspended'){more} "
                                         "GROUP BY state", params))


def _lines(lines: list[str]) -> tuple[str, list[str]]:
    return (f" AND line_id IN ({', '.join('?' * len(lines))})", lines) if lines else ("", [])
