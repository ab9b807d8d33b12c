"""Orders: found by whatever number a person has, shown with their whole story, and what may be done about them."""
from __future__ import annotations

import csv
import io
import re

import pytest

from console.access.tables import Audit
from engine import sale, store, wire
from engine.base import clock
from engine.deliver import work_orders
from engine.flow import journal
from engine.pay import payments, refunds
from engine.trade import orders
from engine.wire import Outcome
from tests.console import world as worlds


def found(page: str) -> list[str]:
    """Order numbers in a list, in order."""
    return re.findall(r'class="no" href="/console/orders/(O\w+)"', page)


def trail(action):
    return store.many(Audit, action=action, order_by="id")


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_found_by_every_number(traded, visit):
    visitor, made = visit(traded), traded.orders
    paid = payments.of_order(made["completed"])[0]
    back = refunds.of_order(made["paid_twice"])[0]
    for text, wanted in {
            made["completed"]: ["completed"], made["completed"].lower(): ["completed"], paid["no"]: ["completed"],
            paid["channel_no"]: ["completed"], "CH-SECOND": ["paid_twice"], back["no"]: ["paid_twice"],
            back["channel_refund_no"]: ["paid_twice"], "6920056412345678": ["shop"], "13700007777": ["shop"],
            "BM20261121009": ["charging"], "13911112222": ["charging"],
            "b-1002": ["fulfilling", "awaiting", "paid_twice"], "13800001002": ["fulfilling", "awaiting", "paid_twice"],
            "nothing like it": []}.items():
        assert found(visitor.get(f"/orders/?q={text}")) == [made[name] for name in wanted], text


def test_filters_narrow_and_combine(sold, visit):
    visitor, made = visit(sold), sold.orders
    today = clock.business_date(clock.now_ms(), "Asia/Shanghai")
    for query, wanted in {
            "state=closed": {"closed"}, "line=trademark-registration": {"fulfilling", "failed_flow"},
            "scene=aiqicha-douyin-shop": {"shop"}, "line=aiqicha&state=awaiting_payment": {"awaiting", "charging"},
            "state=no-such-state": set(), "from=2031-01-01": set(), "to=2020-01-01": set(),
            f"line=xunbiaobao&from={today}&to={today}": {"xunbiaobao-pc"}, "line=shangjibao&from=rubbish": {"shangjibao-app"},
            "q=b-1001&state=closed": {"closed"}}.items():
        assert set(found(visitor.get(f"/orders/?{query}"))) == {made[name] for name in wanted}, query


def test_sorting(sold, visit):
    visitor = visit(sold)
    everything = {row["no"]: row for row in store.many(orders.TradeOrder)}
    for sort, key, reverse in (("newest", "no", True), ("oldest", "no", False), ("dearest", "payable_minor", True),
                               ("cheapest", "payable_minor", False)):
        shown = [everything[no][key] for no in found(visitor.get(f"/orders/?sort={sort}"))]
        assert shown == sorted(shown, reverse=reverse) and len(shown) == len(everything)


@pytest.mark.parametrize("span", ["", "&from=2020-01-01"], ids=["by number", "by day"])
def test_pages_of_a_long_list(sold, visit, monkeypatch, span):
    view = next(v for v in sold.app.extensions["admin"][0]._views if v.endpoint == "orders")
    monkeypatch.setattr(view, "page_size", 4)
    visitor, seen, path = visit(sold), [], f"/orders/?line=aiqicha&sort=oldest{span}"
    while path:
        page = visitor.get(path)
        seen.append(found(page))
        after = re.search(r'rel="next" href="/console([^"]+)"', page)
        path = after and after[1].replace("&amp;", "&")
    rows = sorted(store.many(orders.TradeOrder, line_id="aiqicha"), key=lambda row: (row["created_at_ms"] if span else 0, row["no"]))
    assert [no for part in seen for no in part] == [row["no"] for row in rows]
    assert len(seen) > 1 and all(len(part) == 4 for part in seen[:-1])


def test_an_empty_list_says_what_to_do(bare, visit):
    visitor = visit(bare)
    assert "the start-up text shows a command" in visitor.get("/orders/")
    assert "Nothing fits these filters" in visitor.get("/orders/?state=paid")


def test_csv_has_what_the_filters_let_through(sold, visit):
    visitor = visit(sold)
    answer = visitor.client.get("/console/orders/export.csv?line=aiqicha&sort=oldest")
    assert answer.mimetype == "text/csv" and "attachment" in answer.headers["Content-Disposition"]
    text = answer.get_data(as_text=True)
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert text.startswith("\ufeff") and [row["Order"] for row in rows] == found(visitor.get("/orders/?line=aiqicha&sort=oldest"))
    twice = next(row for row in rows if row["Order"] == sold.orders["paid_twice"])
    assert (twice["List price"], twice["To pay"], twice["State"], twice["Currency"]) == ("298.00", "260.00", "Completed", "CNY")
    assert [e["note"] for e in trail("export")] == ["line=aiqicha&sort=oldest"]


