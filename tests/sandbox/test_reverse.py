"""Channel files in reverse, without a process: what the engine sends is understood to the last fact, and what the sandbox
says is verified, opened, judged and mapped to what was meant. For every channel of the catalogue and for small dialects.
"""
from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.base import clock
from engine.wire import sandboxed
from engine.wire.compile import compile_channel
from engine.wire.model import IncomingRequest, Message, NoticeRejected, Reply
from engine.wire.notices import read as read_notice
from engine.wire.operating import operate
from engine.wire.templates import Template
from sandbox import reading, speaking
from sandbox.reading import BadSignature, NotUnderstood
from sandbox.side import Side

from tests.wire.making import AT_MS, DIALECTS, NONCE, built, concluded, read

from .playing import documents

URL = "https://gateway.example"
HOUR_MS = 3_600_000
# A fact for every name a file may use; every number is another, so that none is taken for another.
FACTS = {
    "payment.no": "P1", "payment.amount_minor": 990, "payment.currency": "CNY", "payment.channel_no": "S100000000000000",
    "payment.created_at_ms": AT_MS, "payment.expires_at_ms": AT_MS + HOUR_MS // 2, "payment.paid_at_ms": AT_MS,
    "payment.deduct_at_ms": AT_MS + 24 * HOUR_MS, "order.no": "O1", "order.title": "周卡 & more", "order.channel_no": "OC1",
    "notice_url": "https://shop.example/v1/notices/x", "settings.sandbox_url": URL, "settings.public_url": "https://shop.example",
    "buyer.id": "B1", "buyer.phone": "13800138000", "buyer.name": "王小明", "client.ip": "203.0.113.7", "client.openid": "o1",
    "client.return_url": "https://shop.example/back", "client.user_agent": "test",
    "refund.no": "R1", "refund.amount_minor": 300, "refund.currency": "CNY", "refund.reason": "r", "refund.channel_no": "SR1",
    "refund.created_at_ms": AT_MS, "contract.no": "C1", "contract.channel_no": "W1", "contract.title": "连续包月",
    "contract.amount_minor": 2500, "contract.currency": "CNY", "contract.period_unit": "month", "contract.period_count": 1,
    "contract.created_at_ms": AT_MS, "contract.starts_at_ms": AT_MS, "contract.next_at_ms": AT_MS + 720 * HOUR_MS,
    "contract.ends_at_ms": AT_MS + 9000 * HOUR_MS, "contract.reason": "r", "message.no": "M1", "message.to": "13800138000",
    "message.text": "您好", "message.template": "T1", "upstream.no": "U1", "upstream.item": "x", "upstream.quantity": 2,
    "upstream.account": "13800138000", "upstream.amount_minor": 500, "upstream.currency": "CNY", "upstream.channel_no": "SU1",
    "notify.no": "N1", "notify.event": "charge.done", "notify.at_ms": AT_MS, "charge.no": "H1", "charge.partner_order_no": "PO1",
    "charge.state": "charged", "charge.reason": "r", "charge.amount_minor": 900, "charge.currency": "CNY", "charge.drawn": 1,
    "charge.items": "vip/month*1", "charge.account": "13800138000", "partner.id": "mall", "shop.order_no": "6900000000000001",
    "shop.item": "x", "shop.item_nos": ["p1", "p2"], "delivery.at_ms": AT_MS, "delivery.code": "K1", "invoice.no": "I1", "invoice.title": "某公司",
    "invoice.tax_no": "91310000MA1FL0XX1K", "invoice.item": "会员费", "invoice.rate": "0.06", "invoice.amount_minor": 990,
    "invoice.currency": "CNY", "invoice.email": "a@example.com", "invoice.phone": "13800138000", "invoice.original_no": "I0",
    "invoice.channel_no": "SI1", "invoice.reason": "r", "invoice.created_at_ms": AT_MS, "statement.from_ms": AT_MS - 86_400_000,
    "statement.until_ms": AT_MS,
}
MEANT = {"payment_no": "P1", "refund_no": "R1", "message_no": "M1", "upstream_no": "U1", "contract_no": "C1", "invoice_no": "I1",
         "shop_order_no": "6900000000000001", "channel_no": "S100000000000000", "channel_refund_no": "S2",
         "channel_contract_no": "S3", "amount_minor": 990, "currency": "CNY", "paid_at_ms": AT_MS, "refunded_at_ms": AT_MS,
         "delivered_at_ms": AT_MS, "signed_at_ms": AT_MS, "ended_at_ms": AT_MS}
STATES = ("succeeded", "pending", "accepted", "failed", "closed", "absent", "busy", "partial", "signed", "ended")

