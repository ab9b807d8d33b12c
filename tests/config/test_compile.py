"""Compiling: what is written becomes what the engine works with, once, shared and frozen."""
from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.config.catalog import Benefit, Catalog, Grant, PoolTerms, Retry
from engine.config.check import check, documents
from engine.config.vocabulary import StepSpec, Vocabulary
from tests.config.words import STEPS

SAMPLE = documents(Path(__file__).parents[2])


def compiled(files: dict[str, str] = SAMPLE, vocabulary: Vocabulary = Vocabulary(STEPS)) -> Catalog:
    result = check(files, vocabulary)
    assert result.problems == [], "\n".join(map(str, result.problems))
    return result.catalog


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return compiled()


def test_skus(catalog):
    week = catalog.skus["aiqicha-vip/week"]
    assert (week.price_minor, week.currency, week.type_id, week.merchant_id) == (1490, "CNY", "one_time", "own")
    title = {"zh": "解锁企业联系方式", "en": "Unlock company contacts"}
    assert week.grants[0] == Grant("unlock-contacts", title, 1, "week", 10)
    assert week.grants[2].quota is None                         # as often as one likes
    assert (week.purchase_cap, week.cap_key, week.quantity_max) == (1, "aiqicha-vip/week", 1)
    seat = catalog.skus["xunkebao-seat/year"]
    assert (seat.purchase_cap, seat.cap_key, seat.quantity_max) == (500, "xunkebao-seat", 200)
    assert catalog.skus["library-pass/month"].grants[0].right == "read-documents"
    assert {"deliver", "consume"} == week.deliver_parts


def test_fields_of_a_product_type_are_read_by_their_types(catalog):
    assert catalog.skus["aiqicha-vip/monthly-auto"].extra == {
        "renews_every": (1, "month"), "renewal_price": 2500, "notice_before": 5 * 86400.0, "grace": 3 * 86400.0,
        "price_steps": ((13, 2200),), "retry": (14400.0, 72000.0, 86400.0), "suspends_for": 30 * 86400.0}
    assert catalog.skus["xunkebao-seat/monthly-auto"].extra["notice_before"] == 7 * 86400.0
    assert catalog.skus["trademark-registration/standard"].extra == {
        "promised_within": 5 * 86400.0, "certificate": "electronic"}
    assert catalog.skus["trademark-registration/express"].extra["certificate"] == "paper"
    assert catalog.skus["aiqicha-vip/week"].extra == {}


def test_coupons(catalog):
    launch = catalog.coupons["xunkebao-launch"]
    assert launch.benefit == Benefit("percent", Decimal("12.5"), 300000)
    assert (launch.threshold_minor, launch.budget_minor) == (1000000, 10000000)
    assert (launch.cap_total, launch.cap_per_buyer) == (200, None)
    assert (launch.group, launch.priority, launch.combines, launch.on_refund) == ("xunkebao", 20, False, "return")
    first = catalog.coupons["newcomer-first-month"]
    assert first.benefit == Benefit("price", 100) and first.on_refund == "keep"
    assert first.scene_scope == {"aiqicha-app", "aiqicha-mini-program"}
    assert first.product_scope == {"aiqicha-vip/monthly-auto"}
    assert first.when({"buyer.tags": ["newcomer"]}) and not first.when({"buyer.tags": []})
    lone = catalog.coupons["xunbiaobao-weekend"]
    assert lone.group == "xunbiaobao-weekend" and lone.budget_minor is None
    eleven = catalog.coupons["double-eleven"]
    assert eleven.valid_until_ms - eleven.valid_from_ms == 11 * 86400_000


def test_scenes_know_their_coupons_in_order(catalog):
    assert [c.id for c in catalog.scenes["aiqicha-app"].coupons] == [
        "double-eleven", "newcomer-5", "newcomer-first-month", "aiqicha-200-30", "aiqicha-app-8"]
    assert [c.id for c in catalog.scenes["xunkebao-app"].coupons] == ["xunkebao-launch", "xunkebao-300"]
    assert catalog.scenes["trademark-h5"].coupons[0].id == "trademark-2000-100"
    rules = catalog.scenes["xunkebao-app"].coupon_rules
    assert rules.matching({}) == {"xunkebao-launch", "xunkebao-300"}
    assert rules is catalog.scenes["xunkebao-h5"].coupon_rules is catalog.scenes["xunkebao-pc"].coupon_rules


