"""The shape of a file: its kind's JSON Schema, and the faults of a document against it.

The schemas are the manual: `schema_of(kind)` hands one out complete, with every field's title, description and
example, for forms, documentation and editors' hints.

jsonschema does the validating. Catalogues repeat themselves (the same payment, the same step, the same title), so each
part of a document that was found valid is remembered and not validated again.
"""
from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterator, Mapping

from jsonschema import Draft202012Validator, FormatChecker, ValidationError, validators

from ..base import clock, money
from .patterns import compile_pattern
from .problems import Fault
from .wording import faults_of

FOLDER = Path(__file__).with_name("schemas")
_ANNOTATIONS = frozenset({"title", "description", "examples", "default", "$schema", "$id"})
Errors = Iterator[ValidationError]
_DURATION_MAX_S = 36_500 * 86_400
_REMEMBERED_MAX = 200_000          # parts known to be valid; forgotten all at once, which costs time only

_PERIOD = re.compile(r"([1-9][0-9]{0,3}) (day|week|month|quarter|year)s?\Z")
_WAIT = re.compile(r"([0-9]+(?:ms|s|m|h|d))(?:\.\.([0-9]+(?:ms|s|m|h|d)))?\Z")


# ---- formats: what `format: …` in a schema means, and how it is read ----

def parse_period(text: str) -> tuple[int, str]:
    """`1 month`, `3 days` → (count, unit); ValueError says what was expected."""
    match = _PERIOD.match(str(text))
    if not match:
        raise ValueError("expected a number of days, weeks, months, quarters or years, e.g. 1 month")
    return int(match[1]), match[2]


def parse_wait(text: str) -> tuple[float, float]:
    """`30s..1h` → (30.0, 3600.0), `30s` → (30.0, 30.0); ValueError says what was expected."""
    match = _WAIT.match(str(text))
    if not match:
        raise ValueError("expected a duration or a range of them, e.g. 30s or 30s..1h")
    shortest = clock.parse_duration_s(match[1])
    longest = clock.parse_duration_s(match[2]) if match[2] else shortest
    if not shortest <= longest <= _DURATION_MAX_S:
        raise ValueError("expected the shorter wait first, and a hundred years at most, e.g. 30s..1h")
    return shortest, longest


def parse_percent(value: Any) -> Decimal:
    """Above 0, at most 100, at most two decimals; ValueError says what was expected."""
    try:
        percent = Decimal(str(value))
    except InvalidOperation:
        percent = Decimal(-1)
    if not (percent.is_finite() and 0 <= percent <= 100) or percent != round(percent, 2):
        raise ValueError("expected a percentage from 0 to 100 with at most two decimals, e.g. 12.5")
    return percent


def _money(value: Any) -> None:
    # decimals are looked at again once the currency is known: here three, the most that any currency has
    if not 0 <= money.parse_major(value, "KWD") <= money.AMOUNT_MAX_MINOR:
        raise ValueError("expected an amount that is not negative, and not beyond all reason, e.g. 9.90")


def _duration(value: Any) -> None:
    if not 0 < clock.parse_duration_s(value) <= _DURATION_MAX_S:
        raise ValueError("expected a duration longer than nothing, and of a hundred years at most, e.g. 30m")


def _time(value: Any) -> None:
    try:
        clock.parse_rfc3339(value)
    except ValueError:
        raise ValueError("expected a date and time with its zone, e.g. 2026-11-11T00:00:00+08:00") from None


def _pattern(value: Any) -> None:
    compile_pattern(str(value))


FORMATS = {"money": _money, "duration": _duration, "period": parse_period, "wait": parse_wait,
           "percent": parse_percent, "time": _time, "pattern": _pattern}


def _format_checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, parse in FORMATS.items():
        checker.checks(name, raises=ValueError)(_passes(parse))
    return checker


def _passes(parse: Any) -> Any:
    def passes(value: Any) -> bool:
        # another JSON type is the schema's `type` to refuse, with a better word
        if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
            parse(value)
        return True
    return passes


# ---- schemas ----

