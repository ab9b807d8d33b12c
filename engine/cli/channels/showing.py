"""`channel try`: the exact bytes of each operation, and the steps of a pasted callback. No secret is ever printed."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Mapping
from urllib.parse import parse_qsl, urlsplit

from ...base import clock, money
from ...base.errors import Code, Refusal
from ...config.problems import nearest_word
from ...config.reader import read_text
from ...wire import codecs, operation_of
from ...wire.channel import Channel
from ...wire.concluding import for_client
from ...wire.examples import secrets_of
from ...wire.model import FactMissing, IncomingRequest, NoticeRejected, Outcome, Unreadable, WireError
from ...wire.notices import answer as our_answer
from ...wire.operating import prepare
from ...wire.trying import Mask, RealOrMadeUp, Step, retrace, visible
from ...wire.vocabulary import FACTS, fact_kind, key_of
from . import values
from .opposite import test_secrets

WIDTH = 12


class OurTestHalves:
    """Test secrets as we hold them."""

    def __init__(self, doc: Mapping[str, Any]):
        self._doc, self._values = doc, test_secrets(doc)

    def read(self, name: str, reference: Mapping[str, str]) -> Any:
        return secrets_of({**self._doc, "test_secrets": self._values}, {})[name]


def operations(doc: Mapping[str, Any], ch: Channel, source: RealOrMadeUp, only: str | None, given: Mapping[str, Any],
               now_ms: int) -> Iterator[str]:
    """Lines: for each operation its canonical text, signature, headers and body, as they would be sent at that moment."""
    if only is not None and only not in ch.operations:
        near = nearest_word(only, ch.operations)
        raise Refusal(Code.NOT_FOUND, f"the channel {ch.id} has no operation {only!r}: it has {', '.join(ch.operations)}"
                                      + (f"; did you mean {near!r}?" if near else ""))
    for name in [only] if only else ch.operations:
        yield from _operation(doc, ch, name, given, now_ms)
        yield ""
    yield from made_up(source)


def _operation(doc: Mapping[str, Any], ch: Channel, name: str, given: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    op, spec = operation_of(ch, name), doc["operations"][name]
    named = values.facts(doc, spec, doc.get("base"), doc.get("headers"), doc.get("basic"), doc.get("sign"))
    facts = {**{fact: value for fact, value in named.items() if not fact.startswith("settings.")}, **given}
    scope = ch.scope(facts, now_ms, values.NONCE)
    scope.names["token"] = "‹token›"
    yield f"{name}"
    for fact, value in facts.items():
        yield _line("fact", f"{fact} = {value}{'' if fact in given else '   (made up)'}")
    try:
        request = prepare(ch, op, scope)
    except (FactMissing, Unreadable, UnicodeEncodeError) as error:
        yield _line("refused", str(error))
        return
    except WireError as error:
        yield _line("refused", f"{error}: {_what_now(error)}")
        return
    mask = Mask(doc, ch)
    if request.text:
        yield from _lines("signed text", visible(mask(request.text)))
        yield _line("signature", f"{request.signature}   ({op.plan.signer.digest} with {op.plan.signer.secret!r})")
    if op.sends or op.plan.path:
        yield _line("request", f"{request.method} {mask(request.url)}") if op.sends else _line("address", mask(request.url))
        for header, value in request.headers.items():
            yield _line("header", f"{header}: {mask.header(value)}")
    if request.body:
        yield from _lines("body", visible(mask(request.body.decode("utf-8", "replace"))))
    if not op.sends:
        outcome = for_client(op, scope, Outcome("pending"))
        shown = outcome.client or outcome.reason
        yield _line("client", mask(codecs.write_json(shown).decode() if isinstance(shown, Mapping) else str(shown)))


def _what_now(error: WireError) -> str:
    return "put the key there, or give test values under `test_secrets:`" if "RSA" in str(error) else "mend the file or the secret"


def made_up(source: RealOrMadeUp) -> Iterator[str]:
    """What stands for secrets that are not in their places, and where those belong."""
    if source.made_up:
        yield "Made up, because they are not there; signatures will differ with the real ones:"
        for name, why in source.made_up.items():
            yield f"  {name}: {why.partition(': ')[2]}"


def _line(word: str, text: str) -> str:
    return f"  {word:<{WIDTH}}{text}"


def _lines(word: str, lines: list[str]) -> list[str]:
    return [_line(word if number == 0 else "", line) for number, line in enumerate(lines)]


# --- facts from a file

def facts_of(path: Path) -> dict[str, Any]:
    """Facts from a YAML file, as people write them: `payment.amount: 9.90`, `payment.expires_at: 2026-11-21T20:30:00+08:00`."""
    source, problems = read_text(path.read_bytes(), str(path))
    if source is None or problems or not isinstance(source.data, dict):
        raise Refusal(Code.BAD_REQUEST, "; ".join(map(str, problems)) or f"{path}: write facts as NAME: VALUE")
    found: dict[str, Any] = {}
    for name, value in source.data.items():
        plain = name.removesuffix("_minor").removesuffix("_ms")
        kind = fact_kind(plain)
        if kind is None:
            near = nearest_word(name, FACTS)
            raise Refusal(Code.BAD_REQUEST, f"{path}: there is no fact {name!r}" + (f"; did you mean {near!r}?" if near else ""))
        try:
            if name == plain and kind == "money":
                value = money.parse_major(value, str(source.data.get(f"{name.rpartition('.')[0]}.currency", "CNY")))
            elif name == plain and kind == "time":
                value = clock.parse_rfc3339(value)
        except ValueError as error:
            raise Refusal(Code.BAD_REQUEST, f"{path}: {name}: {error}") from None
        found[key_of(plain, kind)] = value
    return found


# --- callbacks

def pasted(path: Path) -> IncomingRequest:
    """A raw HTTP call from a file: an optional request line, headers, an empty line, the body."""
    raw = path.read_bytes()
    head, mark, body = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
    if not mark:
        raise Refusal(Code.BAD_REQUEST, f"{path}: no empty line between headers and body. Paste the call as it came: headers "
                                        "one a line, an empty line, the body")
    lines = head.decode("utf-8", "replace").splitlines()
    method, target = "POST", "/"
    if lines and ":" not in lines[0].partition(" ")[0]:
        method, _, rest = lines.pop(0).partition(" ")
        target = rest.rpartition(" ")[0] or rest or "/"
    headers = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Refusal(Code.BAD_REQUEST, f"{path}: {line!r} is no header: write NAME: VALUE")
        headers[name.strip().lower()] = value.strip()
    if headers.get("content-length") != str(len(body)):       # an editor ends a file with a line break, a sender does not
        body = body.removesuffix(b"\n").removesuffix(b"\r")
    address = urlsplit(target)
    query = dict(parse_qsl(address.query, keep_blank_values=True))
    return IncomingRequest(method, address.path, query, headers, body, address.query)


def callback(doc: Mapping[str, Any], ch: Channel, source: RealOrMadeUp, request: IncomingRequest, event: str | None,
             now_ms: int) -> Iterator[tuple[bool, str]]:
    """(good so far, line): each step of what would happen to this call, to the first that does not hold."""
    name = _event(ch, request, event)
    yield True, f"{request.method} {request.path} as the notice {name!r} of {ch.id}, at {clock.rfc3339(now_ms)}"
    step: Step | None = None
    for number, step in enumerate(retrace(doc, ch, name, request, now_ms), 1):
        yield step.good, f"{number:>2} {'holds ' if step.good else 'FAILS '} {step.name}"
        for line in step.seen:
            yield step.good, f"          {line}"
        if not step.good:
            yield False, f"          → {step.advice}"
    good = step is not None and step.good
    yield good, "we would answer:"
    try:
        status, headers, body = our_answer(ch, name, "success" if good else "failure", "" if good else "not believed")
        yield good, f"          {status} {' '.join(headers.values())} {body.decode()}".rstrip()
    except (NoticeRejected, WireError) as error:
        yield False, f"          nothing: {error}"
    for line in made_up(source):
        yield good, line


def _event(ch: Channel, request: IncomingRequest, event: str | None) -> str:
    if event is None:
        last = request.path.rstrip("/").rpartition("/")[2]
        if last in ch.events:
            return last
        if len(ch.events) == 1:
            return next(iter(ch.events))
    if event in ch.events:
        return event
    raise Refusal(Code.BAD_REQUEST, f"say which notice it is with --event: {', '.join(ch.events) or 'the channel has none'}"
                                    + (f" (not {event!r})" if event else ""))
