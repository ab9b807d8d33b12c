"""Checking again: after any edits, what is compiled on top of what was kept equals what is compiled from nothing.

And it is made anew for the scenes that depend on the edit, for these only, and without end: nothing piles up.
"""
from __future__ import annotations

import dataclasses
import gc
import re
from typing import Any, Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config import check as room
from engine.config import live as living
from engine.config import releases
from engine.config.catalog import Catalog, Scene
from engine.config.check import CheckResult, check
from engine.config.kept import Memory
from engine.config.live import Live
from engine.config.vocabulary import Vocabulary
from tests.config.comparing import said
from tests.config.words import STEPS
from tests.support.catalogue import sample

SAMPLE = sample()
WORDS = Vocabulary(STEPS)
Files = Mapping[str, str]


@pytest.fixture(autouse=True)
def memory(monkeypatch) -> Memory:
    fresh = Memory()
    monkeypatch.setattr(room, "_memory", fresh)
    return fresh


def from_nothing(files: Files) -> CheckResult:
    kept, room._memory = room._memory, Memory()
    try:
        return check(files, WORDS, examples=False)
    finally:
        room._memory = kept


def again(files: Files) -> CheckResult:
    return check(files, WORDS, examples=False)


def assert_same(files: Files) -> CheckResult:
    one, other = again(files), from_nothing(files)
    assert one.problems == other.problems and one.notes == other.notes and one.counts == other.counts
    assert said(one.catalog) == said(other.catalog)
    return one


def changed(path: str, old: str, new: str, files: Files = SAMPLE) -> dict[str, str]:
    assert old in files[path], f"the sample has changed: {old!r} is not in {path}"
    return {**files, path: files[path].replace(old, new, 1)}


# an edit → the scenes it is about

def sells(product: str) -> Callable[[Scene], bool]:
    return lambda scene: any(sku.product_id == product for sku in scene.skus.values())


def counts(coupon: str) -> Callable[[Scene], bool]:
    return lambda scene: any(each.id == coupon for each in scene.coupons)


def of_line(line: str) -> Callable[[Scene], bool]:
    return lambda scene: scene.line_id == line


def offers(channel: str) -> Callable[[Scene], bool]:
    return lambda scene: any(offer.id == channel for offer in scene.channels)


EDITS = {
    "a price": (changed("products/library-pass.yaml", "12.00", "13.00"), sells("library-pass")),
    "a quota": (changed("products/library-pass.yaml", "quota: 200", "quota: 201"), sells("library-pass")),
    "a product type": (changed("product_types/filed.yaml", "zh: ", "zh: 新"), sells("trademark-registration")),
    "a coupon's title": (changed("coupons/aiqicha-200-30.yaml", "zh: ", "zh: 新"), counts("aiqicha-200-30")),
    "a channel's title": (changed("channels/alipay-app.yaml", "zh: ", "zh: 新"), offers("alipay-app")),
    "a scene's title": (changed("scenes/aiqicha-pc.yaml", "zh: ", "zh: 新"), lambda scene: scene.id == "aiqicha-pc"),
    "a line's comment": (changed("lines/xunkebao.yaml", "id:", "# a comment\nid:"), of_line("xunkebao")),
    "a message": (changed("messages/charged.yaml", "zh: ", "zh: 新"), lambda scene: False),
    "a merchant": (changed("merchants/own.yaml", "zh: ", "zh: 新"), lambda scene: False),
    "a field": ({**SAMPLE, "scenes/xunkebao-pc.yaml": SAMPLE["scenes/xunkebao-pc.yaml"].replace(
        "examples:", "fields:\n  hint: {type: string, title: {zh: 提示, en: Hint}}\nexamples:", 1)
        if "\nfields:" not in SAMPLE["scenes/xunkebao-pc.yaml"] else SAMPLE["scenes/xunkebao-pc.yaml"].replace(
        "fields:\n", "fields:\n  hint: {type: string, title: {zh: 提示, en: Hint}}\n", 1)}, of_line("xunkebao")),
    "no scene any more": ({path: text for path, text in SAMPLE.items() if path != "scenes/aiqicha-pc.yaml"},
                          lambda scene: False),
}


