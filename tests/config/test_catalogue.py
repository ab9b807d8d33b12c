"""The sample catalogue does what the business asks of it: every row of the requirement is sold, all of it by config."""
from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.base.errors import Code
from engine.config.catalog import Catalog
from engine.config.check import CheckResult, check
from engine.config.check_examples import compare
from engine.config.template import FLOWS
from engine.startup import vocabulary
from tests.config.words import STEPS, VOCABULARY

ROOT = Path(__file__).parents[2]
LINES = {"aiqicha", "shangjibao", "trademark-registration", "xunbiaobao", "xunkebao"}
KINDS = ("scenes", "lines", "products", "product_types", "coupons", "merchants", "partners", "messages")
FILES = [file for kind in KINDS for file in sorted((ROOT / kind).glob("*.yaml"))]


@pytest.fixture(scope="module")
def result() -> CheckResult:
    return check(ROOT, VOCABULARY)


@pytest.fixture(scope="module")
def catalog(result) -> Catalog:
    return result.catalog


def written(kind: str) -> dict[str, Any]:
    return {file.stem: yaml.safe_load(file.read_text("utf-8")) for file in sorted((ROOT / kind).glob("*.yaml"))}


def test_it_is_sound_and_nothing_in_it_is_idle(result):
    assert result.problems == [] and result.notes == []
    assert result.counts["examples"] >= 70


def test_it_is_sound_to_the_engine_itself_and_all_examples_come_out():
    result = check(ROOT, vocabulary())
    assert [str(problem) for problem in result.problems] == []
    assert result.counts["examples"] >= 70


def test_the_steps_these_tests_know_are_the_engine_s():
    real = vocabulary().steps
    for name, spec in STEPS.items():
        assert spec.undo == real[name].undo
        assert spec.with_schema["required"] == list(real[name].with_schema["required"])
        assert spec.places <= real[name].places


def test_five_lines_sell_on_four_terminals_by_five_methods_to_known_buyers_and_guests(catalog):
    scenes = catalog.scenes.values()
    assert {scene.line_id for scene in scenes} == set(catalog.lines) == LINES
    assert {scene.terminal for scene in scenes} == {"pc", "app", "mini_program", "h5"}
    assert {scene.method for scene in scenes} == {"in_app", "external_direct", "joint", "direct_charge", "ecommerce"}
    assert {scene.login for scene in scenes} == {"required", "guest"}
    assert 14 <= len(scenes) <= 20


def test_direct_charge_and_the_douyin_shop_are_open_to_their_lines_only(catalog):
    by_method = {method: {scene.line_id for scene in catalog.scenes.values() if scene.method == method}
                 for method in ("direct_charge", "ecommerce")}
    assert by_method == {"direct_charge": {"aiqicha", "shangjibao"}, "ecommerce": {"aiqicha"}}
    assert {id for id, line in written("lines").items() if "charge" in line} == {"aiqicha", "shangjibao"}


def test_the_cards_are_sold(catalog):
    titles = {sku.title["zh"]: sku for sku in catalog.skus.values() if sku.product_id == "aiqicha-vip"}
    assert set(titles) == {"新人周卡", "月卡", "季卡", "年卡", "连续包月"}
    assert titles["连续包月"].type_id == "recurring" and "renew" in titles["连续包月"].deliver_parts
    assert {sku.type_id for sku in titles.values()} == {"recurring", "one_time"}
    assert all(grant.count >= 1 for sku in catalog.skus.values() for grant in sku.grants)
    assert {grant.quota is None for grant in titles["年卡"].grants} == {True, False}
    assert all(sku.grants for sku in catalog.skus.values())


def test_each_agency_mode_has_its_partner(catalog):
    modes = {partner.mode: partner.pool.unit for partner in catalog.partners.values()}
    assert modes == {"new_customer": "heads", "fund_pool": "money", "quantity_pool": "pieces"}
    ways = {str(sorted(partner.verify)) for partner in catalog.partners.values()}
    assert len(ways) > 1                                        # and signs in its own way


