"""`file:` of the operation `statement` → File: where it is, how it is packed and cut, and what its rows mean."""
from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, Mapping

from . import casts, mapping, paths
from .compile_requests import BODIES, compile_plan
from .draft import Draft, Path
from .mapping import Take
from .scope import PAGE
from .statements import CHARSETS, UNPACKS, Block, Csv, File, Pages
from .vocabulary import KINDS, ROW_FIELDS

NUMBERS = ("payment_no", "channel_no", "refund_no", "channel_refund_no", "contract_no")


def compile_file(draft: Draft, doc: Mapping[str, Any], op: Mapping[str, Any], path: Path) -> File | None:
    spec, path = op.get("file"), (*path, "file")
    if spec is None:
        draft.problem(path[:-1], "a statement needs `file:`, which says how its rows are read")
        return None
    if ("csv" in spec) == ("json" in spec):
        draft.problem(path, "write csv or json: how the file is cut into rows")
    if "url" not in spec and {"hosts", "signed"} & set(spec):
        draft.problem(path, "`hosts` and `signed` are about a file at an address: say where the answer names it, under `url:`")
    unpack = spec.get("unpack")
    kind = "zip" if isinstance(unpack, Mapping) else unpack
    return File(
        url=paths.split(spec["url"]) if "url" in spec else None, hosts=frozenset(spec.get("hosts", ())),
        download=compile_plan(draft, doc, {"get": "/"}, path) if spec.get("signed") else None,
        unpack=kind if kind in UNPACKS else None, member=unpack["zip"] if isinstance(unpack, Mapping) else "*",
        charset=spec["charset"] if spec.get("charset") in CHARSETS else "utf-8", digest=_digest(draft, spec, (*path, "digest")),
        csv=_csv(spec["csv"]) if "csv" in spec else None, json=paths.split(spec.get("json", "")),
        blocks=_blocks(draft, spec, path), pages=_pages(draft, doc, op, spec, (*path, "pages")))


def _digest(draft: Draft, spec: Mapping[str, Any], path: Path) -> tuple[str, tuple[str, ...]] | None:
    for name, at in spec.get("digest", {}).items():
        if name not in hashlib.algorithms_guaranteed:
            draft.problem(path, f"there is no digest {name!r}")
        return name, paths.split(at)
    return None


def _csv(spec: Mapping[str, Any]) -> Csv:
    skip = spec.get("skip", ())
    return Csv(spec.get("separator", ","), tuple(spec.get("columns", ())), (skip,) if isinstance(skip, str) else tuple(skip),
               spec.get("until"), spec.get("strip", "") + " \t")


def _blocks(draft: Draft, spec: Mapping[str, Any], path: Path) -> tuple[Block, ...]:
    flat = "csv" in spec
    blocks = []
    for i, line in enumerate(spec.get("rows", [{}])):
        at = (*path, "rows", i)
        if line.get("skip") and "take" in line:
            draft.problem(at, "a row is taken or skipped")
        when = mapping.compile_condition(draft, line["when"], (*at, "when")) if "when" in line else None
        take = None if line.get("skip") else _take(draft, {**spec.get("take", {}), **line.get("take", {})}, flat, at)
        blocks.append(Block(when, take))
    return tuple(blocks)


def _take(draft: Draft, spec: Mapping[str, Any], flat: bool, path: Path) -> Take:
    """Amounts are read without their sign, fees with it (`{-yuan: column}` turns it round: a cost that is written as below
    zero). A column's name is one name, points and all."""
    turned = {name for name, line in spec.items() if isinstance(line, Mapping) and any(word.startswith("-") for word in line)}
    plain = {name: {word.removeprefix("-"): at for word, at in line.items()} if name in turned else line
             for name, line in spec.items()}
    take = mapping.compile_take(draft, plain, (*path, "take"), ROW_FIELDS)
    for name in turned - {"fee"}:
        draft.problem((*path, "take", name), "only a fee has a sign")
    for name in ("kind", "amount", "at"):
        if name not in spec:
            draft.problem((*path, "take"), f"each row needs its {name}")
    if not set(NUMBERS) & set(spec):
        draft.problem((*path, "take"), f"each row needs one of {', '.join(NUMBERS)}")
    fields = []
    for field in take.fields:
        if field.kind == "kind":
            said = [field.fixed] if field.source == "fixed" else [*(field.words or {}).values(), field.other]
            for word in said:
                if word not in KINDS and not (word is None and field.words):
                    draft.problem((*path, "take", "kind"), f"{word!r} is no kind of row: {', '.join(KINDS)}")
        if field.kind == "money":
            field = replace(field, cast=casts.signed(field.cast, field.name == "fee", field.name in turned))
        fields.append(replace(field, steps=(".".join(field.steps),)) if flat and field.source == "document" else field)
    return Take(tuple(fields))


def _pages(draft: Draft, doc: Mapping[str, Any], op: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Pages | None:
    pages = spec.get("pages")
    if pages is None:
        return None
    if ("while" in pages) == ("size" in pages):
        draft.problem(path, "write while or size: when there is a further page")
    if "json" not in spec or "url" in spec:
        draft.problem(path, "only a statement whose answers are the rows, as JSON, comes in pages")
    changes = {part: {**op.get(part, {}), **pages[part]} for part in ("query", *BODIES) if isinstance(pages.get(part), Mapping)}
    plan = compile_plan(draft, doc, {**op, **changes}, path, allowed=PAGE)
    go_on = mapping.compile_condition(draft, pages["while"], (*path, "while")) if "while" in pages else None
    return Pages(plan, go_on, pages.get("size"))
