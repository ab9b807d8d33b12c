"""Ordering from a supplier: placed once, asked about in doubt, gone on with after a refusal."""
from __future__ import annotations

import pytest

from engine import runs, sale, store, supplying
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import entitlements, upstream
from engine.flow import executor, journal
from engine.flow.journal import FlowRun
from tests.support.selling import ABSENT, SILENT, UNREACHABLE, Outcome, order, refused, shop

__all__ = ["shop"]
DONE = Outcome("succeeded", {"state": "succeeded", "channel_no": "S9"}, sent=True)


@pytest.fixture
def placed(shop):
    """An order whose last step orders from a supplier, just paid."""
    made = sale.place("last-call", items=shop.items("card/month"), contact={"phone": "138"})
    shop.notice(sale.pay(made["no"], "wallet"))
    return made


def bought(placed):
    [row] = upstream.of_order(placed["no"])
    return row


def answers(shop, *charge, query=()):
    shop.outside.answers["supply", "charge"] = list(charge) or [Outcome("accepted", sent=True)]
    shop.outside.answers["supply", "query"] = list(query) or [ABSENT]


def later(shop):
    clock.advance(3 * 3600)
    shop.work()


def test_it_is_ordered_by_a_worker(shop, placed):
    assert upstream.of_order(placed["no"]) == [] and order(placed["no"])["state"] == "paid"
    shop.work()
    facts = shop.outside.asked("supply", "charge")[0]
    assert (bought(placed)["state"], order(placed["no"])["state"]) == ("accepted", "completed")
    assert (facts["upstream.no"], facts["upstream.item"], facts["upstream.quantity"], facts["buyer.phone"]) == \
        (bought(placed)["no"], "form", 1, "138")


@pytest.mark.parametrize("first", [SILENT, Outcome("unknown", sent=True, reason="500")])
@pytest.mark.parametrize("asked, calls", [(DONE, 1), (ABSENT, 2)], ids=["it had been taken", "it never came"])
def test_an_answer_that_was_lost_is_asked_for(shop, placed, first, asked, calls):
    answers(shop, first, Outcome("accepted", sent=True), query=[asked])
    shop.work()
    assert bought(placed)["state"] == "created" and order(placed["no"])["state"] == "paid"
    later(shop)
    assert bought(placed)["state"] == ("done" if calls == 1 else "accepted")
    assert order(placed["no"])["state"] == "completed"
    assert [f["upstream.no"] for f in shop.outside.asked("supply", "charge")] == [bought(placed)["no"]] * calls


@pytest.mark.parametrize("asked",
                         [UNREACHABLE, Outcome("failed", {"error_code": "SIGN"}, reason="SIGN", sent=True), SILENT],
                         ids=["unreachable", "question refused", "silent"])
def test_a_question_that_fails_is_no_leave_to_repeat(shop, placed, asked):
    answers(shop, SILENT, query=[asked])
    shop.work()
    later(shop)
    assert len(shop.outside.asked("supply", "charge")) == 1 and len(shop.outside.asked("supply", "query")) == 1
    assert store.one(FlowRun, no=f"{placed['no']}/paid")["state"] == "failed"
    shop.outside.answers["supply", "query"] = DONE                 # a person looks, and sends it round again
    executor.retry_failed(f"{placed['no']}/paid", runs.HOST)
    shop.work()
    assert len(shop.outside.asked("supply", "charge")) == 1 and bought(placed)["state"] == "done"
    assert order(placed["no"])["state"] == "completed"


@pytest.mark.parametrize("refusal", [UNREACHABLE, Outcome("busy", reason="later", sent=True)],
                         ids=["unreachable", "busy"])
def test_a_supplier_that_can_not_now_is_ordered_from_later(shop, placed, refusal):
    answers(shop, refusal, Outcome("accepted", sent=True))
    shop.work()
    later(shop)
    assert bought(placed)["state"] == "accepted" and order(placed["no"])["state"] == "completed"
    assert len({f["upstream.no"] for f in shop.outside.asked("supply", "charge")}) == 1


def test_a_supplier_that_refuses_waits_for_a_person(shop, placed):
    answers(shop, Outcome("failed", reason="no such item", sent=True),
            Outcome("accepted", {"channel_no": "S2"}, sent=True))
    shop.work()
    assert (bought(placed)["state"], bought(placed)["error"]) == ("failed", "no such item")
    assert order(placed["no"])["state"] == "paid"
    executor.retry_failed(f"{placed['no']}/paid", runs.HOST)
    shop.work()
    assert (bought(placed)["state"], bought(placed)["external_no"], bought(placed)["error"]) == ("accepted", "S2", None)
    grants = [s["state"] for s in journal.of(placed["no"], "paid") if s["name"] == "grant_entitlements"]
    assert grants == ["done", "undone", "restarted", "done"]
    assert [e["state"] for e in entitlements.of_order(placed["no"])] == ["active", "active"]


def test_what_the_supplier_says_later(shop, placed):
    shop.work()
    no = bought(placed)["no"]

    def told(state, key, channel="supply", upstream_no=no):
        return supplying.apply_upstream(upstream_no, {"state": state, "channel_no": "S7", "reason": "why"}, "notice",
                                        (channel, key, "delivered"))
    for channel, upstream_no in (("wallet", no), ("supply", "U9")):
        with refused(Code.NOTICE_REJECTED):
            told("succeeded", "k0", channel, upstream_no)
    assert [told("partial", "k1"), told("succeeded", "k2"), told("succeeded", "k2"), told("failed", "k3")] == \
        ["nothing_new", "applied", "repeated", "nothing_new"]
    assert (bought(placed)["state"], bought(placed)["external_no"]) == ("done", "S7")


@pytest.mark.parametrize("said, after, order_is", [("succeeded", "done", "completed"), ("pending", "accepted", "completed"),
                                                   ("failed", "failed", "paid")])
def test_a_supplier_whose_notice_is_faster_than_its_answer(shop, placed, said, after, order_is):
    def taken(facts):
        assert supplying.apply_upstream(facts["upstream.no"], {"state": said, "channel_no": "S7", "reason": "sold out"}, "notice",
                                        ("supply", "k1", "delivered")) == "applied"
        return Outcome("accepted", sent=True, status=200)
    shop.outside.answers["supply", "charge"] = taken
    shop.work()
    assert (bought(placed)["state"], bought(placed)["external_no"], order(placed["no"])["state"]) == (after, "S7", order_is)
    assert len(shop.outside.asked("supply", "charge")) == 1 and not shop.outside.asked("supply", "query")
    if said == "failed":
        assert "sold out" in store.one(FlowRun, no=f"{placed['no']}/paid")["error"]
