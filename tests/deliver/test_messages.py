"""Messages: queued with what they tell of, sent by a worker, given up in the end."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock
from engine.deliver import messages
from engine.flow import outbox
from tests.support.selling import SILENT, UNREACHABLE, Outcome, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]
TAKEN = Outcome("accepted", {"channel_no": "N1"}, sent=True)


def queue(recipient="13800000001"):
    with store.transaction():
        return messages.queue("O1", "thanks", "note", recipient, "Thank you")


def row(no):
    return store.one(messages.Message, no=no)


def test_a_message_is_sent_by_a_worker(shop):
    no = queue()
    assert row(no)["state"] == "queued" and shop.outside.calls == []
    shop.outside.answers["note", "send"] = TAKEN
    shop.work()
    assert (row(no)["state"], row(no)["attempts"], row(no)["provider_no"]) == ("sent", 1, "N1")
    facts = shop.outside.asked("note", "send")[0]
    assert (facts["message.no"], facts["message.to"], facts["message.text"], facts["order.no"]) == \
        (no, "13800000001", "Thank you", "O1")


def test_a_message_to_nobody_is_kept(shop):
    no = queue("")
    assert (row(no)["state"], row(no)["error"]) == ("skipped", "no recipient") and shop.work() == 0


@pytest.mark.parametrize("answer", [UNREACHABLE, SILENT, Outcome("busy", reason="later", sent=True)],
                         ids=["unreachable", "silent", "busy"])
def test_it_is_tried_again_under_the_same_number(shop, answer):
    no, waits = queue(), []
    shop.outside.answers["note", "send"] = [answer, answer, TAKEN]
    for _ in range(2):
        shop.work()
        waits.append((store.one(outbox.Outbox)["due_at_ms"] - clock.now_ms()) // 1000)
        clock.set_to(store.one(outbox.Outbox)["due_at_ms"])
    shop.work()
    assert waits == [5, 10] and (row(no)["state"], row(no)["attempts"], row(no)["error"]) == ("sent", 3, None)
    assert [f["message.no"] for f in shop.outside.asked("note", "send")] == [no] * 3


def test_it_is_given_up_in_the_end(shop):
    no = queue()
    shop.outside.answers["note", "send"] = SILENT
    for _ in range(messages.ATTEMPTS_MAX):
        clock.advance(messages.WAIT_MAX_S)
        shop.work()
    assert (row(no)["state"], row(no)["attempts"]) == ("failed", messages.ATTEMPTS_MAX)
    assert store.many(outbox.Outbox) == []     # nothing goes on trying


def test_a_message_the_provider_refuses_is_not_tried_again(shop):
    no = queue()
    shop.outside.answers["note", "send"] = Outcome("failed", reason="no such number", sent=True)
    shop.work()
    assert (row(no)["state"], row(no)["error"]) == ("failed", "no such number") and shop.work() == 0


def test_a_message_that_is_sent_already_is_left(shop):
    from engine.pay import channels, health
    no = queue()
    shop.work()
    messages.send(no, channels.get("note"), health.operate)
    messages.send("M9", channels.get("note"), health.operate)
    assert len(shop.outside.asked("note", "send")) == 1


def test_a_worker_that_was_overtaken_says_so_and_changes_nothing(shop):
    no = queue()

    def slow(facts):
        shop.outside.answers["note", "send"] = TAKEN
        clock.advance(61)
        assert not errors(at_once(lambda n: shop.work(), [1]))
        return Outcome("accepted", {"channel_no": "N-late"}, sent=True)
    shop.outside.answers["note", "send"] = slow
    shop.work()
    assert (row(no)["state"], row(no)["provider_no"]) == ("sent", "N1")
    clock.advance(3600)
    shop.work()
    assert store.many(outbox.Outbox) == []


@pytest.mark.parametrize("text, facts, rendered", [
    ("订单{order.no}，{payable} 元", {"order.no": "O1", "payable": 990, "currency": "CNY"}, "订单O1，9.90 元"),
    ("{payable}", {"payable": 990, "currency": "JPY"}, "990"), ("{subtotal}", {"subtotal": 5}, "0.05"),
    ("{buyer.tags} {quantity}", {"buyer.tags": ["a", "b"], "quantity": 2}, "a、b 2"), ("{unknown.fact}!", {}, "!"),
    ("{ not a place } {{}}", {}, "{ not a place } {{}}"),
    ("{order.no}{order.no}", {"order.no": "{payable}"}, "{payable}{payable}")])
def test_texts_are_filled_from_facts(text, facts, rendered):
    assert messages.render(text, facts) == rendered
