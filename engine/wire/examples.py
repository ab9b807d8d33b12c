"""Running a channel file's own `examples:`. An example fixes the moment, the nonce and test secrets, so that every byte
of a request, and the verdict on every answer and notice, is known beforehand.

given: {operation, facts, at, nonce, answer?}   → then: text, signature, method, url, headers, body, json, client,
                                                   needs, sent, state, fields, reason
given: {notice, at, headers, query?, body|json|form} → then: notices [{dedupe_key, fields}] | refused: code
given: {operation: statement, answer, file}     → then: state, download, download_signed, rows, next | refused
given: {answer_to, verdict, reason?, at?, nonce?, body|json|form?} → then: status, headers, body
"""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock
from . import casts, codecs, notices, statements, testkeys
from .channel import Channel, Operation
from .compile import compile_channel
from .concluding import conclude, for_client
from .model import FactMissing, IncomingRequest, NoticeRejected, Outcome, Reply, Unreadable, WireError
from .operating import operation_of, prepare
from .scope import Scope
from .secrets import Given


def run_example(doc: Mapping[str, Any], example: Mapping[str, Any]) -> list[str]:
    """Differences between what the example expects and what happens; [] when it holds."""
    try:
        return run_on(_compiled(doc, secrets_of(doc, example)), example)
    except WireError as error:
        return [str(error)]


_last: tuple[Any, Any, Channel] | None = None  # a file's examples come one after the other, mostly with the same secrets


def _compiled(doc: Mapping[str, Any], secrets: dict[str, Any]) -> Channel:
    global _last
    kept = _last
    if kept is None or kept[0] is not doc or kept[1] != secrets:
        kept = _last = (doc, secrets, compile_channel(doc, Given(secrets)))
    return kept[2]


def run_on(ch: Channel, example: Mapping[str, Any]) -> list[str]:
    """The same on a channel that was compiled with the example's secrets."""
    try:
        found = found_by(ch, example.get("given", {}))
    except WireError as error:
        return [str(error)]
    return [line for key, expected in example.get("then", {}).items()
            for line in _compare(f"then.{key}", expected, found.get(key))]


def found_by(ch: Channel, given: Mapping[str, Any]) -> dict[str, Any]:
    """What happens: everything a `then:` may name. WireError when the example itself is wrong."""
    if "operation" in given:
        return _operation(ch, given)
    if "notice" in given:
        return _notice(ch, given)
    if "answer_to" in given:
        try:
            asked = IncomingRequest("POST", "/", {}, {}, _body(given))
            status, headers, body = notices.answer(ch, given["answer_to"], given["verdict"], given.get("reason", ""), asked,
                                                   _at_ms(given), str(given.get("nonce", "")))
        except NoticeRejected as error:
            raise WireError(error.reason) from None
        return {"status": status, "headers": headers, "body": body.decode()}
    raise WireError("given: say operation, notice or answer_to")


def secrets_of(doc: Mapping[str, Any], example: Mapping[str, Any]) -> dict[str, Any]:
    values = {**doc.get("test_secrets", {}), **example.get("secrets", {})}
    named: dict[str, Any] = {}
    for name, value in values.items():
        kind = doc.get("secrets", {}).get(name, {}).get("as", "text")
        if isinstance(value, Mapping):
            named[name] = {key_id: testkeys.named(str(text), "public_key") for key_id, text in value.items()}
        else:
            named[name] = testkeys.named(str(value), kind if kind == "private_key" else "public_key")
    return named


def _at_ms(given: Mapping[str, Any]) -> int:
    at = given.get("at", 0)
    return at * 1000 if isinstance(at, int) else clock.parse_rfc3339(at)


