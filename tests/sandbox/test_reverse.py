"""Channel files in reverse, without a process: what the engine sends is understood to the last fact, and what the sandbox
says is verified, opened, judged and mapped to what was meant. For the sandbox's own files and for real protocols.
"""
from __future__ import annotations

from typing import Any, Mapping
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.base import clock
from engine.wire import testkeys
from engine.wire.compile import compile_channel
from engine.wire.model import IncomingRequest, Message, NoticeRejected, Reply
from engine.wire.notices import read as read_notice
from sandbox import speaking
from sandbox.reading import BadSignature, NotUnderstood, Side

from tests.wire.making import AT_MS, DIALECTS, NONCE, ROOT, built, concluded, read

FACTS = {"payment.no": "P1", "payment.amount_minor": 990, "payment.currency": "CNY", "order.title": "周卡 & more",
         "payment.expires_at_ms": AT_MS + 1_800_000, "notice_url": "https://shop.example/n", "client.openid": "o1",
         "settings.sandbox_url": "https://gateway.example", "refund.no": "R1", "refund.amount_minor": 300, "refund.reason": "r",
         "message.no": "M1", "message.to": "13800138000", "message.text": "您好", "upstream.no": "U1", "upstream.item": "x",
         "upstream.quantity": 2, "buyer.phone": "13800138000", "contract.no": "C1", "contract.channel_no": "W1"}
THEIRS = {"platform": {"file": "x", "as": "private_key", "id": "K1"}, "gateway": {"file": "x", "as": "private_key", "id": "K1"},
          "alipay": {"file": "x", "as": "private_key"}, "endpoint": {"file": "x"}}


class Halves:
    """Every secret as the reference wants it: our half, their half, or a text that both share."""

    def read(self, name: str, reference: Mapping[str, str]) -> Any:
        kind, pair = reference.get("as", "text"), "ours" if name == "key" else "theirs"
        if kind in ("private_key", "public_key"):
            return testkeys.PAIRS[pair][kind]
        if kind == "keyring":
            return {"K1": "s" * 32 if name == "endpoint" else testkeys.PAIRS["theirs"]["public_key"]}
        return "s" * 32


def document(path) -> dict[str, Any]:
    doc = read(path)
    halves = {name: THEIRS[name] for name in doc["secrets"] if name in THEIRS}
    if doc["secrets"].get("key", {}).get("as") == "private_key":
        halves["key"] = {"file": "x", "as": "public_key"}
    return {**doc, "sandbox": halves}


DOCS = {path.stem: document(path) for path in [*sorted((ROOT / "channels").glob("*.yaml")), *sorted(DIALECTS.glob("*.yaml"))]}
SENT = [(name, op) for name, doc in DOCS.items() for op, spec in doc["operations"].items()
        if {"get", "post", "link"} & set(spec) and name != "paypal" and (name, op) != ("wechat-v3", "transfer")]


@pytest.fixture(autouse=True)
def now():
    clock.set_to(AT_MS)


def both(name: str) -> tuple[Any, Side]:
    return compile_channel(DOCS[name], Halves()), Side(DOCS[name], "https://gateway.example", Halves())


def message(request) -> Message:
    parts = urlsplit(request.url)
    return Message(request.method, parts.netloc, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), parts.query,
                   dict(request.headers), request.body)


@pytest.mark.parametrize("name, operation", SENT)
def test_a_request_is_understood(name, operation):
    ch, side = both(name)
    request, _ = built(ch, operation, FACTS)
    call = side.read(message(request))
    assert call.operation == operation
    url = call.facts.pop("notice_url_sent", None)
    assert url is None or url.startswith("https://shop.example/n")
    for key, value in call.facts.items():      # a currency may have been written in lower case
        assert str(value).lower() == str(FACTS[key]).lower() and type(value) is type(FACTS[key]), key
    needed = {n for n in ch.operations[operation].needs if n != "notice_url"}
    told = {key.removesuffix("_minor").removesuffix("_ms") for key in call.facts}
    assert needed <= told | {"payment.currency"}


@pytest.mark.parametrize("name, operation", [pair for pair in SENT if DOCS[pair[0]].get("sign")])
def test_a_changed_request_is_not(name, operation):
    ch, side = both(name)
    request, _ = built(ch, operation, FACTS)
    for part in ("body", "query_text", "headers"):
        changed = message(request)
        if part == "body" and changed.body:
            changed.body = changed.body.replace(b"P1", b"P2").replace(b"U1", b"U2").replace(b"M1", b"M2").replace(b"R1", b"R2")
        elif part == "query_text" and changed.query:
            field = next(iter(changed.query))
            changed.query[field] += "0"
            changed.query_text = changed.query_text.replace("=", "=0", 1)
        elif part == "headers":
            changed.headers = {n: v.replace(NONCE, "00") for n, v in changed.headers.items()}
        same = message(request)
        if (changed.body, changed.query_text, changed.headers) != (same.body, same.query_text, same.headers):
            with pytest.raises((BadSignature, NotUnderstood)):
                side.read(changed)


