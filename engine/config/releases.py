"""Releases: immutable, numbered copies of the catalogue in the content database, and which of them is live.

A release is a set of files (`{"scenes/x.yaml": text}`); each distinct text is kept once, by its hash. One row says
which release is live; a log keeps who made what live when. `live.py` serves releases, in `drafts.py` they are edited.
"""
from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import peewee

from .. import store
from ..base import canon, clock
from ..base.errors import Code, Refusal
from .check import check
from .problems import Problem
from .reader import KINDS
from .vocabulary import Vocabulary

Files = Mapping[str, str]
_POINTER = 1                                   # the id of the one row of LiveRelease


class Release(store.ContentTable):
    no = peewee.IntegerField(primary_key=True)
    digest = peewee.CharField(max_length=64)   # of all paths and texts
    note = peewee.TextField()
    author = peewee.CharField(max_length=80)
    created_at_ms = peewee.BigIntegerField()
    parent_no = peewee.IntegerField(null=True)  # the release that was live when this one was made


class ReleaseFile(store.ContentTable):
    release_no = peewee.IntegerField()
    path = peewee.CharField(max_length=160)
    text_digest = peewee.CharField(max_length=64)

    class Meta:
        primary_key = peewee.CompositeKey("release_no", "path")


class FileText(store.ContentTable):
    """Each distinct text once, for ever: releases refer to it, so nothing deletes one."""
    digest = peewee.CharField(max_length=64, primary_key=True)
    text = peewee.TextField()


class LiveRelease(store.ContentTable):
    """One row: the release in force. Its row lock puts publishers in a queue."""
    id = peewee.IntegerField(primary_key=True)
    release_no = peewee.IntegerField()         # 0 before the first
    changed_at_ms = peewee.BigIntegerField()


class LiveChange(store.ContentTable):
    """Who made which release live when."""
    id = peewee.BigAutoField()
    release_no = peewee.IntegerField()
    from_no = peewee.IntegerField()
    author = peewee.CharField(max_length=80)
    note = peewee.TextField()
    at_ms = peewee.BigIntegerField()


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two sets of files. `texts`: path → unified diff, for every path named in the three lists."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    texts: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.texts)

    @property
    def summary(self) -> str:
        parts = [f"{len(paths)} {word}" for word, paths in
                 (("changed", self.changed), ("added", self.added), ("removed", self.removed)) if paths]
        return ", ".join(parts) or "no difference"


# publishing

def publish(files: Files, note: str, author: str, vocabulary: Vocabulary, base_no: int | None = None) -> int:
    """Check the files, keep them as a new release and make it live; returns its number.

    base_no  the release the author started from: refused when another has gone live since
    Refusal CHECK_FAILED (details: the problems), NOTHING_CHANGED, EDIT_CONFLICT.
    """
    require_plain_paths(files)
    if digest_of(files) == _live_digest():
        raise Refusal(Code.NOTHING_CHANGED)
    require_sound(files, vocabulary)
    with store.transaction(store.content):
        from_no = lock_pointer()
        if base_no is not None and base_no != from_no:
            raise Refusal(Code.EDIT_CONFLICT, f"release {from_no} went live since this was begun from {base_no}")
        no = _write(files, note, author, from_no)
        _point_to(no, from_no, author, note)
    return no


def rollback(no: int, author: str, note: str, vocabulary: Vocabulary) -> None:
    """Make an earlier release live again. Refused when it is live already or this engine can't compile it any more."""
    require_sound(files(no), vocabulary)
    with store.transaction(store.content):
        from_no = lock_pointer()
        if from_no == no:
            raise Refusal(Code.NOTHING_CHANGED, f"release {no} is live already")
        _point_to(no, from_no, author, note)


def require_sound(candidate: Files, vocabulary: Vocabulary) -> None:
    result = check(candidate, vocabulary)
    if result.catalog is None:
        count = len(result.problems)
        raise Refusal(Code.CHECK_FAILED, f"the catalogue has {count} error{'s' * (count != 1)}; nothing was published",
                      [as_detail(problem) for problem in result.problems])


def as_detail(problem: Problem) -> dict[str, Any]:
    """A problem as an entry of `Refusal.details`; `text` is the whole line as `run.py check` prints it."""
    return {"path": f"{problem.file}:{problem.line}:{problem.column}", "rule": problem.rule, "message": problem.message,
            "found": problem.found, "expected": problem.expected, "nearest": problem.nearest, "text": str(problem)}


