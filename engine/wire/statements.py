"""Statements: what a channel booked in one day, as rows of our words.

The operation `statement` asks for it; its `file:` says the rest: where the file is (the answer itself, or an address in the
answer, which may live for seconds), how it is packed, written and cut into rows, and what each row means.

    file: {url: download_url, hosts: [files.example], unpack: gzip, charset: gb18030, digest: {sha1: hash_value},
           csv: {skip: "#", until: 总交易单数, strip: "`"},
           take: {payment_no: 商户订单号, at: {"%Y-%m-%d %H:%M:%S": 交易时间}},
           rows: [{when: {eq: {交易状态: SUCCESS}}, take: {kind: {is: payment}, amount: {yuan: 订单金额}}},
                  {when: {eq: {交易状态: REVOKED}}, skip: true}]}

A row {kind, amount_minor, at_ms, …} (`vocabulary.ROW_FIELDS`): the amount is without sign, `kind` says which way it went; a
fee is what the channel kept, below zero where it gave some back. A line that no block of `rows:` knows makes the whole
statement unreadable: what is left out in silence would never be found by who compares the books.
"""
from __future__ import annotations

import csv
import gzip
import hashlib
import io
import logging
import os
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import date as Date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from ..base import clock
from . import casts, codecs, operating, paths, sending
from .building import RequestPlan
from .channel import Channel, Operation
from .concluding import conclude
from .mapping import Judge, Take
from .model import EMPTY, FactMissing, Message, Outcome, Unreadable, WireError
from .scope import Scope

FILE_BYTES_MAX = 64 << 20
UNPACKED_BYTES_MAX = 256 << 20
PAGES_MAX = 1000
CHARSETS = ("utf-8", "gb18030", "latin-1", "utf-16")
UNPACKS = ("gzip", "zip")
_log = logging.getLogger("salewright.wire")


@dataclass(frozen=True, slots=True)
class Statement:
    """`state`: succeeded, or absent (nothing was booked), busy (not ready yet), failed, unknown; rows only with the first."""
    state: str
    rows: Sequence[Mapping[str, Any]] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Csv:
    """`columns` empty: the first line that is not left out names them."""
    separator: str
    columns: tuple[str, ...]
    skip: tuple[str, ...]
    until: str | None
    strip: str


@dataclass(frozen=True, slots=True)
class Block:
    """One kind of row. `take` None: rows like these are none of ours."""
    when: Judge | None
    take: Take | None


@dataclass(frozen=True, slots=True)
class Pages:
    """How the next page is asked for: while a condition holds, or while a page is full."""
    plan: RequestPlan
    go_on: Judge | None
    size: int | None


@dataclass(frozen=True, slots=True)
class File:
    url: tuple[str, ...] | None
    hosts: frozenset[str]
    download: RequestPlan | None             # how the download is signed, where it is
    unpack: str | None
    member: str                              # of a zip: which of its files
    charset: str
    digest: tuple[str, tuple[str, ...]] | None
    csv: Csv | None
    json: tuple[str, ...]
    blocks: tuple[Block, ...]
    pages: Pages | None


@dataclass(slots=True)
class _Page:
    """What one answer led to, while it is read."""
    message: Message
    tree: Any
    rows: list[Any] = field(default_factory=list)


def statement(ch: Channel, date: str) -> Statement:
    """What the channel booked on a day `YYYY-MM-DD` of its zone. Never raises for what goes wrong outside; WireError when
    the channel has no statements, inside a transaction, and for a date that is none."""
    op = operating.operation_of(ch, "statement")
    facts = _day(ch, date)
    sending.require_outside(f"{ch.id}.statement")
    try:
        found = _fetched(ch, op, facts)
    except (Unreadable, FactMissing) as error:
        found = Statement("unknown", reason=f"the statement can't be read: {error}")
    except (sending.NotSent, sending.NoAnswer) as error:
        found = Statement("unknown", reason=f"the statement's file can't be had: {error}")
    _log.log(logging.INFO if found.state in ("succeeded", "absent") else logging.WARNING, "statement: %s", found.state, extra={
        "channel": ch.id, "operation": "statement", "date": date, "rows": len(found.rows), "reason": found.reason})
    return found


