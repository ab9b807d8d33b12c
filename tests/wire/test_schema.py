"""The schema of channel files is the manual: every field says what it is, in two languages, with examples that are valid,
and its words are those the wire room knows.
"""
from __future__ import annotations

from typing import Any, Iterator

import pytest

from engine.config import shape
from engine.wire import casts, codecs, compile_operations, compile_requests, crypto, mapping, secrets, statements, vocabulary

SCHEMA = shape.schema_of("channels")


def fields(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property and definition, with its path."""
    if isinstance(node, dict):
        for place in ("properties", "$defs"):
            for name, field in node.get(place, {}).items():
                if isinstance(field, dict):
                    yield f"{path}/{name}", field
        for key, value in node.items():
            if key not in ("examples", "default", "enum", "const"):
                yield from fields(value, f"{path}/{key}")
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from fields(value, f"{path}/{i}")


FIELDS = dict(fields({k: v for k, v in SCHEMA.items()}))
# Branches of conditions repeat a property only to forbid or narrow it.
NARROWED = [path for path in FIELDS if any(f"/{word}/" in path for word in ("if", "then", "else", "allOf", "not"))]


def test_there_are_many():
    assert len(FIELDS) > 150


@pytest.mark.parametrize("path", [p for p in FIELDS if p.split("/")[1] != "$defs" or p not in NARROWED])
def test_a_field_is_described(path):
    field = FIELDS[path]
    said = {**_target(field), **field}
    if path in NARROWED and set(field) <= {"const", "enum"}:
        return
    for word in ("title", "x-title-zh", "description"):
        assert said.get(word), f"{path} has no {word}"
    assert said.get("examples") or "common" in str(field), f"{path} has no example"


def _target(field: dict[str, Any]) -> dict[str, Any]:
    return SCHEMA["$defs"][field["$ref"].rsplit("/", 1)[1]] if "$ref" in field else {}


@pytest.mark.parametrize("path", FIELDS)
def test_its_examples_are_valid(path):
    field = FIELDS[path]
    validator = shape.validator_of({**field, "$defs": SCHEMA["$defs"]})
    for example in field.get("examples", []):
        assert list(validator.iter_errors(example)) == [], f"{path}: {example}"


def _enum(*steps: str) -> set[str]:
    node: Any = SCHEMA
    for step in steps:
        node = node[step]
    return set(node["enum"])


def test_the_words_are_those_the_wire_room_knows():
    defs = SCHEMA["$defs"]
    assert set(SCHEMA["properties"]["operations"]["properties"]) == set(vocabulary.OPERATIONS)
    assert set(defs["take"]["properties"]) == set(vocabulary.FIELDS)
    assert set(defs["row_take"]["properties"]) == set(vocabulary.ROW_FIELDS)
    file = defs["statement_file"]["properties"]
    assert set(file["charset"]["enum"]) == set(statements.CHARSETS)
    assert set(file["unpack"]["then"]["enum"]) == set(statements.UNPACKS)
    assert set(defs["judge"]["items"]["properties"]["then"]["enum"]) == {*vocabulary.STATES, mapping.STATE_AS_TAKEN}
    assert set(defs["test"]["properties"]) == set(mapping._LEAVES)
    assert {"in", "json", *crypto.CIPHERS} <= set(defs["open_step"]["properties"])
    assert set(crypto.DIGESTS) <= set(defs["sign"]["else"]["properties"]) & set(defs["verify_block"]["properties"])
    assert _enum("$defs", "secret", "properties", "as") == set(secrets.KINDS)
    assert _enum("properties", "answers") == _enum("$defs", "notice", "properties", "body") == set(codecs.CODECS)
    assert set(compile_requests.BODIES) == set(codecs.CODECS)
    assert {*compile_requests.METHODS, "link", *compile_requests.BODIES} <= set(defs["operation"]["properties"])
    assert set(compile_operations.CLIENTS) <= set(defs["client"]["properties"])
    assert set(casts.MONEY_WORDS + casts.TIME_WORDS) < set(casts.WORDS)


@pytest.mark.parametrize("change, at", [
    ({"colour": "red"}, "colour"), ({"role": "bank"}, "role"), ({"secrets": {"key": {"file": "../x"}}}, "key"),
    ({"secrets": {"key": {"file": "x", "env": "X"}}}, "key"),
    ({"secrets": {"key": {}}}, "key"),
    ({"secrets": {"Key": {"file": "x"}}}, "secrets"),
    ({"operations": {}}, "operations"), ({"timeout": "8"}, "timeout"),
    ({"operations": {"pay": {"get": "/x", "json": {}, "client": {"qr": "x"}}}}, "json"),
    ({"operations": {"pay": {"client": {"qr": "x"}, "judge": [{"http": 200, "then": "pending"}]}}}, "judge"),
    ({"operations": {"pay": {"link": "/x", "client": {"qr": "x", "redirect": "y"}}}}, "client"),
    ({"sign": {"text": "x", "pairs": {}, "hash": "md5", "header": {"X": "y"}}}, "text"),
    ({"verify": {"text": "x"}}, "verify"),
    ({"judge": [{"then": "failed"}]}, 0),
    ({"notices": {"paid": {"take": {}}}}, "paid"),
    ({"constants": {"a": [1]}}, "a"),
    ({"take": {"colour": "x"}}, "colour"), ({"sandbox": {"key": {"file": "x", "colour": "y"}}}, "colour"),
])
def test_wrong_shapes_are_refused_at_their_place(change, at):
    doc = {"id": "x", "title": {"zh": "x", "en": "x"}, "role": "pay", "base": "https://x.example",
           "operations": {"pay": {"link": "/x", "client": {"redirect": "{url}"}}}}
    assert shape.faults("channels", doc) == []
    faults = shape.faults("channels", {**doc, **change})
    assert any(at in fault.path or str(at) in fault.message for fault in faults), faults
