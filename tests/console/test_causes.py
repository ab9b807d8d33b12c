"""Why something moved is said in the reader's language, with titles in the place of ids."""
from __future__ import annotations

import ast

import pytest
from flask import g

from console import causes
from console.access import users
from engine import store
from tests.console.texts import CONSOLE

ENGINE = CONSOLE.parent / "engine"


@pytest.mark.parametrize("cause, en, zh", [
    ("scene aiqicha-app", "scene Aiqicha membership in the app", "场景：爱企查 APP 会员"),
    ("pay by alipay-app", "pay by Alipay in an app", "通过“支付宝 APP 支付”支付"),
    ("pay by gone-channel, of scan", "pay by gone-channel, chosen by the route scan", "通过“gone-channel”支付（路由 scan 选择）"),
    ("notice paid of alipay-app", 'notice "Paid" of Alipay in an app', "“支付宝 APP 支付”的通知：已支付"),
    ("order O2611281330589964EJAZ9SH", "order O2611281330589964EJAZ9SH", "订单 O2611281330589964EJAZ9SH"),
    ("period 2 could not be deducted", "period 2 could not be deducted", "第 2 期扣费失败"),
    ("closed by admin", "closed by admin", "由 admin 关闭"), ("closed by the seller", "closed by the seller", "由商家关闭"),
    ("paid is done", 'the flow "After payment" is done', "流程“支付后”已完成"),
    ("the buyer is not registered yet", "the buyer is not registered yet", "买家尚未注册"),
    ("余额不足", "余额不足", "余额不足"), ("ACQ.TRADE_HAS_CLOSE 100 %", "ACQ.TRADE_HAS_CLOSE 100 %", "ACQ.TRADE_HAS_CLOSE 100 %"),
    ("", "", ""), (None, "", "")])
def test_a_cause_in_both_languages(bare, visit, cause, en, zh):
    for lang, wanted in (("en", en), ("zh", zh)):
        visit(bare, lang=lang)                 # sets the person's language
        with bare.app.test_request_context():
            g.person = users.person(users.by_login("admin"))
            assert causes.said(cause) == wanted


def _texts(node: ast.expr) -> set[str]:
    """The texts among which an expression chooses; not the keys it looks things up by."""
    if isinstance(node, ast.Constant):
        return {node.value} if isinstance(node.value, str) else set()
    if isinstance(node, (ast.Subscript, ast.JoinedStr)):
        return set()
    return set().union(*(_texts(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)))


def _written() -> set[str]:
    """Every cause that stands as it is in the engine's sources."""
    calls = [node for path in ENGINE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("move", "born")]
    return set().union(*(_texts(call.args[3]) for call in calls if len(call.args) > 3))


def test_every_cause_the_engine_writes_is_known():
    known = {cause for cause in _written() if causes.SENTENCES.knows(cause)}
    assert len(known) > 10 and _written() - known == set()


def test_a_page_says_no_cause_in_english(sold, visit):
    page = visit(sold, lang="zh").get(f"/orders/{sold.orders['completed']}")
    for english in ("scene aiqicha-app", "pay by ", "channel took it", "grant_entitlements · ", "Paid"):
        assert english not in page, english
    assert "渠道已受理" in page and "发放权益" in page and store.many(store.StateLog, cause="channel took it")
