"""Notices we send: until they are acknowledged, less and less often, the same each time; a dead job when their time is over."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock
from engine.config.catalog import Reporting
from engine.deliver import outgoing
from engine.flow import outbox
from engine.wire import Outcome
from tests.support.partner_files import TOLD
from tests.support.selling import SILENT, UNREACHABLE, put_live, shop

__all__ = ["shop"]

TO_BANK = Reporting("herald", 10.0, 60.0, 3600.0)
OK = Outcome("succeeded", sent=True, status=200)
FACTS = {"charge.partner_order_no": "B-1", "charge.amount_minor": 2800, "charge.currency": "CNY"}


@pytest.fixture
def herald(shop):
    put_live(2, TOLD)

    def answers(*given):
        shop.outside.answers["herald", "notify"] = list(given)
        return shop
    return answers


def stage(order_no="O1", event="charged"):
    with store.transaction():
        return outgoing.stage(TO_BANK, "notify", "bank", order_no, event, FACTS)


def notice(no):
    return store.one(outgoing.OutgoingNotice, no=no)


def jobs():
    return [(job["state"], round((job["due_at_ms"] - clock.now_ms()) / 1000)) for job in store.many(outbox.Outbox)]


@pytest.mark.parametrize("answer", [OK, Outcome("accepted", sent=True)])
def test_an_acknowledged_notice_is_told(herald, answer):
    shop, no = herald(answer), stage()
    shop.work()
    assert (notice(no)["state"], notice(no)["attempts"], notice(no)["error"], jobs()) == ("told", 1, None, [])
    [facts] = shop.outside.asked("herald", "notify")
    assert facts.items() >= {**FACTS, "notify.no": no, "notify.event": "charged", "notify.at_ms": clock.now_ms()}.items()


@pytest.mark.parametrize("answer", [SILENT, UNREACHABLE, Outcome("busy", sent=True), Outcome("unknown", sent=True)])
def test_what_is_not_acknowledged_comes_again_and_says_the_same(herald, answer):
    shop, no, waits = herald(answer), stage(), []
    for _ in range(6):
        shop.work()
        waits.append(jobs()[0][1])
        clock.advance(waits[-1])
    assert waits == [10, 20, 40, 60, 60, 60]                       # doubling up to the longest
    said = shop.outside.asked("herald", "notify")
    assert len(said) == 6 and all(facts == said[0] for facts in said)
    assert notice(no)["state"] == "queued" and notice(no)["error"]
    herald(OK).work()
    assert notice(no)["state"] == "told" and jobs() == []


def test_it_is_given_up_after_its_time_and_a_person_may_send_it_round(herald):
    shop, no = herald(SILENT), stage()
    for _ in range(70):
        shop.work()
        clock.advance(60)
    assert notice(no)["state"] == "given_up" and notice(no)["attempts"] > 20 and jobs()[0][0] == "dead"
    [job] = store.many(outbox.Outbox)
    assert "no answer" in job["error"]
    herald(OK)
    assert outbox.replay(job["id"])
    shop.work()
    assert notice(no)["state"] == "told" and jobs() == []


def test_what_was_refused_for_good_is_given_up_at_once(herald):
    shop, no = herald(Outcome("failed", reason="no such order", sent=True, status=410)), stage()
    shop.work()
    assert (notice(no)["state"], notice(no)["error"], jobs()[0][0]) == ("given_up", "no such order", "dead")


def test_notices_about_one_order_go_one_after_the_other(herald):
    shop, first = herald(SILENT), stage(event="charged")
    second, other = stage(event="returned"), stage("O2")
    shop.work()
    assert [f["notify.no"] for f in shop.outside.asked("herald", "notify")] == [first, other]
    herald(OK)
    for _ in range(4):
        clock.advance(10)
        shop.work()
    assert {notice(no)["state"] for no in (first, second, other)} == {"told"}
    assert [f["notify.no"] for f in shop.outside.asked("herald", "notify") if f["notify.no"] == second] == [second]
    assert [row["n"] for row in outgoing.of_order("O1")] == [1, 2] and len(outgoing.of_owner("bank")) == 3


def test_a_job_that_comes_twice_tells_once(herald):
    shop, no = herald(OK), stage()
    [job] = outbox.lease()
    assert outbox.do(job) and outbox.do(job)
    assert len(shop.outside.asked("herald", "notify")) == 1 and notice(no)["attempts"] == 1


def test_a_secret_is_not_kept_once_it_was_told(herald):
    shop = herald(OK)
    with store.transaction():
        no = outgoing.stage(TO_BANK, "notify", "bank", "O1", "charged", {**FACTS, "delivery.code": "secret"})
    assert notice(no)["facts"]["delivery.code"] == "secret"
    shop.work()
    assert "delivery.code" not in notice(no)["facts"]
