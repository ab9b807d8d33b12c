"""Named crash points: `SALEWRIGHT_CRASH_AT=notice.applied` kills this process with SIGKILL when it passes that point.

Crash tests use them to prove that nothing is lost between any two lines that matter. `SALEWRIGHT_CRASH_ONCE=FILE` makes
it happen once: the file is created just before dying, and later passes go through.
"""
from __future__ import annotations

import os
import signal

_AT = os.environ.get("SALEWRIGHT_CRASH_AT", "")
_ONCE = os.environ.get("SALEWRIGHT_CRASH_ONCE", "")

POINTS = (
    "place.before_commit", "place.after_commit",
    "pay.before_commit", "pay.intent_committed", "pay.called", "pay.outcome_committed",
    "notice.received", "notice.before_commit", "notice.after_commit",
    "flow.before_step", "flow.intent_committed", "flow.called", "flow.after_commit",
    "outbox.leased", "outbox.done_before_commit",
    "refund.intent_committed", "refund.called",
    "charge_return.before_commit", "charge_return.after_commit", "outgoing.called",
    "contract.opened", "signed.before_commit", "withhold.before_commit", "withhold.intent_committed", "withhold.called",
    "withhold.failed", "unsign.before_call",
)


def point(name: str) -> None:
    if _AT == name and _AT:
        _die()


def _die() -> None:
    if _ONCE:
        try:
            os.close(os.open(_ONCE, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
