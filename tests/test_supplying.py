"""A message provider's receipts: applied once, to its own messages, in whatever order they come."""
from __future__ import annotations

import pytest

from engine import store, supplying
from engine.base.errors import Code
from engine.deliver import messages
from engine.pay.notices import NoticeReceived
from tests.support.selling import refused, shop

__all__ = ["shop"]


def queued():
    with store.transaction():
        return messages.queue("O1", "thanks", "note", "13800000001", "Thank you")


def told(no, state="succeeded", key="B1", channel="note", **more):
    return supplying.apply_receipt(no, {"message_no": no, "state": state, **more}, (channel, key, "receipt"))


@pytest.mark.parametrize("state, after, error", [("succeeded", "delivered", None), ("failed", "failed", "MOBILE_OFF")])
def test_a_receipt_is_applied_once(shop, state, after, error):
    no = queued()
    shop.work()
    assert [told(no, state, error_code="MOBILE_OFF") for _ in range(2)] == ["applied", "repeated"]
    row = store.one(messages.Message, no=no)
    assert (row["state"], row["error"]) == (after, error)
    assert told(no, "failed", key="B2") == "nothing_new"          # an older word after a newer one
    assert store.one(messages.Message, no=no)["state"] == after


def test_what_is_not_known_is_no_receipt_yet(shop):
    no = queued()
    shop.work()
    assert told(no, "pending") == "nothing_new" and store.one(messages.Message, no=no)["state"] == "sent"


def test_a_receipt_of_another_channel_or_before_the_message_is_sent_comes_again(shop):
    no = queued()
    for channel, number, why in (("note", "M-none", "no message"), ("wallet", no, "no message"), ("note", no, "still being sent")):
        with refused(Code.NOTICE_REJECTED, why):
            told(number, channel=channel)
    assert store.many(NoticeReceived) == []
    shop.work()
    assert told(no) == "applied"
