"""Looking at a channel at work, step by step, for the person who writes its file: what a request is made of, and at which
step an incoming call is no longer believed, read or ours, with what would have made it so.

Nothing here is used to sell. `notices.read` decides; here the same pieces are gone through one by one and explained. No
line holds a secret: `Mask` puts its name in its place.
"""
from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import Any, Iterator, Mapping, NamedTuple

from . import casts, codecs, crypto, mapping, opening, redact
from .channel import Channel, Event
from .compile import compile_channel
from .model import IncomingRequest, Message, NoticeRejected, Unreadable, Unverified, WireError
from .scope import Scope
from .secrets import Places, SecretMissing, SecretSource
from .signing import Check

_SORTS, _VALUES = ("key", "entry", "value", "none"), ("plain", "url", "form")


class Step(NamedTuple):
    """One step of looking: its name, whether it held, what was seen, and what to do when it did not."""
    name: str
    good: bool
    seen: list[str]
    advice: str = ""


class RealOrMadeUp:
    """Secrets from their places; one that is not there is a test value, and `made_up` says so."""

    def __init__(self, test_values: SecretSource):
        self._places, self._test = Places(), test_values
        self.made_up: dict[str, str] = {}

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
        try:
            return self._places.read(name, reference)
        except SecretMissing as error:
            self.made_up[name] = str(error)
            return self._test.read(name, reference)


class Mask:
    """Text with each secret's value replaced by its name."""

    def __init__(self, doc: Mapping[str, Any], ch: Channel):
        self._names: dict[str, str] = {}
        for name, reference in doc.get("secrets", {}).items():
            if reference.get("as", "text") in ("text", "hex", "base64"):
                value = ch.box.text(name)
                self._names.update({spelt: f"‹{name}›" for spelt in redact.spellings(value)})

    def __call__(self, text: str) -> str:
        for value in sorted(self._names, key=len, reverse=True):
            text = text.replace(value, self._names[value]) if value else text
        return text

    def header(self, value: str) -> str:
        """A header's value; what is inside `Basic …` is looked into."""
        word, _, rest = value.partition(" ")
        if word.lower() == "basic":
            try:
                return f"{word} base64({self(base64.b64decode(rest, validate=True).decode())})"
            except (binascii.Error, UnicodeDecodeError):
                return self(value)
        return self(value)


def retrace(doc: Mapping[str, Any], ch: Channel, event: str, request: IncomingRequest, now_ms: int) -> Iterator[Step]:
    """The steps of believing, opening, mapping and matching an incoming call; ends with the first that does not hold."""
    spec = ch.events[event]
    mask = Mask(doc, ch)
    try:
        whole = opening.read_message(request, spec.body_kind)
    except NoticeRejected as error:
        yield Step("read the body", False, [f"{len(request.body)} bytes, not {spec.body_kind}: {error.reason}"],
                   f"Is this the raw body, byte for byte? If the sender writes something else than {spec.body_kind}, say so: "
                   f"`notices.{event}.body:` is json, form, form_brackets, xml or text.")
        return
    yield Step("read the body", True, [f"{len(request.body)} bytes of {spec.body_kind}: {_shape(whole.tree)}"])
    try:
        items = opening.items_of(whole.tree, *spec.split) if spec.split else [whole.tree]
    except Unreadable as error:
        yield Step("take the batch apart", False, [str(error)],
                   f"`notices.{event}.split:` names the list, `each:` the event in it.")
        return
    for item in items:
        scope = ch.scope(now_ms=now_ms)
        scope.message = replace(whole, tree=item)
        good = True
        for step in _of_item(ch, event, spec, scope, now_ms, mask):
            yield step
            good = step.good
        if not good:
            return


