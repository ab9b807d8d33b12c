"""Signing as the file verifies: everything a signature covers is in its place, then the signature is."""
from __future__ import annotations

import os
from typing import Any, NamedTuple

from engine.base import clock
from engine.wire import casts, codecs, crypto, paths
from engine.wire.model import Message
from engine.wire.signing import Check

from .side import Side
from .wishing import CannotSay, put


class Said(NamedTuple):
    """A message as it goes out. `query`: to be appended to the address of a notice."""
    status: int
    headers: dict[str, str]
    body: bytes
    query: str = ""


def said(side: Side, checks: tuple[Check, ...], message: Message, kind: str | None, forged: bool) -> Said:
    """Encodes and signs a message by the first way the file verifies."""
    if checks:
        sign(side, checks[0], message, kind, forged)
    else:
        encode(message, kind)
    if kind:
        message.headers["content-type"] = codecs.CODECS[kind].content_type
    return Said(message.status or 200, message.headers, message.body, message.query_text)


def sign(side: Side, check: Check, message: Message, kind: str | None, forged: bool) -> None:
    scope = side.scope()
    scope.message = message
    parts: dict[str, list[str]] = {}
    key_id, key = side.signing_key(check)
    if check.fresh:
        _place(message, parts, check.fresh.at.name, check.fresh.cast.write(clock.now_ms(), side.setting))
    if check.key_id:
        _place(message, parts, check.key_id.name, key_id)
    _fill(message, parts, check)
    encode(message, kind)
    scope.parts = parts
    try:
        data = casts.as_bytes(check.canonical.text(scope)) + (b"forged" if forged else b"")
    except paths.Missing as missing:
        raise CannotSay(f"the signature covers what nothing tells us: {missing}") from None
    signature = codecs.encode_bytes(crypto.sign(check.digest, key, data), check.encode)
    _place(message, parts, check.signature.name, signature)
    if check.parts:
        joined = check.parts.split.join(f"{name}{check.parts.between}{value}" for name, (value,) in parts.items())
        _place(message, {}, check.parts.of.name, check.parts.prefix + joined)
    encode(message, kind)


def _fill(message: Message, parts: dict[str, list[str]], check: Check) -> None:
    """What the signature covers and nobody has said yet: a nonce, numbers of the provider's own."""
    for name in check.canonical.holes | {only for only in _named_pairs(check)}:
        head, _, rest = name.partition(".")
        held = {"header": message.headers, "query": message.query, "parts": parts, "body": message.tree}.get(head)
        if held is not None and paths.text_at(held, (rest.lower(),) if head == "header" else paths.split(rest)) is None:
            _place(message, parts, name, os.urandom(16).hex())


def _named_pairs(check: Check) -> list[str]:
    pairs = check.canonical.pairs
    return [f"{pairs.source}.{name}" for name in pairs.only if not name.endswith("*") and name not in pairs.extra] if pairs else []


def encode(message: Message, kind: str | None) -> None:
    if kind:
        message.body = codecs.CODECS[kind].write(message.tree, casts.as_text)
    message.query_text = codecs.write_query(message.query, casts.as_text)


def _place(message: Message, parts: dict[str, list[str]], name: str, value: Any) -> None:
    head, _, rest = name.partition(".")
    if head == "header":
        message.headers[rest.lower()] = casts.as_text(value)
    elif head == "query":
        message.query[rest] = casts.as_text(value)
    elif head == "parts":
        parts[rest] = [casts.as_text(value)]
    else:
        put(message.tree, paths.split(rest), value)
