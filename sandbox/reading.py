"""Reading a channel file in reverse, first half: which operation is a request, what does it say, is it signed rightly.

A request was made by filling templates; matching the same templates against what came gives the facts back.
"""
from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from typing import Any, Mapping
from urllib.parse import unquote, urlsplit

from engine.base import clock
from engine.wire import casts, codecs, crypto
from engine.wire.channel import Channel, Operation
from engine.wire.compile import compile_channel
from engine.wire.draft import Draft
from engine.wire.model import Message, Unreadable
from engine.wire.scope import CLIENT_SIGN, PLACE, SIGN, Scope
from engine.wire.secrets import Places, SecretBox
from engine.wire.signing import Signer
from engine.wire.templates import Hole, Template
from engine.wire.vocabulary import fact_kind, key_of

CLOCK_OFF_MAX_S = 600
_ANYTHING = frozenset().union(CLIENT_SIGN, SIGN, PLACE)


class NotUnderstood(Exception):
    """No operation of the channel file makes such a request."""


class BadSignature(Exception):
    """The request is not signed as the channel file says."""


@dataclass(slots=True)
class Call:
    """A request, understood: facts by their keys (`payment.amount_minor`), built-ins by name."""
    operation: str
    facts: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a request of one operation looks like: compiled templates in the shape of the file's trees."""
    operation: Operation
    path: Template | None
    query: Any
    body: Any
    headers: Any
    client: Any


