"""JSON, once: compact UTF-8, keys sorted where a hash is wanted. Amounts are integers, so no float formatting matters."""
from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import orjson


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def dumps(value: Any) -> str:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()


def dumps_sorted(value: Any) -> bytes:
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def loads(text: str | bytes) -> Any:
    return orjson.loads(text)


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value's sorted JSON: equal values, equal digests."""
    return hashlib.sha256(dumps_sorted(value)).hexdigest()


def is_deeper(value: Any, levels: int) -> bool:
    """Whether more than so many lists and objects stand inside one another."""
    inside = [value] if isinstance(value, (dict, list)) else []
    for _ in range(levels):
        inside = [inner for node in inside for inner in (node.values() if isinstance(node, dict) else node)
                  if isinstance(inner, (dict, list))]
    return bool(inside)