DOCS = {**documents(), **{path.stem: read(path) for path in sorted(DIALECTS.glob("*.yaml"))}}
SENT = [(name, op) for name, doc in DOCS.items() for op, spec in doc["operations"].items()
        if {"get", "post", "put", "patch", "delete", "link"} & set(spec)]
ANSWERED = [(name, op) for name, op in SENT if "link" not in DOCS[name]["operations"][op]]
NOTICES = [(name, event) for name, doc in DOCS.items() for event in doc.get("notices", {})]


@pytest.fixture(autouse=True)
def now():
    clock.set_to(AT_MS)


@cache
def both(name: str) -> tuple[Any, Side]:
    doc = DOCS[name]
    return compile_channel(sandboxed.document(doc), sandboxed.OurHalves(doc)), Side(doc, URL)


def facts_of(ch: Any) -> dict[str, Any]:
    return {key: ch.setting.currency if key.endswith(".currency") else value for key, value in FACTS.items()}


def request_of(ch: Any, operation: str) -> Any:
    scope = ch.scope(facts_of(ch), AT_MS, NONCE)
    scope.names["token"] = "T1"
    scope.names["operation"] = operation
    return ch.operations[operation].plan.build(scope)


def message(request: Any) -> Message:
    parts = urlsplit(request.url)
    return Message(request.method, parts.netloc, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), parts.query,
                   dict(request.headers), request.body)


@pytest.mark.parametrize("name, operation", SENT)
def test_a_request_is_understood(name, operation):
    ch, side = both(name)
    call = reading.read(side, message(request_of(ch, operation)))
    assert call.operation == operation
    url = call.facts.pop("notice_url_sent", None)
    assert url is None or url.startswith("https://shop.example/v1/notices/x")
    facts = facts_of(ch)
    for key, value in call.facts.items():      # a currency may have been written in lower case, a time to the day
        same = str(value).lower() == str(facts[key]).lower() if not key.endswith("_ms") else abs(value - facts[key]) <= 24 * HOUR_MS
        rid = key == "order.title" and value == "".join(c for c in facts[key] if c not in "/=&")      # of what a channel refuses
        assert (same or rid) and type(value) is type(facts[key]), key
    told = {key.removesuffix("_minor").removesuffix("_ms") for key in call.facts}
    written = {hole.name for hole in _holes(next(p for p in side.patterns if p.name == operation)) if _can_be_undone(hole)}
    assert (ch.operations[operation].needs & written) - {"notice_url"} <= told


def _holes(node: Any) -> list[Any]:
    if isinstance(node, Template):
        return node.holes
    if isinstance(node, dict):                 # what is said in their words may be said of two of ours
        return [] if "$words" in node else [hole for value in node.values() for hole in _holes(value)]
    if isinstance(node, list):
        return [hole for value in node for hole in _holes(value)]
    return [hole for part in (node.query, node.body) for hole in _holes(part)] if hasattr(node, "query") else []


def _can_be_undone(hole: Any) -> bool:
    return all(cast.read is not None for cast in hole.casts)


@pytest.mark.parametrize("name, operation", [pair for pair in SENT if both(pair[0])[0].operations[pair[1]].plan.signer])
def test_a_changed_request_is_not(name, operation):
    ch, side = both(name)
    request = request_of(ch, operation)
    for number in ("P1", "U1", "M1", "R1", "C1", "I1"):
        changed = message(request)
        changed.body = changed.body.replace(number.encode(), b"Z9")
        changed.query = {key: value.replace(number, "Z9") for key, value in changed.query.items()}
        changed.query_text = changed.query_text.replace(number, "Z9")
        changed.path = changed.path.replace(number, "Z9")
        same = message(request)
        if (changed.body, changed.query, changed.path) != (same.body, same.query, same.path):
            with pytest.raises((BadSignature, NotUnderstood)):
                reading.read(side, changed)


def sayable(side: Side, operation: str, state: str, forged: bool = False):
    meant = {**MEANT, "currency": side.setting.currency}
    try:
        return speaking.answer(side, operation, state, meant, "https://c", forged, "t" * 24, facts_of(side.channel))
    except speaking.CannotSay:
        return None


@pytest.mark.parametrize("name, operation", ANSWERED)
def test_answers_mean_what_was_meant(name, operation):
    ch, side = both(name)
    said = {state: found for state in STATES if (found := sayable(side, operation, state))}
    assert said, "the sandbox can say nothing"
    for state, found in said.items():
        outcome = _concluded(ch, operation, found)
        assert outcome.state == state, (state, outcome.reason)
        meant = {key: value for key, value in outcome.fields.items() if key in MEANT}
        assert meant.items() <= {**MEANT, "currency": side.setting.currency}.items(), state
        if ch.operations[operation].checks:
            assert _concluded(ch, operation, sayable(side, operation, state, forged=True)).state == "unknown"