class Side:
    """The other side of one channel file: the same words, with the opposite halves of the keys."""

    def __init__(self, doc: Mapping[str, Any], public_url: str, places: Places | None = None):
        places = places or Places()
        self.doc, self.id, self.title = doc, doc["id"], doc["title"]
        self.channel: Channel = compile_channel(doc, places)
        self.setting, self.constants = self.channel.setting, self.channel.constants
        halves = {name: {k: v for k, v in ref.items() if k != "id"} for name, ref in doc["sandbox"].items()}
        self.key_ids = {name: ref["id"] for name, ref in doc["sandbox"].items() if "id" in ref}
        self.box = SecretBox({**doc.get("secrets", {}), **halves}, places)
        self.draft = Draft.of(doc)
        base = self.channel.operations and next(iter(self.channel.operations.values())).plan.base
        self.base_path = urlsplit(base.text(self.scope({"settings.sandbox_url": public_url}))).path if base else ""
        self.patterns = [self._pattern(name, spec) for name, spec in doc["operations"].items()]

    def scope(self, facts: Mapping[str, Any] | None = None, names: dict[str, Any] | None = None) -> Scope:
        return Scope(self.setting, self.box, self.constants, facts or {}, names or {})

    def _pattern(self, name: str, spec: Mapping[str, Any]) -> Pattern:
        op = self.channel.operations[name]
        body = spec.get(op.plan.body_kind) if op.plan.body_kind else None
        placed = op.plan.signer.places if op.plan.signer else {}
        client = spec.get("client", {}).get("params")
        return Pattern(op, op.plan.path, self.tree(spec.get("query", {})), self.tree(body), placed.get("header", {}),
                       self.tree(client) if client else None)

    def tree(self, node: Any) -> Any:
        if isinstance(node, str):
            return self.draft.template(node, _ANYTHING, ())
        if isinstance(node, Mapping):
            return {key: self.tree(value) for key, value in node.items()}
        return [self.tree(value) for value in node] if isinstance(node, list) else node

    # --- requests

    def read(self, message: Message) -> Call:
        """The operation a request is and what it says. NotUnderstood, BadSignature."""
        calls = [call for pattern in self.patterns if (call := self._matched(pattern, message))]
        if not calls:
            raise NotUnderstood(f"{message.method} {message.path} is no operation of {self.id}")
        call = max(calls, key=lambda c: len(c.facts))
        op = self.channel.operations[call.operation]
        self._check(op.plan.signer, call, message, None)
        return call

    def read_client(self, params: Mapping[str, Any]) -> Call:
        """Parameters that an app hands to the channel's software, as signed by the merchant."""
        for pattern in self.patterns:
            call = Call(pattern.operation.name)
            client = pattern.operation.client
            if pattern.client and client and client.signer and self._fits(
                    {**pattern.client, **client.signer.places["client"]}, params, call):
                self._check(client.signer, call, Message(), params)
                return call
        raise NotUnderstood(f"these are no client parameters of {self.id}")

    def _matched(self, pattern: Pattern, message: Message) -> Call | None:
        plan = pattern.operation.plan
        if pattern.path is None or message.method != plan.method or not message.path.startswith(self.base_path):
            return None
        call = Call(pattern.operation.name)
        if not self._fits_text(pattern.path, message.path[len(self.base_path):], call, unquote):
            return None
        try:
            tree = codecs.read_body(plan.body_kind, message.body) if plan.body_kind else {}
        except Unreadable:
            return None
        message.tree = tree
        placed = plan.signer.places if plan.signer else {}
        headers = {name.lower(): template for name, template in pattern.headers.items()}
        fits = (self._fits({**pattern.query, **placed.get("query", {})}, message.query, call)
                and self._fits({**(pattern.body or {}), **placed.get("body", {})}, tree, call)
                and self._fits(headers, message.headers, call, others=True))
        return call if fits else None

    def _fits(self, pattern: Any, found: Any, call: Call, others: bool = False) -> bool:
        if isinstance(pattern, Template):
            return self._fits_text(pattern, found, call)
        if isinstance(pattern, Mapping):
            if "$json" in pattern:
                try:
                    return self._fits(pattern["$json"], codecs.read_json(casts.as_text(found)), call)
                except Unreadable:
                    return False
            return (isinstance(found, Mapping) and (others or set(found) <= set(pattern))
                    and all(self._fits(value, found[key], call) if key in found else _may_lack(value)
                            for key, value in pattern.items()))
        if isinstance(pattern, list):
            if isinstance(found, Mapping):         # a form with brackets keeps positions as names
                found = [found[key] for key in sorted(found, key=lambda key: (len(key), key))]
            return isinstance(found, list) and len(found) == len(pattern) and all(map(
                lambda pair: self._fits(*pair, call), zip(pattern, found)))
        return casts.as_text(pattern) == casts.as_text(found)

    def _fits_text(self, template: Template, found: Any, call: Call, decode: Any = str) -> bool:
        """Matches one template, and keeps what its holes held; a hole met before must hold the same."""
        if "notice_url" in template.names:     # the address as sent: it ends in the event's own name
            call.facts["notice_url_sent"] = casts.as_text(found)
        if len(template.parts) == 1 and isinstance(template.parts[0], Hole):
            return self._keep(template.parts[0], found, call)
        pattern = "".join(re.escape(part) if isinstance(part, str) else "(.*?)" for part in template.parts)
        match = re.fullmatch(pattern, casts.as_text(found), re.DOTALL)
        return match is not None and all(self._keep(hole, decode(text), call)
                                         for hole, text in zip(template.holes, match.groups()))

    def _keep(self, hole: Hole, raw: Any, call: Call) -> bool:
        if hole.name in self.constants or hole.name in self.doc.get("secrets", {}):
            return casts.as_text(hole.value(self.scope())) == casts.as_text(raw)
        if isinstance(raw, (dict, list)):
            return False
        try:
            for cast in reversed(hole.casts):
                if cast.read is None:          # a digest of something: it is part of the signature's business
                    return True
                raw = cast.read(raw, self.setting)
            if hole.kind == "int":
                raw = casts.cast_named("int").read(raw, self.setting)  # type: ignore[union-attr, misc]
        except Unreadable:
            return False
        is_fact = fact_kind(hole.name) is not None
        known, key = (call.facts, key_of(hole.name, hole.kind)) if is_fact else (call.names, hole.name)
        return known.setdefault(key, raw) == raw

    # --- signatures

    def _check(self, signer: Signer | None, call: Call, message: Message, params: Mapping[str, Any] | None) -> None:
        if signer is None:
            return
        scope = self.scope(call.facts, call.names)
        scope.message, scope.params = message, params
        at_ms = call.names.get("timestamp")
        if at_ms is not None and abs(clock.now_ms() - at_ms) > CLOCK_OFF_MAX_S * 1000:
            raise BadSignature("the request is too old")
        text, signature = casts.as_bytes(signer.canonical.text(scope)), casts.as_text(call.names.get("signature", ""))
        if not self._holds(signer, text, signature):
            raise BadSignature("the signature does not match the request")

    def _holds(self, signer: Signer, data: bytes, signature: str) -> bool:
        needs = crypto.DIGESTS[signer.digest].needs
        if needs == "private_key":
            try:
                raw = codecs.decode_bytes(signature, signer.encode)
            except Unreadable:
                return False
            return any(crypto.rsa_matches(signer.digest, key, data, raw)
                       for key in self.box.candidates(signer.secret, None))
        key = signer.secret if needs == "none" else self.box.bytes(signer.secret)
        expected = codecs.encode_bytes(crypto.sign(signer.digest, key, data), signer.encode)
        return hmac.compare_digest(expected.encode(), signature.encode())


def _may_lack(pattern: Any) -> bool:
    """Whether a key may be missing: everything below it hangs on optional holes."""
    if isinstance(pattern, Template):
        return any(hole.optional for hole in pattern.holes)
    return isinstance(pattern, Mapping) and bool(pattern) and all(_may_lack(value) for value in pattern.values())