def _operation(ch: Channel, given: Mapping[str, Any]) -> dict[str, Any]:
    op = operation_of(ch, given["operation"])
    now_ms = _at_ms(given)
    scope = ch.scope(dict(given.get("facts", {})), now_ms, str(given.get("nonce", "")))
    scope.names["token"] = given.get("token", "")
    found: dict[str, Any] = {"sent": op.sends, "needs": sorted(op.needs)}
    try:
        request = prepare(ch, op, scope)
    except (FactMissing, Unreadable) as error:
        return {**found, "refused": str(error)}
    found |= {"text": request.text, "signature": request.signature, "method": request.method, "url": request.url,
              "headers": dict(request.headers), "body": request.body.decode()}
    if op.plan.body_kind and request.body:
        found["json"] = codecs.read_body(op.plan.body_kind, request.body)
    if not op.sends:
        outcome = for_client(op, scope, Outcome("pending"))
    elif "answer" in given:
        outcome = conclude(ch, op, scope, request, _reply(given["answer"]), now_ms,
                           bool(given["answer"].get("believed")))
    else:
        return found
    if op.file and outcome.state == "succeeded":
        found |= _statement(ch, op, scope, given)
    fields = {name: value for name, value in outcome.fields.items() if name != "state"}
    return {**found, "state": outcome.state, "fields": fields, "client": dict(outcome.client), "reason": outcome.reason}


def _statement(ch: Channel, op: Operation, scope: Scope, given: Mapping[str, Any]) -> dict[str, Any]:
    """Where a statement's file is asked for; what it comes to, from its bytes as they came ({base64: …}) or from a text, which
    is packed as the channel packs it; and what is asked next ("" after the last page)."""
    found: dict[str, Any] = {}
    try:
        if op.file.url:
            found |= {"download": statements.address_of(op.file, scope), "download_signed": op.file.download is not None}
        if "file" not in given:
            return found
        file = given["file"]
        raw = codecs.decode_bytes(file["base64"], "base64") if isinstance(file, Mapping) else statements.packed(op.file, file)
        page = statements.read(ch, op.file, scope, raw)
    except Unreadable as error:
        return {**found, "refused": str(error)}
    more = statements.following(op.file, page, 1, len(page.rows))
    return {**found, "rows": [dict(row) for row in page.rows], "next": _next_page(ch, op, given, *more) if more else ""}


def _next_page(ch: Channel, op: Operation, given: Mapping[str, Any], names: Mapping[str, Any], last: Any) -> str:
    scope = ch.scope(dict(given.get("facts", {})), _at_ms(given), str(given.get("nonce", "")))
    scope.names.update({"token": given.get("token", ""), **names})
    scope.params = last
    return prepare(ch, op, scope, op.file.pages.plan).url


def _reply(answer: Mapping[str, Any]) -> Reply:
    headers = {name.lower(): str(value) for name, value in answer.get("headers", {}).items()}
    return Reply(answer.get("status", 200), headers, _body(answer))


def _body(spec: Mapping[str, Any]) -> bytes:
    for kind in ("json", "form", "xml"):
        if kind in spec:
            return codecs.CODECS[kind].write(spec[kind], casts.as_text)
    return str(spec.get("body", "")).encode()


def _notice(ch: Channel, given: Mapping[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): str(value) for name, value in given.get("headers", {}).items()}
    query = {name: str(value) for name, value in given.get("query", {}).items()}
    request = IncomingRequest(given.get("method", "POST"), given.get("path", "/"), query, headers, _body(given),
                              codecs.write_query(query, casts.as_text))
    try:
        received = notices.read(ch, given["notice"], request, _at_ms(given), bool(given.get("believed")))
    except NoticeRejected as error:
        return {"refused": error.code, "reason": error.reason}
    return {"notices": [{"dedupe_key": notice.dedupe_key, "fields": dict(notice.fields)} for notice in received]}


def _compare(where: str, expected: Any, found: Any) -> list[str]:
    """Headers are compared one by one (a request has more of them than an example names); all else as a whole."""
    if where == "then.headers" and isinstance(found, Mapping):
        lower = {name.lower(): value for name, value in found.items()}
        return [line for name, value in expected.items()
                for line in _compare(f"{where}.{name}", value, lower.get(name.lower()))]
    if where == "then.reason" and isinstance(found, str) and expected in found:
        return []
    if expected == found:
        return []
    return [f"{where}: expected {_shown(expected)}, found {_shown(found)}"]


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) or value is None else codecs.write_json(value).decode()
