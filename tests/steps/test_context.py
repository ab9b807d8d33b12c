"""The sale under way: its facts are closed, its buyer is read when asked for."""
from __future__ import annotations

import pytest

from engine import runs, store
from engine.base import clock
from engine.config.facts import FactTable
from engine.config.live import live
from engine.steps.context import SaleContext, base_facts
from engine.trade import buyers, pricing
from tests.support.selling import NOON, shop

__all__ = ["shop"]


def context(shop, buyer="", scene="app"):
    catalog = live.catalog()
    ctx = SaleContext("O1", catalog, catalog.scene(scene), buyer)
    items = shop.items("card/month", *([("book/paper", 2)] if scene == "app" else []))
    ctx.chosen = pricing.wanted(ctx.scene, items)
    return ctx


@pytest.mark.parametrize("scene", ["app", "page", "gift"])
@pytest.mark.parametrize("known", [True, False])
def test_every_declared_fact_has_a_value(shop, scene, known):
    ctx = context(shop, shop.buyer() if known else "", scene)
    ctx.base = base_facts(ctx.scene, ctx.buyer_id, ctx.buyer, {}, {}, None, NOON)
    declared = {f.name for f in FactTable.at("step").with_fields(ctx.scene.fields_schema)}
    assert declared == set(ctx.facts()) and None not in ctx.facts().values()


def test_before_anything_is_priced_goods_count_at_their_list_price(shop):
    ctx = context(shop)
    assert (ctx.facts()["subtotal"], ctx.facts()["quantity"]) == (4000 + 2 * 3333, 3) and ctx.price.lines == []
    pricing.agreed_price(ctx.price, ctx.chosen[:1], {"card/month": 100})
    assert ctx.facts()["subtotal"] == 100


@pytest.mark.parametrize("at, zone, facts", [
    ("2026-11-20T12:00:00+08:00", "Asia/Shanghai", (12, 5, "2026-11-20")),
    ("2026-11-20T23:59:59+08:00", "Asia/Shanghai", (23, 5, "2026-11-20")),
    ("2026-11-21T00:00:00+08:00", "Asia/Shanghai", (0, 6, "2026-11-21")),
    ("2026-11-21T00:00:00+08:00", "America/New_York", (11, 5, "2026-11-20")),
    ("2026-11-22T12:00:00+08:00", "Asia/Shanghai", (12, 7, "2026-11-22"))])
def test_times_are_the_businesss(shop, monkeypatch, at, zone, facts):
    monkeypatch.setenv("SALEWRIGHT_TIMEZONE", zone)
    found = base_facts(live.catalog().scene("page"), "", None, {}, {}, None, clock.parse_rfc3339(at))
    assert (found["time.hour"], found["time.weekday"], found["time.date"]) == facts


@pytest.mark.parametrize("fields, fact", [({}, ""), ({"from_page": "home"}, "home")])
def test_a_scenes_own_fields_are_facts(shop, fields, fact):
    assert base_facts(live.catalog().scene("app"), "", None, {}, fields, None, NOON)["fields.from_page"] == fact
    assert "fields.from_page" not in base_facts(live.catalog().scene("page"), "", None, {}, {}, None, NOON)


def test_the_buyer_is_read_once_and_only_when_asked_for(shop):
    buyer = shop.buyer(phone="138")
    ctx = context(shop, buyer)
    store.counts.reset()
    ctx.facts(), ctx.chosen
    assert store.counts.statements == 0
    assert ctx.recipient == "138" and ctx.buyer["id"] == buyer and store.counts.statements == 1
    with store.transaction():
        ctx.count_paid()
        assert ctx.buyer["orders_paid"] == 1 and ctx.buyer_is_locked
    assert context(shop).buyer is None
    assert buyers.find(buyer)["orders_paid"] == 1


@pytest.mark.parametrize("contact, phone, recipient",
                         [({}, "138", "138"), ({"phone": "139"}, "138", "139"), ({"phone": "139"}, "", "139"),
                          ({}, "", "")])
def test_where_a_message_goes(shop, contact, phone, recipient):
    ctx = context(shop, shop.buyer(phone=phone))
    ctx.contact = contact
    assert ctx.recipient == recipient


def test_a_step_that_calls_can_not_stand_within_a_transaction(shop, monkeypatch):
    from engine.flow import executor
    monkeypatch.setattr(executor, "run_hooks", lambda *given, **more: 3)
    with pytest.raises(RuntimeError, match="a call step can't stand in quote"):
        runs.hooks(context(shop), "quote", "price")
