"""The one clock. Times are integers: milliseconds since the epoch, UTC (`…_at_ms`); spans are seconds (`…_s`).

Tests and simulations move it with `set_to` / `advance`; nothing else reads the system's time for business. Processes that
`follow` the same file are in the same time: the system's, and as far ahead of it as a person let pass.
"""
from __future__ import annotations

import mmap
import os
import re
import time
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

LAST_MS = 253_402_128_000_000                  # 9999-12-30, UTC: a day that every zone can write
_fixed_ms: int | None = None
_passed: mmap.mmap | None = None               # eight bytes that all processes of a machine share: ms ahead of the system's time
_DURATION = re.compile(r"([0-9]+)(ms|s|m|h|d)\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def now_ms() -> int:
    if _fixed_ms is not None:
        return _fixed_ms
    return time.time_ns() // 1_000_000 + (ahead_ms() if _passed is not None else 0)


def set_to(at_ms: int | None) -> None:
    """Stop the clock at a time (tests, simulations); None lets it run again."""
    global _fixed_ms
    _fixed_ms = at_ms


def advance(seconds: float) -> int:
    """Move a stopped clock on; stops it first when it runs. Returns the new time in ms."""
    set_to(now_ms() + int(seconds * 1000))
    return now_ms()


def follow(file: Path | None) -> None:
    """From now on be as far ahead of the system's time as the file says, whoever lets time pass; None: not any more."""
    global _passed
    if _passed is not None:
        _passed.close()
    _passed = None
    if file is not None:
        opened = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(opened).st_size < 8:
                os.ftruncate(opened, 8)
            _passed = mmap.mmap(opened, 8)
        finally:
            os.close(opened)


def ahead_ms() -> int:
    """How far ahead of the system's time this process is by the file that it follows."""
    return int.from_bytes(_passed[:8], "little") if _passed is not None else 0


def let_pass(seconds: float) -> int:
    """Let time pass for every process that follows the same file; returns the new time in ms. It never goes back."""
    if _passed is None or seconds < 0:
        raise ValueError("time passes forwards, and only where a file is followed")
    _passed[:8] = (ahead_ms() + int(seconds * 1000)).to_bytes(8, "little")
    return now_ms()


def parse_duration_s(text: str) -> float:
    """`30m` → 1800.0; units ms, s, m, h, d. ValueError says what was expected."""
    match = _DURATION.match(str(text))
    if not match:
        raise ValueError(f"{text!r} is not a duration: write a whole number with ms, s, m, h or d, e.g. 30m")
    count, unit = int(match[1]), match[2]
    return count / 1000 if unit == "ms" else float(count * _SECONDS[unit])


def to_datetime(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, timezone.utc) + timedelta(milliseconds=at_ms % 1000)


def from_datetime(moment: datetime) -> int:
    """An aware datetime → ms."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def rfc3339(at_ms: int | None) -> str | None:
    """`2026-11-21T12:00:00.000Z`, or None for None."""
    if at_ms is None:
        return None
    return f"{_second(at_ms // 1000)}.{at_ms % 1000:03d}Z"


@lru_cache(maxsize=1024)
def _second(at_s: int) -> str:
    return to_datetime(at_s * 1000).strftime("%Y-%m-%dT%H:%M:%S")


def parse_rfc3339(text: str) -> int:
    """An RFC 3339 time *with* its offset → ms; ValueError without one, so that no zone is guessed."""
    moment = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone: end it with Z or +08:00")
    return from_datetime(moment)


@lru_cache(maxsize=None)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def business_date(at_ms: int, zone_name: str) -> str:
    """The business day a time falls on, as `YYYY-MM-DD` in the business's zone."""
    return to_datetime(at_ms).astimezone(zone(zone_name)).strftime("%Y-%m-%d")


def add_period(start_ms: int, count: int, unit: str, zone_name: str, anchor_day: int | None = None) -> int:
    """A calendar period later, in the business's zone: unit day | week | month | quarter | year.

    A month later than the 31st is the last day of a shorter month; `anchor_day` (1–31) brings later periods back to
    the day the first one began on, so that 31 Jan → 28 Feb → 31 Mar. What would end after the last year of the calendar
    ends with it.
    """
    try:
        return min(_later(start_ms, count, unit, zone_name, anchor_day), LAST_MS)
    except (OverflowError, ValueError):
        return LAST_MS


def _later(start_ms: int, count: int, unit: str, zone_name: str, anchor_day: int | None) -> int:
    local = to_datetime(start_ms).astimezone(zone(zone_name))
    if unit in ("day", "week"):
        moved = local.replace(tzinfo=None) + timedelta(days=count * (7 if unit == "week" else 1))
    else:
        months = count * {"month": 1, "quarter": 3, "year": 12}[unit]
        index = local.year * 12 + local.month - 1 + months
        year, month = divmod(index, 12)
        month += 1
        day = min(anchor_day or local.day, _days_in_month(year, month))
        moved = local.replace(year=year, month=month, day=day, tzinfo=None)
    return from_datetime(moved.replace(tzinfo=zone(zone_name)))


def _days_in_month(year: int, month: int) -> int:
    following = datetime(year + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day