def _of_item(ch: Channel, event: str, spec: Event, scope: Scope, now_ms: int, mask: Mask) -> Iterator[Step]:
    if spec.sealed:
        yield Step("verify", True, ["nothing is signed: that it opens with a key we share is the proof"])
    else:
        for number, check in enumerate(spec.checks):
            step = verified(check, scope, now_ms, mask)
            last = number == len(spec.checks) - 1
            name = step.name if len(spec.checks) == 1 else f"{step.name}, way {number + 1} of {len(spec.checks)}"
            yield step._replace(name=name, good=step.good or not last)
            if step.good:
                break
        if not step.good:
            return
    try:
        scope.opened = spec.open(scope.message.tree, scope)
    except opening.Sealed:
        yield Step("open", False, ["the sealed part does not open"],
                   "The key is not the one it was sealed with, or nonce and associated data are taken from the wrong place. "
                   f"Compare `notices.{event}.open:` with the provider's page on decrypting; is the key of this environment?")
        return
    except Unreadable as error:
        yield Step("open", False, [str(error)], f"`notices.{event}.open:` looks for a part that is not there.")
        return
    yield Step("open", True, [mask(_short(scope.opened))])
    if spec.when is not None and not spec.when(scope.message, scope.opened):
        yield Step("when", False, ["`when:` does not hold: it is acknowledged and passed over"],
                   f"If it is meant for us, mend `notices.{event}.when:`.")
        return
    yield from _mapped(ch, event, spec, scope, mask)


def _mapped(ch: Channel, event: str, spec: Event, scope: Scope, mask: Mask) -> Iterator[Step]:
    seen = []
    try:
        fields = spec.take.read(scope.message, scope.opened, ch.setting)
    except Unreadable as error:
        yield Step("take", False, [str(error)], f"Mend that line of `notices.{event}.take:`: another path, another cast, or a "
                   "word that is not listed (`else: unknown` is for those you have not met).")
        return
    for field in spec.take.fields:
        place = "is" if field.source == "fixed" else f"{field.source} {'.'.join(field.steps)}"
        seen.append(f"{field.key} = {mask(repr(fields[field.key]))}" if field.key in fields else f"{field.key}: nothing at {place}")
    yield Step("take", True, seen)
    wrong = mapping.mismatch(spec.match, fields, scope, all_needed=True)
    if wrong:
        expected = ", ".join(f"{name} {fields.get(name)!r} (ours: {mask(template.text(scope))!r})"
                             for name, template in spec.match.items())
        yield Step("match", False, [wrong, expected], "This notice is another merchant's, or `constants:` and secrets are of "
                   "another environment than the notice.")
        return
    yield Step("match", True, [f"{name} is ours" for name in spec.match] or ["nothing must match"])
    try:
        keys = [casts.as_text(hole.get(scope)) for hole in spec.once_by]
    except Unreadable as error:
        yield Step("name the event", False, [str(error)], f"`notices.{event}.once_by:` must name what is the same at each "
                   "delivery of one event, and different for each event.")
        return
    yield Step("name the event", True, [":".join([event, *keys])])


# --- verifying, explained

def verified(check: Check, scope: Scope, now_ms: int, mask: Mask) -> Step:
    """Whether one way of verifying holds, what it saw, and what would have held."""
    try:
        scope.parts = check.parts.read(scope) if check.parts else {}
        found = check._signatures(scope)
        text = check.canonical.text(scope)
        key_id = casts.as_text(check.key_id.get(scope)) if check.key_id else None
    except (Unverified, Unreadable) as error:
        return Step("verify", False, [str(error), *_names_of(scope.message)], f"`verify:` looks for the signature at "
                    f"{check.signature.name}; it, or something it covers, is not there. Compare the names above with `verify:`.")
    seen = [f"{'covers' if number == 0 else '      '}    {line}" for number, line in enumerate(visible(mask(text)))]
    seen += [f"signature {signature}" for signature in found] + ([f"key       {key_id}"] if key_id else [])
    try:
        check.run(scope, now_ms)
        return Step("verify", True, seen + ["it matches, and is fresh" if check.fresh else "it matches"])
    except Unverified as error:
        if error.code == "stale":
            return Step("verify", False, [*seen, "it matches", error.reason], "It was fresh when it was sent: give that moment "
                        "with --at. If it is fresh for the sender, one of the two clocks is wrong, or `fresh.as:` is another unit.")
        if error.code == "key_unknown":
            return Step("verify", False, [*seen, error.reason], f"Put the key {key_id!r} into the keyring {check.secret!r}.")
        return Step("verify", False, [*seen, error.reason], _nearest_way(check, scope, found, key_id) or (
            "The text above is what the file says is signed. Compare it, character by character, with the provider's example. "
            "If it is right, the key is another than the sender's (test and production keys differ)."))


