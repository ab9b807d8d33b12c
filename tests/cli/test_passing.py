"""`run.py pass`: time passes for a machine of samples, and for no other."""
from __future__ import annotations

import pytest

from engine.base import clock, settings
from engine.cli import door


def test_time_passes_and_is_said(data_dir, capsys):
    clock.follow(settings.clock_file())
    before = clock.now_ms()
    assert door.enter(["pass"]) == 0 and clock.ahead_ms() == 0
    assert door.enter(["pass", "26d"]) == 0 and door.enter(["pass", "90m"]) == 0
    assert clock.now_ms() - before >= 26 * 86_400_000 + 5_400_000
    assert "26 d 1 h 30 m ahead" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["26", "-1d", "a month"])
def test_not_a_time(text, capsys):
    with pytest.raises(SystemExit) as stop:
        door.enter(["pass", "--", text])
    assert stop.value.code == 2 and "is not a duration" in capsys.readouterr().err


def test_real_channels_have_real_time(monkeypatch, capsys):
    monkeypatch.setenv("SALEWRIGHT_CHANNELS", "live")
    assert door.enter(["pass", "1d"]) == 1 and "sandbox" in capsys.readouterr().err
