"""Holding a value to its schema: a compiled test says *yes* fast, jsonschema says *no* in detail.

jsonschema takes about 140 µs for an order; the compiled test 5. The test may only ever say yes where jsonschema would (a
property test holds that); whatever it does not pass, jsonschema decides.
"""
from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Callable, Iterator, Mapping

from jsonschema import Draft202012Validator, ValidationError, validators

from ..base.errors import Code, Refusal
from ..config.problems import nearest_word, shown

Test = Callable[[Any], bool]
Schema = Mapping[str, Any]
DETAILS_MAX = 20
_ANNOTATIONS = frozenset({"title", "description", "examples", "default", "x-title-zh", "x-expected", "format"})
_KINDS = {"string": "text", "integer": "a whole number", "boolean": "true or false", "object": "an object", "array": "a list"}


# ── the fast yes ─────────────────────────────────────────────────────────────────────────────────────────────────────

def accepts(schema: Schema) -> Test:
    """A test that is true only for values the schema takes. A keyword it does not know makes it never true."""
    words = {k: v for k, v in schema.items() if k not in _ANNOTATIONS}
    make = _MAKERS.get(words.pop("type", None) if isinstance(words.get("type"), str) else None)
    test = make(words) if make else None
    if test is None or words:
        return lambda value: False
    return test


def _text(words: dict[str, Any]) -> Test:
    least, most = words.pop("minLength", 0), words.pop("maxLength", 1 << 30)
    allowed = words.pop("enum", None)
    pattern = _search(words.pop("pattern")) if "pattern" in words else None
    if allowed is not None:
        choices = frozenset(allowed)
        return lambda value: type(value) is str and value in choices
    if pattern is None:
        return lambda value: type(value) is str and least <= len(value) <= most
    return lambda value: type(value) is str and least <= len(value) <= most and pattern(value) is not None


@lru_cache(maxsize=None)
def _search(pattern: str) -> Callable[[str], Any]:
    """JSON Schema's `$` is the very end of a text; Python's also stands before a last line feed."""
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern).search


def _whole(words: dict[str, Any]) -> Test:
    least, most = words.pop("minimum", -(1 << 62)), words.pop("maximum", 1 << 62)
    return lambda value: type(value) is int and least <= value <= most


def _flag(words: dict[str, Any]) -> Test:
    return lambda value: value is True or value is False


def _list(words: dict[str, Any]) -> Test:
    least, most = words.pop("minItems", 0), words.pop("maxItems", 1 << 30)
    unique, item = words.pop("uniqueItems", False), accepts(words.pop("items"))

    def test(value: Any) -> bool:
        if type(value) is not list or not least <= len(value) <= most:
            return False
        for entry in value:
            if not item(entry):
                return False
        # Lists that are to be unique are lists of texts here.
        return not unique or len(set(value)) == len(value)
    return test


def _object(words: dict[str, Any]) -> Test:
    tests = {name: accepts(sub) for name, sub in words.pop("properties", {}).items()}
    required, most = tuple(words.pop("required", ())), words.pop("maxProperties", 1 << 30)
    is_open = words.pop("additionalProperties", True) is True
    ways = [tuple(way["required"]) for way in words.pop("anyOf", [{"required": ()}])]

    def test(value: Any) -> bool:
        if type(value) is not dict or len(value) > most:
            return False
        for name in required:
            if name not in value:
                return False
        for name, inner in value.items():
            known = tests.get(name)
            if (not is_open) if known is None else not known(inner):
                return False
        return any(all(name in value for name in way) for way in ways)
    return test


_MAKERS: dict[Any, Callable[[dict[str, Any]], Test]] = {
    "string": _text, "integer": _whole, "boolean": _flag, "array": _list, "object": _object}


# ── the detailed no ──────────────────────────────────────────────────────────────────────────────────────────────────

def _pattern(validator: Any, pattern: str, value: Any, schema: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _search(pattern)(value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})


def _whole_numbers(value: Any) -> Any:
    """JSON has one kind of number: 2.0 is a whole one. From here on it is written as such."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole_numbers(inner) for name, inner in value.items()}
    return [_whole_numbers(inner) for inner in value] if isinstance(value, list) else value


class Checker:
    """One schema, compiled once."""

    def __init__(self, schema: Schema):
        self.schema = schema
        self._accepts = accepts(schema)
        self._validator = _Validator(schema)

    def check(self, value: Any) -> Any:
        """The value, with whole numbers as integers; BAD_REQUEST with every place that is wrong."""
        if self._accepts(value):
            return value
        details = [detail for error in self._validator.iter_errors(value) for detail in _details(error)]
        if details:
            details.sort(key=lambda d: d["path"])
            raise Refusal(Code.BAD_REQUEST, sentence(details), details[:DETAILS_MAX])
        return _whole_numbers(value)


def sentence(details: list[dict[str, Any]]) -> str:
    first = details[0]
    nearest = f"; did you mean {first['nearest']}?" if "nearest" in first else ""
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{first['path'] or 'the body'} is {first['found']}, expected {first['expected']}{nearest}{more}"


def _details(error: ValidationError) -> Iterator[dict[str, Any]]:
    path, keyword = list(error.absolute_path), error.validator
    if keyword == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield detail([*path, name], "missing", _expected(error.schema["properties"].get(name, {})))
        return
    if keyword == "additionalProperties":
        known = list(error.schema.get("properties", ()))
        for name in error.instance:
            if name not in known:
                yield _unknown([*path, name], name, [k for k in known if k not in error.instance] or known)
        return
    yield detail(path, shown(error.instance), _EXPECTED.get(keyword, _as_schema)(error))


def _unknown(path: list[Any], name: str, known: list[str]) -> dict[str, Any]:
    found = detail(path, "a field that is not known here", "one of " + ", ".join(known) if known else "no field")
    nearest = nearest_word(name, known)
    return {**found, "nearest": nearest} if nearest else found


def detail(path: list[Any], found: str, expected: str) -> dict[str, Any]:
    return {"path": pointer(path), "found": found, "expected": expected}


def pointer(path: list[Any]) -> str:
    """A JSON Pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _expected(schema: Schema) -> str:
    """What a field takes, in a few words."""
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    return schema.get("x-expected") or _KINDS.get(schema.get("type", ""), "a value")


def _as_schema(error: ValidationError) -> str:
    return _expected(error.schema)


_EXPECTED: dict[str, Callable[[ValidationError], str]] = {
    "type": lambda e: _KINDS.get(e.validator_value, str(e.validator_value)),
    "minimum": lambda e: f"at least {e.validator_value}", "maximum": lambda e: f"at most {e.validator_value}",
    "minLength": lambda e: f"at least {e.validator_value} character{'s' * (e.validator_value != 1)}",
    "maxLength": lambda e: f"at most {e.validator_value} characters",
    "minItems": lambda e: f"at least {e.validator_value} entr{'ies' if e.validator_value != 1 else 'y'}",
    "maxItems": lambda e: f"at most {e.validator_value} entries",
    "maxProperties": lambda e: f"at most {e.validator_value} fields",
    "uniqueItems": lambda e: "each entry once",
}