@pytest.mark.parametrize("files, about", EDITS.values(), ids=EDITS)
def test_an_edit_reaches_the_scenes_it_is_about_and_no_other(files, about):
    before = again(SAMPLE).catalog
    after = assert_same(files).catalog
    assert after is not None and after.digest != before.digest or files.keys() == SAMPLE.keys()
    remade = {id for id, scene in after.scenes.items() if scene is not before.scenes[id]}
    assert remade == {id for id, scene in after.scenes.items() if about(scene)}
    assert {id for id, scene in after.scenes.items() if said(scene) != said(before.scenes[id])} <= remade
    back = assert_same(SAMPLE).catalog
    assert all(scene is before.scenes[id] for id, scene in back.scenes.items())


def test_a_renamed_scene_and_product_are_compiled_under_their_names():
    again(SAMPLE)
    files = {**SAMPLE, "scenes/renamed.yaml": SAMPLE["scenes/xunkebao-pc.yaml"].replace("id: xunkebao-pc", "id: renamed", 1)}
    del files["scenes/xunkebao-pc.yaml"]
    assert {problem.rule for problem in assert_same(files).problems} <= {"reference", "condition"}
    copied = {**SAMPLE, "scenes/copied.yaml": SAMPLE["scenes/xunkebao-pc.yaml"].replace("id: xunkebao-pc", "id: copied", 1)}
    assert assert_same(copied).catalog.scenes["copied"].id == "copied"
    same_text = {**SAMPLE, "scenes/copied.yaml": SAMPLE["scenes/xunkebao-pc.yaml"]}
    assert [problem.rule for problem in assert_same(same_text).problems] == ["id"]


def test_another_vocabulary_compiles_its_own_steps():
    again(SAMPLE)
    before = again(SAMPLE).catalog
    template = {**STEPS["message"].with_schema["properties"]["template"], "enum": ["no-such-message"]}
    schema = {**STEPS["message"].with_schema, "properties": {"template": template}}
    stricter = Vocabulary({**STEPS, "message": dataclasses.replace(STEPS["message"], with_schema=schema)})
    assert check(SAMPLE, stricter, examples=False).problems
    assert again(SAMPLE).catalog.scenes == before.scenes


def test_a_step_that_takes_its_parameters_otherwise_makes_other_flows():
    before = again(SAMPLE).catalog
    spec = STEPS["open_work_orders"]
    plain = {**spec.with_schema, "properties": {"orders": {"type": "array"}}}
    words = Vocabulary({**STEPS, spec.name: dataclasses.replace(spec, with_schema=plain)})
    after = check(SAMPLE, words, examples=False).catalog
    remade = {scene.line_id for id, scene in after.scenes.items() if scene.flows is not before.scenes[id].flows}
    assert remade and remade == {scene.line_id for scene in before.scenes.values() for flow in scene.flows.values()
                                 for use in flow.steps if use.name == spec.name}


def test_a_scene_with_a_second_partner_has_none_of_its_own():
    def copy(path: str, id: str, **more: str) -> str:
        text = SAMPLE[path].partition("examples:")[0]
        for key, value in {"id": id, **more}.items():
            text = re.sub(rf"(?m)^{key}:.*$", f"{key}: {value}", text, count=1)
        return text.replace("  aiqicha-vip/month: 26.00\n", "")     # which the scene does not sell

    scene = copy("scenes/shangjibao-direct-charge.yaml", "charge-too")
    pool = "{id: of-its-own-%s, floor: 0, low_water: 1}"
    one, two = (copy("partners/telecom-gift.yaml", id, scenes="[charge-too]", pool=pool % id) for id in ("gift-one", "gift-two"))
    alone = {**SAMPLE, "scenes/charge-too.yaml": scene, "partners/gift-one.yaml": one}
    assert assert_same(alone).catalog.scene("charge-too").partner_id == "gift-one"
    assert assert_same({**alone, "partners/gift-two.yaml": two}).catalog.scene("charge-too").partner_id is None


# edits at random: some break the catalogue, and then both must say so alike