def _day(ch: Channel, date: str) -> dict[str, int]:
    try:
        day = Date.fromisoformat(date)
    except ValueError:
        raise WireError(f"{date!r} is no date; write 2026-11-21") from None
    zone = clock.zone(ch.setting.zone)
    ends = [datetime(one.year, one.month, one.day, tzinfo=zone) for one in (day, day + timedelta(days=1))]
    return {"statement.from_ms": clock.from_datetime(ends[0]), "statement.until_ms": clock.from_datetime(ends[1])}


def _fetched(ch: Channel, op: Operation, facts: Mapping[str, Any]) -> Statement:
    rows: list[Mapping[str, Any]] = []
    names: dict[str, Any] = {}
    last: Any = None
    for number in range(1, PAGES_MAX + 1):
        plan = op.plan if number == 1 else op.file.pages.plan
        found = operating.exchange(ch, op, facts, op.timeout_s, plan, names, last, FILE_BYTES_MAX)
        if isinstance(found, Outcome):
            return Statement(found.state, reason=found.reason)
        scope, request, reply = found
        outcome = conclude(ch, op, scope, request, reply)
        if outcome.state != "succeeded":
            return Statement(outcome.state, reason=outcome.reason)
        raw = _download(ch, op.file, scope) if op.file.url else reply.body
        page = read(ch, op.file, scope, raw)
        rows += page.rows
        more = following(op.file, page, number, len(rows))
        if more is None:
            return Statement("succeeded", rows)
        names, last = more
    raise Unreadable(f"it has more than {PAGES_MAX} pages")


def following(file: File, page: _Page, number: int, rows: int) -> tuple[dict[str, Any], Any] | None:
    """After a page: the names by which the next one is asked for, and the last row as it came; None after the last."""
    listed = paths.dig(page.tree, file.json) if file.pages and file.csv is None else []
    if not _goes_on(file.pages, page, listed):
        return None
    return {"page": str(number + 1), "skipped": str(rows)}, listed[-1]


def _goes_on(pages: Pages | None, page: _Page, listed: list[Any]) -> bool:
    if pages is None or not listed:
        return False
    return len(listed) >= pages.size if pages.size else bool(pages.go_on and pages.go_on(page.message, page.tree))


def _download(ch: Channel, file: File, scope: Scope) -> bytes:
    address = address_of(file, scope)
    headers: Mapping[str, str] = EMPTY
    if file.download is not None:
        signing = ch.scope(scope.facts, nonce=os.urandom(16).hex())
        signing.names |= {"operation": "statement", "token": scope.names.get("token", "")}
        headers = file.download.sign_at(signing, urlsplit(address))
    reply = sending.fetch(ch, address, 4 * ch.operations["statement"].timeout_s, FILE_BYTES_MAX, headers)
    if reply.status != 200:
        raise Unreadable(f"the file's host answered with status {reply.status}")
    return reply.body


def address_of(file: File, scope: Scope) -> str:
    """The address that the answer named: only https, only the channel's own host and those of the file. Unreadable."""
    address = casts.as_text(paths.dig(scope.opened, file.url or ()))
    try:
        parts = urlsplit(address)
        if parts.scheme == "http" and parts.netloc in file.hosts and not sending.is_local(parts.hostname):
            address = f"https{address[4:]}"    # some write http, and answer over TLS all the same
            parts = urlsplit(address)
        good = parts.netloc in {*file.hosts, scope.message.host} and address.isascii() and address.isprintable() and \
            " " not in address and (parts.scheme == "https" or parts.scheme == "http" and sending.is_local(parts.hostname))
    except ValueError:
        good = False
    if not good:
        raise Unreadable("the file's address is not one that the channel file allows")
    return address


# --- from the file's bytes to rows

def read(ch: Channel, file: File, scope: Scope, raw: bytes) -> _Page:
    """The rows of a file's bytes. Unreadable, with the line."""
    raw = unpacked(file, raw)
    if file.digest is not None:
        name, at = file.digest
        if hashlib.new(name, raw).hexdigest() != casts.as_text(paths.dig(scope.opened, at)).lower():
            raise Unreadable(f"its {name} is not the one that was announced")
    try:
        text = raw.decode(file.charset).removeprefix("\ufeff")
    except UnicodeDecodeError:
        raise Unreadable(f"it is not written in {file.charset}") from None
    page = _Page(scope.message, scope.opened)
    if file.csv is None:
        page.tree = codecs.read_json(text)
        lines: Iterator[tuple[int, Any]] = enumerate(_items(page.tree, file.json), 1)
    else:
        lines = _csv_rows(file.csv, text, {
            field.steps[0] for block in file.blocks if block.take for field in block.take.fields if field.source == "document"})
    for number, line in lines:
        row = _row(ch, file, scope.message, line, number)
        if row is not None:
            page.rows.append(row)
    return page


