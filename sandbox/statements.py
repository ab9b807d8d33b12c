"""Statements: what was paid and given back in a day, written so that the file reads those rows and no others.

The rows are the deeds that succeeded. A file that is fetched by an address lies here until the process ends.
"""
from __future__ import annotations

import csv
import hashlib
import io
import secrets
from typing import Any, Iterator, Mapping

from engine.wire import casts, paths
from engine.wire.channel import Operation
from engine.wire.model import Message
from engine.wire.statements import Block, File, packed

from . import wishing
from .deeds import PAYING, fields_of
from .side import Side
from .state import Row, State
from .wishing import CannotSay, put

DAY_MS = 86_400_000
FILES_MAX = 64
_files: dict[str, bytes] = {}                  # token → the packed file


def file_of(token: str) -> bytes | None:
    return _files.get(token)


def write(side: Side, state: State, facts: Mapping[str, Any], public_url: str) -> dict[str, Any]:
    """What stands in the answer of the operation `statement`, beside what makes it judged well. CannotSay for a file whose
    bytes are the answer itself."""
    op = side.channel.operations["statement"]
    file: File = op.file  # type: ignore[assignment]
    rows = [row for deed in _booked(side, state, facts) for row in _rows(side, op, deed)]
    tree: dict[str, Any] = {}
    if file.csv is None:
        if not file.json:
            raise CannotSay("a statement that is nothing but a list is not played")
        put(tree, file.json, rows)
        return tree
    if file.url is None:
        raise CannotSay("a statement whose bytes are the answer itself is not played")
    text = _csv(side, file, rows)
    token = secrets.token_urlsafe(16)
    while len(_files) >= FILES_MAX:
        _files.pop(next(iter(_files)))
    _files[token] = packed(file, text)
    put(tree, file.url, f"{public_url}/_sandbox/statements/{token}")
    if file.digest is not None:
        name, at = file.digest
        put(tree, at, hashlib.new(name, text.encode(file.charset)).hexdigest())
    return tree


def _booked(side: Side, state: State, facts: Mapping[str, Any]) -> list[Row]:
    """The deeds that ended well within the span that was asked for; of a span without an end, a day."""
    starts = facts.get("statement.from_ms")
    ends = facts.get("statement.until_ms") or (starts or 0) + DAY_MS
    starts = ends - DAY_MS if starts is None else starts
    found = [deed for kind in (*PAYING, "refund") for deed in state.listed(kind, side.id, limit=5000)]
    return sorted((deed for deed in found if deed["state"] == "succeeded" and starts <= (deed["done_at_ms"] or 0) < ends),
                  key=lambda deed: deed["id"])


def _rows(side: Side, op: Operation, deed: Row) -> Iterator[dict[str, Any]]:
    kind = "refund" if deed["kind"] == "refund" else "payment"
    fields = {**fields_of(deed), "kind": kind, "at_ms": deed["done_at_ms"], "fee_minor": 0}
    specs = side.doc["operations"]["statement"]["file"]["rows"]
    for block, spec in zip(op.file.blocks, specs):  # type: ignore[union-attr]
        if block.take is not None and _kind_of(block) in (kind, None):
            row = _row(side, block, spec, fields)
            if row is not None:
                yield row
                return
    raise CannotSay(f"no block of the statement's rows is a {kind}")


def _kind_of(block: Block) -> str | None:
    return next((field.fixed for field in block.take.fields if field.name == "kind"), None)  # type: ignore[union-attr]


def _row(side: Side, block: Block, spec: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any] | None:
    row: dict[str, Any] = {}
    setting = side.setting._replace(currency=fields.get("currency") or side.setting.currency)
    for field in block.take.fields:  # type: ignore[union-attr]
        value = fields.get(field.key)
        if field.source != "document" or value is None:
            continue
        if field.words is not None:
            value = next((theirs for theirs, ours in field.words.items() if ours == value), None)
        else:
            value = field.cast.write(value, setting)
        if value is not None:
            put(row, field.steps, value)
    if "when" in spec:
        wishing.hold(spec["when"], row)
    return row if block.when is None or block.when(Message(), row) else None


def _csv(side: Side, file: File, rows: list[dict[str, Any]]) -> str:
    spec = file.csv
    assert spec is not None
    taken = [field.steps[0] for block in file.blocks if block.take for field in block.take.fields if field.source == "document"]
    columns = list(spec.columns) or list(dict.fromkeys([*taken, *(name for row in rows for name in row)]))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=spec.separator, lineterminator="\r\n")
    if not spec.columns:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([casts.as_text(paths.text_at(row, (name,))) for name in columns])
    if spec.until is not None:
        writer.writerow([spec.until, *[""] * (len(columns) - 1)])
        writer.writerow([len(rows), *[""] * (len(columns) - 1)])
    return out.getvalue()
