"""Logs: each line carries its trace, who consumed the event and the producer's trace."""
from __future__ import annotations

import json
import logging

import pytest

from engine.base import clock, logs, trace


@pytest.fixture
def line(monkeypatch, capsys):
    """What a warning of a consumer looks like, in a format."""
    def write(form: str, *args, **more) -> str:
        monkeypatch.setenv("SALEWRIGHT_LOG_FORMAT", form)
        logs.setup()
        clock.set_to(0)
        with trace.span("POST /v1/notices", producer="abcdef0123456789"):
            logging.getLogger("test").warning(*args, **more)
        return capsys.readouterr().err
    return write


def test_as_json(line):
    told = json.loads(line("json", "order %s paid", "O1", extra={"channel": "c", "took_ms": 3}))
    assert (told["message"], told["level"], told["at"]) == ("order O1 paid", "WARNING", "1970-01-01T00:00:00.000Z")
    assert (told["channel"], told["took_ms"]) == ("c", "3")
    assert (told["consumer"], told["producer"]) == ("POST /v1/notices", "abcdef0123456789") \
        and len(told["trace_id"]) == 32


def test_as_text(line):
    told = line("text", "order %s paid", "O1", extra={"channel": "c"})
    assert "WARNING" in told and "[POST /v1/notices] producer=abcdef01 order O1 paid channel=c\n" in told


@pytest.mark.parametrize("form", ["json", "text"])
def test_with_what_was_raised(line, form):
    try:
        1 / 0
    except ZeroDivisionError:
        told = line(form, "it failed", exc_info=True)
    assert "ZeroDivisionError" in (json.loads(told)["exception"] if form == "json" else told)


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_text_of_others_begins_no_line_of_its_own(line, form):
    told = line(form, "asked for %s", "/v1/orders/x\n2026-11-20 ERROR forged\u2028\x1b[2J\x85", extra={"why": "a\r\nb"})
    assert told.count("\n") == 1 and not set("\r\x1b" + ("\u2028\x85" if form == "text" else "")) & set(told)
    assert "2026-11-20 ERROR forged" in told