def _nearest_way(check: Check, scope: Scope, signatures: list[str], key_id: str | None) -> str:
    """What to change in the file so that the message verifies, if one change or two of the usual ones are enough."""
    for told, changed, message in _ways(check, scope.message):
        other = replace(scope, message=message)
        try:
            text = changed.canonical.text(other)
            changed._match(other, casts.as_bytes(text), key_id, signatures)
            return f"It does match {told}."
        except (Unverified, Unreadable, WireError):
            continue
    return ""


def _ways(check: Check, message: Message) -> Iterator[tuple[str, Check, Message]]:
    body = message.body
    for told, other in (("without the line break at the end of the body, which an editor may have added", body.rstrip(b"\r\n")),
                        ("with a line break at the end of the body, which an editor may have lost", body + b"\n"),
                        ("with CR LF as line breaks in the body", body.replace(b"\n", b"\r\n"))):
        if other != body:
            yield told, check, replace(message, body=other)
    digests = [name for name, kind in crypto.DIGESTS.items() if kind.needs == crypto.DIGESTS[check.digest].needs and name != "hash"]
    plain = [("", check)] + [(f"with `{name}`", replace(check, digest=name)) for name in digests if name != check.digest]
    if check.digest == "hash":
        plain += [(f"with `hash: {name}`", replace(check, secret=name)) for name in crypto.HASHES if name != check.secret]
    plain += [(_and(told, f"with `encode: {word}`"), replace(way, encode=word))
              for told, way in list(plain) for word in codecs.ENCODINGS if word != check.encode]
    for told, way in plain[1:]:
        yield told, way, message
    pairs = check.canonical.pairs
    if pairs is None:
        return
    changes = [(f"with `sort: {word}`", {"sort": word}) for word in _SORTS if word != pairs.sort]
    changes += [(f"with `value: {word}`", {"value": word}) for word in _VALUES if word != pairs.value]
    changes += [(f"with `empties: {'drop' if pairs.keep_empty else 'keep'}`", {"keep_empty": not pairs.keep_empty}),
                (f"with `ignore_case: {'false' if pairs.ignore_case else 'true'}`", {"ignore_case": not pairs.ignore_case}),
                (f"with `show: {'values' if pairs.show == 'pairs' else 'pairs'}`",
                 {"show": "values" if pairs.show == "pairs" else "pairs"}), ("with `join: \"\"`", {"join": ""})]
    tree = message.tree if isinstance(message.tree, Mapping) else {}
    changes += [(f"when {name} is left out (`except: [{name}]`)", {"leave": (*pairs.leave, name)}) for name in tree
                if pairs.includes(name)]
    two = [(_and(one, other), {**a, **b}) for i, (one, a) in enumerate(changes) for other, b in changes[i + 1:]]
    for told, change in changes + two:
        for more, way in plain if len(change) == 1 else plain[:1]:
            made = replace(pairs, **change)
            yield _and(told, more), replace(way, canonical=replace(check.canonical, text=made.text, pairs=made)), message


def _and(one: str, other: str) -> str:
    return f"{one} and {other}" if one and other else one or other


# --- shown to people

def visible(text: str) -> list[str]:
    """The lines of a text with their ends made visible."""
    lines = text.replace("\r", "␍").split("\n")
    return [f"{line}⏎" for line in lines[:-1]] + ([lines[-1]] if lines[-1] or len(lines) == 1 else [])


def _names_of(message: Message) -> list[str]:
    seen = [f"headers that came: {', '.join(sorted(message.headers))}"]
    if isinstance(message.tree, Mapping):
        seen.append(f"fields of the body: {', '.join(map(str, message.tree))}")
    return seen


def _shape(tree: Any) -> str:
    if isinstance(tree, Mapping):
        return f"fields {', '.join(map(str, tree))}" if tree else "no fields"
    return f"a list of {len(tree)}" if isinstance(tree, list) else "one text"


def _short(tree: Any) -> str:
    text = casts.as_text(tree)
    return text if len(text) <= 400 else f"{text[:400]}… ({len(text)} characters)"


def channel_for_trying(doc: Mapping[str, Any], test_values: SecretSource) -> tuple[Channel, RealOrMadeUp]:
    """The channel as the file says, with real secrets where they are, and test values for those that are not."""
    source = RealOrMadeUp(test_values)
    return compile_channel(doc, source), source
