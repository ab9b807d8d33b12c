"""W3C trace context: who asked for this work. A consumer's trace also keeps the *producer's*, so that a log line of a
callback or an event leads back to what caused it.
"""
from __future__ import annotations

import os
import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Iterator, NamedTuple

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


class Trace(NamedTuple):
    """trace_id: 32 hex digits; span_id: 16; consumer: the interface or task at work; producer: trace_id of the cause."""
    trace_id: str
    span_id: str
    consumer: str = ""
    producer: str = ""

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-01"


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace:
    trace = _current.get()
    if trace is None:
        trace = Trace(os.urandom(16).hex(), os.urandom(8).hex())
        _current.set(trace)
    return trace


def trace_id() -> str:
    return current().trace_id


def caused_by(trace_id: str) -> None:
    """Note whose work this goes on with, once that is known: a notice is read before its payment is found."""
    here = current()
    if trace_id != here.trace_id:
        _current.set(here._replace(producer=trace_id))


@contextmanager
def span(consumer: str, traceparent: str | None = None, producer: str = "") -> Iterator[Trace]:
    """Work under a trace: the caller's when `traceparent` is valid, a new one otherwise."""
    match = _TRACEPARENT.match(traceparent or "")
    incoming = match[1] if match and match[1] != "0" * 32 else os.urandom(16).hex()
    trace = Trace(incoming, os.urandom(8).hex(), consumer, producer)
    mark = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(mark)
