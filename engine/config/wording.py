"""JSON Schema's errors in our words: one cause, one fault, one line.

The validator reports each keyword that fails. A slip of the pen in a key is then two errors (unknown key, missing key)
and a wrong type often several; here they become the one thing that a person has to mend.
"""
from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Iterable, Mapping

from jsonschema import ValidationError

from .problems import Fault, nearest_word, shown

_WORDS_MAX = 24
_TYPES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
          "object": "a mapping", "array": "a list", "null": "nothing"}


def faults_of(errors: Iterable[ValidationError], schema: Mapping[str, Any]) -> list[Fault]:
    """Errors of one document → faults, in the order of the document's paths. `schema` is the one validated against,
    with its prose."""
    faults: dict[tuple, Fault] = {}
    missing: list[tuple[tuple, str, str]] = []
    for error in errors:
        for fault in _worded(error, schema, missing):
            faults.setdefault((fault.path, fault.at_key), fault)
    misspelt = {(fault.path[:-1], fault.nearest) for fault in faults.values() if fault.rule == "unknown-key"}
    lacking: dict[tuple[tuple, str], list[str]] = {}
    for path, name, because in missing:
        told = (path, name) in misspelt or (path, False) in faults or name in lacking.get((path, because), ())
        if not told:
            lacking.setdefault((path, because), []).append(name)
    for (path, because), names in lacking.items():
        words = f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} missing{because and ', needed' + because}"
        faults[(path, True, because)] = Fault(path, "missing-key", words, at_key=True)
    return sorted(faults.values(), key=lambda fault: [(isinstance(p, str), p) for p in fault.path])


def _worded(error: ValidationError, schema: Mapping[str, Any], missing: list) -> list[Fault]:
    path = tuple(error.absolute_path)
    places = tuple(error.absolute_schema_path)
    if "propertyNames" in places:
        return [_key_fault(path, error, schema)]
    if error.validator is None:
        return [Fault(path, "not-here", f"{path[-1]} has no place here{_because(places, schema)}", at_key=True)]
    if error.validator == "additionalProperties":
        return _unknown_keys(path, error)
    if error.validator == "required":
        because = _because(places, schema)
        missing += [(path, name, because) for name in error.validator_value if name not in error.instance]
        return []
    return [_WORDS.get(error.validator, _other)(path, error, _node(places[:-1], schema))]


def _unknown_keys(path: tuple, error: ValidationError) -> list[Fault]:
    known = list(error.schema.get("properties", ()))
    faults = []
    for key in error.instance:
        if key not in known:
            nearest = nearest_word(key, [k for k in known if k not in error.instance]) or nearest_word(key, known)
            expected = None if nearest else either(known) if known else "no keys"
            if error.instance[key] is None and " " in key:      # {en: a, b}: YAML takes `b` for a key of its own
                expected, nearest = "quotes around a text with a comma in it", None
            faults.append(Fault((*path, key), "unknown-key", f"there is no key {shown(key)} here",
                                expected=expected, nearest=nearest, at_key=True))
    return faults


def _key_fault(path: tuple, error: ValidationError, schema: Mapping[str, Any]) -> Fault:
    node = _node(tuple(error.absolute_schema_path)[:-1], schema)
    return Fault((*path, error.instance), "name", "this name can't be used", found=shown(error.instance),
                 expected=node.get("x-expected") or f"at most {node.get('maxLength')} characters", at_key=True)


# ---- one sentence for each keyword ----

