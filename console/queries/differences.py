"""Differences of files for a page: both texts for the side-by-side view, and lines with a mark where no script runs."""
from __future__ import annotations

from typing import Any, Mapping

from engine.config.releases import Diff

_MARKS = {"+": "added", "-": "removed", "@": "place"}


def of(diff: Diff, old: Mapping[str, str], new: Mapping[str, str]) -> list[dict[str, Any]]:
    """[{path, kind: added | removed | changed, old, new, lines: [(mark, text)], more, less}] in the order of paths."""
    return [_one(path, text, old.get(path), new.get(path)) for path, text in diff.texts.items()]


def _one(path: str, unified: str, old: str | None, new: str | None) -> dict[str, Any]:
    lines = [(_MARKS.get(line[:1], "same"), line) for line in unified.splitlines()[2:]]
    return {"path": path, "kind": "added" if old is None else "removed" if new is None else "changed",
            "old": old or "", "new": new or "", "lines": lines,
            "more": sum(mark == "added" for mark, _line in lines), "less": sum(mark == "removed" for mark, _line in lines)}