def bump(text: str, at: int) -> str:
    numbers = list(re.finditer(r"(?<=: )[0-9]+(?=[.\s,}])", text))
    if not numbers:
        return text
    found = numbers[at % len(numbers)]
    return f"{text[:found.start()]}{int(found[0]) + 1 + at % 3}{text[found.end():]}"


def retitle(text: str, at: int) -> str:
    return re.sub(r"zh: ", f"zh: 新{at % 3}", text, count=1)


def drop_line(text: str, at: int) -> str:
    lines = text.splitlines(keepends=True)
    del lines[at % len(lines)]
    return "".join(lines)


def comment(text: str, at: int) -> str:
    return text + f"# {at % 3}\n"


def another_word(text: str, at: int) -> str:
    pairs = (("wechat-native", "alipay-page"), ("newcomer", "regular"), ("required", "guest"), (": all", ": [month]"),
             ("CNY", "USD"), ("lte", "gte"), ("pc", "app"))
    old, new = pairs[at % len(pairs)]
    return text.replace(old, new, 1)


def edited(files: Files, kind: str, at: int) -> dict[str, str]:
    files, paths = dict(files), sorted(files)
    path = paths[at % len(paths)]
    if kind == "delete":
        del files[path]
    elif kind == "copy":
        folder, _, name = path.partition("/")
        id = name.removesuffix(".yaml")
        files[f"{folder}/{id}-too.yaml"] = files[path].replace(f"id: {id}", f"id: {id}-too", 1)
    elif kind == "rename":
        id = path.partition("/")[2].removesuffix(".yaml")
        files = {each.replace(f"/{id}.yaml", "/other-name.yaml"): re.sub(rf"(?<![\w-]){id}(?![\w-])", "other-name", text)
                 for each, text in files.items()}
    elif kind == "restore":
        files = dict(SAMPLE)
    else:
        files[path] = {"bump": bump, "retitle": retitle, "drop_line": drop_line, "comment": comment,
                       "another_word": another_word}[kind](files[path], at // 7)
    return files


KINDS = ("bump", "retitle", "comment", "another_word", "bump", "retitle", "copy", "rename", "delete", "drop_line", "restore")


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 10_000)), min_size=1, max_size=6))
def test_after_any_edits_it_is_as_compiled_from_nothing(edits):
    files: Files = SAMPLE
    for kind, at in edits:
        after = edited(files, kind, at)
        result = assert_same(after)
        files = after if result.catalog is not None else files     # a broken one is told of, and left behind


# nothing piles up

def scenes_alive() -> int:
    gc.collect()
    return sum(isinstance(each, Scene) for each in gc.get_objects())


def priced(number: int) -> dict[str, str]:
    return changed("products/library-pass.yaml", "12.00", f"{12 + number}.00")


def test_fifty_checks_keep_no_more_than_five(memory):
    sizes = []
    for number in range(50):
        assert again(priced(number)).catalog is not None
        sizes.append(len(memory))
    assert max(sizes) == max(sizes[:5])


@pytest.fixture
def live(sqlite_database) -> Any:
    holder = Live()
    yield holder
    holder.stop()


def price_in(catalog: Catalog) -> int:
    return catalog.skus["library-pass/month"].price_minor


def test_fifty_publishes_share_what_they_have_in_common(live, monkeypatch):
    monkeypatch.setattr(living, "PINNED_MAX", 4)
    began = scenes_alive()
    about = None
    for number in range(50):
        releases.publish(priced(number), "dearer", "Lin", WORDS)
        if number == 0:
            live.start(WORDS, "api")
            live._stop.set()                   # the test looks by itself
            about = sum(sells("library-pass")(scene) for scene in live.catalog().scenes.values())
        live.look()
        assert price_in(live.catalog()) == 1200 + 100 * number
        assert live.catalog().release_no == number + 1
    scenes = len(live.catalog().scenes)
    assert scenes_alive() - began <= scenes + about * (living.PINNED_MAX + 4)
    for number in (0, 10, 45, 49):             # what is pinned has its own prices, kept or compiled again
        old = live.release(number + 1)
        assert (price_in(old), old.release_no) == (1200 + 100 * number, number + 1)
        assert said(old.scenes) == said(from_nothing(priced(number)).catalog.scenes)
