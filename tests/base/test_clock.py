"""The clock: one, stoppable; calendar periods in the business's zone."""
from __future__ import annotations

import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base import clock

SHANGHAI = "Asia/Shanghai"
TIMES = st.integers(-10 ** 12, 4 * 10 ** 12)


def at(text: str, zone: str = SHANGHAI) -> int:
    return clock.from_datetime(datetime.fromisoformat(text).replace(tzinfo=clock.zone(zone)))


def shown(at_ms: int, zone: str = SHANGHAI) -> str:
    return clock.to_datetime(at_ms).astimezone(clock.zone(zone)).strftime("%Y-%m-%dT%H:%M:%S")


# ── the clock itself ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_it_runs_until_it_is_stopped():
    before = clock.now_ms()
    assert abs(before - datetime.now(timezone.utc).timestamp() * 1000) < 5000
    clock.set_to(1000)
    assert clock.now_ms() == clock.now_ms() == 1000
    assert clock.advance(1.5) == 2500 == clock.now_ms()
    clock.set_to(None)
    assert clock.now_ms() >= before


def test_time_is_let_pass_for_all_who_follow(tmp_path):
    """Another process, which opened the same file, is in the new time at once; a stopped clock stays where it is."""
    before = clock.now_ms()
    clock.follow(tmp_path / "clock")
    assert clock.ahead_ms() == 0 and clock.now_ms() - before < 5000
    child = subprocess.Popen([sys.executable, "-c", "import sys, pathlib; from engine.base import clock; clock.follow(pathlib.Path("
                              "sys.argv[1])); print(clock.ahead_ms(), flush=True); input(); print(clock.now_ms())",
                              str(tmp_path / "clock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "0\n"
    clock.let_pass(86_400)
    clock.let_pass(0.5)
    assert clock.ahead_ms() == 86_400_500 and clock.now_ms() - before >= 86_400_500
    assert int(child.communicate("\n", 10)[0]) - before >= 86_400_500
    clock.set_to(1000)
    assert clock.now_ms() == 1000
    clock.set_to(None)
    clock.follow(None)
    assert clock.now_ms() - before < 60_000


@pytest.mark.parametrize("seconds, followed", [(-1, True), (1, False)])
def test_time_goes_forwards_and_only_where_it_is_followed(tmp_path, seconds, followed):
    clock.follow(tmp_path / "clock" if followed else None)
    with pytest.raises(ValueError, match="forwards"):
        clock.let_pass(seconds)


def test_moving_a_running_clock_stops_it():
    now = clock.advance(60)
    assert clock.now_ms() == now


def test_it_is_the_same_for_all_threads():
    clock.set_to(5)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(clock.now_ms()))
    thread.start(), thread.join()
    assert seen == [5]


# ── durations ────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("text, seconds",
                         [("30m", 1800), ("1h", 3600), ("30d", 2_592_000), ("45s", 45), ("250ms", 0.25), ("0s", 0),
                          ("007s", 7)])
def test_durations(text, seconds):
    assert clock.parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "1.5h", "-1s", "1 h", "1h30m", "1w", "1H", "1h\n", "٣s", None, 30])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="is not a duration"):
        clock.parse_duration_s(text)


# ── writing times ────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("at_ms, text", [
    (0, "1970-01-01T00:00:00.000Z"), (1_795_147_200_123, "2026-11-20T04:00:00.123Z"), (-1, "1969-12-31T23:59:59.999Z"),
    (951_782_400_000, "2000-02-29T00:00:00.000Z")])
def test_rfc3339(at_ms, text):
    assert clock.rfc3339(at_ms) == text and clock.parse_rfc3339(text) == at_ms


@pytest.mark.parametrize("text, at_ms", [
    ("1970-01-01T08:00:00+08:00", 0), ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.5+00:00", 500),
    ("1969-12-31T19:00:00-05:00", 0),
    ("1970-01-01T00:00:00.123456Z", 123)])