def test_csv_makes_no_formula_of_what_buyers_typed(bare, visit):
    who = worlds.buyer("=cmd|' /C calc'!A1", phone="13800009999")
    worlds.place("aiqicha-app", items=[{"sku": "aiqicha-vip/month", "quantity": 1}], buyer_id=who)
    text = visit(bare).client.get("/console/orders/export.csv").get_data(as_text=True)
    assert list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))[0]["Buyer"] == "'=cmd|' /C calc'!A1"


# ── one order ────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_an_orders_page_tells_its_story(traded, visit):
    visitor, no = visit(traded), traded.orders["paid_twice"]
    page = visitor.get(f"/orders/{no}")
    numbers = [row["no"] for rows in (payments.of_order(no), refunds.of_order(no)) for row in rows]
    for text in (*numbers, "CH-SECOND", "aiqicha-200-30", "grant_entitlements", "channel_receivable:alipay-app", "balanced",
                 "paid twice: twin of", "unlock-contacts", "double-eleven", "/console/releases/1"):
        assert text in page, text
    assert "NOT BALANCED" not in page and page.count("edge-taken") == 2
    traces = set(re.findall(r'data-trace="([0-9a-f]{32})"', page))
    assert len(traces) >= 3                    # placing, paying, the notices: each under a trace of its own


@pytest.mark.parametrize("name, texts", [
    ("fulfilling", ["履约中", "UP-20261121-1", "trademark-agents", "山野茶事", "商标名称"]),
    ("failed_flow", ["the supplier refused", "重试", "小满烘焙"]),
    ("charged", ["银行积分商城", "partner_pool:bank-mall", "已充值"]),
    ("charging", ["13911112222", "充值中", "BM20261121009"]),
    ("shop", ["站外已付", "external_receivable:aiqicha-douyin-shop", "6920056412345678", "游客"]),
    ("closed", ["已关闭", "多收款挂账", "suspense:alipay-app"]),
    ("awaiting", ["待支付", "重新查询渠道", "关闭订单"])])
def test_each_kind_of_order_shows_what_is_special_about_it(sold, visit, name, texts):
    page = visit(sold, lang="zh").get(f"/orders/{sold.orders[name]}")
    for text in texts:
        assert text in page, text


def test_an_order_nobody_knows_is_not_found(sold, visit):
    page = visit(sold, lang="zh").get("/orders/O000", status=404)
    assert "order_unknown" in page and "订单不存在" in page and "Traceback" not in page


def test_telephone_numbers_are_masked_for_lookers(sold, visit):
    no = sold.orders["charging"]
    assert "139****2222" in visit(sold, "viewer").get(f"/orders/{no}")
    assert "13911112222" not in visit(sold, "viewer").get(f"/orders/{no}")
    assert "13911112222" in visit(sold, "support").get(f"/orders/{no}")


@pytest.mark.parametrize("name", ["completed", "fulfilling", "charging", "charged", "shop"])
def test_no_whole_number_stands_anywhere_on_a_lookers_page(sold, visit, name):
    """Not in what a scene's own fields hold, nor in facts, results, notices and messages."""
    mobile = re.compile(r"(?<![0-9])1[3-9][0-9]{9}(?![0-9])")
    page = f"/orders/{sold.orders[name]}"
    assert mobile.findall(visit(sold, "viewer").get(page)) == [] and mobile.findall(visit(sold, "support").get(page))


# ── what may be done ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_closing_asks_first_and_is_written_down(traded, visit):
    visitor, no = visit(traded, "support"), traded.orders["awaiting"]
    page = visitor.post(f"/orders/{no}/close", status=200, confirmed=False).get_data(as_text=True)
    assert f"Close order {no}?" in page and orders.find(no)["state"] == "awaiting_payment"
    assert "is closed." in visitor.follow(visitor.post(f"/orders/{no}/close"))
    assert orders.find(no)["state"] == "closed"
    entry = trail("order.close")[-1]
    assert (entry["login"], entry["object_id"], entry["before"], entry["after"], entry["outcome"]) == (
        "support", no, {"state": "awaiting_payment"}, {"state": "closed"}, "done")
    log = store.one(store.StateLog, no=no, to_state="closed")
    assert log["cause"] == "closed by support" and log["trace_id"] == entry["trace_id"]


def test_closing_a_paid_order_is_refused_in_the_readers_language(sold, visit):
    visitor, no = visit(sold, lang="zh"), sold.orders["completed"]
    page = visitor.follow(visitor.post(f"/orders/{no}/close"))
    assert "当前状态不允许此操作" in page and "state_refused" in page
    assert (trail("order.close")[-1]["outcome"], trail("order.close")[-1]["code"]) == ("refused", "state_refused")


