"""The other side of a channel file, with test secrets: answers and notices that the file believes, opens and maps.

The sandbox reads a file in reverse; here it does so with the keys of `test_secrets:`, and every part of a message can be
changed before it is wrapped, sealed and signed.
"""
from __future__ import annotations

import copy
from typing import Any, Iterable, Mapping

from sandbox import closing, signing, wishing
from sandbox.side import Side
from sandbox.wishing import ANY_STATUS, CannotSay

from ...wire import casts, codecs, paths, sandboxed, testkeys
from ...wire.channel import Event, Operation
from ...wire.model import Message
from ...wire.signing import Check

__all__ = ["ANY_STATUS", "CannotSay"]
KEY_ID = "key-1"
_MADE = {"private_key": "test:ours", "public_key": "test:theirs", "hex": "00112233445566778899aabbccddeeff" * 2,
         "base64": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}


def test_secrets(doc: Mapping[str, Any]) -> dict[str, Any]:
    """The file's `test_secrets:`, with one made up for each secret that has none."""
    made: dict[str, Any] = {}
    pairs = sandboxed.key_pairs(doc)
    for name, reference in doc.get("secrets", {}).items():
        text = f"{name}0123456789abcdef0123456789abcdef"[:32]                  # as long as an AES key
        made[name] = _MADE.get(reference.get("as", "text"), text)
        if reference.get("as") == "keyring":
            made[name] = {KEY_ID: "test:theirs" if name in pairs else text}
        if pairs.get(name) == "ec":
            made[name] = testkeys.on_curve(made[name])
    return {**made, **doc.get("test_secrets", {})}


class TheirTestHalves:
    """Test secrets as the other side holds them: the other half of every pair, and what both share."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values

    def read(self, name: str, reference: Mapping[str, str]) -> str | dict[str, str]:
        value, kind = self._values[name], reference.get("as", "text")
        if isinstance(value, Mapping):
            return {key_id: testkeys.named(str(text), "private_key") for key_id, text in value.items()}
        return testkeys.named(str(value), "public_key" if kind == "private_key" else "private_key")


def side_of(doc: Mapping[str, Any], values: Mapping[str, Any]) -> Side:
    """The other side of `doc`, with the other halves of these test secrets."""
    return Side({name: part for name, part in doc.items() if name != "sandbox"}, "https://gateway.example",
                TheirTestHalves(values))


# --- documents, before they are wrapped and signed

def draft(side: Side, spec: Operation | Event, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> Message:
    """A message whose inner document (and headers, query) `take:` maps to `fields` (by their keys)."""
    message = Message(tree={})
    expected = {name: template.text(side.scope(facts)) for name, template in spec.match.items()}
    for field in spec.take.fields:
        value = expected.get(field.name, fields.get(field.key))
        if field.words is not None:
            value = next((theirs for theirs, ours in field.words.items() if ours == value), next(iter(field.words), "OTHER"))
        elif field.source == "document":
            value = field.cast.write(value, side.setting)
        if field.source == "document":
            wishing.put(message.tree, field.steps, value)
        elif field.source == "header":
            message.headers[field.steps[0]] = casts.as_text(value)
        elif field.source == "query":
            message.query[field.steps[0]] = casts.as_text(value)
    return message


def satisfy(spec: Mapping[str, Any], tree: dict[str, Any]) -> int | None:
    """Makes a condition hold in `tree`; returns an HTTP status it asks for, if it does. CannotSay when there is no way."""
    found = wishing.hold(spec, tree)
    return found[0] if found else None


def spoilt(spec: Mapping[str, Any], tree: Mapping[str, Any], status: int) -> Iterable[tuple[dict[str, Any], int]]:
    """(document, status) with one leaf of a condition broken, for each of its leaves that can be broken."""
    for word, value in spec.items():
        changed = copy.deepcopy(dict(tree))
        if word == "http":
            yield changed, next(code for code in (201, 299, 418, 599) if code not in statuses(value, whole=True))
        elif word in ("eq", "in", "ne", "matches"):
            for path, wanted in value.items():
                changed = copy.deepcopy(dict(tree))
                wishing.put(changed, paths.split(path), wanted if word == "ne" else "ELSE")
                yield changed, status
        elif word == "exists":
            remove(changed, value)
            yield changed, status
        elif word in ("all", "any"):
            for one in value:
                yield from spoilt(one, tree, status)
        elif word == "not":
            yield changed, wishing.hold(value, changed) and status or status


def statuses(spec: Any, whole: bool = False) -> list[int]:
    """The statuses a condition names: the first and last of each span, or all with `whole`."""
    found: list[int] = []
    for one in spec if isinstance(spec, (list, tuple)) else [spec]:
        low, _, high = str(one).partition("..")
        found += range(int(low), int(high or low) + 1) if whole else dict.fromkeys((int(low), int(high or low)))
    return found


def put_if_missing(tree: Any, path: str, value: Any) -> None:
    wishing.put_if_missing(tree, paths.split(path), value)


def put(tree: Any, steps: tuple[str, ...], value: Any) -> None:
    wishing.put(tree, steps, value)


def remove(tree: dict[str, Any], path: str) -> None:
    *above, last = paths.split(path)
    try:
        holder = paths.dig(tree, tuple(above)) if above else tree
    except paths.Missing:
        return
    if isinstance(holder, dict):
        holder.pop(last, None)


# --- messages

def wrapped(side: Side, spec: Mapping[str, Any], name: str, tree: Any, facts: Mapping[str, Any]) -> Any:
    """The document as it travels: wrapped and sealed as `open:` takes it apart."""
    return closing.close_up(side, spec.get("open"), copy.deepcopy(tree), name, facts)


def signed(side: Side, check: Check | None, message: Message, kind: str, without: Iterable[str] = ()) -> Message:
    """The message encoded, with the signature a check wants. Parts of the body it covers are made up if missing (but those
    `without`), and so are fields that tell one way of listing pairs from another."""
    if check is not None and isinstance(message.tree, dict):
        for name, value in _covered(check):
            if name not in without:
                put_if_missing(message.tree, name, value)
    said = signing.said(side, (check,) if check is not None else (), message, kind, False)
    message.status, message.headers, message.body = said.status, dict(said.headers), said.body
    for name in without:
        remove(message.tree, name)
    return message


def _covered(check: Check) -> Iterable[tuple[str, str]]:
    for hole in sorted(check.canonical.holes):
        if hole.startswith("body."):
            yield hole.removeprefix("body."), f"x-{hole.rpartition('.')[2]}"
    pairs = check.canonical.pairs
    if pairs is None or pairs.source != "body":
        return
    own = check.signature.name.removeprefix("body.")
    fresh = check.fresh.at.name.removeprefix("body.") if check.fresh else ""
    for name in (*pairs.only, *pairs.leave):
        if name not in (own, fresh, *pairs.extra) and not name.endswith("*"):
            yield name, f"x-{name}"
    # A sender may add fields one day; these sort and count differently in each dialect.
    yield from (("zz1", "1"), ("zz", "2"), ("Zy", "3"), ("zx", ""))


def batch(event: Event, item: Any) -> Any:
    """The item alone in a batch, as `split:` and `each:` take it apart."""
    if event.split is None:
        return item
    at, each = event.split
    entry: dict[str, Any] = {}
    if each:
        wishing.put(entry, each, item)
    tree: dict[str, Any] = {}
    wishing.put(tree, at, [entry if each else item])
    return tree


def encoded(kind: str, tree: Any) -> bytes:
    return codecs.CODECS[kind].write(tree, casts.as_text)