def _concluded(ch: Any, operation: str, said: speaking.Said) -> Any:
    from engine.wire.concluding import conclude
    scope = ch.scope(facts_of(ch), AT_MS, NONCE)
    scope.names.update(token="T1", operation=operation)
    op = ch.operations[operation]
    return conclude(ch, op, scope, op.plan.build(scope), Reply(said.status, said.headers, said.body), AT_MS)


def test_most_states_can_be_said_of_our_own_files():
    said = {pair: {state for state in STATES if sayable(both(pair[0])[1], pair[1], state)} for pair in ANSWERED}
    assert said["sandbox-qr", "query"] == {"succeeded", "pending", "failed", "closed", "absent", "busy"}
    assert said["sandbox-upstream", "query"] == {"succeeded", "pending", "failed", "absent", "busy", "partial"}


@pytest.mark.parametrize("name, event", NOTICES)
def test_a_notice_means_what_was_meant(name, event):
    ch, side = both(name)
    meant = {**MEANT, "currency": side.setting.currency}

    def received(state: str, forged: bool = False) -> Any:
        said = speaking.notice(side, event, state, meant, "E1", forged)
        query = dict(parse_qsl(said.query, keep_blank_values=True))
        return read_notice(ch, event, IncomingRequest("POST", "/n", query, said.headers, said.body, said.query), AT_MS)

    said = [state for state in STATES if _can_notice(side, event, state, meant)]
    assert said, "the sandbox has no such notice"
    for state in said:
        notice, = received(state)
        assert notice.fields.get("state", state) == state
        assert {k: v for k, v in notice.fields.items() if k in MEANT}.items() <= meant.items()
        assert received(state)[0].dedupe_key == notice.dedupe_key, "the same event has the same key, however often it is told"
        with pytest.raises(NoticeRejected) as refused:
            received(state, forged=True)
        assert refused.value.code in ("signature_invalid", "undecryptable")


def _can_notice(side: Side, event: str, state: str, meant: dict[str, Any]) -> bool:
    try:
        speaking.notice(side, event, state, meant, "E1")
    except speaking.CannotSay:
        return False
    return True


FOR_APPS = [(name, op) for name, doc in DOCS.items() for op, spec in doc["operations"].items()
            if {"text", "params"} & set(spec.get("client", {}))]


@pytest.mark.parametrize("name, operation", FOR_APPS)
def test_what_an_app_is_handed_is_understood(name, operation):
    ch, side = both(name)
    if ch.operations[operation].sends:
        said = next(found for state in ("pending", "accepted", "succeeded") if (found := sayable(side, operation, state)))
        client = _concluded(ch, operation, said).client
    else:
        client = operate(ch, operation, facts_of(ch)).client
    given, = client.values()
    call = reading.read_client(side, given)
    assert call.operation == operation
    if not ch.operations[operation].sends:
        assert call.facts["payment.no"] == "P1" and call.facts["payment.amount_minor"] == 990
    signs = ch.operations[operation].client.signer or (ch.operations[operation].plan.signer and not ch.operations[operation].sends)
    if signs and isinstance(given, dict):
        with pytest.raises((BadSignature, NotUnderstood)):
            reading.read_client(side, {key: value if key.lower() in ("appid", "signtype") else value + "0"
                                       for key, value in given.items()})
    elif signs:
        with pytest.raises((BadSignature, NotUnderstood)):
            reading.read_client(side, given.replace("990", "1").replace("9.90", "0.01"))


def test_an_old_request_is_refused():
    ch, side = both("sandbox-page")
    request, _ = built(ch, "query", FACTS, at_ms=AT_MS - 601_000)
    with pytest.raises(BadSignature, match="too old"):
        reading.read(side, message(request))


def test_a_request_of_nobody_is_told_what_does_not_fit():
    ch, side = both("sandbox-page")
    request = message(request_of(ch, "query"))
    request.query["more"] = "1"
    with pytest.raises(NotUnderstood, match="as query, query.more: '1' is not what the file writes there"):
        reading.read(side, request)


def test_an_answer_of_another_is_not_believed():
    ch, side = both("sandbox-qr")
    said = sayable(side, "query", "succeeded")
    assert concluded(ch, "query", {**FACTS, "payment.no": "P2"}, Reply(said.status, said.headers, said.body)).state == "unknown"