@pytest.mark.parametrize("scene, tenders, quote_s, pay_s, partner", [
    ("aiqicha-app", {"channel"}, 900, 1800, None),
    ("aiqicha-mini-program", {"channel"}, 900, 900, None),
    ("xunkebao-pc", {"channel"}, 86400, 3 * 86400, None),
    ("aiqicha-direct-charge", {"pool"}, 900, 1800, None),       # three partners charge there: the charge says which
    ("shangjibao-direct-charge", {"pool"}, 900, 1800, "telecom-gift"),
    ("aiqicha-library-joint", {"channel"}, 900, 1800, "document-library"),
    ("aiqicha-douyin-shop", {"external"}, 900, 1800, None),
])
def test_scenes_have_right_defaults(catalog, scene, tenders, quote_s, pay_s, partner):
    found = catalog.scenes[scene]
    assert (found.tenders, found.quote_ttl_s, found.pay_within_s) == (tenders, quote_s, pay_s)
    assert found.partner_id == partner


def test_scenes_sell_what_they_say(catalog):
    assert list(catalog.scenes["shangjibao-pc"].skus) == [
        "shangjibao-vip/month", "shangjibao-vip/quarter", "shangjibao-vip/year", "shangjibao-leads/pack-100"]
    assert catalog.scenes["aiqicha-pc"].sku("aiqicha-vip/week") is None
    offers = catalog.scenes["xunkebao-pc"].channels
    assert [offer.id for offer in offers] == ["wechat-native", "alipay-page", "wechat-papay"]
    choices = [offer.of[0] for offer in offers if len(offer.of) == 1 and not offer.is_route]
    once, lasting = {"product.types": ["one_time"]}, {"product.types": ["recurring"]}
    assert [choices[0].when({"payable": 2000000, **types}) for types in (once, lasting)] == [True, False]
    assert not choices[0].when({"payable": 2000001, **once}) and choices[2].when(lasting) and not choices[2].when(once)
    assert catalog.scenes["aiqicha-h5-link"].channels[0].of[0].when is None
    assert offers[0].title == catalog.channels["wechat-native"]["title"]


def test_steps(catalog):
    flows = catalog.scenes["xunkebao-pc"].flows
    assert set(flows) == {"quote", "place", "paid", "fulfil", "close", "charge", "renew"} and flows["charge"].steps == ()
    assert [step.number for step in flows["quote"].steps] == list(range(1, len(flows["quote"].steps) + 1))
    grant, setup = flows["paid"].hook("deliver")
    assert grant.retry == Retry(10, 30.0, 3600.0) and grant.when is None
    assert not grant.may_fail and grant.timeout_s is None
    assert setup.may_fail and setup.when({"quantity": 10}) and not setup.when({"quantity": 9})
    assert setup.params["orders"][0]["queue"] == "customer-success"
    assert flows["quote"].hook("hold")[0].undo == "release_coupons"
    upstream = catalog.scenes["trademark-pc"].flows["paid"].hook("deliver")[1]
    assert upstream.timeout_s == 10.0 and upstream.params == {"merchant": "trademark-agency", "item": "filing"}


def test_an_override_replaces_what_it_names_and_leaves_the_rest(catalog):
    line, joint = (catalog.scenes[id].flows["paid"].hook("tell")[0] for id in ("aiqicha-pc", "aiqicha-library-joint"))
    assert line.params == {"template": "membership-open", "to": "buyer"}
    assert joint.params == {"template": "bundle-open", "to": "buyer"} and joint.may_fail
    event = catalog.scenes["xunkebao-h5"].flows["paid"].hook("tell")[0]
    assert event.retry == Retry(3, 10.0, 60.0) and event.params == {"template": "seats-open", "to": "buyer"}


def test_a_condition_of_a_line_counts_a_field_its_scene_has_not_as_empty(catalog):
    refuse = catalog.scenes["trademark-pc"].flows["quote"].hook("check")[1]
    assert refuse.when({"fields.applicant_kind": "person"})
    assert not refuse.when({"fields.applicant_kind": "person", "fields.licence_no": "91310000MA1FL0XX1K"})


def test_partners_and_merchants(catalog):
    bank, telecom, library = (catalog.partners[id] for id in ("bank-mall", "telecom-gift", "document-library"))
    assert bank.pool == PoolTerms("bank-mall", "money", 0, 2000000, "CNY") and bank.prices["aiqicha-vip/year"] == 23800
    assert telecom.pool == PoolTerms("telecom-gift", "pieces", 0, 1000, "CNY") and telecom.per_buyer_cap == 12
    assert library.pool.unit == "heads" and library.per_buyer_cap == 1
    assert (telecom.retry_every_s, telecom.retry_for_s) == (300.0, 7 * 86400.0)
    assert (library.retry_every_s, library.retry_for_s) == (60.0, 30 * 86400.0)
    assert bank.valid_from_ms < bank.valid_until_ms and telecom.valid_from_ms is None
    assert catalog.merchants["document-library"].commission_percent == "15"
    assert catalog.merchants["trademark-agency"].upstream_channel == "sandbox-upstream"


