"""Operating a channel, readable from top to bottom; what differs between channels is in their files alone.

operate(channel, operation, facts): build → encode once → sign exactly those bytes → send → verify the answer → decode →
judge → map. (`notices.py` is the other direction.) This is the only module of the engine with an HTTP client.

A call that may have reached the other side and was not answered understandably is `unknown`, never `failed`.
"""
from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from ..base import canon, clock, signal
from . import codecs, mapping, opening, redact, signing, tokens
from .compile import Channel, Operation, compile_channel
from .model import (FactMissing, IncomingRequest, Message, Notice, NoticeRejected, Outcome, Reply, Request, Unreadable,
                    Unverified, WireError)
from .notices import answer, receive
from .secrets import Places, SecretSource
from .templates import Scope
from .vocabulary import SAME_AS

__all__ = ["compile_channel", "load", "forbid_in", "declares", "needs_call", "needs_facts", "operate", "receive",
           "answer", "operation_of", "prepare", "conclude", "for_client", "Channel", "IncomingRequest", "Notice",
           "NoticeRejected", "Outcome", "WireError"]

ANSWER_BYTES_MAX = 1 << 20
GOOD = ("succeeded", "pending", "accepted", "partial", "closed")
_log = logging.getLogger("salewright.wire")


# --- channels in use

_places = Places()
_LOADED_MAX = 512
_loaded: dict[str, Channel] = {}                                  # by the document's content
_seen: dict[int, tuple[Mapping[str, Any], Channel]] = {}          # by the document itself: it is asked for often


def load(doc: Mapping[str, Any], secrets: SecretSource | None = None) -> Channel:
    """The compiled channel of a document, kept by the document's content. Secrets come from their real places unless
    given (a channel with given secrets is not kept)."""
    if secrets is not None:
        return compile_channel(doc, secrets)
    seen = _seen.get(id(doc))
    if seen is not None and seen[0] is doc:
        return seen[1]
    key = canon.digest(_plain(doc))
    for kept in (_loaded, _seen):
        if len(kept) >= _LOADED_MAX:
            kept.clear()
    if key not in _loaded:
        _loaded[key] = compile_channel(doc, _places)
    _seen[id(doc)] = (doc, _loaded[key])
    return _loaded[key]


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node


_inside_transaction: Callable[[], bool] = lambda: False


def forbid_in(inside: Callable[[], bool]) -> None:
    """Told at start-up how to see that a database transaction is open; no call goes out while it is."""
    global _inside_transaction
    _inside_transaction = inside


# --- operations

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
    if op.sends and _inside_transaction():
        raise WireError(f"{ch.id}.{operation}: an outside call inside a database transaction")
    started = time.perf_counter()
    outcome = _attempt(ch, op, facts, timeout_s or op.timeout_s)
    seconds = time.perf_counter() - started
    signal.emit("wire.seconds", seconds, channel=ch.id, operation=operation, state=outcome.state)
    _log.log(logging.WARNING if outcome.state == "unknown" else logging.INFO, "%s: %s", operation, outcome.state,
             extra={"channel": ch.id, "operation": operation, "state": outcome.state, "status": outcome.status,
                    "took_ms": round(seconds * 1000), "reason": outcome.reason})
    return outcome


def operation_of(ch: Channel, operation: str) -> Operation:
    """WireError when the channel does not declare it."""
    if operation not in ch.operations:
        raise WireError(f"the channel {ch.id} has no operation {operation!r}")
    return ch.operations[operation]


def _attempt(ch: Channel, op: Operation, facts: Mapping[str, Any], timeout_s: float) -> Outcome:
    for last in (False, True):
        scope = ch.scope(facts, nonce=os.urandom(16).hex())
        if ch.auth and op.sends:
            try:
                scope.names["token"] = tokens.token(ch.auth, scope, lambda request: _send(ch, request, timeout_s))
            except (_NotSent, _NoAnswer, Unreadable) as error:
                return Outcome("failed", reason=f"no token: {error}")
        try:
            request = prepare(ch, op, scope)
        except (FactMissing, Unreadable, UnicodeEncodeError) as error:
            return Outcome("failed", reason=f"the request can't be made: {error}")
        if not op.sends:
            return for_client(op, scope, Outcome("pending"))
        try:
            reply = _send(ch, request, timeout_s)
        except _NotSent as error:
            return Outcome("failed", reason=str(error), exchange=_excerpts(ch, request, None, scope))
        except _NoAnswer as error:
            return Outcome("unknown", reason=str(error), sent=True, exchange=_excerpts(ch, request, None, scope))
        if last or ch.auth is None or not tokens.refused(ch.auth, reply):
            return conclude(ch, op, scope, request, reply)
    raise AssertionError("unreachable")


