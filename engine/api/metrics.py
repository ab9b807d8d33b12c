"""Figures for Prometheus. Whatever a room signals is counted here: a signal's name is its metric's name.

A signal that ends in `.seconds` becomes a histogram, every other one a counter: `order.placed{scene}` →
`salewright_order_placed_total`, `wire.seconds{channel,operation}` → `salewright_wire_seconds`. Labels that a signal
leaves out are empty.
"""
from __future__ import annotations

import re
import threading
from bisect import bisect_left
from typing import Iterator

import peewee
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from .. import store
from ..base import clock, signal
from ..base.errors import Refusal
from ..config.live import live
from ..pay import health

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SERIES_MAX = 5_000                             # beyond, new label values are no longer told apart
_PREFIX = "salewright_"
_LEFT_OUT = {health.CLOSED: 0.0, health.HALF_OPEN: 0.5, health.OPEN: 1.0}
Labels = tuple[tuple[str, str], ...]


class Signals:
    """Collects signals as they come and shows them as metrics. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = {}
        self._spreads: dict[tuple[str, Labels], list[float]] = {}   # a count per bound, one for beyond, then the sum

    def take(self, name: str, value: float, labels: dict[str, str]) -> None:
        """The sink: see `base.signal`."""
        key = (name, tuple(labels.items()))
        if name.endswith(".seconds"):
            with self._lock:
                spread = self._spreads.get(key) or self._spreads.setdefault(self._room(key), [0.0] * (len(BOUNDS_S) + 2))
                spread[bisect_left(BOUNDS_S, value)] += 1
                spread[-1] += value
        else:
            with self._lock:
                if key not in self._counts:
                    key = self._room(key)
                self._counts[key] = self._counts.get(key, 0.0) + value

    def _room(self, key: tuple[str, Labels]) -> tuple[str, Labels]:
        if len(self._counts) + len(self._spreads) < SERIES_MAX:
            return key
        return key[0], tuple((name, "…") for name, _ in key[1])

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            counts, spreads = dict(self._counts), {key: list(spread) for key, spread in self._spreads.items()}
        for name, names, found in _by_name(counts):
            metric = CounterMetricFamily(_metric_name(name), f"Signals {name}", labels=names)
            for labels, count in found:
                metric.add_metric(labels, count)
            yield metric
        for name, names, found in _by_name(spreads):
            metric = HistogramMetricFamily(_metric_name(name), f"Signals {name}", labels=names)
            for labels, spread in found:
                metric.add_metric(labels, buckets=_cumulative(spread), sum_value=spread[-1])
            yield metric


def _by_name(found: dict) -> Iterator[tuple[str, list[str], list]]:
    """(name, label names, [(label values, what was collected)]) for each signal."""
    for name in sorted({name for name, _ in found}):
        mine = [(dict(labels), value) for (n, labels), value in found.items() if n == name]
        names = sorted({label for labels, _ in mine for label in labels})
        yield name, names, [([str(labels.get(label, "")) for label in names], value) for labels, value in mine]


def _metric_name(name: str) -> str:
    return _PREFIX + re.sub(r"[^a-z0-9_]", "_", name.lower())


def _cumulative(spread: list[float]) -> list[tuple[str, float]]:
    total, buckets = 0.0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), spread):
        total += count
        buckets.append((bound, total))
    return buckets


class State:
    """What is the case now: the outbox's backlog and the live release. Asked for at each scrape."""

    def collect(self) -> Iterator[Metric]:
        try:
            now = clock.now_ms()
            rows = store.query(store.trade, "SELECT state, COUNT(*), MIN(due_at_ms) FROM outbox GROUP BY state")
            jobs = GaugeMetricFamily(_PREFIX + "outbox_jobs", "Jobs in the outbox", labels=["state"])
            for state, count, _ in rows:
                jobs.add_metric([state], count)
            late_ms = max([now - due for state, _, due in rows if state == "ready"], default=0)
            yield jobs
            yield GaugeMetricFamily(_PREFIX + "outbox_late_seconds", "How long the job that waits longest is overdue",
                                    value=max(0, late_ms) / 1000)
        except (peewee.OperationalError, peewee.InterfaceError):
            store.trade.close()
            yield GaugeMetricFamily(_PREFIX + "database_up", "Whether the trade database answers", value=0)
        try:
            yield GaugeMetricFamily(_PREFIX + "release", "The live release's number", value=live.catalog().release_no)
        except Refusal:
            yield GaugeMetricFamily(_PREFIX + "release", "The live release's number", value=0)


class Channels:
    """Which channels this process leaves out, and their recent calls."""

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(_PREFIX + "channel_left_out", "1: left out, 0.5: to be tried once, 0: works",
                                  labels=["channel", "operation"])
        bad = GaugeMetricFamily(_PREFIX + "channel_bad_share", "Bad calls among the recent ones, or when it was left out",
                                labels=["channel", "operation"])
        for look in health.current():
            state.add_metric([look.channel_id, look.operation], _LEFT_OUT[look.state])
            bad.add_metric([look.channel_id, look.operation], look.bad_share)
        yield from (state, bad)


signals = Signals()
_registry: CollectorRegistry | None = None


def start() -> None:
    """Begin to collect; once per process."""
    global _registry
    if _registry is None:
        signal.add_sink(signals.take)
        _registry = CollectorRegistry()
        for collector in (signals, State(), Channels()):
            _registry.register(collector)
        for of_process in (ProcessCollector, PlatformCollector, GCCollector):
            of_process(registry=_registry)


def text() -> bytes:
    """Everything, in Prometheus's text format."""
    return generate_latest(_registry)
