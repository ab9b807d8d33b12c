"""Strict YAML: what is read, what is refused, and that each refusal points at the right place."""
from __future__ import annotations

import json
import time
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.config import reader
from engine.config.problems import Fault, Problem, nearest_word, shown
from engine.config.reader import read_folder, read_text

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "reader.yaml").read_text(encoding="utf-8"))
SCENE = """\
id: app
title: {zh: 会员, en: Membership}
sells:
  vip: [week, month]
pay:
  channels:
    - one
    - {use: two, when: {lte: {payable: 50000.00}}}
shared: &shared
  deep: [1, {x: y}]
again: *shared
"""


@pytest.fixture(params=["libyaml", "PyYAML alone"])
def either_parser(request, monkeypatch) -> None:
    """Where libyaml is missing PyYAML reads by itself; both must say the same."""
    loader = yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader
    monkeypatch.setattr(reader, "_LOADER", loader)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case, either_parser):
    source, problems = read_text(case["text"], "f.yaml")
    expected = case.get("problems", [])
    assert len(problems) == len(expected), [str(p) for p in problems]
    for problem, wanted in zip(problems, expected):
        place, _, part = wanted.partition(": ")
        assert f"{problem.line}:{problem.column} [{problem.rule}]" == place
        assert part in str(problem)
    if "data" in case:
        assert _typed(source.data) == _typed(json.loads(case["data"], parse_float=Decimal, strict=False))
    else:
        assert source is None


