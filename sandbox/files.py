"""The channel files the sandbox plays: those of the live release, or of a folder; looked at again while it runs."""
from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any, Callable, Mapping

import peewee

from engine import store
from engine.base import settings
from engine.config import likeness, releases
from engine.config.reader import read_text
from engine.wire.model import WireError

from .side import Side

_log = logging.getLogger("salewright.sandbox")
LOOK_EVERY_S = 0.25
Texts = Mapping[str, str | bytes]              # file name → content
Source = Callable[[], tuple[Any, Callable[[], Texts]]]      # a mark that changes with the files, and how to read them


class Files:
    """`sides()` gives the current sides by channel id. A file that can't be played is logged and left out.

    One thread looks (a database connection belongs to a thread); `look_now` waits for a look that began after the call: an
    engine may follow a new release a moment earlier than we do.
    """

    def __init__(self, source: Source, public_url: str):
        self._source, self._public_url = source, public_url
        self._mark: Any = None
        self._sides: dict[str, Side] = {}
        self._ended = False
        self._turn = threading.Condition()
        self._asked = self._seen = 0
        self._thread = threading.Thread(target=self._run, name="sandbox-files", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self.look_now(60)

    def stop(self) -> None:
        with self._turn:
            self._ended = True
            self._turn.notify_all()
        self._thread.join(5)

    def sides(self) -> Mapping[str, Side]:
        return self._sides

    def look_now(self, timeout_s: float = 2.0) -> Mapping[str, Side]:
        with self._turn:
            self._asked += 1
            mine = self._asked
            self._turn.notify_all()
            self._turn.wait_for(lambda: self._seen >= mine or self._ended, timeout_s)
        return self._sides

    def _run(self) -> None:
        while not self._ended:
            asked = self._asked
            try:
                self._look()
            except Exception:
                _log.exception("the channel files could not be looked at")
            with self._turn:
                self._seen = asked
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._asked > asked or self._ended, LOOK_EVERY_S)

    def _look(self) -> None:
        mark, read = self._source()
        if mark != self._mark:
            self._mark, self._sides = mark, sides_of(read(), self._public_url, self._sides)


def sides_of(texts: Texts, public_url: str, known: Mapping[str, Side]) -> dict[str, Side]:
    """A side for each channel file; one that says what it said before is kept."""
    documents = {}
    for name, text in texts.items():
        source, problems = read_text(text, name)
        if source is None or problems:
            _log.warning("a channel file can't be read", extra={"file": name, "problem": str(problems[:1])})
        else:
            documents[Path(name).stem] = source.data
    found = {}
    for id, doc in likeness.merged_all(documents).items():
        held = known.get(id)
        try:
            found[id] = held if held is not None and held.written == doc else Side(doc, public_url)
        except (WireError, KeyError) as error:
            _log.warning("a channel file can't be played", extra={"channel": id, "problem": str(error)})
    return found


def of_folder(folder: Path) -> Source:
    """The files of a folder as they are on the disk."""
    def look() -> tuple[Any, Callable[[], Texts]]:
        files = sorted(folder.glob("*.yaml"))
        mark = tuple((path.name, path.stat().st_mtime_ns) for path in files)
        return mark, lambda: {path.name: path.read_bytes() for path in files}
    return look


def of_live_release(otherwise: Source) -> Source:
    """The channel files of the live release; `otherwise` before the first one, and where there is no database."""
    open_ = False

    def look() -> tuple[Any, Callable[[], Texts]]:
        nonlocal open_
        if not open_ and not _there_is_a_database():
            return otherwise()
        try:
            if not open_:
                store.open_all()
                open_ = True
            no = releases.live_no()
        except (peewee.DatabaseError, peewee.InterfaceError) as error:
            store.content.close()              # a broken connection must not be asked again
            _log.info("no release can be read: %s", error)
            no = 0
        return (no, lambda: _channels_of(no)) if no else otherwise()
    return look


def _there_is_a_database() -> bool:
    url = settings.database_url("content")
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).exists()


def _channels_of(no: int) -> Texts:
    return {path.rpartition("/")[2]: text for path, text in releases.files(no).items() if path.startswith("channels/")}
