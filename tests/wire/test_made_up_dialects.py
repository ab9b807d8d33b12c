"""Any dialect that can be said is spoken: protocols made up by hypothesis, in both directions, and nothing forged is believed."""
from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings, strategies as st

from engine.base import clock
from engine.config import shape
from engine.config.reader import read_text
from engine.wire import check_channel, sandboxed
from engine.wire.compile import compile_channel
from engine.wire.concluding import conclude
from engine.wire.model import IncomingRequest, Message, NoticeRejected, Reply
from engine.wire.notices import read as read_notice
from engine.wire.operating import operation_of, prepare
from sandbox import reading, speaking
from sandbox.side import Side
from tests.support.made_up_dialects import made_up
from tests.wire.making import OURS, THEIRS

AT_MS = 1_795_262_400_000
URL = "https://gateway.example"
SHARED = {"hush": "hush-hush-made-up", "lid": "lid-on-the-notice"}
FACTS = {"payment.no": "P1", "payment.amount_minor": 990, "payment.currency": "CNY", "order.title": "周卡 & a=b|c", "refund.no": "R1",
         "refund.amount_minor": 300, "notice_url": "https://shop.example/n", "settings.sandbox_url": URL}
PAID = {"payment_no": "P1", "channel_no": "S1", "amount_minor": 990, "paid_at_ms": AT_MS}


class Halves:
    """The made-up secrets: a pair for each side, two texts for both."""

    def __init__(self, ours: bool):
        pairs = {"own": OURS["private_key" if ours else "public_key"], "their": THEIRS["public_key" if ours else "private_key"]}
        self._values = {**SHARED, **pairs}

    def read(self, name: str, reference: Any) -> str:
        return self._values[name]


@st.composite
def files(draw: Any) -> str:
    return made_up("made-up", lambda options: draw(st.sampled_from(list(options))))


def both_sides(text: str) -> tuple[Any, Side]:
    source, problems = read_text(text, "made-up.yaml")
    assert source is not None and problems == []
    assert shape.faults("channels", source.data) == [] and check_channel(source.data) == []
    return compile_channel(sandboxed.document(source.data), Halves(True)), Side(source.data, URL, Halves(False))


@pytest.fixture(autouse=True)
def stopped_clock():
    clock.set_to(AT_MS)
    yield
    clock.set_to(None)


@given(files())
@settings(max_examples=40, deadline=None)
def test_a_request_is_understood_and_its_answer_believed(text):
    ch, side = both_sides(text)
    op, scope = operation_of(ch, "query"), ch.scope(FACTS, AT_MS, "0" * 32)
    request = prepare(ch, op, scope)
    address = urlsplit(request.url)
    call_query = dict(parse_qsl(address.query, keep_blank_values=True))
    message = Message(request.method, address.netloc, address.path, call_query, address.query, dict(request.headers), request.body)
    call = reading.read(side, message)
    assert call.operation == "query" and call.facts["payment.no"] == "P1"
    said = speaking.answer(side, "query", "succeeded", PAID, facts=call.facts)
    reply = Reply(said.status, {name.lower(): value for name, value in said.headers.items()}, said.body)
    outcome = conclude(ch, op, scope, request, reply, AT_MS)
    assert (outcome.state, outcome.fields["amount_minor"]) == ("succeeded", 990), outcome.reason
    forged = conclude(ch, op, ch.scope(FACTS, AT_MS, "0" * 32), request, replace(reply, body=reply.body.replace(b"P1", b"P2")), AT_MS)
    assert forged.state == "unknown"


@given(files(), st.sampled_from(["paid", "refunded"]))
@settings(max_examples=40, deadline=None)
def test_a_notice_is_believed_and_a_forged_one_is_not(text, event):
    ch, side = both_sides(text)
    fields = PAID if event == "paid" else {"payment_no": "P1", "refund_no": "R1", "channel_refund_no": "S2", "amount_minor": 300,
                                           "refunded_at_ms": AT_MS}
    said = speaking.notice(side, event, "succeeded", fields, "EV-1")
    request = IncomingRequest("POST", "/n", {}, {name.lower(): value for name, value in said.headers.items()}, said.body)
    notice, = read_notice(ch, event, request, AT_MS)
    assert {name: notice.fields[name] for name in fields} == fields and notice.dedupe_key == f"{event}:EV-1"
    forged = speaking.notice(side, event, "succeeded", fields, "EV-1", forged=True)
    for wrong, at_ms in ((replace(request, headers={k.lower(): v for k, v in forged.headers.items()}, body=forged.body), AT_MS),
                         (request, AT_MS + 301_000)):
        with pytest.raises(NoticeRejected) as refused:
            read_notice(ch, event, wrong, at_ms)
        assert refused.value.code in ("signature_invalid", "stale")
