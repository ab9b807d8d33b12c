"""What was made of what, kept from one check to the next: a release that differs in one file makes little anew.

Only functions whose result follows from their arguments alone are kept. A document counts by being the same object, and
equal texts give the same object; so whatever is reached by reference must be handed over as an argument, and a change in it
is a change of the arguments. What the last `PASSES_MAX` passes did not ask for is forgotten.
"""
from __future__ import annotations

import itertools
from typing import Any, Callable, NamedTuple, TypeVar

from .conditions import AllOf, AnyOf, Not, Test

PASSES_MAX = 3                                 # what is live, what was, and a draft under check
_BY_VALUE = (str, type(None), Test, AllOf, AnyOf, Not)
_Made = TypeVar("_Made")


class Alike(NamedTuple):
    """An argument that counts by what it says. `text` says all of it."""
    value: Any
    text: str


def alike(value: Any) -> Alike:
    """Plain data, to count by what it says; the order of keys counts too."""
    return Alike(value, repr(value))


class _Entry:
    __slots__ = ("made", "of", "asked_in")

    def __init__(self, made: Any, of: tuple, asked_in: int):
        self.made, self.of, self.asked_in = made, of, asked_in     # `of` keeps the arguments, and so their ids, alive


class Memory:
    """Results by function and arguments. Threads need no lock: one that misses what another forgets makes it anew."""

    def __init__(self) -> None:
        self._entries: dict[tuple, _Entry] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self) -> Pass:
        return Pass(self._entries, next(self._numbers))


class Pass:
    """One check's use of a memory, from `Memory.begin` to `end`."""

    def __init__(self, entries: dict[tuple, _Entry], number: int):
        self._entries, self._number = entries, number

    def made(self, make: Callable[..., _Made], *of: Any) -> _Made:
        """`make(*of)`, or what it gave for the same arguments before: nobody may change it. Raises what `make` raises."""
        key = (make, *map(_key, of))
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(make(*of), of, self._number)
        else:
            entry.asked_in = self._number
        return entry.made

    def end(self) -> None:
        """Forget what this pass and those shortly before it did not ask for."""
        for key, entry in list(self._entries.items()):
            if entry.asked_in <= self._number - PASSES_MAX:
                self._entries.pop(key, None)


def _key(value: Any) -> Any:
    if isinstance(value, _BY_VALUE):
        return value
    if isinstance(value, Alike):
        return value.text
    return tuple(map(_key, value)) if type(value) is tuple else id(value)
