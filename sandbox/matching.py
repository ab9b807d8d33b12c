"""Templates in reverse: what came is laid against the text that made it, and the facts in its holes come back."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping
from urllib.parse import unquote

from engine.wire import casts, codecs, crypto
from engine.wire.model import Unreadable
from engine.wire.templates import Hole, Template
from engine.wire.vocabulary import fact_kind, key_of

from .side import Basic, Side

DAY_MS = 86_400_000


@dataclass(slots=True)
class Call:
    """A request, understood: facts by their keys (`payment.amount_minor`), built-ins and parts of answers by name."""
    operation: str
    facts: dict[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)


class Match:
    """Lays one message against the patterns of one operation. `wrong` is the first thing that did not fit."""

    def __init__(self, side: Side, operation: str):
        self.side, self.call, self.wrong = side, Call(operation), ""

    def _no(self, where: str, found: Any) -> bool:
        self.wrong = self.wrong or f"{where or 'it'}: {casts.as_text(found)[:80]!r} is not what the file writes there"
        return False

    def fits(self, pattern: Any, found: Any, where: str = "", others: bool = False) -> bool:
        """`others`: there may be keys that no pattern names."""
        if isinstance(pattern, Template):
            return self.fits_text(pattern, found, where)
        if isinstance(pattern, Basic):
            return self._fits_basic(pattern, found, where)
        if isinstance(pattern, Mapping):
            special = next((key for key in pattern if key.startswith("$")), None)
            return self._fits_special(special, pattern, found, where) if special \
                else self._fits_mapping(pattern, found, where, others)
        if isinstance(pattern, list):
            if isinstance(found, Mapping):         # a form with brackets keeps positions as names
                found = [found[key] for key in sorted(found, key=lambda key: (len(key), key))]
            if not isinstance(found, list) or len(found) != len(pattern):
                return self._no(where, found)
            return all(self.fits(one, other, f"{where}.{i}") for i, (one, other) in enumerate(zip(pattern, found)))
        return casts.as_text(pattern) == casts.as_text(found) or self._no(where, found)

    def _fits_mapping(self, pattern: Mapping[str, Any], found: Any, where: str, others: bool) -> bool:
        if not isinstance(found, Mapping):
            return self._no(where, found)
        more = [key for key in found if key not in pattern]
        if more and not others:
            return self._no(f"{where}.{more[0]}".lstrip("."), found[more[0]])
        for key, value in pattern.items():
            here = f"{where}.{key}".lstrip(".")
            if key not in found and not _may_lack(value):
                self.wrong = self.wrong or f"{here} is missing"
                return False
            if key in found and not self.fits(value, found[key], here):
                return False
        return True

    def _fits_special(self, special: str, pattern: Mapping[str, Any], found: Any, where: str) -> bool:
        try:
            if special == "$json":
                return self.fits(pattern["$json"], codecs.read_json(casts.as_text(found)), where)
            if special == "$seal":
                return self._fits_sealed(pattern["$seal"], casts.as_text(found), where)
        except Unreadable as error:
            self.wrong = self.wrong or f"{where}: {error}"
            return False
        return self._fits_words(pattern, found, where)

    def _fits_words(self, pattern: Mapping[str, Any], found: Any, where: str) -> bool:
        """Their word back to ours, where only one of ours is said so."""
        fit = [ours for ours, theirs in pattern.items() if ours != "$words" and Match(self.side, "").fits(theirs, found)]
        if not fit:
            return self._no(where, found)
        hole = self.side.tree(pattern["$words"]).holes[0]
        return len(fit) > 1 or fit == ["else"] or self._keep(hole, fit[0], where)

    def _fits_sealed(self, spec: Mapping[str, Any], found: str, where: str) -> bool:
        kind = next(word for word in crypto.CIPHERS if word in spec)
        scope = self.side.scope()
        key = self.side.draft.cipher_key(kind, spec[kind], "open", ())(scope)
        iv = self.side.tree(spec.get("iv", "")).text(scope).encode()
        plain = crypto.open_sealed(kind, key, codecs.decode_bytes(found, spec.get("encode", "base64")), iv)
        return self.fits_text(self.side.tree(str(spec["of"])), plain.decode("utf-8", "replace"), where)

    def _fits_basic(self, pattern: Basic, found: Any, where: str) -> bool:
        wanted = casts.cast_named("base64").write(pattern.template.text(self.side.scope()), self.side.setting)  # type: ignore
        return found == f"Basic {wanted}" or self._no(where, "another name or password")

    def fits_path(self, template: Template, path: str) -> bool:
        return self.fits_text(template, path, "path", unquote, "([^/]*?)")

    def fits_text(self, template: Template, found: Any, where: str, decode: Callable[[str], str] = str,
                  hole: str = "(.*?)") -> bool:
        """Keeps what the holes held; a hole met before must hold the same."""
        if "notice_url" in template.names:     # the address as sent: it ends in the event's own name
            self.call.facts["notice_url_sent"] = casts.as_text(found)
        if len(template.parts) == 1 and isinstance(template.parts[0], Hole):
            return self._keep(template.parts[0], found, where)
        pattern = "".join(re.escape(part) if isinstance(part, str) else hole for part in template.parts)
        match = re.fullmatch(pattern, casts.as_text(found), re.DOTALL)
        if match is None:
            return self._no(where, found)
        return all(self._keep(hole, decode(text), where) for hole, text in zip(template.holes, match.groups()))

    def _keep(self, hole: Hole, raw: Any, where: str) -> bool:
        side = self.side
        if hole.name in side.constants or hole.name in side.references:
            return casts.as_text(hole.value(side.scope())) == casts.as_text(raw) or self._no(where, raw)
        if isinstance(raw, (dict, list)) and not (hole.kind == "texts" and isinstance(raw, list)):
            return self._no(where, raw)
        try:
            for cast in reversed(hole.casts):
                if cast.read is None:          # it can't be undone: a digest is the signature's business
                    return True
                raw = cast.read(raw, side.setting)
            if hole.kind == "int":
                raw = casts.cast_named("int").read(raw, side.setting)  # type: ignore[union-attr, misc]
        except Unreadable as error:
            self.wrong = self.wrong or f"{where}: {error}"
            return False
        is_fact = fact_kind(hole.name) is not None
        known, key = (self.call.facts, key_of(hole.name, hole.kind)) if is_fact else (self.call.names, hole.name)
        if hole.kind == "time" and isinstance(raw, int):
            return self._keep_time(known, key, raw) or self._no(where, raw)
        return _same(known.setdefault(key, raw), raw) or self._no(where, raw)

    @staticmethod
    def _keep_time(known: dict[str, Any], key: str, at_ms: int) -> bool:
        """A moment may be written to the day, the second and the millisecond in one message: the finest is kept."""
        held = known.setdefault(key, at_ms)
        known[key] = at_ms if at_ms % 1000 else held
        return abs(held - at_ms) <= DAY_MS


def _same(one: Any, other: Any) -> bool:
    """Equal, or one a shortened form of the other (`{order.title:max(32)}` beside the whole title)."""
    return one == other or (isinstance(one, str) and isinstance(other, str)
                            and (one.startswith(other) or other.startswith(one) or one.lower() == other.lower()))


def _may_lack(pattern: Any) -> bool:
    """Whether a key may be missing: everything below it hangs on optional holes."""
    if isinstance(pattern, Template):
        return any(hole.optional for hole in pattern.holes)
    if isinstance(pattern, Mapping) and "$words" in pattern:
        return "?" in pattern["$words"]
    return isinstance(pattern, Mapping) and bool(pattern) and all(_may_lack(value) for value in pattern.values())
