"""The checker: what it says about 125 broken catalogues, and that it never does more than say it.

Each case breaks a copy of the sample catalogue in one way (`broken/*.yaml`). Every problem is expected with its file,
its line and column, its rule and its words: one too many is as wrong as one too few.
"""
from __future__ import annotations

import copy
import dataclasses
import functools
import random
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest
import yaml

from bench.generate_catalogue import generate
from engine.config import shelf
from engine.config.check import CheckResult, check, documents
from engine.config.reader import read_text
from engine.config.vocabulary import Vocabulary
from tests.config.words import STEPS, VOCABULARY

ROOT = Path(__file__).parents[2]
BROKEN = Path(__file__).with_name("broken")
SAMPLE = documents(ROOT)
_read_once = functools.lru_cache(maxsize=None)(read_text)


@pytest.fixture(autouse=True)
def each_text_read_once(monkeypatch):
    """A case changes one file of a hundred: what was read stays read."""
    monkeypatch.setattr(shelf, "read_text", _read_once)


def cases() -> Iterator[Any]:
    for file in sorted(BROKEN.glob("*.yaml")):
        for case in yaml.safe_load(file.read_text("utf-8")):
            yield pytest.param(case, id=f"{file.stem}: {case['name']}")


def broken(case: Mapping[str, Any], files: Mapping[str, str] = SAMPLE) -> dict[str, str]:
    """A copy of the sample with a case's one change: replace, append, cut (from a text on), write or delete."""
    files, path = dict(files), case["file"]
    if case.get("delete"):
        del files[path]
    elif "write" in case:
        files[path] = case["write"]
    elif "append" in case:
        files[path] += case["append"]
    else:
        old, new = case["replace"] if "replace" in case else (files[path][files[path].index(case["cut"]):], "")
        assert files[path].count(old) == 1, f"the sample has changed: {old!r} is not once in {path}"
        files[path] = files[path].replace(old, new)
    return files


