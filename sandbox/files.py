"""The channel files the sandbox plays: those with a `sandbox:` block, read again when the folder changes."""
from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Mapping

from engine.config.reader import read_text
from engine.wire.model import WireError

from .reading import Side

_log = logging.getLogger("salewright.sandbox")
_LOOK_EVERY_S = 1.0


class Files:
    """`sides()` gives the current sides by channel id. A file that can't be played is logged and left out."""

    def __init__(self, folder: Path, public_url: str):
        self._folder, self._public_url = folder, public_url
        self._lock = threading.Lock()
        self._looked, self._mark = 0.0, ()
        self._sides: dict[str, Side] = {}

    def sides(self) -> Mapping[str, Side]:
        with self._lock:
            if time.monotonic() - self._looked >= _LOOK_EVERY_S:
                self._looked = time.monotonic()
                self._look()
            return self._sides

    def _look(self) -> None:
        files = sorted(self._folder.glob("*.yaml"))
        mark = tuple((path.name, path.stat().st_mtime_ns) for path in files)
        if mark != self._mark:
            self._mark = mark
            self._sides = {side.id: side for path in files if (side := self._side(path))}

    def _side(self, path: Path) -> Side | None:
        source, problems = read_text(path.read_bytes(), path.name)
        if source is None or problems:
            _log.warning("a channel file can't be read", extra={"file": path.name, "problem": str(problems[:1])})
            return None
        if "sandbox" not in source.data:
            return None
        try:
            return Side(source.data, self._public_url)
        except (WireError, KeyError) as error:
            _log.warning("a channel file can't be played", extra={"file": path.name, "problem": str(error)})
            return None
