"""Sentences of the engine's that hold names and numbers, said again in the reader's language. What no row knows stays as it is."""
from __future__ import annotations

import re
from typing import Any, Callable, Iterable, Mapping


class Sentences:
    """rows: (regular expression of a whole sentence, its text with the same named holes). words: how a hole's content is shown."""

    def __init__(self, rows: Iterable[tuple[str, Any]], words: Mapping[str, Callable[[str], str]]):
        self._rows = tuple((re.compile(pattern, re.DOTALL), text) for pattern, text in rows)
        self._words = words

    def said(self, sentence: str | None) -> str:
        for pattern, text in self._rows:
            if match := pattern.fullmatch(sentence or ""):
                return str(text) % {name: self._words.get(name, str)(value) for name, value in match.groupdict().items()}
        return sentence or ""

    def knows(self, sentence: str) -> bool:
        return any(pattern.fullmatch(sentence) for pattern, _text in self._rows)
