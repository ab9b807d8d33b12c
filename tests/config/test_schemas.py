"""The schema is the manual: every field of every kind says what it is, with an example that is right."""
from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator, Mapping

import pytest
from jsonschema import Draft202012Validator

from engine.config import check_references, shape
from engine.config.reader import KINDS
from engine.config.template import FLOWS
from engine.trade.coupons import REASONS

CONFIG = Path(shape.__file__).parent
_BRANCHES = ("then", "else", "items", "additionalProperties")
# `then` and `else` may narrow a field that is described where it is declared: such a part has none but these words
_NARROWING = {"format", "type", "minimum", "maximum", "const", "enum", "properties", "allOf", "if", "then", "else"}


def fields(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(path, schema) of every field a person may write; not what a reference leads to."""
    for name, field in schema.get("properties", {}).items():
        if isinstance(field, dict):
            yield f"{path}.{name}", field
            yield from fields(field, f"{path}.{name}")
    for word in _BRANCHES:
        if isinstance(schema.get(word), dict):
            yield from fields(schema[word], path)
    for part in schema.get("allOf", ()):
        yield from fields(part, path)


def all_fields() -> Iterator[Any]:
    for kind in KINDS:
        schema = shape.schema_of(kind)
        definitions = [(f"{kind}#{name}", definition) for name, definition in schema["$defs"].items()]
        found = [each for path, part in [(kind, schema), *definitions] for each in fields(part, path)]
        for path, field in [*found, *definitions]:
            if set(field) - _NARROWING:
                yield pytest.param(kind, field, id=path)


def complete(kind: str, field: Mapping[str, Any]) -> dict[str, Any]:
    """A field with what its reference says, where it does not say so itself."""
    definitions = shape.schema_of(kind)["$defs"]
    while "$ref" in field:
        referred = definitions[field["$ref"].removeprefix("#/$defs/")]
        field = {**referred, **{key: value for key, value in field.items() if key != "$ref"}}
    return dict(field)


def test_every_kind_has_a_schema_that_is_one():
    for kind in KINDS:
        schema = shape.schema_of(kind)
        Draft202012Validator.check_schema(schema)
        assert schema["title"] and schema["x-title-zh"] and schema["description"]
    assert {file.stem for file in shape.FOLDER.glob("*.json")} == {kind[:-1] for kind in KINDS} | {"common"}


@pytest.mark.parametrize("kind, field", list(all_fields()))
def test_every_field_is_explained_and_its_examples_are_right(kind, field):
    whole = complete(kind, field)
    assert whole.get("title") and re.search(r"[A-Za-z]", whole["title"])
    assert whole.get("x-title-zh")
    assert re.search(r"[A-Za-z]{3}", whole.get("description", ""))
    assert whole.get("examples")
    validator = shape.validator_of({**field, "$defs": shape.schema_of(kind)["$defs"]})
    for example in whole["examples"]:
        assert [error.message for error in validator.iter_errors(example)] == []


def test_fields_are_told_apart_by_conditions_and_never_by_guessing():
    """A `oneOf` gives errors nobody can read; an `anyOf` may only list keys of which one must be there."""
    def words(value: Any) -> Iterator[tuple[Any, Any]]:
        parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, item in parts:
            yield key, item
            yield from words(item)

    for name in {file.stem for file in shape.FOLDER.glob("*.json")} - {"channel"}:     # a channel's trees are no forms
        for key, item in words(shape._file(name)):
            assert key != "oneOf"
            assert key != "anyOf" or all(set(branch) == {"required"} for branch in item)


def test_the_line_schema_is_the_template():
    properties = shape.schema_of("lines")["properties"]
    flows = {name: list(flow["properties"]) for name, flow in properties.items() if name in FLOWS}
    assert flows == {name: [hook.name for hook in hooks] for name, hooks in FLOWS.items()}
    for name, hooks in FLOWS.items():
        for hook in hooks:
            assert properties[name]["properties"][hook.name]["description"] == hook.about


def test_the_reasons_an_example_may_expect_are_those_the_coupon_room_gives():
    then = shape.schema_of("scenes")["$defs"]["then"]
    reasons = then["properties"]["not_applied"]["additionalProperties"]
    # what has run out can't be shown without a database: no example may expect it
    assert set(reasons["enum"]) == set(REASONS) - {"cap_reached", "buyer_cap_reached", "budget_spent"}
    assert all(f"{reason}:" in reasons["description"].replace(",", ":") for reason in reasons["enum"])


def test_whatever_is_referred_to_is_something_there_is():
    known = {kind[:-1] for kind in KINDS} | set(check_references._TARGETS)
    for file in shape.FOLDER.glob("*.json"):
        assert set(re.findall(r'"x-refers-to": "([a-z_]+)"', file.read_text("utf-8"))) <= known


def test_no_key_is_dead():
    """What may be written is read: each key of the kinds is named in the code that compiles or checks it."""
    rooms = [CONFIG, CONFIG.parent / "wire"]
    code = "".join(file.read_text("utf-8") for room in rooms for file in room.glob("*.py"))
    for kind in set(KINDS) - {"channels"}:
        schema = shape._file(kind[:-1])
        parts = [schema, *schema.get("$defs", {}).values()]
        names = {path.rpartition(".")[2] for part in parts for path, _ in fields(part, kind)}
        for name in names - {"id", "note"}:
            assert re.search(rf'["\']{name}["\']|\b{name} ', code), f"{kind}: nothing reads {name}"


@pytest.mark.parametrize("read, text, value", [
    (shape.parse_period, "1 month", (1, "month")), (shape.parse_period, "10 days", (10, "day")),
    (shape.parse_period, "2 quarters", (2, "quarter")), (shape.parse_wait, "30s..1h", (30.0, 3600.0)),
    (shape.parse_wait, "500ms", (0.5, 0.5)), (shape.parse_percent, "12.5", 12.5), (shape.parse_percent, 0, 0),
])
def test_written_values_are_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize("read, text", [
    (shape.parse_period, "0 days"), (shape.parse_period, "month"), (shape.parse_period, "1.5 months"),
    (shape.parse_period, "1 month "),
    (shape.parse_wait, "1h..30s"), (shape.parse_wait, "30"), (shape.parse_wait, "30s.."),
    (shape.parse_percent, "100.01"), (shape.parse_percent, "-1"), (shape.parse_percent, "NaN"),
    (shape.parse_percent, "ten"), (shape.parse_percent, "1.005"),
])
def test_what_is_not_one_is_refused_with_a_hint(read, text):
    with pytest.raises(ValueError, match="expected"):
        read(text)
