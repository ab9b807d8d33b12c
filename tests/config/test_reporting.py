"""Who is told of results, and whose shop's orders come in: what a partner's and a scene's file may not say."""
from __future__ import annotations

import pytest

from engine import startup
from engine.config.check import check
from tests.support.partner_files import TOLD
from tests.support.shop_files import FILES

ALL = {**FILES, **TOLD}


def problems(path, old, new):
    assert old in ALL[path]
    found = check({**ALL, path: ALL[path].replace(old, new)}, startup.vocabulary()).problems
    return [(p.file, p.rule, p.message) for p in found]


def test_they_are_sound_as_they_are():
    result = check(ALL, startup.vocabulary())
    assert result.problems == [] and result.catalog is not None
    bank, bazaar = result.catalog.partners["bank"], result.catalog.scenes["bazaar"]
    assert (bank.results.channel_id, bank.results.wait_min_s, bank.results.for_s) == ("herald", 10.0, 3600.0)
    assert (bank.low_water.to, bank.low_water.lang) == ("13700000000", "zh")
    assert bazaar.shop.items["7002"] == "card/week" and bazaar.shop.reporting.channel_id == "market"
    assert result.catalog.partners["post"].results is None and result.catalog.scenes["stall"].shop is None


@pytest.mark.parametrize("path, old, new, rule, says", [
    ("partners/bank.yaml", "channel: herald", "channel: wallet", "role", "the channel wallet is not for this"),
    ("partners/bank.yaml", "channel: herald", "channel: heralt", "reference", "there is no channel"),
    ("partners/bank.yaml", "template: low", "template: lower", "reference", "there is no message"),
    ("channels/herald.yaml", "  notify:", "  send:", "role", "has no operation `notify`"),
    ("channels/market.yaml", "  deliver:", "  cancel:", "role", "has no operation `deliver`"),
    ("scenes/bazaar.yaml", "channel: market", "channel: herald", "role", "the channel herald is not for this"),
    ("scenes/bazaar.yaml", '"7002": card/week', '"7002": card/year', "scope", "this scene does not sell card/year"),
    ("scenes/bazaar.yaml", '"7002": card/week', '"7002": card/weak', "reference", "there is no SKU"),
    ("scenes/bazaar.yaml", "{market_no: shop_order_no}", "{market_nr: shop_order_no}", "reference", "has no field"),
    ("messages/low.yaml", "{pool.low_water}，", "{pool.mark}，", "fact", "names a fact")])
def test_what_is_wrong_is_told_at_its_place(path, old, new, rule, says):
    if path == "messages/low.yaml":
        old, new = "低于{pool.low_water}", "低于{pool.mark}"
    assert [(rule_, says in message) for _, rule_, message in problems(path, old, new)][0] == (rule, True)


def test_two_scenes_do_not_sell_one_product_of_a_shop():
    other = ALL["scenes/bazaar.yaml"].replace("id: bazaar", "id: bazaar-two")
    found = check({**ALL, "scenes/bazaar-two.yaml": other}, startup.vocabulary()).problems
    assert {(p.file, p.rule) for p in found} == {("scenes/bazaar-two.yaml", "repeated")} and len(found) == 3


def test_a_shop_is_for_shop_orders_only():
    found = problems("scenes/bazaar.yaml", "method: ecommerce", "method: in_app\npay: {channels: [wallet]}")
    assert found and {file for file, _, _ in found} == {"scenes/bazaar.yaml"}
