"""Reading a channel file in reverse, second half: answers and notices that the file will verify, open, judge and map to
exactly what happened here.
"""
from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple

from engine.base import clock
from engine.wire import casts, codecs, crypto, mapping, paths
from engine.wire.channel import Event, Operation
from engine.wire.model import Message
from engine.wire.notices import answer as our_answer
from engine.wire.signing import Check
from engine.wire.templates import Hole, Template

from .reading import Side


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class CannotSay(Exception):
    """The channel file has no way to say this."""


def answer(side: Side, operation: str, state: str, fields: Mapping[str, Any], client_value: str, forged: bool = False
           ) -> Said:
    """The answer to an operation that ended in `state`, with what is known of it. `forged` spoils the signature."""
    op = side.channel.operations[operation]
    tree: dict[str, Any] = {}
    _write_fields(side, op.take, op.match, {**fields, "state": state}, tree)
    if state in ("pending", "accepted", "succeeded"):
        for hole in _client_holes(side, op):
            _put_if_missing(tree, paths.split(hole.name.removeprefix("answer.")), client_value)
    status = _make_hold(op, state, tree)
    if not tree:
        return signed(side, op.checks, Message(status=status), None, forged)
    outer = _close_up(side, side.doc["operations"][operation].get("open"), tree, operation)
    return signed(side, op.checks, Message(status=status, tree=outer), op.answer_kind, forged)


def notice(side: Side, event: str, state: str, fields: Mapping[str, Any], event_id: str, forged: bool = False) -> Said:
    """The body and headers of a notice. The same `event_id` makes it the same event to the receiver."""
    spec = side.channel.events[event]
    if spec.split:
        raise CannotSay("batches are not played")
    tree: dict[str, Any] = {}
    _write_fields(side, spec.take, spec.match, {**fields, "state": state}, tree)
    if "when" in side.doc["notices"][event]:
        _satisfy(side.doc["notices"][event]["when"], tree)
    outer = _close_up(side, side.doc["notices"][event].get("open"), tree, event)
    message = Message(method="POST", tree=outer)
    for hole in spec.once_by:
        head, _, rest = hole.name.partition(".")
        if head in ("body", "header"):
            _place(message, {}, hole.name, event_id)
    return signed(side, spec.checks, message, spec.body_kind, forged)


def acknowledged(side: Side, event: str, status: int, body: bytes) -> bool:
    """Whether the receiver said that it took the notice, in the words of the file."""
    for verdict in ("success", "duplicate"):
        wanted, _, text = our_answer(side.channel, event, verdict)
        if status == wanted and body.strip() == text.strip():
            return True
    return False


def events_of(side: Side) -> Mapping[str, Event]:
    return side.channel.events


# --- from our words to theirs

def _write_fields(side: Side, take: mapping.Take, match: Mapping[str, Template], fields: Mapping[str, Any],
                  tree: dict[str, Any]) -> None:
    expected = {name: template.text(side.scope()) for name, template in match.items()}
    for field in take.fields:
        value = expected.get(field.name, fields.get(field.key))
        if value is None or field.source != "document":
            continue
        if field.words is not None:
            value = next((theirs for theirs, ours in field.words.items() if ours == value), None)
            if value is None:
                continue
        else:
            value = field.cast.write(value, side.setting)
        paths.put(tree, field.steps, value)


def _client_holes(side: Side, op: Operation) -> list[Hole]:
    holes: list[Hole] = []

    def walk(node: Any) -> None:
        if isinstance(node, Template):
            holes.extend(hole for hole in node.holes if hole.name.startswith("answer."))
        elif isinstance(node, Mapping):
            for value in node.values():
                walk(value)
    if op.client:
        walk(side.tree(side.doc["operations"][op.name]["client"][op.client.kind]))
    return holes


def _make_hold(op: Operation, state: str, tree: dict[str, Any]) -> int:
    """Writes into the tree what makes the file judge this answer as `state`; returns the HTTP status it takes."""
    state_words = next((f.words for f in op.take.fields if f.kind == "state" and f.words), {})
    for rule in op.rules:
        if rule.then != state and not (rule.then == mapping.STATE_AS_TAKEN and state in state_words.values()):
            continue
        status = _satisfy(rule.spec, tree) or 200
        if mapping.judge(op.rules, Message(status=status), tree) is rule:
            return status
    raise CannotSay(f"no judgement of {op.name} means {state}")


def _satisfy(spec: Mapping[str, Any], tree: dict[str, Any]) -> int | None:
    """Makes a condition hold; returns the HTTP status it asks for, if it does."""
    status = None
    for word, value in spec.items():
        if word == "http":
            first = value[0] if isinstance(value, list) else value
            status = int(str(first).partition("..")[0])
        elif word == "eq":
            for path, wanted in value.items():
                paths.put(tree, paths.split(path), wanted)
        elif word == "in":
            for path, wanted in value.items():
                paths.put(tree, paths.split(path), wanted[0])
        elif word == "exists":
            _put_if_missing(tree, paths.split(value), "1")
        else:
            raise CannotSay(f"a condition with {word!r} can't be made to hold")
    return status