def _type(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
    if node.get("format") == "money":
        expected = "an amount, e.g. 9.90"
    else:
        expected = " or ".join(_TYPES[kind] for kind in kinds)
    return Fault(path, "type", f"{_name(path)} is {_kind(error.instance)}", shown(error.instance), expected)


def _enum(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    allowed = error.validator_value if error.validator == "enum" else [error.validator_value]
    nearest = nearest_word(error.instance, map(str, allowed)) if isinstance(error.instance, str) else None
    return Fault(path, "choice", f"{_name(path)} can't be this", found=shown(error.instance),
                 expected=either(allowed), nearest=nearest)


def _pattern(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    return Fault(path, "form", f"{_name(path)} is not written as it must be", found=shown(error.instance),
                 expected=node.get("x-expected") or f"a match of {error.validator_value}")


def _format(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    cause = str(error.cause)
    said, _, expected = cause.rpartition("expected ")
    if said == "" and expected == cause:                    # the sentence of a parser of the base room
        return Fault(path, "form", cause)
    return Fault(path, "form", f"{_name(path)} is not written as it must be", shown(error.instance), expected)


def _bound(words: str, rule: str = "range") -> Callable[..., Fault]:
    def fault(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
        return Fault(path, rule, f"{_name(path)} is out of bounds", found=shown(error.instance),
                     expected=words.format(error.validator_value))
    return fault


def _size(words: str, empty: str = "") -> Callable[..., Fault]:
    def fault(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
        size = len(error.instance)
        if size == 0 and empty:
            return Fault(path, "size", f"{_name(path)} is empty: {empty}")
        return Fault(path, "size", f"{_name(path)} has the wrong size", str(size), words.format(error.validator_value))
    return fault


def _repeated(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    seen: list[Any] = []
    for number, item in enumerate(error.instance):
        if item in seen:
            return Fault((*path, number), "repeated", f"{shown(item)} is already in this list")
        seen.append(item)
    raise AssertionError("uniqueItems failed on a list without a repetition")


def _one_of_keys(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    return Fault(path, "size", f"{_name(path)} has {len(error.instance)} keys",
                 expected="one key: the step's name, with its options below it")


def _none_of(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    if all("required" in branch for branch in error.validator_value):
        names = either(", ".join(branch["required"]) for branch in error.validator_value)
        return Fault(path, "missing-key", f"one of {names} is missing", at_key=True)
    return _other(path, error, node)


def _other(path: tuple, error: ValidationError, node: Mapping[str, Any]) -> Fault:
    return Fault(path, "shape", f"{_name(path)} is not as it must be", shown(error.instance), node.get("description"))


_WORDS: Mapping[str, Callable[..., Fault]] = {
    "type": _type, "enum": _enum, "const": _enum, "pattern": _pattern, "format": _format, "uniqueItems": _repeated,
    "minimum": _bound("at least {}"), "maximum": _bound("at most {}"),
    "exclusiveMinimum": _bound("more than {}"), "exclusiveMaximum": _bound("less than {}"), "anyOf": _none_of,
    "minLength": _size("at least {} characters", "leave the key out, or write something"),
    "maxLength": _size("at most {} characters"),
    "minItems": _size("at least {} entries", "leave the key out, or list something"),
    "maxItems": _size("at most {} entries"),
    "minProperties": _size("at least {} keys", "leave the key out, or write something below it"),
    "maxProperties": _one_of_keys,
}


# ---- words ----

def _name(path: tuple) -> str:
    """What a person calls the thing at a path: its key, or the list's key and a number from 1."""
    if not path:
        return "the file"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1} of {_name(path[:-1])}"
    return str(path[-1])


def _kind(value: Any) -> str:
    if value is None:
        return "left empty"
    for types, word in (((bool,), "true or false"), ((int,), "a whole number"), ((Decimal, float), "a number"),
                        ((str,), "text"), ((dict,), "a mapping")):
        if isinstance(value, types):
            return word
    return "a list"


def either(words: Iterable[Any]) -> str:
    """`a, b or c`; no more than a person reads."""
    words = list(map(str, words))
    if len(words) > _WORDS_MAX:
        return ", ".join(words[:_WORDS_MAX]) + ", …"
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


# ---- the schema around an error ----

def _node(places: tuple, schema: Mapping[str, Any]) -> Any:
    return _walk(places, schema)[0]


def _because(places: tuple, schema: Mapping[str, Any]) -> str:
    """` where method is in_app`: the innermost `if` that led to an error, in words; "" without one."""
    return _walk(places, schema)[1]


def _walk(places: tuple, schema: Mapping[str, Any]) -> tuple[Any, str]:
    """Follow a schema path (the validator leaves `$ref` out of it) → (the schema there, why we are there)."""
    node, because = schema, ""
    for step in places:
        if isinstance(node, Mapping):
            while "$ref" in node and step not in node:
                node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
            if step in ("then", "else") and "if" in node:
                because = _condition(node["if"], step == "then") or because
            if step not in node:
                # additionalProperties and items: the validator does not name the key that was looked at
                continue
        node = node[step]
    while isinstance(node, Mapping) and "$ref" in node:
        referred = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
        node = {**referred, **{key: value for key, value in node.items() if key != "$ref"}}
    return node, because


def _condition(test: Mapping[str, Any], holds: bool) -> str:
    for name, values in test.get("properties", {}).items():
        words = either(values["enum"]) if "enum" in values else str(values.get("const"))
        return f" where {name} is {words}" if holds else f" unless {name} is {words}"
    if "required" in test and "properties" not in test:
        name = test["required"][0]
        return f" beside {name}" if holds else ""
    return ""