def test_times_of_other_zones(text, at_ms):
    assert clock.parse_rfc3339(text) == at_ms


@pytest.mark.parametrize("text",
                         ["2026-01-01T00:00:00", "2026-01-01", "now", "", "2026-13-01T00:00:00Z",
                          "2026-02-29T00:00:00Z"])
def test_no_zone_is_guessed(text):
    with pytest.raises(ValueError):
        clock.parse_rfc3339(text)


def test_no_time_is_no_text():
    assert clock.rfc3339(None) is None


@given(TIMES)
def test_times_come_back_as_they_went(at_ms):
    assert clock.parse_rfc3339(clock.rfc3339(at_ms)) == at_ms
    assert clock.from_datetime(clock.to_datetime(at_ms)) == at_ms


@pytest.mark.parametrize("text, zone, day", [
    ("2026-11-20T15:59:59Z", SHANGHAI, "2026-11-20"), ("2026-11-20T16:00:00Z", SHANGHAI, "2026-11-21"),
    ("2026-11-20T04:59:59Z", "America/New_York", "2026-11-19"),
    ("2026-11-20T05:00:00Z", "America/New_York", "2026-11-20")])
def test_the_business_day(text, zone, day):
    assert clock.business_date(clock.parse_rfc3339(text), zone) == day


# ── calendar periods ─────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("start, count, unit, end", [
    ("2026-11-20T12:00:00", 1, "day", "2026-11-21T12:00:00"), ("2026-11-20T12:00:00", 1, "week", "2026-11-27T12:00:00"),
    ("2026-11-20T12:00:00", 1, "month", "2026-12-20T12:00:00"),
    ("2026-12-20T12:00:00", 1, "month", "2027-01-20T12:00:00"),
    ("2026-01-31T00:00:00", 1, "month", "2026-02-28T00:00:00"),
    ("2028-01-31T00:00:00", 1, "month", "2028-02-29T00:00:00"),
    ("2026-03-31T23:59:59", 1, "month", "2026-04-30T23:59:59"),
    ("2026-01-30T00:00:00", 1, "month", "2026-02-28T00:00:00"),
    ("2026-01-31T00:00:00", 2, "month", "2026-03-31T00:00:00"),
    ("2026-11-30T00:00:00", 1, "quarter", "2027-02-28T00:00:00"),
    ("2026-08-31T00:00:00", 2, "quarter", "2027-02-28T00:00:00"),
    ("2028-02-29T00:00:00", 1, "year", "2029-02-28T00:00:00"),
    ("2028-02-29T00:00:00", 4, "year", "2032-02-29T00:00:00"),
    ("2026-11-20T12:00:00", 10, "year", "2036-11-20T12:00:00"),
    ("2026-11-20T12:00:00", 14, "month", "2028-01-20T12:00:00"),
    ("2026-02-28T12:00:00", 1, "day", "2026-03-01T12:00:00"),
    ("2028-02-28T12:00:00", 1, "day", "2028-02-29T12:00:00"), ("2026-12-31T12:00:00", 1, "day", "2027-01-01T12:00:00"),
    ("2026-03-31T12:00:00", -1, "month", "2026-02-28T12:00:00"),
    ("2026-11-20T12:00:00", 0, "month", "2026-11-20T12:00:00"),
    ("2099-12-31T00:00:00", 2, "month", "2100-02-28T00:00:00")])
def test_a_period_later(start, count, unit, end):
    assert shown(clock.add_period(at(start), count, unit, SHANGHAI)) == end


def test_an_anchor_brings_later_months_back_to_its_day():
    days, now = [], at("2026-01-31T00:00:00")
    for _ in range(14):
        now = clock.add_period(now, 1, "month", SHANGHAI, anchor_day=31)
        days.append(shown(now)[5:10])
    assert days == ["02-28", "03-31", "04-30", "05-31", "06-30", "07-31", "08-31", "09-30", "10-31", "11-30", "12-31",
                    "01-31", "02-28", "03-31"]