def _put_if_missing(tree: dict[str, Any], steps: tuple[str, ...], value: str) -> None:
    try:
        paths.dig(tree, steps)
    except paths.Missing:
        paths.put(tree, steps, value)


def _close_up(side: Side, spec: Any, tree: dict[str, Any], name: str) -> dict[str, Any]:
    """The steps of `open:` in reverse: wrap, seal."""
    steps = [] if spec is None else [spec] if isinstance(spec, Mapping) else list(spec)
    for step in reversed(steps):
        outer: dict[str, Any] = {}
        if "into" in step:
            raise CannotSay("a part that is opened beside the rest is not played")
        if "in" in step:
            inside = tuple(name + part[1:] if part.startswith("*") else part for part in paths.split(step["in"]))
            paths.put(outer, inside, tree)
        elif "json" in step:
            paths.put(outer, paths.split(step["json"]), codecs.write_json(tree).decode())
        else:
            _seal(side, step, tree, outer)
        tree = outer
    return tree


def _seal(side: Side, step: Mapping[str, Any], tree: dict[str, Any], outer: dict[str, Any]) -> None:
    kind = next(word for word in crypto.CIPHERS if word in step)
    spec = step[kind]
    beside = {"nonce": os.urandom(6).hex(), "iv": os.urandom(8).hex(), "aad": "sandbox"}
    used = {part: text for part, text in beside.items() if part in spec}
    for part, text in used.items():
        paths.put(outer, paths.split(spec[part]), text)
    plain = codecs.CODECS[step.get("as", "json")].write(tree, casts.as_text)
    key = side.draft.cipher_key(kind, spec["key"], "seal", ())(side.scope())
    iv, aad = used.get("nonce") or used.get("iv") or "", used.get("aad", "")
    sealed = crypto.seal(kind, key, plain, iv.encode(), aad.encode())
    paths.put(outer, paths.split(spec["of"]), codecs.encode_bytes(sealed, spec.get("encode", "base64")))


# --- signatures

def signed(side: Side, checks: tuple[Check, ...], message: Message, kind: str | None, forged: bool) -> Said:
    """Encodes and signs a message by the first way the file verifies."""
    if checks:
        _sign(side, checks[0], message, kind, forged)
    elif kind:
        message.body = codecs.CODECS[kind].write(message.tree, casts.as_text)
    if kind:
        message.headers["content-type"] = codecs.CODECS[kind].content_type
    return Said(message.status or 200, message.headers, message.body)


def _sign(side: Side, check: Check, message: Message, kind: str | None, forged: bool) -> None:
    scope = side.scope()
    scope.message = message
    parts: dict[str, list[str]] = {}
    if check.fresh:
        _place(message, parts, check.fresh.at.name, check.fresh.cast.write(clock.now_ms(), side.setting))
    if check.key_id:
        _place(message, parts, check.key_id.name, side.key_ids[check.secret])
    for name in check.canonical.holes:
        if name.startswith("header.") and name.removeprefix("header.").lower() not in message.headers:
            _place(message, parts, name, os.urandom(16).hex())
    _encode(message, kind)
    scope.parts = parts
    try:
        data = casts.as_bytes(check.canonical.text(scope)) + (b"forged" if forged else b"")
    except paths.Missing as missing:
        raise CannotSay(f"the signature covers what nothing tells us: {missing}") from None
    needs = crypto.DIGESTS[check.digest].needs
    key = check.secret if needs == "none" else side.box.private_key(check.secret) if needs == "private_key" \
        else side.box.bytes(check.secret)
    signature = codecs.encode_bytes(crypto.sign(check.digest, key, data), check.encode)
    _place(message, parts, check.signature.name, signature)
    if check.parts:
        joined = check.parts.split.join(f"{name}{check.parts.between}{value}" for name, (value,) in parts.items())
        _place(message, {}, check.parts.of.name, check.parts.prefix + joined)
    _encode(message, kind)


def _encode(message: Message, kind: str | None) -> None:
    if kind:
        message.body = codecs.CODECS[kind].write(message.tree, casts.as_text)


def _place(message: Message, parts: dict[str, list[str]], name: str, value: Any) -> None:
    head, _, rest = name.partition(".")
    if head == "header":
        message.headers[rest.lower()] = casts.as_text(value)
    elif head == "parts":
        parts[rest] = [casts.as_text(value)]
    else:
        paths.put(message.tree, paths.split(rest), value)