def prepare(ch: Channel, op: Operation, scope: Scope) -> Request:
    """Build, encode, sign. FactMissing or Unreadable when the facts don't allow it."""
    scope.names["operation"] = op.name
    return op.plan.build(scope)


def conclude(ch: Channel, op: Operation, scope: Scope, request: Request, reply: Reply, now_ms: int | None = None,
             believed: bool = False) -> Outcome:
    """Verify the answer (unless it is `believed`, as an example may want), open it, judge it, map it."""
    def outcome(state: str, reason: str = "", fields: Mapping[str, Any] | None = None) -> Outcome:
        return Outcome(state, fields or {}, {}, reason, True, reply.status, _excerpts(ch, request, reply, scope))

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
    if state == "succeeded" and not trusted:
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
    if op.client is None or outcome.state not in ("pending", "accepted", "succeeded"):
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


def _excerpts(ch: Channel, request: Request, reply: Reply | None, scope: Scope) -> dict[str, str]:
    secrets = ch.box.known_texts() + ([scope.names["token"]] if scope.names.get("token") else [])
    return redact.excerpts(request, reply, secrets, scope.facts)


# --- HTTP

class _NotSent(Exception):
    """Nothing left us: the connection could not be made."""


class _NoAnswer(Exception):
    """Something may have left us, and no complete answer came."""


class _Call(threading.local):
    """The call this thread is making: when it must be over, and whether a byte of it may have left."""
    ends_at = 0.0
    sent = False


_call = _Call()


class _TimedReader(socket.SocketIO):
    """Reads a socket until the call's own end, so that an answer that drips can't hold a thread."""

    def readinto(self, buffer: Any) -> int | None:
        left_s = _call.ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left_s)
        return super().readinto(buffer)


class _TimedResponse(HTTPConnection.response_class):  # type: ignore[name-defined, misc]
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock, "r"))
        sock._io_refs += 1  # type: ignore[attr-defined]  # as socket.makefile does: the reader keeps the socket open


class _Watched:
    """Notes that bytes are about to leave; everything before that is provably not sent."""
    response_class = _TimedResponse

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[has-type]
            self.connect()  # type: ignore[attr-defined]
        _call.sent = True
        super().send(data)  # type: ignore[misc]


class _Plain(_Watched, HTTPConnection):
    pass


class _Secure(_Watched, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


_managers: dict[tuple[str, str], urllib3.PoolManager] = {}
_managers_lock = threading.Lock()


def _manager(ch: Channel) -> urllib3.PoolManager:
    """Connections are shared by all channels with the same certificates."""
    files = (ch.tls.get("ca", ""), ch.tls.get("certificate", ""))
    with _managers_lock:
        if files not in _managers:
            ca, certificate = (str(_places.path(name)) if name else None for name in files)
            manager = urllib3.PoolManager(num_pools=64, maxsize=32, cert_reqs="CERT_REQUIRED",
                                          ca_certs=ca or certifi.where(), cert_file=certificate)
            manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
            _managers[files] = manager
        return _managers[files]


def _send(ch: Channel, request: Request, timeout_s: float) -> Reply:
    _require_tls(ch, request.url)
    _call.sent, _call.ends_at = False, time.monotonic() + timeout_s
    headers = {"accept-encoding": "identity", "user-agent": "salewright", **request.headers}
    try:
        timeout = urllib3.Timeout(connect=min(timeout_s, 5.0), read=timeout_s)
        reply = _manager(ch).request(request.method, request.url, headers=headers, body=request.body or None,
                                     redirect=False, retries=False, timeout=timeout, preload_content=False,
                                     decode_content=False)
    except (HTTPError, OSError) as error:
        why = f"{type(error).__name__} after {'sending' if _call.sent else 'trying to connect'}"
        raise (_NoAnswer if _call.sent else _NotSent)(why) from None
    try:
        body = b"".join(_chunks(reply))
    except (HTTPError, OSError) as error:
        reply.close()
        raise _NoAnswer(f"{type(error).__name__} while the answer came") from None
    reply.release_conn()
    return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, body)


def _chunks(reply: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    size = 0
    for chunk in reply.stream(65536, decode_content=False):
        size += len(chunk)
        if size > ANSWER_BYTES_MAX:
            reply.close()
            raise _NoAnswer(f"the answer is larger than {ANSWER_BYTES_MAX} bytes")
        yield chunk


def _require_tls(ch: Channel, url: str) -> None:
    parts = urlsplit(url)
    local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if parts.scheme != "https" and not local and not all(op.checks for op in ch.operations.values() if op.sends):
        raise WireError(f"{ch.id}: answers that nobody signs may come over https only")
