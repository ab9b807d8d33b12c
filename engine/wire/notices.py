"""Receiving from a channel: verify (signature, freshness) → open → map → match → name the event; and answering it."""
from __future__ import annotations

import logging
import os
from typing import Any

from ..base import clock, signal
from . import casts, codecs, mapping, opening, signing
from .channel import Channel, Event
from .model import IncomingRequest, Message, Notice, NoticeRejected, Unreadable, Unverified
from .scope import Scope

_log = logging.getLogger("salewright.wire")


def receive(ch: Channel, event: str, request: IncomingRequest) -> list[Notice]:
    """The verified notices of one incoming call: one, several of a batch, or none when the file's `when:` drops it.

    NoticeRejected when it is not to be believed, can't be read, or is not for us. The caller still compares number,
    amount, currency and state with what it knows, and applies each `dedupe_key` once.
    """
    try:
        return read(ch, event, request, clock.now_ms())
    except NoticeRejected as error:
        signal.emit("wire.notice_rejected", 1, channel=ch.id, event=event, code=error.code)
        _log.warning("notice rejected: %s", error.reason,
                     extra={"channel": ch.id, "event": event, "code": error.code})
        raise


def read(ch: Channel, event: str, request: IncomingRequest, now_ms: int, believed: bool = False) -> list[Notice]:
    """What `receive` does, without telling anyone. `believed` skips the signature, as an example may want."""
    spec = _event(ch, event)
    whole = opening.read_message(request, spec.body_kind)
    notices = []
    try:
        items = opening.items_of(whole.tree, *spec.split) if spec.split else [whole.tree]
        for item in items:
            scope = ch.scope(now_ms=now_ms)
            scope.message = Message(whole.method, whole.host, whole.path, whole.query, whole.query_text, whole.headers,
                                    whole.body, item)
            if not (believed or spec.sealed):
                signing.verify(spec.checks, scope, now_ms)
            scope.opened = spec.open(item, scope)
            if spec.when is None or spec.when(scope.message, scope.opened):
                notices.append(_notice(ch, spec, scope))
    except Unverified as error:
        raise NoticeRejected(error.reason, error.code) from None
    except opening.Sealed as error:
        raise NoticeRejected(str(error), "undecryptable") from None
    except Unreadable as error:
        raise NoticeRejected(str(error), "unreadable") from None
    return notices


def _event(ch: Channel, event: str) -> Event:
    if event not in ch.events:
        raise NoticeRejected(f"the channel {ch.id} has no notice {event!r}", "event_unknown")
    return ch.events[event]


def _notice(ch: Channel, event: Event, scope: Scope) -> Notice:
    fields = event.take.read(scope.message, scope.opened, ch.setting)
    wrong = mapping.mismatch(event.match, fields, scope, all_needed=True)
    if wrong:
        raise NoticeRejected(wrong, "mismatch")
    keys = [casts.as_text(hole.get(scope)) for hole in event.once_by]
    return Notice(event.name, ":".join([event.name, *keys]), fields)


def answer(ch: Channel, event: str, verdict: str, reason: str = "", asked: IncomingRequest | None = None,
           now_ms: int | None = None, nonce: str = "") -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) in the sender's own words, signed where the file says so; verdict: success · failure ·
    duplicate. `asked` is what is answered: some senders want a part of it back."""
    said = _event(ch, event).answers[verdict]
    scope = ch.scope(now_ms=now_ms, nonce=nonce or os.urandom(16).hex())
    scope.names["reason"] = reason
    scope.opened = _body_of(_event(ch, event), asked) if said.repeats else {}
    made = said.plan.build(scope)
    return said.status, dict(made.headers), made.body


def _body_of(event: Event, asked: IncomingRequest | None) -> Any:
    try:
        return codecs.read_body(event.body_kind, asked.body) if asked else {}
    except Unreadable:
        return {}
