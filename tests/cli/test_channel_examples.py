"""`run.py channel examples`: what is made of a file holds for it, notices its mutants, and leaves the author's words alone."""
from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli import door
from engine.cli.channels import written
from engine.cli.channels.imagined import imagine
from engine.config.reader import read_text
from engine.wire import run_example
from engine.wire.mutants import survivors
from tests.support.source import ROOT

SHOWN = sorted((ROOT / "channels").glob("sandbox-*.yaml"))


def doc_of(text: str) -> dict:
    source, problems = read_text(text, "channel.yaml")
    assert source is not None and not problems, problems
    return source.data


def bare(path: Path) -> str:
    """The file without its examples and test secrets."""
    text = path.read_text()
    return text[:text.index("test_secrets:")]


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.stem)
def test_what_is_made_is_in_the_file_and_holds(path: Path):
    text = bare(path)
    made = imagine(doc_of(text))
    assert made.gaps == []
    doc = doc_of(written.merged(text, doc_of(text), made.secrets, made.examples))
    assert [example["name"] for example in doc["examples"]] == [example["name"] for example in made.examples]
    assert [difference for example in doc["examples"] for difference in run_example(doc, example)] == []
    given = {key for example in doc["examples"] for key in (example["given"].get(word) for word in ("operation", "notice", "answer_to"))}
    assert set(doc["operations"]) | set(doc.get("notices", {})) <= given


@pytest.mark.slow
def test_no_mutant_of_a_whole_file_goes_unnoticed():
    text = bare(ROOT / "channels" / "sandbox-upstream.yaml")
    made = imagine(doc_of(text))
    assert [survivor.name for survivor in survivors({**made.doc, "examples": made.examples})] == []


OWN = """\
id: tiny                       # the author's comment
title: {zh: 小, en: Tiny}
role: message
base: https://tiny.example
secrets:
  key: {env: TINY_KEY}         # another
sign: {text: "{timestamp}{body}", hmac_sha256: key, header: {X-Sign: "{signature}"}}
operations:
  send:
    post: /send
    json: {no: "{message.no}", text: "{message.text:max(70)}"}
    judge: [{http: 200, eq: {code: 0}, then: succeeded}, {http: 400..499, then: failed}]
examples:
  # compared with the documentation, page 7
  - name: "send: taken, page 7"
    given: {operation: send, facts: {message.no: M1, message.text: hello}}
    then: {body: "{\\"no\\":\\"M1\\",\\"text\\":\\"hello\\"}"}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(OWN.replace("examples:", 'test_secrets: {key: hush}\nexamples:'))
    return path


def test_the_authors_words_stay_and_a_second_time_changes_nothing(tiny: Path, capsys):
    before = tiny.read_text()
    assert door.enter(["channel", "examples", str(tiny), "--write"]) == 0
    once = tiny.read_text()
    assert once.startswith(before) and written.MARK in once
    names = [example["name"] for example in doc_of(once)["examples"]]
    assert names.count("send: taken, page 7") == 1 and len(names) > 4
    said = capsys.readouterr()
    assert "1 of your own" in said.out and "not that it is right" in said.err
    door.enter(["channel", "examples", str(tiny), "--write"])
    assert tiny.read_text() == once


def test_a_changed_file_gets_new_examples_below_the_mark_only(tiny: Path):
    door.enter(["channel", "examples", str(tiny), "--write"])
    tiny.write_text(tiny.read_text().replace("max(70)", "max(60)").replace("post: /send", "post: /sent"))
    door.enter(["channel", "examples", str(tiny), "--write"])
    doc = doc_of(tiny.read_text())
    assert [line for example in doc["examples"] for line in run_example(doc, example)] == []
    assert "# compared with the documentation, page 7" in tiny.read_text() and "/sent" in tiny.read_text()


def test_what_no_example_notices_is_listed_with_its_place(tiny: Path, capsys):
    assert door.enter(["channel", "examples", str(tiny), "--missing"]) == 1
    said = capsys.readouterr()
    assert f"{tiny}:7:" in said.out and "sign.text longer" in said.out and "unnoticed" in said.err
    door.enter(["channel", "examples", str(tiny), "--write"])
    capsys.readouterr()
    assert door.enter(["channel", "examples", str(tiny), "--missing"]) == 0, capsys.readouterr().out


def test_a_file_that_is_wrong_is_refused_with_its_place(tiny: Path, capsys):
    tiny.write_text(tiny.read_text().replace("hmac_sha256: key", "hmac_sha256: kay"))
    assert door.enter(["channel", "examples", str(tiny)]) == 1
    said = capsys.readouterr().err
    assert f"{tiny}:8:" in said or f"{tiny}:7:" in said
    assert "did you mean 'key'" in said


@pytest.mark.parametrize("value", ["", "a b", "NO", "null", "1:30", "010", "a: b", "#x", 'say "hi"\n\t', "新人", "é\u2028x", "- a",
                                   1, True, False, None, [], {}, ["a", {"b.c": "1"}], {"X-Y": ["on"]}])
def test_a_value_is_read_as_it_was_written(value):
    assert doc_of(f"value: {written.flow(value)}\n")["value"] == value
