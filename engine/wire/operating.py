"""Operating a channel, readable from top to bottom; what differs between channels is in their files alone.

operate(channel, operation, facts): build → encode once → sign exactly those bytes → send → verify the answer → decode →
judge → map. `building.py` makes the request, `sending.py` sends it, `concluding.py` says what the answer means.
(`notices.py` is the other direction.)

A call that may have reached the other side and was not answered understandably is `unknown`, never `failed`.
"""
from __future__ import annotations

import logging
import os
import time
from typing import Any, Mapping

from ..base import signal, turn
from . import sending, tokens
from .building import RequestPlan
from .channel import Channel, Operation
from .concluding import conclude, excerpts, for_client
from .model import EMPTY, FactMissing, Outcome, Reply, Request, Unreadable, WireError
from .scope import Scope

_log = logging.getLogger("salewright.wire")


def declares(ch: Channel, operation: str) -> bool:
    return operation in ch.operations


def needs_call(ch: Channel, operation: str) -> bool:
    """False: the operation only makes an address or parameters for the client, no call of ours."""
    return operation_of(ch, operation).sends


def needs_facts(ch: Channel, operation: str) -> frozenset[str]:
    """Facts the operation can't do without, by their names in templates (`client.openid`, `payment.amount`)."""
    return operation_of(ch, operation).needs


def operate(ch: Channel, operation: str, facts: Mapping[str, Any], *, timeout_s: float | None = None) -> Outcome:
    """Runs an operation. Never raises for what goes wrong outside; WireError when the file, the secrets or the caller
    are wrong (an unknown operation, a missing secret, a transaction held open)."""
    op = operation_of(ch, operation)
    if op.sends:
        sending.require_outside(f"{ch.id}.{operation}")
    started = time.perf_counter()
    outcome = _attempt(ch, op, facts, timeout_s or op.timeout_s)
    seconds = time.perf_counter() - started
    signal.emit("wire.seconds", seconds, channel=ch.id, operation=operation, state=outcome.state)
    usual = logging.INFO if op.sends else logging.DEBUG
    _log.log(logging.WARNING if outcome.state == "unknown" else usual, "%s: %s", operation, outcome.state,
             extra={"channel": ch.id, "operation": operation, "state": outcome.state, "status": outcome.status,
                    "took_ms": round(seconds * 1000), "reason": outcome.reason})
    return outcome


def operation_of(ch: Channel, operation: str) -> Operation:
    """WireError when the channel does not declare it."""
    if operation not in ch.operations:
        raise WireError(f"the channel {ch.id} has no operation {operation!r}")
    return ch.operations[operation]


def _attempt(ch: Channel, op: Operation, facts: Mapping[str, Any], timeout_s: float) -> Outcome:
    found = exchange(ch, op, facts, timeout_s)
    if isinstance(found, Outcome):
        return found
    try:
        return conclude(ch, op, *found)
    except WireError as error:
        error.sent = True
        raise


def exchange(ch: Channel, op: Operation, facts: Mapping[str, Any], timeout_s: float, plan: RequestPlan | None = None,
             names: Mapping[str, Any] = EMPTY, last_row: Any = None, bytes_max: int = sending.ANSWER_BYTES_MAX
             ) -> Outcome | tuple[Scope, Request, Reply]:
    """Up to the answer: (scope, request, reply), or the outcome where there is none. `plan` and `names` of a further page."""
    for last in (False, True):
        scope = ch.scope(facts, nonce=os.urandom(16).hex())
        scope.names.update(names)
        scope.params = last_row
        if ch.auth and op.sends:
            try:
                with turn.given_back():        # others may be waiting for this token
                    scope.names["token"] = tokens.token(ch.auth, scope, lambda request: sending.send(ch, request, timeout_s))
            except (sending.NotSent, sending.NoAnswer, Unreadable) as error:
                return Outcome("failed", reason=f"no token: {error}")
        try:
            request = prepare(ch, op, scope, plan)
        except (FactMissing, Unreadable, UnicodeEncodeError) as error:
            return Outcome("failed", reason=f"the request can't be made: {error}", ours=True)
        if not op.sends:
            return for_client(op, scope, Outcome("pending"))
        try:
            reply = sending.send(ch, request, timeout_s, bytes_max)
        except sending.NotSent as error:
            return Outcome("failed", reason=str(error), exchange=excerpts(ch, request, None, scope))
        except sending.NoAnswer as error:
            return Outcome("unknown", reason=str(error), sent=True, exchange=excerpts(ch, request, None, scope))
        if last or ch.auth is None or not tokens.refused(ch.auth, reply):
            return scope, request, reply
    raise AssertionError("unreachable")


def prepare(ch: Channel, op: Operation, scope: Scope, plan: RequestPlan | None = None) -> Request:
    """Build, encode, sign. FactMissing or Unreadable when the facts don't allow it."""
    scope.names["operation"] = op.name
    return (plan or op.plan).build(scope)
