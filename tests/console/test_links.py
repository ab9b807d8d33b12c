"""From each thing one comes to the next, both ways; what has no page of its own is found by its number."""
from __future__ import annotations

import re

import pytest

from console.access.tables import Audit
from engine import store
from engine.deliver import charges, messages, outgoing, upstream, work_orders
from engine.pay import payments, refunds
from tests.console.test_contracts import club, desk, small_club, small_desk

__all__ = ["club", "desk", "small_club", "small_desk"]


def hrefs(page: str) -> set[str]:
    return set(re.findall(r'href="([^"]+)"', page))


def test_an_order_and_its_contract_lead_to_each_other(desk):
    visitor, no = desk.visit(), desk.made["active"]
    from engine.pay import contracts
    for period in contracts.periods(no):
        page = visitor.get(f"/orders/{period['order_no']}")
        assert f"/console/contracts/{no}" in hrefs(page) and f"period {period['n']}" in page
        assert f"/console/orders/{period['order_no']}" in hrefs(visitor.get(f"/contracts/{no}"))
        assert f'id="{period["payment_no"]}"' in page
        assert f"/console/orders/{period['order_no']}#{period['payment_no']}" in hrefs(visitor.get(f"/contracts/{no}"))
    assert set(re.findall(r'class="no" href="/console/orders/(O\w+)"', visitor.get(f"/orders/?q={no}"))) == {
        period["order_no"] for period in contracts.periods(no)}


def test_an_order_its_charge_and_its_partner(sold, visit):
    visitor, no = visit(sold), sold.orders["charged"]
    charge, page = charges.of_order(no), visitor.get(f"/orders/{no}")
    assert {"/console/partners/bank-mall", f"#{charge['no']}"} <= hrefs(page) and f'id="{charge["no"]}"' in page
    for where in ("/partners/bank-mall", "/charges/"):
        assert {f"/console/orders/{no}", f"/console/orders/{no}#{charge['no']}"} <= hrefs(visitor.get(where)), where
    told, = outgoing.of_order(no)
    assert f'id="{told["no"]}"' in page and "238.00 CNY" in page


def test_an_order_its_refund_and_both_payments(sold, visit):
    no = sold.orders["paid_twice"]
    page = visit(sold).get(f"/orders/{no}")
    refund, = refunds.of_order(no)
    first, second = payments.of_order(no)
    assert all(f'id="{row["no"]}"' in page for row in (refund, first, second))
    assert {f"#{refund['payment_no']}", f"#{second['twin_of'] or first['twin_of']}"} <= hrefs(page)


def test_an_order_its_work_and_its_supplier(sold, visit):
    visitor, no = visit(sold), sold.orders["fulfilling"]
    page, (placed,) = visitor.get(f"/orders/{no}"), upstream.of_order(no)
    assert f'id="{placed["no"]}"' in page
    for work in work_orders.of_order(no):
        assert f"/console/work/{work['no']}" in hrefs(page)
        own = visitor.get(f"/work/{work['no']}")
        assert {f"/console/orders/{no}", f"/console/orders/{no}#{placed['no']}"} <= hrefs(own)
        if work["parent_no"]:
            assert f"/console/work/{work['parent_no']}" in hrefs(own)


@pytest.mark.parametrize("kind", ["message", "work order", "upstream order", "notice", "refund", "payment", "charge"])
def test_any_number_finds_its_order(sold, visit, kind):
    name, rows = {"message": ("completed", messages.of_order), "work order": ("fulfilling", work_orders.of_order),
                  "upstream order": ("fulfilling", upstream.of_order), "notice": ("charged", outgoing.of_order),
                  "refund": ("paid_twice", refunds.of_order), "payment": ("paid_twice", payments.of_order),
                  "charge": ("charged", lambda no: [charges.of_order(no)])}[kind]
    no = sold.orders[name]
    assert re.findall(r'class="no" href="/console/orders/(O\w+)"', visit(sold).get(f"/orders/?q={rows(no)[0]['no']}")) == [no]


def test_the_trail_leads_to_what_was_touched(sold, visit):
    visitor, no = visit(sold), sold.orders["awaiting"]
    work = work_orders.of_order(sold.orders["fulfilling"])[0]["no"]
    visitor.post(f"/orders/{no}/close")
    visitor.post(f"/work/{work}/take")
    visitor.post("/partners/bank-mall/top-up", amount="5.00", key="R-77")
    visitor.post("/releases/1/rollback", reason="for nothing")
    visitor.post("/drafts/new")
    page = visitor.get("/trail/")
    assert {f"/console/orders/{no}", f"/console/work/{work}", "/console/partners/bank-mall", "/console/releases/1"} <= hrefs(page)
    assert all(visitor.client.get(f"/console/trail/{row['id']}").status_code == 200 for row in store.many(Audit))
    assert "/console/users/" not in "".join(hrefs(visit(sold, "approver").get("/trail/")))


def test_jobs_lead_to_what_they_are_for(sold, visit):
    page = visit(sold).get("/jobs/")
    assert "/console/orders/?q=M261121000000000GONE" in hrefs(page) and "/console/alljobs/" in hrefs(page)
