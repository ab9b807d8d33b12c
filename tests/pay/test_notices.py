"""Notices: recorded once each, and held against the payment they are about."""
from __future__ import annotations

import pytest

from engine import store
from engine.pay import notices
from engine.pay.notices import NoticeReceived
from tests.support.together import at_once, errors

PAYMENT = {"no": "P1", "amount_minor": 990, "currency": "CNY"}


def first(channel="wallet", key="k", event="paid", fields={"state": "succeeded"}):
    with store.transaction():
        return notices.first_time(channel, key, event, "P1", fields)


def test_a_notice_is_the_first_once(database):
    assert [first(), first(), first(channel="other"), first(key="k2"), first(event="other")] == \
        [True, False, True, True, False]
    assert [n["fields"] for n in notices.of_payments(["P1"])] == [{"state": "succeeded"}] * 3 \
        and notices.of_payments([]) == []


def test_sixteen_at_once_have_one_first(database):
    told = at_once(lambda n: first(), range(16))
    assert not errors(told) and told.count(True) == 1


def test_a_notice_that_was_undone_may_come_again(database):
    with pytest.raises(ZeroDivisionError), store.transaction():
        notices.first_time("wallet", "k", "paid", "P1", {})
        raise ZeroDivisionError
    assert first()


def test_long_keys_are_told_apart_to_their_end(database):
    assert first(key="x" * 200 + "a") and first(key="x" * 200 + "b") and not first(key="x" * 200 + "a")
    assert first(key="y" * 128) and not first(key="y" * 128)
    assert all(len(row["dedupe_key"]) <= 128 for row in store.many(NoticeReceived))


@pytest.mark.parametrize("fields, wrong", [
    ({}, None), ({"amount_minor": 990, "currency": "CNY"}, None), ({"amount_minor": 990}, None),
    ({"currency": ""}, None), ({"currency": None}, None),
    ({"amount_minor": 989}, "amount is 989, the payment's is 990"),
    ({"amount_minor": 0}, "amount is 0, the payment's is 990"),
    ({"amount_minor": 990, "currency": "USD"}, "currency is USD, the payment's is CNY")])
def test_what_can_not_be_about_a_payment(fields, wrong):
    assert notices.mismatch(PAYMENT, fields) == wrong