def test_what_scenes_share_is_compiled_once(catalog):
    assert catalog.scenes["aiqicha-app"].flows is catalog.scenes["aiqicha-pc"].flows
    assert catalog.scenes["aiqicha-app"].flows is not catalog.scenes["aiqicha-library-joint"].flows


@pytest.mark.parametrize("change", [
    lambda c: c.scenes.__setitem__("x", None),
    lambda c: c.scenes["aiqicha-app"].skus.__setitem__("x", None),
    lambda c: c.scenes["aiqicha-app"].flows.__setitem__("quote", None),
    lambda c: c.scenes["aiqicha-app"].title.__setitem__("zh", "x"),
    lambda c: setattr(c.skus["aiqicha-vip/week"], "price_minor", 1),
    lambda c: c.skus["aiqicha-vip/monthly-auto"].extra.__setitem__("grace", 0),
    lambda c: c.partners["bank-mall"].prices.__setitem__("aiqicha-vip/year", 1),
    lambda c: setattr(c, "digest", ""),
])
def test_a_catalogue_can_not_be_changed(catalog, change):
    with pytest.raises((TypeError, AttributeError)):
        change(catalog)


def test_the_digest_is_of_what_is_said_not_of_how_it_is_laid_out():
    path = "coupons/newcomer-5.yaml"
    lines = SAMPLE[path].splitlines()
    assert lines[0].startswith("id:")
    turned = "# a remark\n" + "\n\n".join([*lines[1:], lines[0]]) + "\n"
    assert compiled({**SAMPLE, path: turned}).digest == compiled().digest
    assert compiled({**SAMPLE, path: SAMPLE[path].replace("5.00", "4.00")}).digest != compiled().digest


def test_parameters_are_read_as_the_step_declares_them():
    """A step may take conditions, amounts and durations: it gets functions, minor units and seconds."""
    due = {"type": "object", "properties": {"due": {"type": "string", "format": "duration"}}}
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False, "required": ["if"], "properties": {
        "if": {"type": "object", "format": "condition"}, "least": {"type": ["string", "number"], "format": "money"},
        "rest": {"type": "array", "items": due}}}
    vocabulary = Vocabulary({**STEPS, "ask": StepSpec("ask", "Asks.", schema, frozenset(["quote.check"]), "pure")})
    path = "lines/xunkebao.yaml"
    step = "    - ask: {with: {if: {gte: {subtotal: 10.00}}, least: 3.50, rest: [{due: 2d}]}}\n"
    catalog = compiled({**SAMPLE, path: SAMPLE[path].replace("  check:\n", f"  check:\n{step}", 1)}, vocabulary)
    params = catalog.scenes["xunkebao-pc"].flows["quote"].steps[0].params
    assert params["if"]({"subtotal": 1000}) and not params["if"]({"subtotal": 999})
    assert params["least"] == 350 and params["rest"] == [{"due": 172800.0}]


SMALL = {
    "lines/notes.yaml": """
id: notes
title: {zh: 记, en: Notes}
quote:
  price:
    - list_price
    - adjust: {when: {gte: {subtotal: 500}}, with: {amount: 50, label: {zh: 减, en: Less}}}
paid: {deliver: [grant_entitlements]}
""",
    "products/pad.yaml": """
id: pad
title: {zh: 本, en: Pad}
type: one_time
merchant: own
currency: JPY
skus: {one: {title: {zh: 一, en: One}, price: 500}}
""",
    "scenes/desk.yaml": """
id: desk
title: {zh: 桌, en: Desk}
line: notes
terminal: pc
method: ecommerce
login: guest
sells: {pad: all}
""",
    **{path: SAMPLE[path] for path in ("merchants/own.yaml", "product_types/one_time.yaml")},
}


def test_amounts_are_read_in_the_currency_of_the_scene():
    catalog = compiled(SMALL)
    adjust = catalog.scenes["desk"].flows["quote"].steps[1]
    assert catalog.scenes["desk"].currency == "JPY" and catalog.skus["pad/one"].price_minor == 500
    assert adjust.params["amount"] == 50 and adjust.when({"subtotal": 500}) and not adjust.when({"subtotal": 499})
