"""The channel files that ship: right by schema and compiler, true to their examples; and every mutant of a file's protocol
fails at least one of its examples. A leaf that no example tells from its mutant would be decoration.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.config import shape
from engine.wire import check_channel, run_example
from engine.wire.mutants import is_caught, mutants, survivors

from .making import ROOT, channel_file, read

FILES = sorted((ROOT / "channels").glob("*.yaml"))
by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@by_file
def test_a_file_is_right(path: Path):
    doc = channel_file(path)
    assert doc["id"] == path.stem
    assert shape.faults("channels", doc) == []
    assert check_channel(doc) == []


EXAMPLES = [pytest.param(doc, example, id=f"{doc['id']}: {example['name']}")
            for doc in map(channel_file, FILES) for example in doc.get("examples", [])]


@pytest.mark.parametrize("doc, example", EXAMPLES)
def test_an_example_holds(doc, example):
    assert run_example(doc, example) == []


@by_file
def test_every_operation_and_notice_has_an_example(path: Path):
    doc = read(path)                   # what a file takes from the one it is like is shown there
    said = {name for part in ("operations", "notices") for name, spec in doc.get(part, {}).items() if spec is not None}
    shown = {example["given"].get(key) for example in doc["examples"] for key in ("operation", "notice", "answer_to")}
    assert said <= shown
    names = [example["name"] for example in doc["examples"]]
    assert len(names) == len(set(names))


@pytest.mark.slow
@by_file
def test_every_mutant_fails_an_example(path: Path):
    own = read(path)
    assert [survivor.name for survivor in survivors(channel_file(path), lambda at: _writes(own, at))] == []


def _writes(own: Any, path: tuple) -> bool:
    """Whether the file itself says what lies at a path, and not the one it is like."""
    for step in path:
        if not (step in own if isinstance(own, dict) else isinstance(own, list)):
            return False
        own = own[step]
    return True


def test_the_mutants_are_many_and_each_differs_from_the_file():
    doc = read(FILES[0])
    plain = json.dumps(doc)
    made = list(mutants(doc))
    assert len(made) > 100
    assert all(json.dumps(mutant) != plain for _, mutant in made)
    assert json.dumps(doc) == plain, "making mutants leaves the file alone"


def test_an_example_that_is_taken_away_is_missed():
    doc = read(ROOT / "channels" / "sandbox-sms.yaml")
    fewer = [example for example in doc["examples"] if "answer" in example["given"]]
    assert any(not is_caught(mutant, fewer) for _, mutant in mutants(doc))