def test_every_kind_of_coupon_is_there(catalog):
    coupons = catalog.coupons.values()
    assert {coupon.benefit.kind for coupon in coupons} == {"amount", "percent", "price"}
    for word in ("threshold_minor", "budget_minor", "cap_total", "cap_per_buyer", "valid_from_ms", "when",
                 "scene_scope", "line_scope"):
        assert any(getattr(coupon, word) for coupon in coupons), word
    assert {coupon.combines for coupon in coupons} == {True, False}
    assert {coupon.on_refund for coupon in coupons} == {"return", "keep"}


def test_each_line_has_a_pipeline_of_its_own():
    """Any two lines differ in at least two hooks."""
    lines = written("lines")
    hooks = [(flow, hook.name) for flow, names in FLOWS.items() for hook in names]
    for one, other in itertools.combinations(sorted(lines), 2):
        different = [f"{flow}.{hook}" for flow, hook in hooks
                     if lines[one].get(flow, {}).get(hook) != lines[other].get(flow, {}).get(hook)]
        assert len(different) >= 2, f"{one} and {other} differ in {different} only"


def test_trademarks_are_filed_by_people(catalog):
    flows = catalog.scenes["trademark-pc"].flows
    assert [step.name for step in flows["place"].hook("break_down")] == ["open_work_orders"]
    before = [order["kind"] for step in flows["place"].steps for order in step.params.get("orders", ())]
    after = [order for step in flows["paid"].steps for order in step.params.get("orders", ())]
    assert before == ["similarity-search"]
    assert [order["kind"] for order in after] == ["registration", "prepare-documents", "file-application"]
    assert {order.get("under") for order in after} == {None, "registration"}                   # work orders nest
    merchant = next(step.params["merchant"] for step in flows["paid"].steps if step.name == "open_upstream_order")
    assert catalog.merchants[merchant].kind == "supplier" and catalog.merchants[merchant].upstream_channel
    assert "grant_entitlements" in [step.name for step in flows["fulfil"].steps]
    assert "grant_entitlements" not in [step.name for step in flows["paid"].steps]


def test_the_joint_bundle_is_of_two_merchants(catalog):
    joint = [scene for scene in catalog.scenes.values() if scene.method == "joint"]
    assert all(len({sku.merchant_id for sku in scene.skus.values()}) == 2 for scene in joint)
    assert all(scene.partner_id for scene in joint)


def test_every_scene_shows_prices_and_most_show_what_it_refuses():
    refused: set[str] = set()
    reasons: set[str] = set()
    for id, scene in written("scenes").items():
        answers = [example["then"] for example in scene["examples"]]
        assert len(answers) >= 2 and any("payable" in then for then in answers), id
        refused |= {then["refused"] for then in answers if "refused" in then}
        reasons |= {reason for then in answers for reason in then.get("not_applied", {}).values()}
    shown = {"not_sold_here", "login_required", "purchase_cap_reached", "quantity_invalid", "field_invalid",
             "not_eligible", "agreement_refused"}
    assert shown <= refused <= {code.code for code in Code}
    assert reasons >= {"not_chosen", "not_in_scope", "not_started", "expired", "not_eligible", "below_threshold",
                       "login_required", "group_taken", "not_combinable"}


def test_every_example_can_fail(catalog):
    """Each answer, turned into another, is told apart from what its example expects."""
    for id, scene in written("scenes").items():
        for example in scene["examples"]:
            then = {word: str(value) if word == "payable" else value for word, value in example["then"].items()}
            refusal = {"refused": "price_changed"}
            answer = {"payable_minor": 1, "coupons": [], "not_applied": {}, "channels": []}
            wrong = answer if "refused" in then else refusal
            assert compare(wrong, {**example, "then": then}, catalog.scenes[id], ()), f"{id}: {example['name']}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_files_are_short_and_titled_in_both_languages(file):
    text = file.read_text("utf-8")
    assert text.count("\n") <= 70
    # the guides for a reader of the file: no line so long that it hides its end
    assert max(map(len, text.splitlines())) <= 200
    titles = re.findall(r"title: \{zh: (.+?), en: (.+?)\}", text)
    assert titles
    for chinese, english in titles:
        assert re.search("[\u4e00-\u9fff]", chinese) and not re.search("[\u4e00-\u9fff]", english), (chinese, english)
