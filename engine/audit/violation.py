"""What a check finds."""
from __future__ import annotations

from typing import Any, Callable, Iterator, NamedTuple

from .. import store


class Violation(NamedTuple):
    """invariant: its number in the architecture; subject: the number of the thing; message: what is wrong."""
    invariant: int
    subject: str
    message: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}: {self.subject}: {self.message}"


Check = Callable[[], Iterator[Violation]]


def rows(sql: str, *params: Any) -> list[tuple]:
    """Run a SELECT on the trade database; `?` marks."""
    return store.query(store.trade, sql, params)
