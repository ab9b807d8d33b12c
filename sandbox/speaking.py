"""Reading a channel file in reverse, second half: answers and notices that the file will verify, open, judge and map to
exactly what happened here.
"""
from __future__ import annotations

import copy
from typing import Any, Iterator, Mapping, Sequence

from engine.wire import codecs, mapping, paths
from engine.wire.channel import Event, Operation
from engine.wire.model import Message, Unreadable
from engine.wire.notices import answer as our_answer
from engine.wire.templates import Template

from . import wishing
from .closing import close_up
from .deeds import GOOD
from .side import Side
from .signing import Said, encode, said, sign
from .wishing import CannotSay, put, put_if_missing

__all__ = ["CannotSay", "Said", "acknowledged", "answer", "can_answer", "notice", "signed", "token"]
_UNLISTED = "SANDBOX_OTHER"
_NOTHING: Mapping[str, Any] = {}


def answer(side: Side, operation: str, state: str, fields: Mapping[str, Any], cashier_url: str = "", forged: bool = False,
           token: str = "", facts: Mapping[str, Any] = _NOTHING, beside: Sequence[tuple[str, Mapping[str, Any]]] = (),
           holding: Mapping[str, Any] = _NOTHING) -> Said:
    """The answer to an operation that ended in `state`, with what is known of it. `forged` spoils the signature; `beside`:
    state and fields of others, for an answer that lists them all; `holding`: what stands in it already."""
    op = side.channel.operations[operation]
    found = _judged(side, op, state, fields, cashier_url, token, facts, holding)
    if found is None:
        raise CannotSay(f"no judgement of {operation} means {state}")
    others = [other.tree for one in beside if (other := _judged(side, op, *one, "", "", {}))]
    return _closed(side, op, operation, found, forged, facts, others)


def _judged(side: Side, op: Operation, state: str, fields: Mapping[str, Any], cashier_url: str, token: str,
            facts: Mapping[str, Any], holding: Mapping[str, Any] = _NOTHING) -> Message | None:
    for draft in _drafts(side, op.take, op.match, fields, state, facts):
        draft.tree = {**copy.deepcopy(dict(holding)), **draft.tree}
        if state in ("pending", "accepted", "succeeded"):
            _fill_client(side, op.name, draft.tree, cashier_url, token or cashier_url)
        held = _held(op, state, draft)
        if held is not None:
            return held
    return None