@lru_cache(maxsize=None)
def _file(name: str) -> Mapping[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


@lru_cache(maxsize=None)
def schema_of(kind: str) -> Mapping[str, Any]:
    """The complete schema of a kind (`scenes`, `coupons`, …): what it refers to in other files is in its own `$defs`.

    `x-extends` names a definition whose properties a mapping has beside its own.
    """
    name = kind[:-1]
    definitions: dict[str, tuple[str, Any]] = {}               # name → (file it is from, definition)
    schema = _gathered({key: value for key, value in _file(name).items() if key != "$defs"}, name, definitions)
    return {**schema, "$defs": {each: definition for each, (_, definition) in definitions.items()}}


def _gathered(schema: Any, file: str, definitions: dict[str, tuple[str, Any]]) -> Any:
    """A schema of a file with all references local; what they lead to is put into `definitions`."""
    if isinstance(schema, list):
        return [_gathered(each, file, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "x-extends" in schema:
        schema, file = _extended(schema, file)
    if "$ref" in schema:
        there, name = _target(schema["$ref"], file)
        if name not in definitions:
            definitions[name] = there, None                    # its place, should it refer to itself
            definitions[name] = there, _gathered(_file(there)["$defs"][name], there, definitions)
        elif definitions[name][0] != there:
            raise ValueError(f"{there}.json and {definitions[name][0]}.json both define {name}")
        schema = {**schema, "$ref": f"#/$defs/{name}"}
    return {key: value if key == "$ref" else _gathered(value, file, definitions) for key, value in schema.items()}


def _target(ref: str, file: str) -> tuple[str, str]:
    there, _, name = ref.partition("#/$defs/")
    return there.removesuffix(".json") or file, name


def _extended(schema: Mapping[str, Any], file: str) -> tuple[dict[str, Any], str]:
    """A mapping that extends a definition of another file, as a schema of that file."""
    there, name = _target(schema["x-extends"], file)
    base = _file(there)["$defs"][name]
    own = {key: value for key, value in schema.items() if key != "x-extends"}
    return {**base, **own, "properties": {**base["properties"], **own.get("properties", {})},
            "required": [*base.get("required", ()), *own.get("required", ())]}, there


def _bare(schema: Any, names_follow: bool = False) -> Any:
    """A schema without its prose: less for the validator to step over. Under `properties` the keys are names."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _bare(value, key in ("properties", "$defs")) for key, value in schema.items()
            if names_follow or key not in _ANNOTATIONS and not key.startswith("x-")}


# ---- validation ----

class _Memory:
    """JSON Schema's keywords that go down into a value, made to pass over what was found valid before."""

    def __init__(self, definitions: Mapping[str, Any]):
        self.definitions = definitions
        self.valid: set[tuple[int, str]] = set()               # (id of a schema, a value's text)

    def part(self, validator: Any, instance: Any, schema: Any, path: Any = None, at: Any = None) -> Errors:
        if schema is False:
            # jsonschema leaves the path out of this one error
            yield ValidationError("", validator=None, path=[path], schema_path=[at], instance=instance, schema=False)
            return
        key = (id(schema), repr(instance))
        if key in self.valid:
            return
        sound = True
        for error in validator.descend(instance, schema, path=path, schema_path=at):
            sound = False
            yield error
        if sound:
            if len(self.valid) >= _REMEMBERED_MAX:
                self.valid.clear()
            self.valid.add(key)

    def properties(self, validator: Any, named: Mapping[str, Any], instance: Any, schema: Any) -> Errors:
        if isinstance(instance, dict):
            for name, sub in named.items():
                if name in instance:
                    yield from self.part(validator, instance[name], sub, name, name)

    def additional(self, validator: Any, sub: Any, instance: Any, schema: Any) -> Errors:
        if not isinstance(sub, dict):
            yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, sub, instance, schema)
        elif isinstance(instance, dict):
            named = schema.get("properties", ())
            for name in instance:
                if name not in named:
                    yield from self.part(validator, instance[name], sub, name)

    def items(self, validator: Any, sub: Any, instance: Any, schema: Any) -> Errors:
        if isinstance(instance, list):
            for number, item in enumerate(instance):
                yield from self.part(validator, item, sub, number)

    def ref(self, validator: Any, target: str, instance: Any, schema: Any) -> Errors:
        yield from self.part(validator, instance, self.definitions[target.removeprefix("#/$defs/")])


def validator_of(schema: Mapping[str, Any]) -> Draft202012Validator:
    """A validator of a self-contained schema (references `#/$defs/…` only) that remembers valid parts."""
    bare = _bare(schema)
    memory = _Memory(bare.get("$defs", {}))
    remembering = validators.extend(Draft202012Validator, {
        "properties": memory.properties, "additionalProperties": memory.additional, "items": memory.items,
        "$ref": memory.ref})
    return remembering(bare, format_checker=_format_checker())


@lru_cache(maxsize=None)
def _of_kind(kind: str) -> Draft202012Validator:
    return validator_of(schema_of(kind))


def faults(kind: str, data: Any) -> list[Fault]:
    """What is wrong with a document's shape, each fault once and in our own words; [] when nothing is."""
    errors = list(_of_kind(kind).iter_errors(data))
    return faults_of(errors, schema_of(kind)) if errors else []
