"""The channel files that ship: right by schema and compiler, true to their examples; and every mutant of a file's protocol
fails at least one of its examples. A leaf that no example tells from its mutant would be decoration.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator

import pytest

from engine.config import shape
from engine.wire import check_channel, run_example
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.examples import run_on, secrets_of
from engine.wire.model import WireError
from engine.wire.secrets import Given

from .making import ROOT, read
from .mutants import mutants

FILES = sorted((ROOT / "channels").glob("*.yaml"))
by_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


@by_file
def test_a_file_is_right(path: Path):
    doc = read(path)
    assert doc["id"] == path.stem
    assert shape.faults("channels", doc) == []
    assert check_channel(doc) == []


EXAMPLES = [pytest.param(doc, example, id=f"{doc['id']}: {example['name']}")
            for doc in map(read, FILES) for example in doc.get("examples", [])]


@pytest.mark.parametrize("doc, example", EXAMPLES)
def test_an_example_holds(doc, example):
    assert run_example(doc, example) == []


@by_file
def test_every_operation_and_notice_has_an_example(path: Path):
    doc = read(path)
    shown = {example["given"].get(key) for example in doc["examples"] for key in ("operation", "notice", "answer_to")}
    assert set(doc["operations"]) | set(doc.get("notices", {})) <= shown
    names = [example["name"] for example in doc["examples"]]
    assert len(names) == len(set(names))


@pytest.mark.slow
@by_file
def test_every_mutant_fails_an_example(path: Path):
    doc = read(path)
    survivors = [name for name, mutant in mutants(doc) if not is_caught(mutant, doc["examples"])]
    assert survivors == []


def is_caught(mutant: dict[str, Any], examples: list[dict[str, Any]]) -> bool:
    """By an example, or because it is no longer a right file (which is looked at last: it takes longest)."""
    protocol = {name: value for name, value in mutant.items() if name != "examples"}
    try:
        if any(differs(mutant, examples)):
            return True
        wrong = check_channel(mutant)
    except (KeyError, TypeError, ValueError, AttributeError) as error:      # only the schema keeps such a file out
        assert shape.faults("channels", protocol), f"the schema lets a file pass that breaks the compiler: {error!r}"
        return True
    except WireError:
        return True
    return bool(wrong or shape.faults("channels", protocol))


def differs(doc: dict[str, Any], examples: list[dict[str, Any]]) -> Iterator[bool]:
    compiled: dict[str, Channel] = {}
    for example in examples:
        key = json.dumps(example.get("secrets", {}))
        if key not in compiled:
            compiled[key] = compile_channel(doc, Given(secrets_of(doc, example)))
        yield bool(run_on(compiled[key], example))


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
