"""Reading a channel file in reverse, first half: which operation is a request, what does it say, is it signed rightly.

A request was made by filling templates; matching the same templates against what came gives the facts back.
"""
from __future__ import annotations

import hmac
from typing import Any, Mapping
from urllib.parse import parse_qsl, urlsplit

from engine.base import clock
from engine.wire import casts, codecs, crypto, paths
from engine.wire.model import Message, Unreadable, WireError
from engine.wire.signing import Signer

from .matching import Call, Match
from .side import Pattern, Side

CLOCK_OFF_MAX_S = 600


class NotUnderstood(Exception):
    """No operation of the channel file makes such a request."""


class BadSignature(Exception):
    """The request is not signed, or not from whom, the channel file says."""


def read(side: Side, message: Message) -> Call:
    """The operation a request is and what it says. NotUnderstood, BadSignature. A request for a token is the call `auth`."""
    misses: list[tuple[int, str]] = []
    calls = [(pattern, call) for pattern in side.patterns if (call := _matched(side, pattern, message, misses))]
    if not calls:
        why = "; ".join(text for _, text in sorted(misses)[:3]) or "no operation has this method and path"
        raise NotUnderstood(f"{message.method} {message.path} is no operation of {side.id}: {why}")
    pattern, call = max(calls, key=lambda pair: len(pair[1].facts))
    message.tree = _tree(pattern, message)
    _check_beside(side, pattern, call, message)
    _check(side, pattern.plan.signer, call, message)
    return call


def read_client(side: Side, given: Any) -> Call:
    """What an app hands to the channel's software, as signed by the merchant: parameters, or one text."""
    why = ""
    for pattern in side.patterns:
        op = pattern.operation
        if pattern.client is None or op is None or op.client is None:
            continue
        match, signer = Match(side, op.name), op.client.signer
        placed = signer.places["client"] if signer else {}
        wanted = {**pattern.client, **placed} if isinstance(pattern.client, Mapping) else pattern.client
        if not match.fits(wanted, given):
            why = why or match.wrong
            continue
        message = Message()
        if _inner(side, pattern, match, message):
            scope_params = given if isinstance(given, Mapping) else None
            _check(side, signer, match.call, message, scope_params)
            return match.call
        why = why or match.wrong
    raise NotUnderstood(f"{side.id} gives a buyer's terminal no such thing: {why or 'it has nothing for one'}")


def _inner(side: Side, pattern: Pattern, match: Match, message: Message) -> bool:
    """Where the client carries a whole request (`{body}`, `{url}`), that is matched and checked too."""
    names = match.call.names
    text = names.pop("body", names.pop("url", None))
    if text is None:
        return True
    inner = Message(method=pattern.plan.method, headers={name.removeprefix("header.").lower(): value
                                                         for name, value in names.items() if name.startswith("header.")})
    if "://" in casts.as_text(text):
        parts = urlsplit(text)
        inner.path, inner.query_text, inner.query = parts.path, parts.query, dict(parse_qsl(parts.query, True))
    else:
        inner.body = casts.as_bytes(casts.as_text(text))
    misses: list[tuple[int, str]] = []
    call = _matched(side, pattern, inner, misses, is_sent=False)
    if call is None:
        match.wrong = misses[0][1] if misses else "the request in it is another"
        return False
    match.call.facts.update(call.facts)
    match.call.names.update({name: value for name, value in call.names.items() if name not in match.call.names})
    inner.tree = _tree(pattern, inner)
    if pattern.plan.signer and ("signature" in call.names or "signature" in match.call.names):
        _check(side, pattern.plan.signer, match.call, inner)
    message.body, message.tree = inner.body, inner.tree
    return True


# --- the parts of a request

def _matched(side: Side, pattern: Pattern, message: Message, misses: list[tuple[int, str]], is_sent: bool = True) -> Call | None:
    plan, match = pattern.plan, Match(side, pattern.name)
    if plan.path is not None and is_sent:
        if message.method != plan.method or not message.path.startswith(side.base_path):
            return None
        if not match.fits_path(plan.path, message.path[len(side.base_path):]):
            return None
    elif is_sent:
        return None
    tree = _tree(pattern, message)
    placed = plan.signer.places if plan.signer else {}
    fits = (tree is not None
            and match.fits({**pattern.query, **placed.get("query", {})}, message.query, "query")
            and match.fits(_body(pattern, placed), tree, "body")
            and match.fits(pattern.headers, message.headers, "header", others=True))
    if not fits:
        misses.append((-len(match.call.facts), f"as {pattern.name}, {match.wrong or 'the body can not be read'}"))
    return match.call if fits else None


def _body(pattern: Pattern, placed: Mapping[str, Any]) -> Any:
    return {**pattern.body, **placed.get("body", {})} if isinstance(pattern.body, Mapping) else pattern.body


def _tree(pattern: Pattern, message: Message) -> Any:
    kind = pattern.plan.body_kind
    try:
        return codecs.read_body(kind, message.body) if kind else {}
    except Unreadable:
        return None


def _check_beside(side: Side, pattern: Pattern, call: Call, message: Message) -> None:
    """Keys, passwords and tokens in headers. What else stands there (a key against repetition) is kept as facts."""
    match = Match(side, pattern.name)
    match.call = call
    for name, template in pattern.beside.items():
        if name in message.headers and not match.fits(template, message.headers[name], f"header.{name}"):
            raise BadSignature(match.wrong)
        if name == "authorization" and name not in message.headers:
            raise BadSignature("header.authorization is missing")


# --- signatures

def _check(side: Side, signer: Signer | None, call: Call, message: Message, params: Mapping[str, Any] | None = None) -> None:
    if signer is None:
        return
    scope = side.scope(call.facts, call.names)
    scope.message, scope.params = message, params
    scope.opened = {}
    for name, value in call.names.items():
        if name.startswith("answer."):
            paths.put(scope.opened, paths.split(name.removeprefix("answer.")), value)
    at_ms = call.names.get("timestamp")
    if at_ms is not None and abs(clock.now_ms() - at_ms) > CLOCK_OFF_MAX_S * 1000:
        raise BadSignature("the request is too old")
    try:
        text = casts.as_bytes(signer.canonical.text(scope))
    except (Unreadable, WireError) as error:
        raise BadSignature(f"what is signed can't be put together: {error}") from None
    if not _holds(side, signer, text, casts.as_text(call.names.get("signature", ""))):
        raise BadSignature("the signature does not match the request")


def _holds(side: Side, signer: Signer, data: bytes, signature: str) -> bool:
    needs, pair = crypto.DIGESTS[signer.digest].needs, crypto.DIGESTS[signer.digest].pair
    if needs == "private_key":
        try:
            raw = codecs.decode_bytes(signature, signer.encode)
        except Unreadable:
            return False
        return any(crypto.matches(signer.digest, key, data, raw) for key in side.box.candidates(signer.secret, None, pair))
    key = signer.secret if needs == "none" else signer.key(side.scope())
    expected = codecs.encode_bytes(crypto.sign(signer.digest, key, data), signer.encode)
    return hmac.compare_digest(expected.encode(), casts.as_bytes(signature))
