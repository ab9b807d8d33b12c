"""A catalogue room without a catalogue: files whose checker is three words, so that releases are tested by themselves.

A text with BROKEN has an error; with CRASH it breaks the compiler. The real checker is used where it matters.
"""
from __future__ import annotations

from types import SimpleNamespace

import pytest

from engine.base import canon
from engine.config import live, releases
from engine.config.catalog import Catalog
from engine.config.problems import Problem
from engine.config.vocabulary import Vocabulary

WORDS = Vocabulary(steps={})
ONE = {"scenes/a.yaml": "id: a\n", "lines/l.yaml": "id: l\n"}
TWO = {**ONE, "scenes/a.yaml": "id: a\n# 改\n"}


class Checker:
    """Stands in for `check`; `calls` counts."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, files, vocabulary, examples=True):
        assert vocabulary is WORDS
        self.calls += 1
        if any("CRASH" in text for text in files.values()):
            raise ZeroDivisionError("an older engine stumbled")
        problems = [Problem(path, 1, 1, "broken", "it is broken") for path, text in files.items() if "BROKEN" in text]
        catalog = Catalog(canon.digest(dict(files)), *[{} for _ in range(8)]) if not problems else None
        return SimpleNamespace(catalog=catalog, problems=problems)


def install(monkeypatch: pytest.MonkeyPatch) -> Checker:
    checker = Checker()
    for module in (releases, live):
        monkeypatch.setattr(module, "check", checker)
    return checker


def publish(files: dict[str, str], note: str = "why", author: str = "Lin", **more) -> int:
    return releases.publish(files, note, author, WORDS, **more)