MEANT = {"payment_no": "P1", "refund_no": "R1", "message_no": "M1", "upstream_no": "U1", "channel_no": "S1",
         "channel_refund_no": "S2", "amount_minor": 990, "currency": "CNY", "paid_at_ms": AT_MS, "refunded_at_ms": AT_MS,
         "delivered_at_ms": AT_MS}
ANSWERS = [(name, op, state) for name, op in SENT if "link" not in DOCS[name]["operations"][op]
           for state in ("succeeded", "pending", "accepted", "failed", "closed", "absent", "busy", "partial")]


def sayable(side: Side, operation: str, state: str, forged: bool = False):
    try:
        return speaking.answer(side, operation, state, MEANT, "https://c", forged)
    except speaking.CannotSay:
        return None


@pytest.mark.parametrize("name, operation, state", [row for row in ANSWERS if sayable(both(row[0])[1], *row[1:])])
def test_an_answer_means_what_was_meant(name, operation, state):
    ch, side = both(name)
    said = sayable(side, operation, state)
    outcome = concluded(ch, operation, FACTS, Reply(said.status, said.headers, said.body))
    assert outcome.state == state, outcome.reason
    meant = {key: value for key, value in outcome.fields.items() if key in MEANT}
    assert meant.items() <= MEANT.items()
    if ch.operations[operation].checks:
        forged = sayable(side, operation, state, forged=True)
        assert concluded(ch, operation, FACTS, Reply(forged.status, forged.headers, forged.body)).state == "unknown"


def test_most_states_can_be_said_of_our_own_files():
    said = {(name, op): [s for n, o, s in ANSWERS if (n, o) == (name, op) and sayable(both(n)[1], o, s)] for name, op in SENT}
    assert set(said["sandbox-qr", "query"]) == {"succeeded", "pending", "failed", "closed", "absent", "busy"}
    assert set(said["sandbox-upstream", "query"]) == {"succeeded", "pending", "failed", "absent", "busy", "partial"}


NOTICES = [(name, event) for name, doc in DOCS.items() for event in doc.get("notices", {})
           if (name, event) not in (("adyen", "paid"), ("razorpay", "returned"), ("wechat-v2", "refunded"))]


@pytest.mark.parametrize("name, event", NOTICES)
def test_a_notice_means_what_was_meant(name, event):
    ch, side = both(name)

    def received(forged: bool, event_id: str = "E1"):
        said = speaking.notice(side, event, "succeeded", MEANT, event_id, forged)
        return read_notice(ch, event, IncomingRequest("POST", "/n", {}, said.headers, said.body), AT_MS)

    notice, = received(False)
    assert notice.fields["state"] == "succeeded"
    assert {k: v for k, v in notice.fields.items() if k in MEANT}.items() <= MEANT.items()
    assert received(False)[0].dedupe_key == notice.dedupe_key, "the same event has the same key, however often it is told"
    with pytest.raises(NoticeRejected) as refused:
        received(True)
    assert refused.value.code == "signature_invalid"


@pytest.mark.parametrize("name, event", [("adyen", "paid"), ("razorpay", "returned"), ("wechat-v2", "refunded")])
def test_what_the_sandbox_does_not_play_it_says(name, event):
    with pytest.raises(speaking.CannotSay):
        speaking.notice(both(name)[1], event, "succeeded", MEANT, "E1")


def test_parameters_of_an_app_are_understood():
    from engine.wire.operating import operate

    ch, side = both("sandbox-app")
    params = operate(ch, "pay", FACTS).client["params"]
    call = side.read_client(params)
    assert call.operation == "pay" and call.facts["payment.amount_minor"] == 990
    with pytest.raises(BadSignature):
        side.read_client({**params, "total_fee": "1"})
    with pytest.raises(NotUnderstood):
        both("sandbox-qr")[1].read_client(params)


def test_an_old_request_is_refused():
    ch, side = both("sandbox-qr")
    request, _ = built(ch, "query", FACTS, at_ms=AT_MS - 601_000)
    with pytest.raises(BadSignature, match="too old"):
        side.read(message(request))