def require_plain_paths(candidate: Files) -> None:
    """Refuse a path that is not `kind/name.yaml`: a release is also written to disk."""
    for path in candidate:
        kind, _, name = path.partition("/")
        if kind not in KINDS or not name.endswith(".yaml") or "/" in name or "\\" in name or name.startswith("."):
            raise Refusal(Code.BAD_REQUEST, f"{path!r} is no place for a catalogue file: write KIND/NAME.yaml",
                          [{"path": path, "expected": ", ".join(KINDS)}])


def digest_of(candidate: Files) -> str:
    return canon.digest(dict(candidate))


def lock_pointer() -> int:
    """The live number (0: none), its row locked until the end of the transaction."""
    store.insert(LiveRelease, {"id": _POINTER, "release_no": 0, "changed_at_ms": clock.now_ms()}, ignore=True)
    return store.one(LiveRelease, id=_POINTER, lock=True)["release_no"]


def _write(candidate: Files, note: str, author: str, parent_no: int) -> int:
    no = (store.query(store.content, 'SELECT max(no) FROM "release"')[0][0] or 0) + 1
    texts = {_text_digest(text): text for text in candidate.values()}
    store.insert(FileText, [{"digest": digest, "text": text} for digest, text in texts.items()], ignore=True)
    store.insert(Release, {"no": no, "digest": digest_of(candidate), "note": note, "author": author,
                           "created_at_ms": clock.now_ms(), "parent_no": parent_no or None})
    store.insert(ReleaseFile, [{"release_no": no, "path": path, "text_digest": _text_digest(text)}
                               for path, text in sorted(candidate.items())])
    return no


def _text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _point_to(no: int, from_no: int, author: str, note: str) -> None:
    at_ms = clock.now_ms()
    store.update(LiveRelease, {"release_no": no, "changed_at_ms": at_ms}, id=_POINTER)
    LiveChange.insert(release_no=no, from_no=from_no, author=author, note=note, at_ms=at_ms).execute()


# reading

def live_no() -> int:
    """The number of the live release; 0 when nothing was ever published."""
    row = store.one(LiveRelease, id=_POINTER)
    return row["release_no"] if row else 0


def _live_digest() -> str | None:
    no = live_no()
    return get(no)["digest"] if no else None


def get(no: int) -> dict[str, Any]:
    """A release's row: no, digest, note, author, created_at_ms, parent_no. Refusal RELEASE_UNKNOWN."""
    row = store.one(Release, no=no)
    if row is None:
        raise Refusal(Code.RELEASE_UNKNOWN, f"there is no release {no}")
    return row


def files(no: int) -> dict[str, str]:
    """A release's files, by path."""
    get(no)
    found = store.query(store.content, 'SELECT f.path, t.text FROM release_file f JOIN file_text t '
                        'ON t.digest = f.text_digest WHERE f.release_no = ? ORDER BY f.path', [no])
    return dict(found)


def history(limit: int = 100) -> list[dict[str, Any]]:
    """Releases, newest first, each with `live`: whether it is the one in force."""
    now = live_no()
    return [{**row, "live": row["no"] == now} for row in store.many(Release, order_by="no DESC", limit=limit)]


def live_changes(limit: int = 100) -> list[dict[str, Any]]:
    """Who made which release live when, newest first: release_no, from_no, author, note, at_ms."""
    return store.many(LiveChange, order_by="id DESC", limit=limit)


def diff(a: int, b: int) -> Diff:
    """From release a to release b."""
    return compare(files(a), files(b))


def compare(old: Files, new: Files) -> Diff:
    added, removed = sorted(new.keys() - old.keys()), sorted(old.keys() - new.keys())
    changed = sorted(path for path in old.keys() & new.keys() if old[path] != new[path])
    texts = {path: _unified(path, old.get(path), new.get(path)) for path in sorted([*added, *removed, *changed])}
    return Diff(tuple(added), tuple(removed), tuple(changed), texts)


def _unified(path: str, old: str | None, new: str | None) -> str:
    lines = difflib.unified_diff((old or "").splitlines(), (new or "").splitlines(), lineterm="",
                                 fromfile="/dev/null" if old is None else f"a/{path}",
                                 tofile="/dev/null" if new is None else f"b/{path}")
    return "\n".join(lines) + "\n"


# to and from a folder

def export(no: int, folder: Path | str) -> int:
    """Write a release's files below a folder so that its catalogue is exactly that release; returns how many.

    Catalogue files there that the release lacks are removed; nothing outside the kinds' folders is touched.
    """
    wanted = files(no)
    root = Path(folder)
    for kind in KINDS:
        for file in (root / kind).glob("*.yaml"):
            if f"{kind}/{file.name}" not in wanted:
                file.unlink()
    for path, text in wanted.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="")
    return len(wanted)
