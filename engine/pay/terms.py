"""What a channel file says of itself beside its protocol: when it counts as working (`health:`), how much may go through it
(`limits:`), and how long it takes over a deduction (`deductions:`). Read of the live release, as the channels themselves are.

    limits:
      payment: {min: 0.01, max: 50000.00}                # one payment
      day: {amount: 2000000.00, count: 10000}            # a business day's payments, all together
      account: main                                      # counted together with the other channels that say so
"""
from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Mapping

from ..base import clock, money
from ..config.live import live

_KEPT_MAX = 512


@dataclass(frozen=True, slots=True)
class Health:
    """When a breaker opens: of at least `at_least` calls within `window_s`, a share of `failures` were bad (0.5: half);
    `slow_s` is when a call counts as bad. Open for `pause_s`."""
    window_s: float = 60.0
    failures: float = 0.5
    slow_s: float = 5.0
    at_least: int = 5
    pause_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. `account`: under which name a day's payments are counted."""
    account: str
    payment_min_minor: int | None = None
    payment_max_minor: int | None = None
    day_minor: int | None = None
    day_count: int | None = None

    @property
    def by_day(self) -> bool:
        return self.day_minor is not None or self.day_count is not None


@dataclass(frozen=True, slots=True)
class Deductions:
    """A deduction is made `told_before_s` after it was asked for, at once within `at_once_within_s` after the signature."""
    told_before_s: float = 0.0
    at_once_within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Terms:
    health: Health
    limits: Limits
    deductions: Deductions


_NONE = Terms(Health(), Limits(""), Deductions())
_kept: dict[int, tuple[Mapping[str, Any], Terms]] = {}         # by the document itself: asked for at each payment


def of(channel_id: str) -> Terms:
    """Of a channel of the live release; of one it has not: no limit, health by default."""
    document = live.catalog().channels.get(channel_id)
    return _NONE if document is None else of_document(document)


def of_document(document: Mapping[str, Any]) -> Terms:
    """Of a checked channel document, read once."""
    kept = _kept.get(id(document))
    if kept is None or kept[0] is not document:
        if len(_kept) >= _KEPT_MAX:
            _kept.clear()
        kept = _kept[id(document)] = document, read(document)
    return kept[1]


def read(document: Mapping[str, Any]) -> Terms:
    """What a document says, made anew."""
    spans = {f"{word}_s": clock.parse_duration_s(span) for word, span in document.get("deductions", {}).items()}
    return Terms(_health(document.get("health", {})), _limits(document), Deductions(**spans))


def _health(written: Mapping[str, Any]) -> Health:
    spans = {f"{word}_s": clock.parse_duration_s(written[word]) for word in ("window", "slow", "pause") if word in written}
    share = {"failures": float(Decimal(written["failures"].removesuffix("%")) / 100)} if "failures" in written else {}
    least = {"at_least": written["at_least"]} if "at_least" in written else {}
    return Health(**spans, **share, **least)


def _limits(document: Mapping[str, Any]) -> Limits:
    written, currency = document.get("limits", {}), document.get("currency", "CNY")
    payment, day = written.get("payment", {}), written.get("day", {})

    def minor(part: Mapping[str, Any], word: str) -> int | None:
        return money.parse_major(part[word], currency) if word in part else None

    return Limits(written.get("account", document["id"]), minor(payment, "min"), minor(payment, "max"),
                  minor(day, "amount"), day.get("count"))
