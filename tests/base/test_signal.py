"""Signals reach whoever watches, and never hurt who emits them."""
from __future__ import annotations

from engine.base import signal


def test_a_sink_takes_what_is_emitted(monkeypatch):
    monkeypatch.setattr(signal, "_sinks", [])
    signal.emit("nobody", 1)
    seen = []
    signal.add_sink(lambda name, value, labels: seen.append((name, value, labels)))
    signal.emit("pay.seconds", 0.12, channel="c")
    signal.emit("order.placed")
    assert seen == [("pay.seconds", 0.12, {"channel": "c"}), ("order.placed", 1, {})]


def test_a_broken_sink_hurts_nobody(monkeypatch, caplog):
    seen = []
    monkeypatch.setattr(signal, "_sinks", [lambda *a: 1 / 0, lambda name, value, labels: seen.append(name)])
    signal.emit("x")
    assert seen == ["x"] and "a signal sink failed on x" in caplog.text
