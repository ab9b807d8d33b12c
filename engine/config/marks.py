"""What the schemas know about values beyond their shape: which are amounts, conditions or durations, and which name
something that must exist.

A schema says so once, beside the field: `format: money`, `format: condition`, `x-refers-to: product`. From that the
checker finds every reference of a document and `compile` turns written values into those the engine works with, for the
kinds of files and for the `with:` of every registered step alike.
"""
from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Any, Callable, Mapping, NamedTuple

from jsonschema import Draft202012Validator

from . import shape
from .vocabulary import StepSpec

REFERENCE = "x-refers-to"
_FORMATS = {"money": (str, int, Decimal), "duration": (str,), "condition": (dict,)}


class Mark(NamedTuple):
    """A marked value: `word` is `money`, `duration`, `condition`, or `refers-to` with `target` the kind referred to."""
    path: tuple
    word: str
    target: str
    value: Any
    at_key: bool = False


class _Node:
    """What to look at in a value: the schema's annotations, its branches and references flattened."""
    __slots__ = ("words", "named", "others", "items", "names")

    def __init__(self) -> None:
        self.words: list[tuple[str, str, tuple[type, ...]]] = []
        self.named: dict[str, _Node | None] = {}
        self.others: _Node | None = None
        self.items: _Node | None = None
        self.names: list[str] = []

    def is_bare(self) -> bool:
        return not (self.words or any(self.named.values()) or self.others or self.items or self.names)


class Marker:
    """Finds the marks of documents of one self-contained schema."""

    def __init__(self, schema: Mapping[str, Any]):
        self._definitions = schema.get("$defs", {})
        self._root = self._node([schema], frozenset())

    def marks(self, data: Any) -> list[Mark]:
        """Every mark of a document whose shape is right, in the document's order."""
        found: list[Mark] = []
        if self._root is not None:
            _walk(self._root, data, (), found)
        return found

    def _node(self, schemas: list[Any], above: frozenset[str]) -> _Node | None:
        """One node for schemas that hold for the same value; None when there is nothing to look at.

        `above`: the definitions being looked through; one inside itself is not entered again.
        """
        node = _Node()
        named: dict[str, list] = {}
        others: list[Any] = []
        items: list[Any] = []
        flat, above = self._flat(schemas, above)
        for schema in flat:
            if target := schema.get(REFERENCE):
                node.words.append(("refers-to", target, (str,)))
            if (word := schema.get("format")) in _FORMATS:
                node.words.append((word, "", _FORMATS[word]))
            for name, sub in schema.get("properties", {}).items():
                named.setdefault(name, []).append(sub)
            others += [schema["additionalProperties"]] if isinstance(schema.get("additionalProperties"), dict) else []
            items += [schema["items"]] if "items" in schema else []
            node.names += [t for t in [schema.get("propertyNames", {}).get(REFERENCE)] if t]
        node.named = {name: self._node(parts, above) for name, parts in named.items()}
        node.others = self._node(others, above) if others else None
        node.items = self._node(items, above) if items else None
        return None if node.is_bare() else node

    def _flat(self, schemas: list[Any], above: frozenset[str]) -> tuple[list[Mapping[str, Any]], frozenset[str]]:
        flat: list[Mapping[str, Any]] = []
        waiting = list(schemas)
        while waiting:
            schema = waiting.pop(0)
            if not isinstance(schema, Mapping):
                continue
            flat.append(schema)
            name = schema.get("$ref", "").removeprefix("#/$defs/")
            if name and name not in above:
                above |= {name}
                waiting.append(self._definitions[name])
            waiting += [schema[branch] for branch in ("then", "else") if branch in schema] + schema.get("allOf", [])
        return flat, above


def _walk(node: _Node, value: Any, path: tuple, found: list[Mark]) -> None:
    for word, target, types in node.words:
        if isinstance(value, types) and not isinstance(value, bool):
            found.append(Mark(path, word, target, value))
    if isinstance(value, dict):
        for key, item in value.items():
            for target in node.names:
                found.append(Mark((*path, key), "refers-to", target, key, at_key=True))
            sub = node.named.get(key, node.others)
            if sub is not None:
                _walk(sub, item, (*path, key), found)
    elif isinstance(value, list) and node.items is not None:
        for number, item in enumerate(value):
            _walk(node.items, item, (*path, number), found)


@lru_cache(maxsize=None)
def of_kind(kind: str) -> Marker:
    return Marker(shape.schema_of(kind))


class StepForm(NamedTuple):
    """What the parameters of a step are held to. The schema is kept so that its id stays its own."""
    schema: Mapping[str, Any]
    validator: Draft202012Validator
    marker: Marker


_forms: dict[int, StepForm] = {}               # by the id of the schema, which is no key itself


def of_step(spec: StepSpec) -> StepForm:
    """The form of a step's parameters, made once."""
    schema = spec.with_schema
    if id(schema) not in _forms:
        _forms[id(schema)] = StepForm(schema, shape.validator_of(schema), Marker(schema))
    return _forms[id(schema)]


def replaced(data: Any, marks: list[Mark], read: Callable[[Mark], Any]) -> Any:
    """A copy of plain data in which each marked value is what `read` makes of it; references stay as they are."""
    if not any(mark.word != "refers-to" for mark in marks):
        return data
    readings = {mark.path: read(mark) for mark in marks if mark.word != "refers-to"}
    return _copy(data, (), readings)


def _copy(value: Any, path: tuple, readings: Mapping[tuple, Any]) -> Any:
    if path in readings:
        return readings[path]
    if isinstance(value, dict):
        return {key: _copy(item, (*path, key), readings) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, (*path, number), readings) for number, item in enumerate(value)]
    return value
