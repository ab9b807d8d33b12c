"""Every bad path ends in a page in the reader's language with a code and a trace, and never in a traceback."""
from __future__ import annotations

import logging

import peewee
import pytest

from console.access import audit, sessions
from console.access.tables import Audit
from engine import store
from engine.base.errors import Code, Refusal
from engine.trade import orders


@pytest.mark.parametrize("path, status, code, zh", [
    ("/no/such/page", 404, "not_found", "页面或对象不存在"), ("/orders/O1", 404, "order_unknown", "订单不存在"),
    ("/work/W1", 404, "work_order_unknown", "工单不存在"), ("/partners/nobody", 404, "partner_unknown", "合作商不存在"),
    ("/drafts/D1", 404, "not_found", "对象不存在"), ("/releases/7", 404, "release_unknown", "版本不存在"),
    ("/trail/999", 404, "not_found", "对象不存在"), ("/studio/?draft=D1", 404, "not_found", "对象不存在"),
    ("/orders/O1/close", 405, "method_not_allowed", "不支持此请求方法")])
def test_what_is_not_there(bare, visit, path, status, code, zh):
    page = visit(bare, lang="zh").get(path, status=status)
    assert code in page and zh in page and "Traceback" not in page and "<h1>" in page


def test_a_stranger_sees_an_error_page_too(bare):
    answer = bare.app.test_client().get("/console/no/such/page", headers={"Accept-Language": "zh-CN"})
    assert answer.status_code == 404 and "页面或对象不存在" in answer.get_data(as_text=True)


def test_our_own_mistake_is_logged_with_its_trace(sold, visit, monkeypatch, caplog):
    def stumble(*_args, **_more):
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr(orders, "find", stumble)
    with caplog.at_level(logging.ERROR):
        page = visit(sold, lang="zh").get(f"/orders/{sold.orders['completed']}", status=500)
    assert "internal" in page and "系统内部出现错误" in page and "secret" not in page and "ZeroDivision" not in page
    assert "the secret inside" in caplog.text


def test_a_type_error_of_a_page_is_no_second_call(sold, visit, monkeypatch):
    """Flask-Admin would call the page again with other arguments, and hide what went wrong."""
    calls = []

    def stumble(no, lock=False):
        calls.append(no)
        raise TypeError("wrong kind")

    monkeypatch.setattr(orders, "find", stumble)
    visit(sold).get("/orders/O1", status=500)
    assert calls == ["O1"]


@pytest.mark.parametrize("error", [peewee.OperationalError("server closed"), peewee.InterfaceError("gone")])
def test_a_database_that_does_not_answer(sold, visit, monkeypatch, error):
    def fail(*_args, **_more):
        raise error

    monkeypatch.setattr(orders, "find", fail)
    page = visit(sold, lang="zh").get("/orders/O1", status=503)
    assert "database_busy" in page and "数据库没有响应" in page


def test_a_database_that_fails_before_anybody_is_known(bare, monkeypatch):
    def fail(_token):
        raise peewee.OperationalError("down")

    monkeypatch.setattr(sessions, "user_of", fail)
    answer = bare.client().get("/console/orders/", headers={"Accept-Language": "zh"})
    assert answer.status_code == 503 and "数据库没有响应" in answer.get_data(as_text=True)


def test_scripts_get_their_errors_as_json(bare, visit):
    visitor = visit(bare, lang="zh")
    answer = visitor.send("/editor/D1/check", status=404, path="x", text="y")
    assert answer["code"] == "not_found" and "对象不存在" in answer["message"] and len(answer["trace_id"]) == 32


def test_a_refusal_is_told_with_what_was_found(bare, visit, monkeypatch):
    def refuse(no):
        raise Refusal(Code.ORDER_STATE, "order is paid", [{"path": "order.state", "found": "paid", "expected": "awaiting_payment"}])

    monkeypatch.setattr(orders, "find", refuse)
    page = visit(bare, lang="zh").get("/orders/O1", status=409)
    assert "订单状态不允许此操作" in page and "当前为 paid" in page and "应为 awaiting_payment" in page and "order_state" in page
    assert "order is paid" in visit(bare).get("/orders/O1", status=409)


def test_a_deed_that_is_cut_off_has_left_its_trace(bare):
    with bare.app.test_request_context("/"), pytest.raises(KeyboardInterrupt):
        with audit.deed("order.close", "order", "O1"):
            assert [e["outcome"] for e in store.many(Audit)] == ["begun"]
            raise KeyboardInterrupt
    assert [(e["outcome"], e["code"]) for e in store.many(Audit)] == [("failed", "KeyboardInterrupt")]


def test_the_request_before_leaves_no_trace_on_the_next(bare):
    client = bare.client()
    ids = set()
    for _request in range(3):
        page = client.get("/console/no/such/page").get_data(as_text=True)
        ids.add(page.split("<dd><code>")[-1][:32])
    assert len(ids) == 3
    given = "0af7651916cd43dd8448eb211c80319c"
    page = client.get("/console/no/such/page", headers={"traceparent": f"00-{given}-b7ad6b7169203331-01"})
    assert given in page.get_data(as_text=True)


def test_health_is_told_without_a_login(bare):
    answer = bare.app.test_client().get("/healthz")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "ok", "release_no": 1})
