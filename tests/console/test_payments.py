"""Payments and refunds as lists, and the questions finance asks of them."""
from __future__ import annotations

import csv
import io
import re

import pytest

from console import access
from engine import store
from engine.base import clock
from engine.pay.payments import PaymentOrder
from engine.pay.refunds import Refund
from tests.console import world as worlds


def found(page: str, letter: str) -> list[str]:
    return re.findall(rf'class="no" href="/console/orders/O\w+#({letter}\w+)">\1', page)


def table(visitor, where: str) -> list[dict[str, str]]:
    text = visitor.client.get(f"/console{where}").get_data(as_text=True)
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_payments_are_found_and_narrowed(traded, visit):
    visitor, rows = visit(traded), store.many(PaymentOrder, order_by="no DESC")
    today = clock.business_date(clock.now_ms(), "Asia/Shanghai")
    twin = next(row for row in rows if row["surplus_minor"])
    for query, wanted in {
            "": rows, "sort=oldest": rows[::-1], "look=surplus": [r for r in rows if r["surplus_minor"]],
            "state=pending": [r for r in rows if r["state"] == "pending"], "channel=alipay-app": [r for r in rows if r["channel_id"] == "alipay-app"],
            f"q={twin['no']}": [twin], f"q={twin['channel_no']}": [twin], f"q={twin['order_no']}": [r for r in rows if r["order_no"] == twin["order_no"]],
            f"from={today}": rows, f"to={today}": rows, "from=2126-01-01": [], "to=2016-01-01": []}.items():
        assert found(visitor.get(f"/payments/?{query}"), "P") == [row["no"] for row in wanted], query
    assert len([r for r in rows if r["surplus_minor"]]) == 2       # paid twice, and paid after the order was closed


def test_refunds_lead_to_their_order_and_payment(traded, visit):
    visitor, rows = visit(traded), store.many(Refund, order_by="no DESC")
    assert len(rows) == 2 and {row["kind"] for row in rows} == {"surplus"}
    page = visitor.get("/refunds/?kind=surplus&state=succeeded")
    assert found(page, "R") == [row["no"] for row in rows] and found(page, "P") == [row["payment_no"] for row in rows]
    assert found(visitor.get("/refunds/?kind=shop"), "R") == [] and found(visitor.get(f"/refunds/?q={rows[0]['payment_no']}"), "R") == [rows[0]["no"]]


@pytest.mark.parametrize("days, there", [(0, True), (1, False), (-1, False)])
def test_a_day_is_the_businesss_own(bare, visit, days, there):
    """Half past midnight in Shanghai is the day before in UTC."""
    clock.set_to(clock.from_datetime(clock.to_datetime(clock.now_ms()).replace(hour=16, minute=30)))
    placed = worlds.place("aiqicha-app", items=[{"sku": "aiqicha-vip/month", "quantity": 1}], buyer_id=worlds.buyer("b-1"))
    begun = worlds.attempt(placed["no"], "alipay-app")
    day = clock.business_date(clock.now_ms() + days * 86_400_000, "Asia/Shanghai")
    assert (begun["no"] in found(visit(bare).get(f"/payments/?from={day}&to={day}"), "P")) is there


def test_as_tables(sold, visit):
    visitor = visit(sold, "finance")
    paid = table(visitor, "/payments/export.csv?sort=oldest")
    assert [row["Number"] for row in paid] == [row["no"] for row in store.many(PaymentOrder, order_by="no")]
    assert {row["Currency"] for row in paid} == {"CNY"} and all(re.fullmatch(r"\d+\.\d\d", row["Amount"]) for row in paid)
    assert "Begun (Asia/Shanghai)" in paid[0]
    back = table(visitor, "/refunds/export.csv")
    assert [row["Amount"] for row in back] and {row["State"] for row in back} == {"Succeeded"} and {row["Kind"] for row in back} == {"Surplus"}


def test_only_those_of_ones_lines(sold, visit):
    access.create("partly", "x", worlds.PASSWORD, ["finance"], ["trademark-registration"], "en", "self")
    visitor = visit(sold, "partly")
    orders = {sold.orders["fulfilling"], sold.orders["failed_flow"]}
    assert {row["Order"] for row in table(visitor, "/payments/export.csv")} == orders
    assert found(visitor.get("/refunds/"), "R") == [] and "Nothing was refunded yet" in visitor.get("/refunds/")