def _typed(value):
    """With types beside the values: 1 is not True, 9.90 is not 9.9."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner) for inner in value]
    return type(value).__name__, str(value)


@pytest.mark.parametrize("path, value_at, key_at", [
    ((), (1, 1), (1, 1)),
    (("id",), (1, 5), (1, 1)),
    (("title", "en"), (2, 21), (2, 17)),
    (("sells", "vip", 1), (4, 15), (4, 15)),
    (("pay", "channels"), (7, 5), (6, 3)),
    (("pay", "channels", 1, "when", "lte", "payable"), (8, 40), (8, 31)),
    (("again",), (11, 8), (11, 1)),
    (("again", "deep", 1, "x"), (10, 17), (10, 14)),           # through an alias: where it was written
    (("pay", "within"), (6, 3), (6, 3)),                       # not there: the mapping that lacks it
    (("sells", "vip", 7), (4, 8), (4, 8)),
    (("sells", "vip", "month"), (4, 8), (4, 8)),
    (("id", "deeper", 0), (1, 5), (1, 5)),
])
def test_places(path, value_at, key_at, either_parser):
    source, problems = read_text(SCENE, "scenes/app.yaml")
    assert not problems
    assert source.place(path) == value_at
    assert source.place(path, key=True) == key_at


def test_a_fault_becomes_a_problem_at_its_place():
    source, _ = read_text(SCENE, "scenes/app.yaml")
    fault = Fault(("title", "en"), "schema", "too short", found='"x"', expected="3 letters", nearest="xyz", at_key=True)
    assert source.problem(fault) == Problem("scenes/app.yaml", 2, 17, "schema", "too short", '"x"', "3 letters", "xyz")
    assert str(source.problem(fault)) == \
        'scenes/app.yaml:2:17: [schema] too short (found "x"; expected 3 letters; did you mean xyz?)'
    assert str(Problem("f", 1, 2, "r", "message")) == "f:1:2: [r] message"


@pytest.mark.parametrize("raw, place, rule, part", [
    (b"a: 1\nb: \xb0\xae\n", (2, 4), "encoding", "byte 0xB0"),
    ("爱: 爱\nb: ".encode() + b"\xff", (2, 4), "encoding", "byte 0xFF"),
    (b"\xff\xfea\x00", (1, 1), "encoding", "UTF-16"),
    (b"\xef\xbb\xbfa: 1\n", (1, 1), "bom", "without one"),
    (b"#" * (reader.SIZE_MAX + 1), (1, 1), "size", "larger"),
])
def test_bytes(raw, place, rule, part):
    source, [problem] = read_text(raw, "f.yaml")
    assert source is None
    assert (problem.line, problem.column) == place and problem.rule == rule and part in str(problem)


DOUBLING = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
DEEPENING = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [[[[[[*a{i - 1}]]]]]]\n" for i in range(1, 20))


@pytest.mark.parametrize("text, rule", [
    (DOUBLING, "size"), (DEEPENING, "depth"),
    ("[" * 100_000, "depth"), ("{a: " * 60_000, "depth"), ("- " * 120_000, "depth"), ("? " * 120_000, "depth"),
    ("[" + "a, " * 80_000 + "]", "size"),
    ("a: &a 1\nb: [" + "*a, " * (reader.ALIASES_MAX + 1) + "]", "size"),
    ("a" * (reader.SIZE_MAX + 1), "size"),
], ids=["doubling aliases", "deepening aliases", "brackets", "braces", "dashes", "marks", "values", "aliases", "bytes"])
def test_bombs_are_defused_at_once(text, rule, either_parser):
    began = time.process_time()
    source, problems = read_text(text, "bomb.yaml")
    assert source is None and [p.rule for p in problems] == [rule]
    assert time.process_time() - began < 2


def test_what_the_caps_allow(either_parser):
    deep = "[" * reader.DEPTH_MAX + "]" * reader.DEPTH_MAX
    many = "a: &a 1\nb: [" + ", ".join(["*a"] * reader.ALIASES_MAX) + "]"
    for text in (deep, many):
        assert read_text(text, "f.yaml")[1] == []


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_folder(tmp_path):
    _write(tmp_path, {
        "scenes/b.yaml": "id: b", "scenes/a.yaml": "id: a", "channels/c.yaml": "id: c",
        "scenes/.hidden.yaml": "[", "scenes/a.yaml~": "[", "scenes/#a.yaml#": "[", "scenes/a.yaml.bak": "[",
        "scenes/.a.yaml.swp": "[", "docs/readme.md": "[", "notes.yaml": "[", "var/x.yaml": "[",
        "products/p.yml": "id: p", "products/q.yaml": "id: q\nid: r", "coupons/old/d.yaml": "id: d",
    })
    sources, problems = read_folder(tmp_path)
    assert list(sources) == list(reader.KINDS)
    assert list(sources["scenes"]) == ["scenes/a.yaml", "scenes/b.yaml"]
    assert sources["scenes"]["scenes/a.yaml"].data == {"id": "a"}
    assert list(sources["channels"]) == ["channels/c.yaml"] and sources["lines"] == {}
    assert [(p.file, p.line, p.rule) for p in problems] == [
        ("products/p.yml", 1, "extension"), ("products/q.yaml", 2, "duplicate-key"), ("coupons/old", 1, "folder")]


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes" / "gone.yaml").symlink_to(tmp_path / "nowhere")
    sources, [problem] = read_folder(tmp_path)
    assert sources["scenes"] == {} and (problem.file, problem.rule) == ("scenes/gone.yaml", "unreadable")


def test_two_thousand_scenes_are_read(tmp_path):
    example = "  - {name: n, given: {items: [vip/week], buyer: {tags: [x]}}, then: {payable: 9.90}}\n"
    text = SCENE + "examples:\n" + example * 6
    _write(tmp_path, {f"scenes/s{i}.yaml": text for i in range(2000)})
    sources, problems = read_folder(tmp_path)
    assert len(sources["scenes"]) == 2000 and problems == []


@given(st.one_of(st.text(), st.binary(), st.text(alphabet="ab:-[]{}&*!|>'\"%@`#,? \n\t\r<0.1\ufeff\u2028\x00")))
def test_any_text_gives_a_source_or_problems(text):
    source, problems = read_text(text, "any.yaml")
    assert source is not None or problems
    for problem in problems:
        assert problem.line >= 1 and problem.column >= 1 and str(problem).startswith("any.yaml:")


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-10 ** 17, 10 ** 17), st.text(max_size=20)),
                    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=8), inner)),
                    max_leaves=20))
def test_json_is_read_as_json(value):
    text = json.dumps([value])
    assume("\\ud" not in text and "\x7f" not in text)          # YAML pairs no surrogates up and has no DEL
    source, problems = read_text(text, "f.yaml")
    assert problems == [] and source.data == [value]


@pytest.mark.parametrize("word, nearest", [("chanel", "channels"), ("SCENES", "scenes"), ("xyz", None), (3, None)])
def test_nearest_word(word, nearest):
    assert nearest_word(word, reader.KINDS) == nearest


@pytest.mark.parametrize("value, text", [
    ("爱", '"爱"'), (Decimal("9.90"), "9.90"), (True, "true"), (None, "null"), ([1], "[1]"),
    ("x" * 90, '"' + "x" * 56 + "…"),
])
def test_shown(value, text):
    assert shown(value) == text


def test_shown_takes_numbers_that_python_refuses_to_write():
    assert shown(10 ** 5000) == "int"