def _items(tree: Any, at: tuple[str, ...]) -> list[Any]:
    found = paths.dig(tree, at)
    if not isinstance(found, list):
        raise Unreadable(f"{'.'.join(at)} is not a list")
    return found


def _row(ch: Channel, file: File, message: Message, line: Any, number: int) -> Mapping[str, Any] | None:
    for block in file.blocks:
        if block.when is None or block.when(message, line):
            if block.take is None:
                return None
            try:
                return _whole({"currency": ch.setting.currency, **block.take.read(message, line, ch.setting)})
            except Unreadable as error:
                raise Unreadable(f"line {number}: {error}") from None
    raise Unreadable(f"line {number} is of no kind that the channel file knows")


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    lacking = [name for name in ("kind", "amount_minor", "at_ms") if name not in row]
    if lacking:
        raise Unreadable(f"{', '.join(lacking)} is missing")
    return {name: value for name, value in row.items() if value != ""}


def unpacked(file: File, raw: bytes) -> bytes:
    """Unreadable for what is no such archive, too large inside, or without the one file that is meant."""
    try:
        if file.unpack == "gzip":
            inside = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(UNPACKED_BYTES_MAX + 1)
        elif file.unpack == "zip":
            inside = _unzipped(raw, file.member)
        else:
            return raw
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, UnicodeDecodeError):
        raise Unreadable(f"it is no {file.unpack} archive that can be read") from None
    if len(inside) > UNPACKED_BYTES_MAX:
        raise Unreadable(f"it is larger than {UNPACKED_BYTES_MAX} bytes")
    return inside


def packed(file: File, text: str) -> bytes:
    """The other way round, for examples and the sandbox."""
    raw = text.encode(file.charset)
    if file.unpack == "gzip":
        return gzip.compress(raw, mtime=0)
    if file.unpack == "zip":
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(file.member.replace("*", "") or "statement", raw)
        return out.getvalue()
    return raw


def _unzipped(raw: bytes, member: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        named = [info for info in archive.infolist() if not info.is_dir() and fnmatchcase(_name(info), member)]
        if len(named) != 1:
            raise Unreadable(f"{len(named)} files in the archive are called {member}")
        with archive.open(named[0]) as opened:
            return opened.read(UNPACKED_BYTES_MAX + 1)


def _name(info: zipfile.ZipInfo) -> str:
    """A name without the UTF-8 flag was often written in Chinese all the same; zipfile reads it as code page 437."""
    if info.flag_bits & 0x800:
        return info.filename
    return info.filename.encode("cp437").decode("gb18030", "replace")


def _csv_rows(spec: Csv, text: str, wanted: set[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line number, {column: value}) of each row between the columns' names and the footer. A column that is `wanted` and not
    there was renamed: every value of it would be missing in silence."""
    columns = list(spec.columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=spec.separator, strict=True)
    try:
        for line in reader:
            values = [value.strip(spec.strip) for value in line]
            if not any(values) or values[0].startswith(spec.skip):
                continue
            if spec.until is not None and values[0].startswith(spec.until):
                return
            if not columns:
                columns = values
                if not wanted <= set(columns):
                    raise Unreadable(f"there is no column {', '.join(sorted(wanted - set(columns)))}")
            elif len(values) != len(columns):
                raise Unreadable(f"line {reader.line_num} has {len(values)} values, there are {len(columns)} columns")
            else:
                yield reader.line_num, {name: value for name, value in zip(columns, values) if value}
    except csv.Error as error:
        raise Unreadable(f"line {reader.line_num}: {error}") from None
    if spec.until is not None:
        raise Unreadable(f"it ends without its footer {spec.until!r}: a part of it may be missing")
    if not columns:
        raise Unreadable("it has no line with the columns' names")
