"""What people see of channels: which are left out, how full their day is, and why a route led past one."""
from __future__ import annotations

import re

import pytest

from engine.base import clock
from engine.pay import health, troubles
from tests.console import world as worlds

SCENE, SKU, ROUTE, FIRST, SECOND = "shangjibao-pc", "shangjibao-vip/month", "wechat-scan", "wechat-native", "wechat-native-2"


@pytest.mark.parametrize("lang, texts", [
    ("en", ("Payment channels today", "pay left out until", "5 of 5 calls were bad", "1 of 10000 payments",
            "Route wechat-scan · WeChat Pay QR, second account",
            "it does not work (of 5 calls 5 failed)")),
    ("zh", ("今日支付渠道", "支付 摘除至", "5 次调用中 5 次异常", "已用 1 / 10000 笔", "路由 wechat-scan · 微信扫码支付（二号商户）", "渠道不可用"))])
def test_a_channel_that_is_left_out(bare, visit, lang, texts):
    now = clock.now_ms()
    breaker = health.breaker(FIRST, "pay")
    for _ in range(5):
        breaker.note(now, now, "failed")
    troubles.keep(breaker.look(now), "connection refused")
    order = worlds.place(SCENE, items=[{"sku": SKU, "quantity": 1}], buyer_id=worlds.buyer("b-1"))
    assert worlds.pay(order["no"], ROUTE)["channel_id"] == SECOND
    visitor = visit(bare, lang=lang)
    pages = visitor.get("/") + visitor.get(f"/orders/{order['no']}")
    assert [text for text in texts if text not in pages] == []
    row = re.search(rf"<td>[^<]*<small[^>]*>{SECOND}</small></td>(.*?)</tr>", pages, re.DOTALL)[1]
    assert row.count('<td class="num">1</td>') == 2                # asked and paid


def test_nothing_is_said_where_there_is_nothing_to_say(bare, visit):
    """Only channels with a limit by day are shown before anything was sold."""
    page = visit(bare).get("/")
    assert FIRST + "</small>" not in page and SECOND + "</small>" in page
