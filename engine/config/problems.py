"""What is wrong with a file, as a value: where, which rule, what was found and expected, the nearest valid word."""
from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Iterable


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file. `line` and `column` count from 1; `rule` is a short stable word (`duplicate-key`).

    `found`, `expected` and `nearest` are ready to be read, or None where they would say nothing.
    """
    file: str
    line: int
    column: int
    rule: str
    message: str
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        extra = [f"found {self.found}"] if self.found is not None else []
        if self.expected is not None:
            extra.append(f"expected {self.expected}")
        if self.nearest is not None:
            extra.append(f"did you mean {self.nearest}?")
        tail = f" ({'; '.join(extra)})" if extra else ""
        return f"{self.file}:{self.line}:{self.column}: [{self.rule}] {self.message}{tail}"


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem that knows its path inside a document but not the file; `Source.problem` makes a `Problem` of it.

    `path` is a tuple of keys and list indexes; with `at_key` the key itself is wrong, not its value.
    """
    path: tuple
    rule: str
    message: str
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None
    at_key: bool = False


def nearest_word(word: Any, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None when none is alike."""
    if not isinstance(word, str):
        return None
    by_lower = {str(c).lower(): str(c) for c in candidates}
    close = difflib.get_close_matches(word.lower()[:80], list(by_lower), n=1)
    return by_lower[close[0]] if close else None


def shown(value: Any) -> str:
    """A value as a person wrote it, in one short line, for `found`."""
    if isinstance(value, Decimal):
        return str(value)
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):            # a number of 5,000 digits, keys that are no text …
        return type(value).__name__
    return text if len(text) <= 60 else text[:57] + "…"
