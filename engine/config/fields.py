"""A scene's own order fields: a few words in a file → a JSON Schema for the interface, and a check of orders.

The function is compiled here rather than by JSON Schema because every quote and order passes it; a test holds that
both say the same. Both refuse fields that the scene does not name.
"""
from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping

from .patterns import compile_pattern
from .problems import nearest_word, shown

Details = list[dict[str, Any]]
_SIZES = ("minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")
_KINDS = {"string": "text", "integer": "a whole number", "boolean": "true or false", "array": "a list of texts"}


def schema_of(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The file's `fields` → a JSON Schema of type object (English title, Chinese one as `x-title-zh`)."""
    schema: dict[str, Any] = {"type": "object", "additionalProperties": False,
                              "properties": {name: _property(field) for name, field in fields.items()}}
    if required := [name for name, field in fields.items() if field.get("required")]:
        schema["required"] = required
    return schema


def _property(field: Mapping[str, Any]) -> dict[str, Any]:
    own = {key: field[key] for key in ("type", "description", "enum", *_SIZES) if key in field}
    own["title"], own["x-title-zh"] = field["title"]["en"], field["title"]["zh"]
    if "pattern" in field:
        own["pattern"] = _anchored(field["pattern"])
    if field["type"] == "array":
        own["items"] = {"type": "string", **field.get("items", {})}
        if "pattern" in own["items"]:
            own["items"]["pattern"] = _anchored(own["items"]["pattern"])
    return own


def _anchored(pattern: str) -> str:
    """Our patterns match whole texts, JSON Schema's match anywhere."""
    return f"^(?:{pattern})$"


def checker_of(fields: Mapping[str, Mapping[str, Any]]) -> Callable[[Any], Details]:
    """→ a function: an order's fields (mapping or None) → [] or details `{path, found, expected[, nearest]}`."""
    tests = MappingProxyType({name: _test(field) for name, field in fields.items()})
    required = tuple(name for name, field in fields.items() if field.get("required"))

    def check(values: Any) -> Details:
        if values is None:
            values = {}
        if not isinstance(values, Mapping):
            return [{"path": "fields", "found": shown(values), "expected": "an object"}]
        details: Details = []
        for name, value in values.items():
            if name in tests:
                details += ({"path": f"fields.{name}{at}", "found": shown(found), "expected": expected}
                            for at, found, expected in tests[name](value))
            else:
                details.append(_unknown(name, tests))
        details += ({"path": f"fields.{name}", "found": "nothing", "expected": _KINDS[fields[name]["type"]]}
                    for name in required if name not in values)
        return details

    return check


def _unknown(name: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    detail = {"path": f"fields.{name}", "found": "an unknown field",
              "expected": "one of " + ", ".join(known) if known else "no fields: this scene has none"}
    nearest = nearest_word(name, known)
    return {**detail, "nearest": nearest} if nearest else detail


Wrong = Iterator[tuple[str, Any, str]]       # (where inside the value, what was found, what was expected)


def _test(field: Mapping[str, Any]) -> Callable[[Any], Wrong]:
    kind = field["type"]
    if kind == "string":
        return _text_test(field)
    if kind == "integer":
        return _integer_test(field)
    if kind == "boolean":
        return lambda value: iter(()) if isinstance(value, bool) else iter([("", value, _KINDS["boolean"])])
    return _list_test(field)


def _text_test(field: Mapping[str, Any]) -> Callable[[Any], Wrong]:
    allowed = field.get("enum")
    matches = compile_pattern(field["pattern"]) if "pattern" in field else None
    shortest, longest = field.get("minLength", 0), field.get("maxLength")

    def test(value: Any) -> Wrong:
        if not isinstance(value, str):
            yield "", value, _KINDS["string"]
        elif allowed is not None and value not in allowed:
            yield "", value, "one of " + ", ".join(map(str, allowed))
        elif len(value) < shortest:
            yield "", value, f"at least {shortest} characters"
        elif longest is not None and len(value) > longest:
            yield "", value, f"at most {longest} characters"
        elif matches and not matches(value):
            yield "", value, f"text that matches {field['pattern']}"

    return test


def _integer_test(field: Mapping[str, Any]) -> Callable[[Any], Wrong]:
    allowed, least, most = field.get("enum"), field.get("minimum"), field.get("maximum")

    def test(value: Any) -> Wrong:
        # JSON has one kind of number: 2.0 is a whole number to JSON Schema, true is none
        if isinstance(value, bool) or not (isinstance(value, int) or isinstance(value, float) and value.is_integer()):
            yield "", value, _KINDS["integer"]
        elif allowed is not None and value not in allowed:
            yield "", value, "one of " + ", ".join(map(str, allowed))
        elif least is not None and value < least:
            yield "", value, f"at least {least}"
        elif most is not None and value > most:
            yield "", value, f"at most {most}"

    return test


def _list_test(field: Mapping[str, Any]) -> Callable[[Any], Wrong]:
    entry = _text_test(field.get("items", {}))
    fewest, most = field.get("minItems", 0), field.get("maxItems")

    def test(value: Any) -> Wrong:
        if not isinstance(value, list):
            yield "", value, _KINDS["array"]
            return
        if len(value) < fewest:
            yield "", value, f"at least {fewest} entries"
        elif most is not None and len(value) > most:
            yield "", value, f"at most {most} entries"
        for number, item in enumerate(value):
            yield from ((f"[{number}]", found, expected) for _, found, expected in entry(item))

    return test
