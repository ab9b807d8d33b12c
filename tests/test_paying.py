"""Payment attempts: one at a time, shown to the buyer, never repeated while nobody knows."""
from __future__ import annotations

import pytest

from engine import sale
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.pay import payments
from tests.support.selling import FILES, SILENT, UNREACHABLE, Outcome, order, payment, place, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def test_the_same_channel_again_is_the_same_attempt(shop):
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    assert sale.pay(placed["no"], "counter") == first
    assert len(shop.outside.asked("counter", "pay")) == 1


def test_an_attempt_with_nothing_to_show_goes_on_without_it(shop):
    """A terminal at the till is asked, and the buyer is given nothing."""
    shows_nothing = FILES["channels/counter.yaml"].replace('    client: {qr: "{answer.qr}"}\n', "")
    put_live(1, {"channels/counter.yaml": shows_nothing})
    shop.outside.answers["counter", "pay"] = Outcome("accepted", sent=True)
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    assert (first["state"], first["client"]) == ("pending", None)
    assert sale.pay(placed["no"], "counter")["no"] == first["no"]


def test_another_channel_closes_the_first_attempt(shop):
    placed = place(shop)
    first = sale.pay(placed["no"], "wallet")
    second = sale.pay(placed["no"], "counter")
    assert second["no"] != first["no"]
    shop.work()
    assert payment(first["no"])["state"] == "closed" and payment(second["no"])["state"] == "pending"
    shop.notice(second)
    assert order(placed["no"])["state"] == "completed"


def test_an_attempt_whose_outcome_is_unknown_is_not_repeated(shop):
    shop.outside.answers["counter", "pay"] = SILENT
    placed = place(shop)
    attempt = sale.pay(placed["no"], "counter")
    assert attempt["state"] == "unknown"
    with refused(Code.PAYMENT_IN_PROGRESS, attempt["no"]):
        sale.pay(placed["no"], "counter")
    shop.notice(attempt)
    assert order(placed["no"])["state"] == "completed"


def test_an_attempt_whose_answer_was_lost_is_replaced_by_one_that_can_be_shown(shop):
    shop.outside.answers["counter", "pay"] = [SILENT, Outcome("pending", {}, {"qr": "2"}, sent=True)]
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    clock.advance(60)
    second = sale.pay(placed["no"], "counter")                     # the channel says that the first waits to be paid
    assert second["no"] != first["no"] and second["client"] == {"qr": "2"}
    assert payment(first["no"])["state"] == "pending"
    shop.work()
    assert payment(first["no"])["state"] == "closed"
    shop.notice(second)
    assert order(placed["no"])["state"] == "completed"


@pytest.mark.parametrize("answer",
                         [UNREACHABLE, Outcome("busy", reason="later", sent=True), Outcome("closed", sent=True)],
                         ids=["unreachable", "busy", "closed"])
def test_a_channel_that_did_not_take_it(shop, answer):
    shop.outside.answers["counter", "pay"] = answer
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "counter")
    assert [p["state"] for p in payments.of_order(placed["no"])] == ["failed"]
    shop.outside.answers["counter", "pay"] = Outcome("pending", {}, {"qr": "2"}, sent=True)
    assert sale.pay(placed["no"], "counter")["client"] == {"qr": "2"}


def test_a_notice_faster_than_the_answer(shop):
    placed = place(shop)

    def answer(facts):
        shop.notice(payment(facts["payment.no"]))
        return Outcome("pending", {}, {"qr": "late"}, sent=True)
    shop.outside.answers["counter", "pay"] = answer
    assert sale.pay(placed["no"], "counter")["state"] == "succeeded"
    assert order(placed["no"])["state"] == "completed"


def test_a_notice_faster_than_a_refusal(shop):
    """The channel's own books count, not the answer that got lost on its way and came as an error."""
    placed = place(shop)

    def answer(facts):
        shop.notice(payment(facts["payment.no"]))
        return Outcome("failed", reason="gateway", sent=True)
    shop.outside.answers["counter", "pay"] = answer
    assert sale.pay(placed["no"], "counter")["state"] == "succeeded"


def test_a_channel_that_can_make_nothing_for_the_buyer_is_no_attempt(shop, monkeypatch):
    placed = place(shop)
    monkeypatch.setattr(shop.outside, "_operate", lambda *a, **k: Outcome("failed", reason="a fact is missing"))
    with refused(Code.CHANNEL_UNAVAILABLE, "a fact is missing"):
        sale.pay(placed["no"], "wallet")
    assert payments.of_order(placed["no"]) == []


def test_sixteen_pays_at_once_make_one_attempt(shop):
    placed = place(shop)
    results = at_once(lambda n: sale.pay(placed["no"], "wallet"), range(16))
    assert not errors(results) and len({r["no"] for r in results}) == 1
    assert len(payments.of_order(placed["no"])) == 1


def test_sixteen_pays_at_once_call_the_channel_once(shop):
    placed = place(shop)
    results = at_once(lambda n: sale.pay(placed["no"], "counter"), range(16))
    assert all(isinstance(e, Refusal) and e.code is Code.PAYMENT_IN_PROGRESS for e in errors(results))
    assert len(payments.of_order(placed["no"])) == len(shop.outside.asked("counter", "pay")) == 1


@pytest.mark.parametrize("answer", [SILENT, Outcome("pending", {}, {"qr": "text"}, sent=True, status=200)])
def test_an_attempt_through_a_channel_that_is_gone_is_no_obstacle(shop, answer):
    shop.outside.answers["counter", "pay"] = answer
    placed = place(shop)
    first = sale.pay(placed["no"], "counter")
    put_live(2, {"channels/counter.yaml": None, **{f"scenes/{scene}.yaml": FILES[f"scenes/{scene}.yaml"].replace(
        "wallet, counter", "wallet") for scene in ("app", "page")}})
    clock.advance(60)
    with refused(Code.CHANNEL_NOT_ALLOWED):
        sale.pay(placed["no"], "counter")
    second = sale.pay(placed["no"], "wallet")
    assert second["state"] == "pending" and shop.notice(second) == "applied"
    assert order(placed["no"])["state"] == "completed" and payment(first["no"])["state"] in payments.LIVE
