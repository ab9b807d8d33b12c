"""Drafts: where a release is written before it is one. A draft is a full copy of the files it began from.

Every write names the draft's version it was made from and is refused when somebody else has written since. Publishing
puts what the draft changed on top of what is live *now*; only a file that both have changed is a conflict.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock, ids
from ..base.errors import Code, Refusal
from . import releases
from .releases import Diff
from .vocabulary import Vocabulary


class Draft(store.ContentTable):
    id = peewee.CharField(max_length=32, primary_key=True)
    title = peewee.CharField(max_length=200)
    author = peewee.CharField(max_length=80)
    base_no = peewee.IntegerField()            # the release it began from; 0: from nothing
    version = peewee.IntegerField()
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField(index=True)


class DraftFile(store.ContentTable):
    draft_id = peewee.CharField(max_length=32)
    path = peewee.CharField(max_length=160)
    text = peewee.TextField()

    class Meta:
        primary_key = peewee.CompositeKey("draft_id", "path")


def create(title: str, author: str, base_no: int | None = None) -> dict[str, Any]:
    """A new draft from a release (the live one when none is named); returns its row."""
    start_no = releases.live_no() if base_no is None else base_no
    began_with = releases.files(start_no) if start_no else {}
    at_ms = clock.now_ms()
    row = {"id": ids.new_no("D"), "title": title, "author": author, "base_no": start_no, "version": 1,
           "created_at_ms": at_ms, "updated_at_ms": at_ms}
    with store.transaction(store.content):
        store.insert(Draft, row)
        store.insert(DraftFile, [{"draft_id": row["id"], "path": path, "text": text}
                                 for path, text in began_with.items()])
    return row


def get(draft_id: str) -> dict[str, Any]:
    """A draft's row: id, title, author, base_no, version, created_at_ms, updated_at_ms. Refusal NOT_FOUND."""
    row = store.one(Draft, id=draft_id)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"there is no draft {draft_id}")
    return row


def all_drafts() -> list[dict[str, Any]]:
    """Every draft's row, the one written last first."""
    return store.many(Draft, order_by="updated_at_ms DESC, id DESC")


def files(draft_id: str) -> dict[str, str]:
    """A draft's files, by path. Refusal NOT_FOUND."""
    get(draft_id)
    return {row["path"]: row["text"] for row in store.many(DraftFile, draft_id=draft_id, order_by="path")}


def file(draft_id: str, path: str) -> str:
    """One file's text. Refusal NOT_FOUND."""
    row = store.one(DraftFile, draft_id=draft_id, path=path)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"the draft has no file {path}")
    return row["text"]


def write_file(draft_id: str, path: str, text: str, version: int) -> int:
    """Put a text at a path, new or not; returns the draft's next version.

    version  of the draft as the writer saw it. Refusal EDIT_CONFLICT when it has been written since.
    """
    releases.require_plain_paths({path: text})
    with store.transaction(store.content):
        _next_version(draft_id, version)
        if not store.update(DraftFile, {"text": text}, draft_id=draft_id, path=path):
            store.insert(DraftFile, {"draft_id": draft_id, "path": path, "text": text})
    return version + 1


def delete_file(draft_id: str, path: str, version: int) -> int:
    """Take a file out; returns the draft's next version. Refusals NOT_FOUND, EDIT_CONFLICT."""
    with store.transaction(store.content):
        _next_version(draft_id, version)
        if not store.delete(DraftFile, draft_id=draft_id, path=path):
            raise Refusal(Code.NOT_FOUND, f"the draft has no file {path}")
    return version + 1


def _next_version(draft_id: str, version: int) -> None:
    if not store.update(Draft, {"updated_at_ms": clock.now_ms()}, add={"version": 1}, id=draft_id, version=version):
        now = get(draft_id)["version"]
        raise Refusal(Code.EDIT_CONFLICT, f"the draft is at version {now} and this was written from {version}",
                      [{"path": "version", "found": version, "expected": now}])


def diff(draft_id: str) -> Diff:
    """What the draft changes of the release it began from."""
    return releases.compare(_base_files(draft_id), files(draft_id))


def merged(draft_id: str) -> dict[str, str]:
    """The live files with the draft's changes on top. Refusal EDIT_CONFLICT names the files that both have changed."""
    return _merge(draft_id, releases.live_no())


def _merge(draft_id: str, live_no: int) -> dict[str, str]:
    base, mine = _base_files(draft_id), files(draft_id)
    result = releases.files(live_no) if live_no else {}
    conflicts = []
    for path in [*sorted(base.keys() | mine.keys())]:
        before, after, theirs = base.get(path), mine.get(path), result.get(path)
        if after == before or after == theirs:
            continue
        if theirs != before:
            conflicts.append(path)
        elif after is None:
            del result[path]
        else:
            result[path] = after
    if conflicts:
        raise Refusal(Code.EDIT_CONFLICT, f"release {live_no} also changed {', '.join(conflicts)}",
                      [{"path": path} for path in conflicts])
    return result


def _base_files(draft_id: str) -> dict[str, str]:
    base_no = get(draft_id)["base_no"]
    return releases.files(base_no) if base_no else {}


def publish(draft_id: str, note: str, author: str, vocabulary: Vocabulary) -> int:
    """Publish the draft on top of what is live and end it; returns the release's number.

    Refusals as in `releases.publish`; a release that goes live in between is merged again at the next try.
    """
    live_no = releases.live_no()
    no = releases.publish(_merge(draft_id, live_no), note, author, vocabulary, base_no=live_no)
    discard(draft_id)
    return no


def discard(draft_id: str) -> None:
    """Forget a draft and its files. Refusal NOT_FOUND."""
    with store.transaction(store.content):
        if not store.delete(Draft, id=draft_id):
            raise Refusal(Code.NOT_FOUND, f"there is no draft {draft_id}")
        store.delete(DraftFile, draft_id=draft_id)