def can_answer(side: Side, operation: str, state: str, fields: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    try:
        answer(side, operation, state, fields, "x", token="x", facts=facts)
    except CannotSay:
        return False
    return True


def _closed(side: Side, op: Operation, name: str, message: Message, forged: bool, facts: Mapping[str, Any],
            others: list[Any]) -> Said:
    if not message.tree and not any(check.signature.name.startswith("body.") for check in op.checks):
        return said(side, op.checks, message, None, forged)
    method = op.plan.method.lower()
    message.tree = close_up(side, side.doc["operations"][name].get("open"), message.tree, f"{method}_{name}", facts,
                            others=others)
    return said(side, op.checks, message, op.answer_kind, forged)


def notice(side: Side, event: str, state: str, fields: Mapping[str, Any], event_id: str, forged: bool = False) -> Said:
    """The body and headers of a notice. The same `event_id` makes it the same event to the receiver. CannotSay when
    the file would read something else, or nothing."""
    spec, doc = side.channel.events[event], side.doc["notices"][event]
    for draft in _drafts(side, spec.take, spec.match, fields, state, _NOTHING):
        try:
            if "when" in doc:
                wishing.hold(doc["when"], draft.tree)
        except CannotSay:
            continue
        _name(spec, draft, event_id, opened=True)
        if _reads(side, spec, draft, state):
            return _sent(side, spec, doc, draft, event, event_id, forged)
    raise CannotSay(f"no notice {event} says {state}")


def _sent(side: Side, spec: Event, doc: Mapping[str, Any], message: Message, event: str, event_id: str, forged: bool) -> Said:
    message.method = "POST"
    message.tree = close_up(side, doc.get("open"), message.tree, event, _NOTHING, spoiled=forged and not spec.checks)
    _name(spec, message, event_id, opened=False)
    if not spec.split:
        return said(side, spec.checks, message, spec.body_kind, forged)
    at, each = spec.split
    covers_body = any("body" in check.canonical.holes for check in spec.checks)
    if spec.checks and not covers_body:       # each item carries its own signature
        sign(side, spec.checks[0], message, None, forged)
    item: dict[str, Any] = {}
    if each:
        put(item, each, message.tree)
    whole: dict[str, Any] = {}
    items = [item or message.tree]
    if at:
        put(whole, at, items)
    message.tree = whole if at else items
    if covers_body:
        return said(side, spec.checks, message, spec.body_kind, forged)
    encode(message, spec.body_kind)
    return Said(200, {**message.headers, "content-type": codecs.CODECS[spec.body_kind].content_type}, message.body,
                message.query_text)


def _name(spec: Event, message: Message, event_id: str, opened: bool) -> None:
    """The parts that name the event to the receiver, where nothing has filled them yet."""
    for hole in spec.once_by:
        head, _, rest = hole.name.partition(".")
        if head == "notice" and opened:
            put_if_missing(message.tree, paths.split(rest), event_id)
        elif head == "header" and not opened:
            message.headers.setdefault(rest.lower(), event_id)
        elif head == "body" and not opened:
            put_if_missing(message.tree, paths.split(rest), event_id)


def _reads(side: Side, spec: Event, message: Message, state: str) -> bool:
    if spec.when is not None and not spec.when(message, message.tree):
        return False
    try:
        read = spec.take.read(message, message.tree, side.setting)
    except Unreadable:
        return False
    tells_state = any(field.kind == "state" for field in spec.take.fields)
    return read.get("state") == state if tells_state else state in GOOD


def acknowledged(side: Side, event: str, status: int, body: bytes) -> bool:
    """Whether the receiver said that it took the notice, in the words of the file."""
    for verdict in ("success", "duplicate"):
        wanted, _, text = our_answer(side.channel, event, verdict)
        if status == wanted and body.strip() == text.strip():
            return True
    return False


def token(side: Side, text: str, lasts_s: int) -> Said:
    """The answer to a request for a token."""
    auth = side.channel.auth
    assert auth is not None
    tree: dict[str, Any] = {}
    if not isinstance(auth.lasts, float):
        put(tree, auth.lasts, lasts_s)
    put(tree, auth.token, text)
    return said(side, (), Message(status=200, tree=tree), "json", False)


signed = said                                 # what a partner's request is made with, too


# --- from our words to theirs

def _drafts(side: Side, take: mapping.Take, match: Mapping[str, Template], fields: Mapping[str, Any], state: str,
            facts: Mapping[str, Any]) -> Iterator[Message]:
    """Messages that say these fields, one for each of their words that means this state."""
    expected = {name: template.text(side.scope(facts)) for name, template in match.items()}
    of_state = next((field for field in take.fields if field.kind == "state" and field.source == "document"), None)
    words: list[Any] = [None]
    if of_state is not None and of_state.words is not None:
        words = [theirs for theirs, ours in of_state.words.items() if ours == state]
        words += [_UNLISTED] if of_state.other == state else []
        words = words or [None]
    setting = side.setting._replace(currency=fields.get("currency") or side.setting.currency)
    for word in words:
        message = Message(tree={})
        for field in take.fields:
            value = expected.get(field.name, fields.get(field.key))
            if field is of_state:
                value = word
            elif field.each is not None:
                value = _entries(field.each, value, setting) if value else None
            elif field.words is not None:
                value = next((theirs for theirs, ours in field.words.items() if ours == value), None)
            elif value is not None:
                value = field.cast.write(value, setting)
            if value is not None:
                _write(message, field, value)
        yield message


def _entries(take: mapping.Take, items: list[Mapping[str, Any]], setting: Any) -> list[dict[str, Any]]:
    """A list of what was bought. Where its entries tell no quantity, there is one for each piece."""
    tells_pieces = any(field.name == "quantity" for field in take.fields)
    entries = []
    for item in items:
        for piece in range(1 if tells_pieces else int(item.get("quantity", 1))):
            entry: dict[str, Any] = {}
            for field in take.fields:
                value = item.get(field.key)
                if field.name == "number" and piece:
                    value = f"{value}-{piece + 1}"
                if value is not None:
                    put(entry, field.steps, field.cast.write(value, setting))
            entries.append(entry)
    return entries


def _write(message: Message, field: mapping.Field, value: Any) -> None:
    if field.source == "document":
        put(message.tree, field.steps, value)
    elif field.source == "header":
        message.headers[field.steps[0]] = str(value)
    elif field.source == "query":
        message.query[field.steps[0]] = str(value)


def _fill_client(side: Side, operation: str, tree: dict[str, Any], cashier_url: str, token: str) -> None:
    """An address is what a terminal opens or shows; elsewhere, and inside a longer text, a short token stands."""
    kind = side.channel.operations[operation].client
    for hole, template in side.client_holes(operation):
        is_address = kind is not None and kind.kind in ("qr", "redirect") and template.parts[0] is hole
        put_if_missing(tree, paths.split(hole.name.removeprefix("answer.")), cashier_url if is_address else token)


def _held(op: Operation, state: str, draft: Message) -> Message | None:
    """The message, with what makes the file judge it as `state` and the HTTP status that takes; None if nothing does."""
    states = [field for field in op.take.fields if field.kind == "state"]
    takes = [field.fixed == state if field.source == "fixed" else state in {*(field.words or {}).values(), field.other}
             for field in states]
    for rule in op.rules:
        if rule.then != state and not (rule.then == mapping.STATE_AS_TAKEN and any(takes)):
            continue
        for spoken in _without_earlier(op, rule, draft.tree):
            message = copy.copy(draft)
            message.tree = spoken
            try:
                statuses = wishing.hold(rule.spec, message.tree)
            except CannotSay:
                continue
            for message.status in statuses or wishing.ANY_STATUS:
                if mapping.judge(op.rules, message, message.tree) is rule:
                    return message
    return None


def _without_earlier(op: Operation, rule: mapping.Rule, tree: Any) -> Iterator[Any]:
    """The document as it is; then with one part of a rule that stands before this one made not to hold."""
    yield copy.deepcopy(tree)
    for earlier in op.rules[:op.rules.index(rule)]:
        for word, value in earlier.spec.items():
            changed = copy.deepcopy(tree)
            try:
                wishing.deny({word: value}, changed)
            except CannotSay:
                continue
            yield changed
