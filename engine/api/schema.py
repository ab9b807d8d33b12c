"""The few words that request and answer schemas are written in, so that a table of fields reads as one.

Each makes a plain JSON Schema (2020-12) with an English and a Chinese title. `named` gives one a name of its own in the
OpenAPI document.
"""
from __future__ import annotations

from typing import Any, Mapping

from ..base.money import AMOUNT_MAX_MINOR

Schema = dict[str, Any]
NAMED: dict[str, Schema] = {}


def text(zh: str, en: str, longest: int = 200, shortest: int = 1, **more: Any) -> Schema:
    return {"type": "string", "title": en, "x-title-zh": zh, "minLength": shortest, "maxLength": longest, **more}


def identifier(zh: str, en: str, longest: int = 64, **more: Any) -> Schema:
    """A name that others chose: what may stand in an address without being written in percents."""
    return text(zh, en, longest, pattern="^[A-Za-z0-9][A-Za-z0-9._:@+=-]*$",
                **{"x-expected": "letters, digits and . _ : @ + = -", **more})


def choice(zh: str, en: str, *words: str, **more: Any) -> Schema:
    return {"type": "string", "title": en, "x-title-zh": zh, "enum": list(words), **more}


def whole(zh: str, en: str, least: int | None = 0, most: int | None = AMOUNT_MAX_MINOR, **more: Any) -> Schema:
    bounds = {} if least is None else {"minimum": least}
    return {"type": "integer", "title": en, "x-title-zh": zh, **bounds, **({} if most is None else {"maximum": most}), **more}


def minor(zh: str, en: str, **more: Any) -> Schema:
    """An amount in minor units."""
    return whole(zh, en, **more)


def flag(zh: str, en: str, **more: Any) -> Schema:
    return {"type": "boolean", "title": en, "x-title-zh": zh, **more}


def moment(zh: str, en: str, **more: Any) -> Schema:
    return {"type": "string", "format": "date-time", "title": en, "x-title-zh": zh, **more}


def listed(zh: str, en: str, items: Schema, most: int | None = None, least: int = 0, **more: Any) -> Schema:
    bounds = {"minItems": least} if least else {}
    return {"type": "array", "title": en, "x-title-zh": zh, "items": items, **bounds,
            **({} if most is None else {"maxItems": most}), **more}


def thing(zh: str, en: str, properties: Mapping[str, Schema], required: str = "", **more: Any) -> Schema:
    """An object that has these fields and no others; `required` names them, blank-separated (`*`: all of them)."""
    names = list(properties) if required == "*" else required.split()
    return {"type": "object", "title": en, "x-title-zh": zh, "properties": dict(properties),
            **({"required": names} if names else {}), "additionalProperties": False, **more}


def anything(zh: str, en: str, **more: Any) -> Schema:
    """An object whose fields are declared elsewhere."""
    return {"type": "object", "title": en, "x-title-zh": zh, **more}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def named(name: str, schema: Schema) -> Schema:
    """Give a schema its name in the OpenAPI document."""
    NAMED[name] = schema
    return schema


TITLE = named("Title", thing("标题", "Title in both languages", {
    "zh": text("中文", "Chinese", 400, 0), "en": text("英文", "English", 400, 0)}))
