"""Crash points: a process dies at the point it was told, once if so told."""
from __future__ import annotations

import signal

import pytest

from engine.base import crash
from tests.support.source import ROOT

PASS = "from engine.base import crash; crash.point('pay.called'); print('passed')"


@pytest.mark.parametrize("at, code", [("pay.called", -signal.SIGKILL), ("pay.intent_committed", 0), ("", 0)])
def test_it_dies_where_it_was_told(processes, at, code):
    assert processes.python("-c", PASS, env={"SALEWRIGHT_CRASH_AT": at}).wait() == code


def test_once_is_once(processes, tmp_path):
    env = {"SALEWRIGHT_CRASH_AT": "pay.called", "SALEWRIGHT_CRASH_ONCE": str(tmp_path / "crashed")}
    assert [processes.python("-c", PASS, env=env).wait() for _ in range(3)] == [-signal.SIGKILL, 0, 0]


def test_every_point_is_passed_somewhere():
    text = "".join(path.read_text() for path in (ROOT / "engine").rglob("*.py") if path.name != "crash.py")
    assert [point for point in crash.POINTS if f'"{point}"' not in text] == []
