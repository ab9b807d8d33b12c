"""Contracts' periods: their dates by the calendar, their price by the terms, and one of each number."""
from __future__ import annotations

from pathlib import Path

import peewee
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.pay import contracts
from tests.support.contracting import club, day, small_club
from tests.support.selling import refused as refuses

__all__ = ["club", "small_club"]

DATES = yaml.safe_load((Path(__file__).parent / "renewal_dates.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", DATES, ids=lambda case: f"{case['every']} from {case['bought']}")
def test_periods_begin_on_their_days(small_club, case):
    """Through the whole engine: bought, renewed again and again, and the rights go on day by day."""
    club, begin = small_club, [str(each) for each in case["begin"]]
    clock.set_to(clock.parse_rfc3339(case["bought"] + ":00+08:00"))
    contract = club.signed(f"pass/{case['every']}")
    club.until(f"{begin[-1]}T23:59:59+08:00")
    periods = club.periods(contract)[:len(begin)]
    assert [day(p["starts_at_ms"]) for p in periods] == begin
    assert {clock.rfc3339(p["starts_at_ms"])[11:16] for p in periods} == {clock.rfc3339(periods[0]["starts_at_ms"])[11:16]}
    assert all(p["due_at_ms"] == p["starts_at_ms"] for p in periods[1:])
    assert [start for start, _ in club.rights(contract)][:len(begin)] == begin
    assert [start for start, _ in club.rights(contract, "entries")][:len(begin)] == begin


@given(st.integers(0, 4000), st.sampled_from([("month", 1), ("month", 5), ("quarter", 1), ("year", 1), ("week", 2), ("day", 30)]))
def test_no_calendar_shifts_a_contract(days, every):
    """However many periods: each is as near to the day it began on as its month allows, and never back in time."""
    unit, count = every
    starts = clock.parse_rfc3339("2026-01-01T08:00:00+08:00") + days * 86_400_000
    contract, anchor = {"period_unit": unit, "period_count": count}, contracts.anchor_of(starts)
    for _ in range(30):
        ends = contracts.end_of(contract, starts, anchor)
        assert ends > starts
        if unit not in ("day", "week"):
            reached = contracts.anchor_of(ends)
            assert reached == anchor or (reached < anchor and contracts.anchor_of(ends + 86_400_000) == 1)
        starts = ends


def test_the_price_of_a_period_is_what_was_signed():
    contract = {"terms": {"price_minor": 2500, "price_steps": [[4, 2800], [13, 2000]]}}
    assert [contracts.price_of(contract, n) for n in (2, 3, 4, 12, 13, 99)] == [2500, 2500, 2800, 2800, 2000, 2000]


def test_a_period_of_a_number_is_there_once(club):
    contract = club.signed()
    with pytest.raises(peewee.IntegrityError):
        with store.transaction():
            contracts.open_period(contract, 1, "O-other", clock.now_ms(), 2500)


def test_what_is_not_there_is_said(club):
    with refuses(Code.CONTRACT_UNKNOWN, "C0"):
        contracts.find("C0")
    assert contracts.of_order("O0") is None and contracts.unfinished("C0") is None
    assert contracts.by_channel_no("standing", "A0") is None


def test_the_due_are_found_by_index(small_club):
    """Not over the table: what is due is a range of one index, whatever else there is."""
    plan = store.query(store.trade, "EXPLAIN QUERY PLAN SELECT no FROM contract WHERE next_at_ms <= 5 ORDER BY next_at_ms LIMIT 9")
    assert [row[3] for row in plan] == ["SEARCH contract USING INDEX contract_next_at_ms (next_at_ms<?)"]