def expected(case: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    wanted = case["expect"] if isinstance(case["expect"], list) else [case["expect"]]
    return [(f"{each.get('file', case['file'])}:{each['at']}", each["rule"], each["message"]) for each in wanted]


@pytest.mark.parametrize("case", list(cases()))
def test_each_breakage_is_told_once_and_exactly(case):
    result = check(broken(case), VOCABULARY)
    found = [(f"{p.file}:{p.line}:{p.column}", p.rule, str(p)) for p in result.problems]
    wanted = expected(case)
    assert [f[:2] for f in found] == [w[:2] for w in wanted], "\n".join(map(str, result.problems))
    for (_, _, text), (_, _, message) in zip(found, wanted):
        assert message in text
    assert result.catalog is None


def test_there_are_many_breakages_and_many_rules():
    all_cases = [param.values[0] for param in cases()]
    assert len(all_cases) >= 120
    assert len({rule for case in all_cases for _, rule, _ in expected(case)}) >= 35


def test_all_errors_are_reported_at_once():
    """Ten cases in ten files, none of which hides another, break one catalogue together."""
    chosen: dict[str, Mapping[str, Any]] = {}
    files: Mapping[str, str] = SAMPLE
    for case in (param.values[0] for param in cases()):
        alone = isinstance(case["expect"], dict) and "file" not in case["expect"] and {"replace", "append"} & set(case)
        apart = case["file"].startswith(("lines/", "coupons/", "messages/", "merchants/"))
        if alone and apart and case["file"] not in chosen:
            chosen[case["file"]] = case
            files = broken(case, files)
    assert len(chosen) >= 8
    told = {str(problem).split(" ")[0] + problem.rule for problem in check(files, VOCABULARY).problems}
    for case in chosen.values():
        (place, rule, _), = expected(case)
        assert f"{place}:{rule}" in told


def test_a_folder_and_its_texts_are_the_same(tmp_path):
    for path, text in SAMPLE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    from_folder, from_texts = check(tmp_path, VOCABULARY), check(SAMPLE, VOCABULARY)
    assert documents(tmp_path) == SAMPLE
    assert from_folder.problems == from_texts.problems == []
    assert from_folder.catalog.digest == from_texts.catalog.digest
    assert from_folder.counts == from_texts.counts


def test_a_file_that_is_no_text_is_a_problem_of_its_own(tmp_path):
    (tmp_path / "coupons").mkdir()
    (tmp_path / "coupons" / "gbk.yaml").write_bytes("id: 优惠券".encode("gbk"))
    (tmp_path / "coupons" / "note.txt").write_text("x")
    problems = check(tmp_path, VOCABULARY).problems
    assert [(p.file, p.rule) for p in problems] == [("coupons/gbk.yaml", "encoding"), ("coupons/note.txt", "extension")]


def test_an_empty_catalogue_is_sound():
    result = check({}, VOCABULARY)
    assert result.problems == [] and dict(result.catalog.scenes) == {}


def test_counts_are_of_files_and_of_examples_run():
    counts = check(SAMPLE, VOCABULARY).counts
    for kind in ("scenes", "coupons", "lines", "channels"):
        assert counts[kind] == sum(path.startswith(f"{kind}/") for path in SAMPLE)
    scenes = [text for path, text in SAMPLE.items() if path.startswith("scenes/")]
    assert counts["examples"] == sum(text.count("  - name: ") for text in scenes)
    assert check(SAMPLE, VOCABULARY, examples=False).counts["examples"] == 0


@pytest.mark.parametrize("kind, body, words", [
    ("products", "type: one_time\nmerchant: own\nskus: {one: {title: {zh: 一, en: One}, price: 1.00}}\n",
     "no scene sells this product"),
    ("coupons", "benefit: {percent: 1}\nscope: {scenes: [xunkebao-pc], products: [library-pass]}\n",
     "no scene sells anything in this coupon's scope"),
    ("messages", "channel: sandbox-sms\ntext: {zh: 好, en: Well}\n", "no step sends this message"),
    ("product_types", "takes_part_in: [ship]\n", "no SKU is of this type"),
    ("lines", "quote: {price: [list_price]}\npaid: {deliver: [grant_entitlements]}\n", "no scene belongs to this line"),
])
def test_what_nothing_uses_is_noted_and_stops_nothing(kind, body, words):
    path = f"{kind}/spare.yaml"
    result = check({**SAMPLE, path: "id: spare\ntitle: {zh: 备, en: Spare}\n" + body}, VOCABULARY)
    assert result.problems == [] and result.catalog is not None
    assert [(n.file, n.line, n.column, n.rule, n.message) for n in result.notes] == [(path, 1, 1, "unused", words)]


def test_a_sku_that_no_scene_sells_is_noted_at_its_key():
    scene = "scenes/trademark-pc.yaml"
    sold = SAMPLE[scene].replace("trademark-registration: all", "trademark-registration: [standard]")
    files = {**SAMPLE, scene: sold}
    result = check(files, dataclasses.replace(VOCABULARY, run_scene_example=None))
    assert [(n.file, n.line, n.message) for n in result.notes] == [
        ("products/trademark-registration.yaml", 15, "no scene sells trademark-registration/express")]


def test_an_example_that_breaks_its_runner_is_told_where_it_stands(caplog):
    def run(catalog, scene, given):
        raise ZeroDivisionError("no price")

    path = "scenes/xunkebao-app.yaml"
    kept = (path, "lines/xunkebao.yaml", "coupons/xunkebao-300.yaml")
    files = {each: text for each, text in SAMPLE.items()
             if each in kept or not each.startswith(("scenes/", "lines/", "coupons/", "partners/"))}
    problems = check(files, Vocabulary(STEPS, run_scene_example=run)).problems
    assert [(p.file, p.line, p.rule) for p in problems] == [(path, 15, "example"), (path, 18, "example")]
    assert "“连续包月席位” could not be run: ZeroDivisionError('no price')" in problems[0].message
    assert "no price" in caplog.text


def test_the_rooms_that_know_protocols_have_their_say_at_its_place():
    asked = []

    def check_channel(doc):
        asked.append(doc["id"])
        return [(("operations", "pay"), "this can't be signed")] if doc["id"] == "sandbox-qr" else []

    result = check(SAMPLE, dataclasses.replace(VOCABULARY, check_channel=check_channel,
                                               check_verify=lambda doc: [(("signature",), "there is no such header")]))
    assert sorted(asked) == sorted(path[9:-5] for path in SAMPLE if path.startswith("channels/"))
    assert {(p.file, p.rule, p.message) for p in result.problems} == {
        ("channels/sandbox-qr.yaml", "channel", "this can't be signed"),
        *((f"partners/{id}.yaml", "channel", "there is no such header")
          for id in ("bank-mall", "document-library", "telecom-gift"))}
    places = {p.file: SAMPLE[p.file].splitlines()[p.line - 1][p.column - 1:] for p in result.problems}
    del places["channels/sandbox-qr.yaml"]
    assert all(text.startswith("header.X-Sign") for text in places.values())


def test_examples_of_channels_are_run_and_differences_told():
    name, text = "channels/sandbox-qr.yaml", SAMPLE["channels/sandbox-qr.yaml"]
    count = len(yaml.safe_load(text).get("examples", []))
    assert count > 0
    result = check(SAMPLE, dataclasses.replace(VOCABULARY, run_channel_example=lambda doc, example: (
        ["text: one letter differs"] if doc["id"] == "sandbox-qr" else [])))
    assert [(p.file, p.rule) for p in result.problems] == [(name, "example")] * count
    assert all("one letter differs" in p.message for p in result.problems)


# ---- whatever is written ----

_VALUES = (None, True, 0, -1, 1.5, 10 ** 17, "", "x", "aiqicha", "1 month", "{x}", [], {}, ["a"], [None], [[]],
           {"a": 1}, {"zh": "a", "en": "b"}, {"eq": {"subtotal": 1}})


def _paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _paths(item, (*path, key))


def _mutated(data: Any, draw: random.Random) -> Any:
    data = copy.deepcopy(data)
    path = draw.choice([path for path in _paths(data) if path])
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    what = draw.choice(("remove", "set", "rename", "repeat"))
    if what == "remove":
        del parent[path[-1]]
    elif what == "set":
        parent[path[-1]] = draw.choice(_VALUES)
    elif what == "rename" and isinstance(parent, dict):
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
    elif isinstance(parent, list):
        parent.append(copy.deepcopy(parent[path[-1]]))
    else:
        parent["extra"] = 1
    return data


@pytest.mark.parametrize("seed", range(8))
def test_a_file_changed_at_random_never_breaks_the_checker(seed):
    draw = random.Random(seed)
    told = 0
    for _ in range(15):
        path = draw.choice(sorted(SAMPLE))
        data = _mutated(yaml.safe_load(SAMPLE[path]), draw)
        result = check({**SAMPLE, path: yaml.safe_dump(data, allow_unicode=True, sort_keys=False)}, VOCABULARY)
        assert isinstance(result, CheckResult) and (result.catalog is None) == bool(result.problems)
        told += bool(result.problems)
    assert told >= 10


def test_two_thousand_scenes_are_checked_and_compiled(monkeypatch):
    monkeypatch.setattr(shelf, "read_text", read_text)
    files = generate(2000)
    result = check(files, Vocabulary(STEPS))
    assert result.problems == [] and len(result.catalog.scenes) == 2000 + sum(p.startswith("scenes/") for p in SAMPLE)
    by_line = {(scene.line_id, id(scene.flows)) for scene in result.catalog.scenes.values()}
    assert len(by_line) < 12                                    # pipelines are shared, not compiled for each scene
