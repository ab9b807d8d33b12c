"""Templates: `{payment.amount:fen}` inside texts, compiled once (by `Draft.template`) and filled from a scope.

`?` makes a hole optional: `{client.openid?}` drops the key it fills. After `:` stand casts, joined by `|`. A text that is
one hole keeps the value's type: a number stays a number in JSON.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from . import casts, paths
from .model import FactMissing
from .scope import Get, Scope


class _Absent:
    """Stands where an optional hole had nothing to put in."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Hole:
    name: str
    kind: str                               # text | money | time | …
    optional: bool
    casts: tuple[casts.Cast, ...]
    get: Get

    def value(self, scope: Scope) -> Any:
        try:
            value = self.get(scope)
        except (FactMissing, paths.Missing):
            if self.optional:
                return ABSENT
            raise
        setting = scope.setting
        if self.kind == "money":
            currency = scope.facts.get(self.name.rpartition(".")[0] + ".currency") or setting.currency
            setting = setting._replace(currency=currency)
        for cast in self.casts:
            value = cast.write(value, setting)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    source: str
    parts: tuple[str | Hole, ...]

    @property
    def holes(self) -> list[Hole]:
        return [p for p in self.parts if isinstance(p, Hole)]

    @property
    def names(self) -> set[str]:
        return {hole.name for hole in self.holes}

    def value(self, scope: Scope) -> Any:
        """The value of a lone hole with its type, otherwise text; ABSENT when an optional hole has nothing."""
        if len(self.parts) == 1:
            part = self.parts[0]
            return part if isinstance(part, str) else part.value(scope)
        values = [part if isinstance(part, str) else part.value(scope) for part in self.parts]
        return ABSENT if ABSENT in values else "".join(map(casts.as_text, values))

    def text(self, scope: Scope, wrap: Callable[[str], str] = str) -> str:
        """The template as text; `wrap` is applied to what fills the holes (quoting in an address)."""
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            else:
                value = part.value(scope)
                out.append("" if value is ABSENT else wrap(casts.as_text(value)))
        return "".join(out)
