"""Which channels work: a breaker for each operation of each channel, in each process, over what its calls came to lately.

    closed ──(too many bad calls)──► open ──(pause over)──► half_open ──(one good call)──► closed
                                       ▲                        └──(a bad one)──► open

Bad is a call that was not sent, not answered, not understood, told to come again, answered with a 5xx, or slow. A refusal
that the channel gave for a reason of its own (no such order, not enough money) is a good call: the channel works.

A channel file says `health: {window: 1m, failures: "50%", slow: 5s, at_least: 5, pause: 30s}`; those are the defaults.
Nobody is forbidden a call: a breaker says what to leave out where there is a choice.
"""
from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any, Mapping, NamedTuple

from .. import wire
from ..base import clock, signal
from ..wire import Outcome
from . import terms, troubles
from .terms import Health

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
_log = logging.getLogger("salewright.pay")


class Look(NamedTuple):
    """A breaker at one moment. `calls`, `failed`, `slow` are of its window; of an open one, of the window that opened it."""
    channel_id: str
    operation: str
    state: str
    calls: int
    failed: int
    slow: int
    until_ms: int | None                       # open: until then it is left out
    since_ms: int | None                       # not closed: since when

    @property
    def bad_share(self) -> float:
        return (self.failed + self.slow) / self.calls if self.calls else 0.0

    @property
    def sentence(self) -> str:
        parts = [f"{count} {word}" for count, word in ((self.failed, "failed"), (self.slow, "were slow")) if count]
        return f"of {self.calls} calls {' and '.join(parts) or 'none failed'}"


class Breaker:
    """One operation of one channel. Times are of the business clock; safe from any thread."""

    def __init__(self, channel_id: str, operation: str, rules: Health):
        self.channel_id, self.operation, self.rules = channel_id, operation, rules
        self._lock = threading.Lock()
        self._calls: deque[tuple[int, str]] = deque()          # (at, ok | failed | slow), oldest first
        self._opened: tuple[int, int, int] = (0, 0, 0)          # calls, failed, slow when it opened
        self._since_ms = self._until_ms = self._probe_until_ms = 0
        self._open = False

    def look(self, now_ms: int) -> Look:
        with self._lock:
            if not self._open:
                return Look(self.channel_id, self.operation, CLOSED, *self._counted(now_ms), None, None)
            state = OPEN if now_ms < self._until_ms else HALF_OPEN
            return Look(self.channel_id, self.operation, state, *self._opened, self._until_ms, self._since_ms)

    def admits(self, now_ms: int) -> bool:
        """Whether it may be chosen now. Half open it may once: whoever is told so is the probe, until its call is over or
        a pause has passed without one."""
        with self._lock:
            if not self._open:
                return True
            if now_ms < self._until_ms or now_ms < self._probe_until_ms:
                return False
            self._probe_until_ms = now_ms + int(self.rules.pause_s * 1000)
            return True

    def not_used(self) -> None:
        """Who was admitted did not make the call after all."""
        with self._lock:
            self._probe_until_ms = 0

    def note(self, began_ms: int, now_ms: int, bad: str) -> str:
        """A call is over: `bad` is "", failed or slow. Returns the state it went into, "" when it stayed."""
        with self._lock:
            if self._open:
                return self._after_probe(began_ms, now_ms, bad)
            self._calls.append((now_ms, bad or "ok"))
            calls, failed, slow = self._counted(now_ms)
            if calls < self.rules.at_least or failed + slow < self.rules.failures * calls or not failed + slow:
                return ""
            self._opened = calls, failed, slow
            self._open_for_a_pause(now_ms)
            self._since_ms = now_ms
            return OPEN

    def _after_probe(self, began_ms: int, now_ms: int, bad: str) -> str:
        if began_ms < self._since_ms:          # it began before we knew, and tells nothing new
            return ""
        if not bad:                            # whoever made it: it works again
            self._open, self._probe_until_ms = False, 0
            self._calls.clear()
            return CLOSED
        if now_ms >= self._until_ms:
            self._open_for_a_pause(now_ms)
            return OPEN
        return ""

    def _open_for_a_pause(self, now_ms: int) -> None:
        self._open, self._probe_until_ms = True, 0
        self._until_ms = now_ms + int(self.rules.pause_s * 1000)
        self._calls.clear()

    def _counted(self, now_ms: int) -> tuple[int, int, int]:
        since_ms = now_ms - int(self.rules.window_s * 1000)
        while self._calls and self._calls[0][0] <= since_ms:
            self._calls.popleft()
        said = [bad for _, bad in self._calls]
        return len(said), said.count("failed"), said.count("slow")


# ── of this process ──────────────────────────────────────────────────────────────────────────────────────────────────

_breakers: dict[tuple[str, str], Breaker] = {}
_lock = threading.Lock()

def forget() -> None:
    """Begin anew, as a process does (tests)."""
    with _lock:
        _breakers.clear()


def breaker(channel_id: str, operation: str) -> Breaker:
    """The one of this process; new rules (a release) begin with an empty window."""
    key, rules = (channel_id, operation), terms.of(channel_id).health
    found = _breakers.get(key)
    if found is None or found.rules != rules:
        with _lock:
            found = _breakers.get(key)
            if found is None or found.rules != rules:
                found = _breakers[key] = Breaker(channel_id, operation, rules)
    return found


def current() -> list[Look]:
    """All breakers of this process that have seen a call."""
    now = clock.now_ms()
    return [each.look(now) for _, each in sorted(_breakers.items())]


def operate(channel: wire.Channel, operation: str, facts: Mapping[str, Any], **options: Any) -> Outcome:
    """`wire.operate`, and what it came to is noted. A WireError (the file or the secrets are wrong) counts, and is raised."""
    if not wire.needs_call(channel, operation):
        return wire.operate(channel, operation, facts, **options)
    found, began_ms, started = breaker(channel.id, operation), clock.now_ms(), time.perf_counter()
    try:
        outcome = wire.operate(channel, operation, facts, **options)
    except wire.WireError as error:
        _note(found, began_ms, "failed", str(error))
        raise
    _note(found, began_ms, verdict(outcome, time.perf_counter() - started, found.rules), outcome.reason)
    return outcome


def verdict(outcome: Outcome, seconds: float, rules: Health) -> str:
    """"" for a channel that works, else failed or slow."""
    unreachable = outcome.state == "failed" and not outcome.sent and not outcome.ours
    if unreachable or outcome.state in ("unknown", "busy") or (outcome.status or 0) >= 500:
        return "failed"
    return "slow" if seconds >= rules.slow_s else ""


def _note(found: Breaker, began_ms: int, bad: str, why: str) -> None:
    now = clock.now_ms()
    turned = found.note(began_ms, now, bad)
    if not turned:
        return
    look, labels = found.look(now), {"channel": found.channel_id, "operation": found.operation}
    signal.emit(f"channel.{'opened' if turned == OPEN else turned}", **labels)
    if turned == OPEN:
        _log.warning("%s of %s is left out for %g s: %s", found.operation, found.channel_id, found.rules.pause_s,
                     look.sentence, extra={**labels, "reason": why})
    else:
        _log.info("%s of %s works again", found.operation, found.channel_id, extra=labels)
    troubles.keep(look, why)
