"""Jobs, work orders, partners and the overview: what needs somebody is seen, and what is done is done once."""
from __future__ import annotations

import dataclasses
import re

import pytest

from console import catalogue
from console.access.tables import Audit
from console.access.users import Person
from console.queries import partners
from engine import store
from engine.base import clock
from engine.deliver import pools, work_orders
from engine.deliver.pools import PoolLog
from engine.flow import outbox
from engine.ledger import postings
from engine.trade import orders
from tests.console import world as worlds
from tests.console.test_contracts import club, desk, small_club, small_desk

__all__ = ["club", "desk", "small_club", "small_desk"]


def trail(action):
    return store.many(Audit, action=action, order_by="id")


def tiles(page: str) -> list[str]:
    """The figures at the top of a page."""
    return re.findall(r'class="tile[^"]*"[^>]*><span>[^<]*</span><b>(\d+)</b>', page)


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_jobs_are_counted_and_shown(traded, visit):
    page = visit(traded).get("/jobs/")
    ready, late, dead, under_way, failed = tiles(page)
    assert (late, dead, under_way, failed) == ("0", "1", "0", "1")
    assert int(ready) == len(store.many(outbox.Outbox, state="ready"))
    for text in ("message.resend", "nothing handles the task", "open_upstream_order: the supplier refused"):
        assert text in page


def test_a_dead_job_is_replayed_and_written_down(sold, visit):
    visitor, job = visit(sold, "support"), store.one(outbox.Outbox, state="dead")
    page = visitor.follow(visitor.post(f"/jobs/{job['id']}/replay"))
    assert "goes round again" in page
    assert (store.one(outbox.Outbox, id=job["id"])["state"], store.one(outbox.Outbox, id=job["id"])["attempts"]) == ("ready", 0)
    entry = trail("job.replay")[0]
    assert entry["before"]["task"] == "message.resend" and "nothing handles" in entry["before"]["error"]
    assert "not_found" in visitor.follow(visitor.post("/jobs/999999/replay"))


def test_all_dead_jobs_of_a_task_are_replayed_at_once(sold, visit):
    with store.transaction():
        outbox.stage("message.resend", "M-TWO")
    store.update(outbox.Outbox, {"state": "dead", "error": "x"}, subject_no="M-TWO")
    visitor = visit(sold)
    assert "Replay all of message.resend" in visitor.get("/jobs/")
    visitor.post("/jobs/replay", task="message.resend")
    assert store.many(outbox.Outbox, state="dead") == []


def test_late_jobs_are_seen(sold, visit):
    clock.set_to(clock.now_ms() + 3_600_000)
    assert int(tiles(visit(sold).get("/jobs/"))[1]) > 0


def test_a_failed_flow_is_retried_from_the_jobs_page(sold, visit):
    visitor, no = visit(sold), sold.orders["failed_flow"]
    visitor.post("/jobs/retry", run=f"{no}/paid")
    assert trail("flow.retry")[0]["object_id"] == f"{no}/paid"
    assert "order_unknown" in visitor.follow(visitor.post("/jobs/retry", run="nonsense"))


# ── work orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

def test_work_orders_are_filtered_and_lead_to_their_order(traded, visit):
    visitor, no = visit(traded), traded.orders["fulfilling"]
    mine = [w["no"] for w in work_orders.of_order(no)]
    page = visitor.get("/work/?state=todo&queue=trademark-agents")
    assert set(re.findall(r'/console/work/(W\w+)"', page)) == set(mine)
    assert "Nothing fits" in visitor.get("/work/?queue=no-such-queue")
    assert no in visitor.get(f"/work/{mine[0]}")
    assert set(re.findall(r'/console/work/(W\w+)"', visitor.get(f"/work/?q={no}"))) == set(mine)
    assert visitor.client.get("/console/work/export.csv").get_data(as_text=True).count("\r\n") == 9


def test_taking_and_finishing(sold, visit):
    work = worlds.first_work_order(sold.orders["fulfilling"])
    one, two = visit(sold, "support"), visit(sold)
    one.post(f"/work/{work['no']}/take")
    assert (work_orders.find(work["no"])["state"], work_orders.find(work["no"])["worker"]) == ("in_progress", "support")
    assert "support has taken it already" in two.follow(two.post(f"/work/{work['no']}/take"))
    assert "Say what came of it" in one.follow(one.post(f"/work/{work['no']}/finish", note="  "))
    page = one.follow(one.post(f"/work/{work['no']}/finish", note="TM-2026-1"))
    assert "TM-2026-1" in page and work_orders.find(work["no"])["result"] == {"note": "TM-2026-1"}
    assert "It was done already, by support" in two.follow(two.post(f"/work/{work['no']}/finish", note="again"))
    assert work_orders.find(work["no"])["result"] == {"note": "TM-2026-1"}
    assert [e["note"] for e in trail("work.finish")] == ["TM-2026-1"]
    assert set(re.findall(r'/console/work/(W\w+)"', one.get("/work/?worker=support"))) == {work["no"]}


