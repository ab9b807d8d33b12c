"""Signals: named numbers with labels that rooms emit; whoever is started to watch takes them.

`emit("pay.seconds", 0.12, channel="…")`. Without a sink a signal costs one call. Sinks never raise into business code.
"""
from __future__ import annotations

import logging
from typing import Callable

Sink = Callable[[str, float, dict[str, str]], None]
_sinks: list[Sink] = []
_log = logging.getLogger("salewright.signal")


def add_sink(sink: Sink) -> None:
    _sinks.append(sink)


def emit(name: str, value: float = 1, **labels: str) -> None:
    for sink in _sinks:
        try:
            sink(name, value, labels)
        except Exception:
            _log.exception("a signal sink failed on %s", name)
