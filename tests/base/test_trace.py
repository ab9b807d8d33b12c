"""Traces: whose work this is, and what caused it."""
from __future__ import annotations

import re
import threading

import pytest

from engine.base import trace

GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_work_nobody_asked_for_has_a_trace_of_its_own():
    def look():
        seen.append((trace.current(), trace.current()))
    seen = []
    for _ in range(2):
        thread = threading.Thread(target=look)
        thread.start(), thread.join()
    assert seen[0][0] == seen[0][1] != seen[1][0]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", seen[0][0].traceparent)


def test_a_callers_trace_goes_on():
    with trace.span("GET /orders", GIVEN, producer="p") as mine:
        assert trace.current() == mine and trace.trace_id() == "0af7651916cd43dd8448eb211c80319c"
        assert (mine.consumer, mine.producer) == ("GET /orders", "p") and mine.span_id != "b7ad6b7169203331"


@pytest.mark.parametrize("given", [None, "", "rubbish", GIVEN[:-1], GIVEN.upper(), GIVEN + "\n", "01" + GIVEN[2:],
                                   "00-" + "0" * 32 + "-b7ad6b7169203331-01", GIVEN.replace("-b7", "-x7")])
def test_what_is_no_traceparent_begins_a_new_trace(given):
    with trace.span("x", given) as mine:
        assert re.fullmatch("[0-9a-f]{32}", mine.trace_id) and mine.trace_id not in (GIVEN[3:35], "0" * 32)


def test_spans_nest_and_end():
    with trace.span("outer") as outer:
        with pytest.raises(ZeroDivisionError):
            with trace.span("inner", outer.traceparent) as inner:
                assert inner.trace_id == outer.trace_id and trace.current() == inner
                raise ZeroDivisionError
        assert trace.current() == outer