@pytest.mark.parametrize("zone, start, count, unit, end", [
    # the clocks go forward on 2026-03-08 at 02:00 and back on 2026-11-01 at 02:00: the time of day stays
    ("America/New_York", "2026-03-07T12:00:00", 1, "day", "2026-03-08T12:00:00"),
    ("America/New_York", "2026-10-31T12:00:00", 1, "day", "2026-11-01T12:00:00"),
    ("America/New_York", "2026-02-08T02:30:00", 1, "month", "2026-03-08T03:30:00"),      # a time that day did not have
    ("America/New_York", "2026-10-01T01:30:00", 1, "month", "2026-11-01T01:30:00"),      # one it had twice
    ("Europe/London", "2026-03-28T00:30:00", 1, "day", "2026-03-29T00:30:00"),
    ("Australia/Lord_Howe", "2026-04-01T12:00:00", 1, "month", "2026-05-01T12:00:00")])
def test_the_clocks_change(zone, start, count, unit, end):
    assert shown(clock.add_period(at(start, zone), count, unit, zone), zone) == end


def test_a_day_is_not_always_as_long():
    zone = "America/New_York"
    lengths = [clock.add_period(at(f"{day}T12:00:00", zone), 1, "day", zone) - at(f"{day}T12:00:00", zone)
               for day in ("2026-03-07", "2026-06-01", "2026-10-31")]
    assert [ms // 3_600_000 for ms in lengths] == [23, 24, 25]


def test_milliseconds_stay():
    assert clock.add_period(at("2026-01-31T00:00:00") + 123, 1, "month", SHANGHAI) % 1000 == 123


@given(st.integers(0, 4 * 10 ** 12), st.integers(1, 60), st.sampled_from(["day", "week", "month", "quarter", "year"]),
       st.sampled_from([SHANGHAI, "America/New_York", "UTC", "Pacific/Apia"]))
def test_a_period_is_never_in_the_past_and_more_of_them_are_later(start, count, unit, zone):
    one, more = (clock.add_period(start, n, unit, zone) for n in (count, count + 1))
    assert start < one < more
    days = {"day": 1, "week": 7, "month": 28, "quarter": 89, "year": 365}[unit] * count
    assert one - start >= (timedelta(days=days) - timedelta(days=1, hours=1)) / timedelta(milliseconds=1)


@given(st.integers(0, 4 * 10 ** 12), st.sampled_from(["month", "quarter", "year"]))
def test_months_keep_the_day_or_end_with_the_month(start, unit):
    before, after = (clock.to_datetime(ms).astimezone(clock.zone(SHANGHAI))
                     for ms in (start, clock.add_period(start, 1, unit, SHANGHAI)))
    assert after.day == before.day or (after.day < before.day and (after + timedelta(days=1)).day == 1)
    assert (after.hour, after.minute, after.second) == (before.hour, before.minute, before.second)


def test_an_unknown_unit_is_an_error():
    with pytest.raises(KeyError):
        clock.add_period(0, 1, "fortnight", SHANGHAI)


@pytest.mark.parametrize("start_ms, count, unit", [(0, 9000, "year"), (0, 10 ** 9, "month"), (0, 10 ** 12, "day"), (0, 10 ** 9, "week"),
                                                   (clock.LAST_MS, 1, "quarter"), (clock.LAST_MS, 1, "day")])
@pytest.mark.parametrize("zone", [SHANGHAI, "Pacific/Kiritimati", "Etc/GMT+12"])
def test_what_would_end_after_the_last_year_ends_with_it(start_ms, count, unit, zone):
    assert clock.add_period(start_ms, count, unit, zone, 31) == clock.LAST_MS
    assert clock.rfc3339(clock.LAST_MS).startswith("9999-12-30") and shown(clock.LAST_MS, zone).startswith("9999-12-")
