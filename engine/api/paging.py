"""Cursors: where a page ended, in a word that callers hand back and need not read."""
from __future__ import annotations

import base64
import binascii
from typing import Any

from ..base import canon
from ..base.errors import Code, Refusal


def cursor_of(*key: Any) -> str:
    return base64.urlsafe_b64encode(canon.dumps(key).encode()).decode().rstrip("=")


def key_of(cursor: str, *types: type) -> tuple:
    """The key a cursor was made of; BAD_REQUEST for one that is not ours."""
    try:
        key = canon.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if isinstance(key, list) and [type(k) for k in key] == list(types) and not any("\0" in k for k in key if type(k) is str):
            return tuple(key)
    except (ValueError, binascii.Error) as error:
        raise _unknown(cursor) from error
    raise _unknown(cursor)


def _unknown(cursor: str) -> Refusal:
    return Refusal(Code.BAD_REQUEST, "the cursor is not one of ours", [{
        "path": "?cursor", "found": cursor, "expected": "the `next` of the page before"}])


def page(rows: list[Any], limit: int, key: Any) -> tuple[list[Any], str | None]:
    """`rows` was asked for with limit + 1: (the page, the cursor of the next one or None). `key(row)` → tuple."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor_of(*key(rows[limit - 1]))