def test_a_cancelled_work_order_is_not_finished(sold, visit):
    work = work_orders.of_order(sold.orders["failed_flow"])[0]
    visitor = visit(sold)
    assert "state_refused" in visitor.follow(visitor.post(f"/work/{work['no']}/finish", note="too late"))
    assert "work_order_unknown" in visitor.get("/work/W000", status=404)


# ── partners ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_pools_with_their_lamps(traded, visit):
    page = visit(traded).get("/partners/")
    rows = dict(re.findall(r'/console/partners/([\w-]+)">.*?<td>(?:<span class="state tone-(\w+)")', page, re.DOTALL))
    assert rows["bank-mall"] == "good" and rows["telecom-gift"] in ("good", "warn") and rows["document-library"] == "rest"
    page = visit(traded).get("/partners/bank-mall")
    assert "499,286.00" in page and "714.00" in page and "ICBC-20261120-0031" in page and "BM20261121009" in page
    visit(traded).get("/partners/no-such-partner", status=404)


def test_topping_up_asks_is_booked_once_and_written_down(traded, visit):
    visitor = visit(traded, "finance")
    question = visitor.post("/partners/bank-mall/top-up", status=200, confirmed=False, amount="1,000.50", key="ICBC-77")
    assert "by 1,000.50 CNY, on receipt ICBC-77" in question.get_data(as_text=True)
    before = pools.find("bank-mall")["balance"]
    assert "were added" in visitor.follow(visitor.post("/partners/bank-mall/top-up", amount="1,000.50", key="ICBC-77"))
    assert pools.find("bank-mall")["balance"] == before + 100_050
    assert postings.balance("partner_pool:bank-mall", "CNY") == -pools.find("bank-mall")["balance"]
    assert "was booked before" in visitor.follow(visitor.post("/partners/bank-mall/top-up", amount="1000.50", key="ICBC-77"))
    assert pools.find("bank-mall")["balance"] == before + 100_050
    entry = trail("pool.top_up")[-1]
    assert (entry["login"], entry["note"], entry["after"]["amount"]) == ("finance", "ICBC-77", 100_050)


@pytest.mark.parametrize("partner, amount, key", [
    ("bank-mall", "", "R-1"), ("bank-mall", "ten", "R-1"), ("bank-mall", "0", "R-1"), ("bank-mall", "-5", "R-1"),
    ("bank-mall", "1.005", "R-1"), ("bank-mall", "99999999999999", "R-1"), ("bank-mall", "5", "x"), ("telecom-gift", "1.5", "R-1")])
def test_an_amount_that_is_none_is_refused_and_comes_back(sold, visit, partner, amount, key):
    visitor, before = visit(sold), store.many(PoolLog)
    page = visitor.follow(visitor.post(f"/partners/{partner}/top-up", amount=amount, key=key))
    assert "bad_request" in page and f'name="key" required maxlength="64" autocomplete="off" value="{key}"' in page
    assert store.many(PoolLog) == before


def test_pieces_are_topped_up_in_pieces(sold, visit):
    visitor = visit(sold)
    visitor.post("/partners/telecom-gift/top-up", amount="25", key="AGREEMENT-8")
    assert pools.find("telecom-gift")["topped_up"] == 65


@pytest.fixture
def branch(sold, monkeypatch):
    """A second partner that draws from the pool of the first, in a line of its own."""
    catalog = catalogue.current()
    first = catalog.partner("bank-mall")
    other = dataclasses.replace(first, id="branch", title={"zh": "分行", "en": "Branch"}, scenes=frozenset(["shangjibao-direct-charge"]))
    both = dataclasses.replace(catalog, partners={**catalog.partners, "branch": other})
    monkeypatch.setattr(catalogue, "current", lambda: both)
    return other


def test_a_shared_pool_is_one_on_every_page_of_it(sold, branch, visit):
    visitor, before = visit(sold, "finance"), pools.find("bank-mall")["balance"]
    page = visitor.get("/partners/branch")
    assert "499,286.00" in page and "shared with" in page and "ICBC-20261120-0031" in page
    question = visitor.post("/partners/branch/top-up", status=200, confirmed=False, amount="10", key="ICBC-78")
    assert "draw from it too" in question.get_data(as_text=True)
    assert "were added" in visitor.follow(visitor.post("/partners/branch/top-up", amount="10", key="ICBC-78"))
    assert pools.find("bank-mall")["balance"] == before + 1000 and pools.find("branch") is None
    assert "was booked before" in visitor.follow(visitor.post("/partners/bank-mall/top-up", amount="10", key="ICBC-78"))
    assert "ICBC-78" in visitor.get("/partners/bank-mall")
    said = visitor.get("/partners/branch/statement")
    assert "Other partners" in said and "ICBC-78" in said and "ICBC-20261120-0031" not in said and "BM20261121001" not in said


