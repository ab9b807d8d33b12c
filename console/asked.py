"""What a browser sends, before anything is done with it: numbers that a database can hold, texts it can store, objects where
an object was wanted. Everything else ends as a refusal or as "not there", never as an error of ours.
"""
from __future__ import annotations

from typing import Any

from flask import Flask, abort, request
from werkzeug.routing import IntegerConverter

from engine.base.errors import Code, Refusal

NUMBER_MAX = 2 ** 63 - 1


class _Number(IntegerConverter):
    """`<int:…>` of an address, as large as a row's number can be; a larger one is no such page."""

    def __init__(self, map: Any, *args: Any, **more: Any):
        super().__init__(map, *args, **{"max": NUMBER_MAX, **more})


def install(app: Flask) -> None:
    app.url_map.converters["int"] = _Number
    app.before_request(_refuse_nul)


def _refuse_nul() -> None:
    """No text has a NUL character in it; PostgreSQL takes none."""
    if any("\x00" in text for text in (request.path, *request.args.values(), *request.args)) or any(
            "\x00" in text for values in request.form.listvalues() for text in values):
        abort(400)


def number(text: Any) -> int:
    """A number that was sent as text; 0 for what is none, or is none that a row could have."""
    try:
        found = int(text)
    except (TypeError, ValueError):
        return 0
    return found if 0 <= found <= NUMBER_MAX else 0


def json_object() -> dict[str, Any]:
    """The JSON object of the request, its texts ones that can be stored. Refusal BAD_REQUEST."""
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict) or any(isinstance(v, str) and not _storable(v) for v in sent.values()):
        raise Refusal(Code.BAD_REQUEST, "the request's body is no JSON object of plain texts", [
            {"path": "body", "expected": "a JSON object"}])
    return sent


def _storable(text: str) -> bool:
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