def test_asking_the_channel_brings_the_money_in(sold, visit, monkeypatch):
    visitor, no = visit(sold), sold.orders["awaiting"]
    assert "Pending" in visitor.follow(visitor.post(f"/orders/{no}/ask"))
    attempt = payments.of_order(no)[0]
    said = {"state": "succeeded", "channel_no": "CH-LATE", "amount_minor": attempt["amount_minor"], "currency": "CNY"}
    monkeypatch.setattr(wire, "operate", lambda *a, **k: Outcome("succeeded", said, sent=True, status=200))
    assert "Succeeded" in visitor.follow(visitor.post(f"/orders/{no}/ask"))
    assert orders.find(no)["state"] == "completed"
    assert trail("order.ask")[-1]["after"] == {"payment": "succeeded"}


def test_nothing_to_ask_is_said(sold, visit):
    visitor = visit(sold)
    assert "there is nothing to ask" in visitor.follow(visitor.post(f"/orders/{sold.orders['completed']}/ask"))


def test_a_failed_flow_goes_round_again(sold, visit):
    visitor, no = visit(sold), sold.orders["failed_flow"]
    sold.outside.supplier = Outcome("accepted", {"channel_no": "UP-2"}, sent=True, status=200)
    assert "goes round again" in visitor.follow(visitor.post(f"/orders/{no}/retry", flow="paid"))
    worlds.drain()
    assert orders.find(no)["state"] == "fulfilling"
    assert "restarted" in [row["state"] for row in journal.of(no, "paid")]
    page = visitor.follow(visitor.post(f"/orders/{no}/retry", flow="paid"))
    assert "state_refused" in page and [e["outcome"] for e in trail("flow.retry")] == ["done", "refused"]


def test_work_done_by_people_completes_an_order(sold, visit):
    visitor, no = visit(sold, "support"), sold.orders["fulfilling"]
    for work in work_orders.of_order(no):
        visitor.post(f"/work/{work['no']}/take")
        visitor.post(f"/work/{work['no']}/finish", note=f"受理号 {work['kind']}")
    worlds.drain()
    assert orders.find(no)["state"] == "completed"
    assert "受理号 registration" in visitor.get(f"/orders/{no}")


def test_sale_is_the_only_one_who_closes(sold, visit, monkeypatch):
    """The console calls the story; it does not write states itself."""
    called = []
    monkeypatch.setattr(sale, "close", lambda no, cause: called.append((no, cause)) or orders.find(no))
    visit(sold, "support").post(f"/orders/{sold.orders['awaiting']}/close")
    assert called == [(sold.orders["awaiting"], "closed by support")]


def test_the_timeline_stands_in_the_order_of_causes(bare, visit):
    clock.set_to(clock.now_ms())               # what one transaction wrote is then of one millisecond
    who = worlds.buyer("b-1", "newcomer", phone="13800000001")
    placed = worlds.place("aiqicha-app", items=[{"sku": "aiqicha-vip/week", "quantity": 1}], buyer_id=who)
    clock.advance(1)
    begun = worlds.attempt(placed["no"], "alipay-app")
    clock.advance(1)
    worlds.notice(begun)
    told = re.findall(r'<div class="what">([^<]+)', visit(bare).get(f"/orders/{placed['no']}"))
    wanted = ["Coupon · Held", "Order · Awaiting payment", "buyer is known · Done", "Payment · Pending", "Notice · Paid",
              "Payment · Succeeded", "Order · Paid", "Posted · Order paid", "grant entitlements · Done", "Entitlement · In force",
              "Message · Queued", "Order · Completed"]
    places = [next(n for n, text in enumerate(told) if text.strip().startswith(word)) for word in wanted]
    assert places == sorted(places), told


def test_postings_stand_in_the_order_in_which_they_were_written(sold, visit):
    page = visit(sold).get(f"/orders/{sold.orders['paid_twice']}")
    assert re.findall(r'<div class="block-head"><b>([^<]+)</b>', page) == [
        "Order paid", "Surplus received", "Refund approved", "Refund succeeded"]


def test_what_buyers_typed_is_text_and_nothing_else(bare, visit):
    nasty = "<script>alert('x')</script>\"><b>"
    who = worlds.buyer("<i>b</i>", phone="13800000001", name=nasty)
    placed = worlds.place("aiqicha-app", items=[{"sku": "aiqicha-vip/month", "quantity": 1}], buyer_id=who,
                          fields={"from_page": nasty[:60]}, contact={"name": nasty})
    sale.close(placed["no"], nasty)
    for path in ("/orders/", f"/orders/{placed['no']}", f"/orders/?q={nasty}"):
        page = visit(bare).get(path)
        assert "<script>alert" not in page and "<i>b</i>" not in page and 'value="<' not in page