def test_of_a_partner_one_may_not_see_a_shared_pool_tells_the_amount_only(sold, branch):
    someone = Person(1, "x", "x", frozenset(), frozenset(["shangjibao"]), "en", "", frozenset())
    shown = partners.log(catalogue.current(), branch, someone)
    assert len(shown) >= 4 and {(row["partner_id"], row["ref"]) for row in shown} == {("", "")}
    assert 500_000_00 in {row["amount"] for row in shown}


# ── the overview ─────────────────────────────────────────────────────────────────────────────────────────────────────

def test_today_at_one_glance(traded, visit):
    page = visit(traded).get("/")
    everything = store.many(orders.TradeOrder)
    paid = sum(row["payable_minor"] for row in everything if row["paid_at_ms"] is not None)
    figures = tiles(page)
    assert figures[0] == str(len(everything)) and figures[-1] == "1" and figures[-2] == "4"
    assert f"{paid / 100:,.2f}" in page
    assert page.count("bar-placed") >= 2 and "line=aiqicha&amp;state=completed" in page


def test_yesterdays_orders_are_not_todays(sold, visit):
    clock.set_to(clock.now_ms() + 24 * 3_600_000)
    page = visit(sold).get("/")
    assert tiles(page)[0] == "0" and "No order was placed today yet" in page


def test_what_is_paid_today_counts_today_whenever_it_was_ordered(traded, visit):
    """A renewal's order is made days before its deduction."""
    clock.set_to(clock.now_ms())
    late = worlds.buyer("b-late", phone="13800003000")
    placed = worlds.place("xunkebao-pc", items=[{"sku": "xunkebao-seat/year", "quantity": 1}], buyer_id=late)
    begun = worlds.attempt(placed["no"], "wechat-native")
    clock.advance(5 * 24 * 3600)
    worlds.notice(begun)
    page = visit(traded).get("/")
    assert tiles(page)[0] == "0" and page.count(f"</i>{placed['payable_minor'] / 100:,.2f}</span>") == 2
    assert "1 order<" in page and re.search(r"<td>Xunkebao</td><td class=\"num\">1</td>", page)


def test_contracts_that_fail_are_told_at_home(small_desk):
    page = small_desk.visit().get("/")
    assert "1 contract:" in page and "/console/contracts/?state=overdue" in page


def test_a_low_pool_is_told_at_home(sold, visit):
    pools.top_up(worlds.live.catalog().partner("document-library"), 1, "AGREEMENT-9")
    assert "The pool of" in visit(sold).get("/")


# ── statements, notices, and taking a charge back ────────────────────────────────────────────────────────────────────

def test_a_days_statement_is_a_page_and_a_table(traded, visit):
    visitor = visit(traded)
    page = visitor.get("/partners/bank-mall/statement")
    assert "Opening balance" in page and "BM20261121001" in page and "as of now" in page
    table = visitor.get("/partners/bank-mall/statement?as=csv")
    assert "time,kind,ref" in table and "BM20261121001" in table
    assert trail("export")[-1]["object_id"] == "bank-mall"
    before = visitor.get("/partners/bank-mall/statement?day=2020-01-01")
    assert "Nothing went through the pool" in before and "the day is over" in before
    for day in ("2999-01-01", "yesterday"):
        assert visitor.get(f"/partners/bank-mall/statement?day={day}", status=302)
    visitor.get("/partners/no-such-partner/statement", status=404)


def test_a_charge_is_taken_back_by_finance_once_and_written_down(traded, visit):
    finance, path = visit(traded, "finance"), "/partners/bank-mall/charges/BM20261121001/return"
    assert "Take back" in finance.get("/partners/bank-mall")
    assert "Say why" in finance.follow(finance.post(path, reason=""))
    question = finance.post(path, status=200, confirmed=False, reason="wrong number").get_data(as_text=True)
    assert "Take charge BM20261121001 back?" in question
    before = pools.find("bank-mall")
    assert "was taken back" in finance.follow(finance.post(path, reason="wrong number"))
    after = pools.find("bank-mall")
    assert after["returned"] - before["returned"] == after["balance"] - before["balance"] > 0
    finance.follow(finance.post(path, reason="again"))
    assert pools.find("bank-mall") == after
    entry = trail("charge.return")[0]
    assert (entry["login"], entry["note"], entry["after"]) == ("finance", "wrong number", {"state": "returned"})
    page = finance.get("/partners/bank-mall")
    assert "What the partner was told" in page and "Returned" in page
