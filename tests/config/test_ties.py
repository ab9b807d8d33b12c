"""Coupons between which nobody could choose: found when they can meet, left alone when they can't."""
from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from engine.config.check import check, documents
from engine.config.vocabulary import Vocabulary
from tests.config.words import STEPS

FILES = {path: text for path, text in documents(Path(__file__).parents[2]).items() if not path.startswith("coupons/")}
# examples that speak of the sample's own coupons are not wanted here
for path in [path for path in FILES if path.startswith("scenes/")]:
    scene = yaml.safe_load(FILES[path])
    FILES[path] = yaml.safe_dump({key: value for key, value in scene.items() if key != "examples"}, allow_unicode=True)


def ties(one: str, other: str) -> list[str]:
    base = "title: {zh: 券, en: Coupon}\nbenefit: {amount: 1.00}\n"
    coupons = {"coupons/one.yaml": f"id: one\n{base}{one}", "coupons/other.yaml": f"id: other\n{base}{other}"}
    result = check({**FILES, **coupons}, Vocabulary(STEPS))
    assert {problem.rule for problem in result.problems} <= {"tie"}, result.problems
    return [problem.file for problem in result.problems]


TIE = ["coupons/other.yaml"]
WEEK, MONTH = "scope: {products: [aiqicha-vip/week]}\n", "scope: {products: [aiqicha-vip/month]}\n"


@pytest.mark.parametrize("one, other, expected", [
    ("", "", TIE),
    ("stack: {priority: 1}\n", "", []),
    ("stack: {combines: true}\n", "stack: {combines: true}\n", []),
    ("stack: {combines: true}\n", "", TIE),
    ("stack: {group: g, combines: true}\n", "stack: {group: g, combines: true}\n", TIE),
    ("scope: {lines: [aiqicha]}\n", "scope: {lines: [xunkebao]}\n", []),
    ("scope: {scenes: [aiqicha-pc]}\n", "scope: {lines: [aiqicha]}\n", TIE),
    (WEEK, MONTH, TIE),                                         # both in one order, each on its own card
    (WEEK, "scope: {products: [xunkebao-seat]}\n", []),         # no scene sells both
    ("when: {has: {buyer.tags: new}}\n", "when: {not: {has: {buyer.tags: new}}}\n", []),
    ("when: {has: {buyer.tags: new}}\n", "when: {has: {buyer.tags: old}}\n", TIE),
    ("when: {gte: {quantity: 5}}\n", "when: {lt: {quantity: 5}}\n", []),
    (WEEK + "when: {gte: {quantity: 5}}\n", MONTH + "when: {lt: {quantity: 5}}\n", TIE),
    (WEEK + "when: {eq: {scene.terminal: app}}\n", MONTH + "when: {ne: {scene.terminal: app}}\n", []),
    ("valid: {until: \"2026-01-01T00:00:00Z\"}\n", "valid: {from: \"2026-01-01T00:00:00Z\"}\n", []),
    ("valid: {until: \"2026-01-01T00:00:01Z\"}\n", "valid: {from: \"2026-01-01T00:00:00Z\"}\n", TIE),
])
def test_two_coupons(one, other, expected):
    assert ties(one, other) == expected
