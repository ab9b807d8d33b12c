"""Working in drafts: which one, saving against the version that was read, checking while typing, carrying over."""
from __future__ import annotations

import dataclasses
import hashlib
import time
from typing import Any, Mapping

from flask import g
from flask_babel import gettext as _

from engine import startup
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.config import drafts, releases
from engine.config.check import CheckResult, check
from engine.config.vocabulary import Vocabulary

from . import ui
from .access import audit, scope

_TRIES = 5


def digest(text: str | None) -> str:
    """What a page remembers of the text it was made from."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()[:32]


def tidy(text: str) -> str:
    """A text as browsers send it → as it is kept: plain line ends, one at the end."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") or not text else text + "\n"


def mine() -> dict[str, Any] | None:
    """The draft this person wrote in last, if there is one."""
    return next((draft for draft in drafts.all_drafts() if draft["author"] == g.person.login), None)


def begin() -> dict[str, Any]:
    """A new draft of this person's from what is live."""
    title = _("Draft of %(name)s, %(time)s", name=g.person.name, time=ui.time_text(clock.now_ms(), seconds=False))
    with audit.deed("draft.create", "draft", "") as entry:
        draft = drafts.create(title, g.person.login)
        entry.object_id, entry.after = draft["id"], {"base_no": draft["base_no"]}
    return draft


def text_of(draft_id: str, path: str) -> str | None:
    """A file of a draft, or None when it has none of that name."""
    try:
        return drafts.file(draft_id, path)
    except Refusal as refusal:
        if refusal.code is not Code.NOT_FOUND:
            raise
        return None


def save(draft_id: str, path: str, text: str, version: int, seen: str) -> int:
    """Put a text into a draft; returns the draft's next version.

    version, seen  the draft's version and the digest of this file when its page was made. When only *other* files were
                   written since, the text is put on top; Refusal EDIT_CONFLICT when this one was.
    """
    before = text_of(draft_id, path)
    scope.require(g.person, path, before, text)
    with audit.deed("draft.write", "draft", draft_id, note=path) as entry:
        for tried in range(1, _TRIES + 1):
            try:
                written = drafts.write_file(draft_id, path, text, version)
                break
            except Refusal as refusal:
                before = text_of(draft_id, path)
                if refusal.code is not Code.EDIT_CONFLICT or tried == _TRIES or digest(before) != seen and before != text:
                    raise
                version = drafts.get(draft_id)["version"]
        entry.after = {"diff": _difference(path, before, text)}
    return written


def delete(draft_id: str, path: str, version: int) -> None:
    before = drafts.file(draft_id, path)
    scope.require(g.person, path, before)
    with audit.deed("draft.delete", "draft", draft_id, note=path, before={"text": before[:20_000]}):
        drafts.delete_file(draft_id, path, version)


def _difference(path: str, before: str | None, after: str | None) -> str:
    changed = releases.compare({} if before is None else {path: before}, {} if after is None else {path: after})
    return changed.texts.get(path, "")[:20_000]


def check_with(draft_id: str, path: str = "", text: str | None = None) -> tuple[CheckResult, Refusal | None, int]:
    """Check what publishing the draft now would publish, with one text still being typed in its place.

    Returns (result, conflict, ms). conflict: files that a later release changed too; then the draft is checked by itself.
    Examples of channels that are as they are live are not run again: they depend on nothing else, and signing takes time.
    """
    began = time.monotonic()
    conflict = None
    try:
        files = drafts.merged(draft_id)
    except Refusal as refusal:
        if refusal.code is not Code.EDIT_CONFLICT:
            raise
        conflict, files = refusal, drafts.files(draft_id)
    if path and text is not None:
        files = {**files, path: text}
    return check(files, _quick_words(files)), conflict, round((time.monotonic() - began) * 1000)


def _quick_words(files: dict[str, str]) -> Vocabulary:
    words, live_no = startup.vocabulary(), releases.live_no()
    live_files = releases.files(live_no) if live_no else {}

    def run_channel_example(document: Mapping[str, Any], example: Mapping[str, Any]) -> list[str]:
        path = f"channels/{document['id']}.yaml"
        return [] if files.get(path) == live_files.get(path) else words.run_channel_example(document, example)
    return dataclasses.replace(words, run_channel_example=run_channel_example)


def carry_over(draft_id: str) -> dict[str, Any]:
    """A new draft from what is live now, with this draft's changes put on top of it whole; the old one is discarded.

    What a later release changed in the same files shows as taken back in the new draft's difference, for its author to see.
    """
    old, changes = drafts.get(draft_id), drafts.diff(draft_id)
    texts = drafts.files(draft_id)
    with audit.deed("draft.create", "draft", "", note=old["title"]) as entry:
        new = drafts.create(old["title"], g.person.login)
        version, there = new["version"], drafts.files(new["id"])
        for path in changes.texts:
            if path in texts:
                version = drafts.write_file(new["id"], path, texts[path], version)
            elif path in there:
                version = drafts.delete_file(new["id"], path, version)
        drafts.discard(draft_id)
        entry.object_id, entry.after = new["id"], {"base_no": new["base_no"], "from": draft_id}
    return new
