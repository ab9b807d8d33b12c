"""What a template can name while one message is built or read, which of it where, and how a name finds its value.

A name is a fact (`payment.no`), a constant or secret of the file, a built-in of the moment (`timestamp`), or a part of
the message at hand (`header.X-Nonce`, `body.sign`).
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ..base import settings
from . import casts, codecs, paths
from .model import FactMissing, Message, WireError
from .secrets import SecretBox
from .vocabulary import key_of


@dataclass(slots=True)
class Scope:
    """Everything a template can name while one message is built or read."""
    setting: casts.Setting
    box: SecretBox
    constants: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)     # built-ins of the moment: timestamp (ms), nonce …
    message: Message = field(default_factory=Message)
    opened: Any = None                                      # the answer or notice, decrypted and unwrapped
    params: Any = None                                      # the client's parameters; of a further page, the last row so far
    parts: Mapping[str, list[str]] = field(default_factory=dict)   # a structured header, taken apart


Get = Callable[[Scope], Any]

# Where a template stands decides what it may name: facts, built-ins by name, and parts of messages by their head.
BUILD = frozenset({"facts", "timestamp", "nonce", "operation"})
SIGN = BUILD | {"method", "host", "path", "path_and_query", "body", "header.", "query.", "body."}
PLACE = BUILD | {"signature"}
CLIENT = BUILD | {"url", "body", "answer."}
CLIENT_SIGN = CLIENT | {"params."}
VERIFY = frozenset({"method", "host", "path", "path_and_query", "body", "header.", "query.", "body.", "raw.", "parts."})
NOTICE = frozenset({"header.", "query.", "body.", "notice."})
ACK = frozenset({"reason", "timestamp", "nonce", "asked."})
ACK_SIGN = ACK | {"body", "header.", "body."}
EXPECT = frozenset({"facts"})
TOKEN = BUILD | {"token"}
PAGE = BUILD | {"page", "skipped", "last."}


# --- a name's closure

_MESSAGE_PARTS: dict[str, Get] = {
    "method": lambda s: s.message.method, "host": lambda s: s.message.host, "path": lambda s: s.message.path,
    "path_and_query": lambda s: s.message.path_and_query, "body": lambda s: s.message.body_text,
}


def builtin(name: str) -> Get:
    return _MESSAGE_PARTS.get(name) or _of_the_moment(name)


def _of_the_moment(name: str) -> Get:
    def get(scope: Scope) -> Any:
        if name not in scope.names:
            raise WireError(f"{name!r} is not known at this point")
        return scope.names[name]
    return get


def fact(name: str, kind: str) -> Get:
    """FactMissing when it was not given; a setting may also be one of ours."""
    key = key_of(name, kind)

    def get(scope: Scope) -> Any:
        value = scope.facts.get(key)
        if (value is None or value == "") and name.startswith("settings."):
            value = _setting(name.removeprefix("settings."))
        if value is None or value == "":
            raise FactMissing(key)
        return value
    return get


def _setting(name: str) -> str | None:
    """Our own setting of that name; the two addresses have defaults that depend on others."""
    worked_out = {"sandbox_url": settings.sandbox_url, "public_url": settings.public_url}
    if name in worked_out:
        return worked_out[name]()
    return settings.get(name.upper()) if name.upper() in {s.name for s in settings.TABLE} else None


def part(head: str, rest: str) -> Get:
    """What lies below a head: `header.X-Nonce`, `body.a.b`, `answer.code`; paths.Missing when nothing does."""
    steps = paths.split(rest)
    if head == "header":
        name = rest.lower()
        return lambda s: paths.dig(s.message.headers, (name,))
    if head == "query":
        return lambda s: paths.dig(s.message.query, (rest,))
    if head == "raw":
        return lambda s: codecs.raw_member(s.message.body_text, rest)
    if head == "parts":
        return lambda s: paths.dig(s.parts, (rest, "0"))
    if head in ("params", "last"):
        return lambda s: paths.dig(s.params, steps)
    if head == "body":
        return lambda s: paths.dig(s.message.tree, steps)
    return lambda s: paths.dig(s.opened, steps)             # answer., notice. and asked.
