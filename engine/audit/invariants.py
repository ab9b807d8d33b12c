"""The invariants of money, as one table. `python run.py ledger verify` prints them; tests assert them after every fault."""
from __future__ import annotations

import itertools
import time
from typing import NamedTuple

from .. import store
from ..deliver import charges, messages, outgoing, pools, upstream
from ..pay import contracts, notices, refunds
from . import contract_checks, money_checks, trade_checks
from .violation import Check, Violation


# Every room whose tables and machines the checks read has to be there before they read.
ROOMS = (charges, messages, outgoing, pools, upstream, contracts, notices, refunds)


class Invariant(NamedTuple):
    number: int
    sentence: str
    check: Check


INVARIANTS = tuple(Invariant(number, (check.__doc__ or "").split(". ", 1)[1].strip(), check) for number, check in (
    (1, money_checks.ledger_balances), (2, money_checks.payments_add_up), (3, money_checks.paid_means_settled),
    (4, trade_checks.entitlements_match), (5, trade_checks.coupons_count), (6, trade_checks.pools_hold),
    (7, trade_checks.facts_once), (8, trade_checks.states_moved), (9, money_checks.money_events_match),
    (10, trade_checks.quotes_recompute), (11, contract_checks.contracts_match)))


class Finding(NamedTuple):
    invariant: Invariant
    violations: list[Violation]
    took_s: float


def verify(only: tuple[int, ...] = (), at_most: int = 100) -> list[Finding]:
    """Check all invariants (or some), each giving at most so many violations. Reads the trade database only, each
    invariant as it was at one moment: sales go on meanwhile."""
    findings = []
    for invariant in INVARIANTS:
        if not only or invariant.number in only:
            began = time.perf_counter()
            with store.snapshot():
                found = list(itertools.islice(invariant.check(), at_most))
            findings.append(Finding(invariant, found, time.perf_counter() - began))
    return findings


def violations() -> list[Violation]:
    """Everything that is broken; [] when the engine can prove its money."""
    return [v for finding in verify() for v in finding.violations]
