"""What an answer means: verify → decode → open → judge → map → match, and what the buyer's terminal gets of it.

Whatever can't be believed, read or judged is `unknown`.
"""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock
from . import codecs, mapping, opening, redact, signing
from .channel import Channel, Operation
from .model import FactMissing, Message, Outcome, Reply, Request, Unreadable, Unverified
from .scope import Scope
from .vocabulary import SAME_AS

GOOD = ("succeeded", "pending", "accepted", "partial", "closed", "signed", "ended")
FINAL = ("succeeded", "signed", "ended")         # what only a signed answer can tell, where answers are signed
TAKEN = ("pending", "accepted", "succeeded", "signed")


def conclude(ch: Channel, op: Operation, scope: Scope, request: Request, reply: Reply, now_ms: int | None = None,
             believed: bool = False) -> Outcome:
    """Verify the answer (unless it is `believed`, as an example may want), open it, judge it, map it."""
    def outcome(state: str, reason: str = "", fields: Mapping[str, Any] | None = None) -> Outcome:
        return Outcome(state, fields or {}, {}, reason, True, reply.status, excerpts(ch, request, reply, scope))

    scope.message = message = Message(host=scope.message.host, headers=dict(reply.headers), body=reply.body,
                                      status=reply.status)
    try:
        message.tree = codecs.read_body(op.answer_kind, reply.body)
    except Unreadable:
        message.tree = {}                   # a proxy's error page: it may still be judged by its status
    try:
        trusted = believed or _verified(op, scope, clock.now_ms() if now_ms is None else now_ms)
    except Unverified as error:
        return outcome("unknown", f"the answer can't be believed: {error.reason}")
    try:
        scope.opened = op.open(message.tree, scope)
    except opening.Sealed as error:
        return outcome("unknown", f"the answer can't be opened: {error}")
    except Unreadable:
        scope.opened = message.tree         # an error answer without the wrapping of a good one
    rule = mapping.judge(op.rules, message, scope.opened)
    if rule is None:
        return outcome("unknown", "no judgement of the channel file holds for this answer")
    try:
        fields = op.take.read(message, scope.opened, ch.setting)
    except Unreadable as error:
        return outcome("unknown", str(error))
    state = fields.pop("state", "unknown") if rule.then == mapping.STATE_AS_TAKEN else rule.then
    if state in GOOD:                       # codes and messages of a good answer explain nothing
        fields = {name: value for name, value in fields.items() if name not in ("error_code", "reason")}
    wrong = _not_ours(op, scope, fields)
    if wrong:
        return outcome("unknown", f"the answer is about something else: {wrong}")
    if state in FINAL and not trusted:
        return outcome("unknown", "an unsigned answer is never believed when it says the deed is done")
    return for_client(op, scope, outcome(state, fields.get("reason", ""), {**fields, "state": state}))


def _verified(op: Operation, scope: Scope, now_ms: int) -> bool:
    """Whether the answer may be believed in full; Unverified when it may not be believed at all."""
    if not op.checks:
        return True
    try:
        signing.verify(op.checks, scope, now_ms)
        return True
    except Unverified as error:
        unsigned = error.code == "signature_missing" and op.unsigned_when
        if unsigned and op.unsigned_when(scope.message, scope.message.tree):
            return False
        raise


def _not_ours(op: Operation, scope: Scope, fields: Mapping[str, Any]) -> str:
    for field, fact in SAME_AS.items():
        if field in fields and fact in scope.facts and fields[field] != scope.facts[fact]:
            return f"{field} differs from the one we asked for"
    return mapping.mismatch(op.match, fields, scope, all_needed=False)


def for_client(op: Operation, scope: Scope, outcome: Outcome) -> Outcome:
    """Adds what the buyer's terminal gets, once the operation was taken."""
    if op.client is None or outcome.state not in TAKEN:
        return outcome
    try:
        scope.params = made = op.client.make(scope)
        if op.client.signer:
            op.client.signer.sign(scope)
            made = {**made, **op.client.signer.placed("client", scope)}
    except (FactMissing, Unreadable) as error:
        state, sent = ("unknown", True) if outcome.sent else ("failed", False)
        return Outcome(state, outcome.fields, {}, f"nothing for the client: {error}", sent, outcome.status,
                       outcome.exchange)
    return Outcome(outcome.state, outcome.fields, {op.client.kind: made}, outcome.reason, outcome.sent, outcome.status,
                   outcome.exchange)


def excerpts(ch: Channel, request: Request, reply: Reply | None, scope: Scope) -> dict[str, str]:
    """What went over the wire, for the log: neither secrets nor the token in it."""
    secrets = ch.box.known_texts() + ([scope.names["token"]] if scope.names.get("token") else [])
    return redact.excerpts(request, reply, secrets, scope.facts)
