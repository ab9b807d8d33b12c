"""Mutants of a channel file: every leaf of what it says about the protocol, changed one at a time.

A leaf is changed into something that is still a plausible file: another word of the same list, a text with one more
character, a number one higher, an entry left out. Whatever tells the file from its mutant must be one of its examples:
a leaf that no example tells from its mutant would be decoration. `survivors` are the mutants that no example catches.
"""
from __future__ import annotations

import copy
import json
import re
from typing import Any, Callable, Iterator, NamedTuple

from ..config import shape
from . import casts, codecs, crypto
from .channel import Channel
from .compile import check_channel, compile_channel
from .examples import run_on, secrets_of
from .model import WireError
from .secrets import Given

PROTOCOL = ("base", "zone", "constants", "sign", "verify", "match", "take", "judge", "answers", "operations", "notices")
# Names with a few legal values: their mutants are the others.
WORDS = {"sort": ("key", "none"), "empties": ("drop", "keep"), "encode": codecs.ENCODINGS, "as": ("json", "text"),
         "answers": ("json", "form"), "body": ("json", "form", "xml"), "hash": crypto.HASHES, "of": ("body", "query")}
TWINS = {"rsa_sha256": "rsa_sha1", "ecdsa_sha256": "ecdsa_raw_sha256", "hmac_sha256": "hmac_sha1", "post": "put",
         "get": "post", "fen": "yuan", "rfc3339": "unix", "xml": "json"}
_WITH_A_VALUE = re.compile(r":(?:without|day_max)\([^()]*\)\||[|:](?:without|day_max)\([^()]*\)")     # first of a chain, or last
Path = tuple[str | int, ...]


class Edit(NamedTuple):
    """One change: where, into what, and the doing of it."""
    path: Path
    what: str
    do: Callable[[], None]

    @property
    def name(self) -> str:
        return f"{'.'.join(map(str, self.path))} {self.what}"


class Survivor(NamedTuple):
    path: Path
    name: str


def mutants(doc: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was changed, the changed document). Parts that the file shares by an anchor are changed once, everywhere."""
    for edit, changed in _changed(doc):
        yield edit.name, changed


def survivors(doc: dict[str, Any], where: Callable[[Path], bool] = lambda path: True) -> Iterator[Survivor]:
    """The mutants that none of the document's own examples catches: where, and what was changed. `where`: only of these paths
    (a file that is like another answers for what it says itself)."""
    for edit, changed in _changed(doc, where):
        if not is_caught(changed, changed.get("examples", [])):
            yield Survivor(edit.path, edit.name)


def is_caught(mutant: dict[str, Any], examples: list[dict[str, Any]]) -> bool:
    """By an example, or because it is no longer a right file (which is looked at last: it takes longest)."""
    protocol = {name: value for name, value in mutant.items() if name != "examples"}
    try:
        if any(_differs(mutant, examples)):
            return True
        wrong = check_channel(mutant)
    except (KeyError, TypeError, ValueError, AttributeError) as error:      # only the schema keeps such a file out
        assert shape.faults("channels", protocol), f"the schema lets a file pass that breaks the compiler: {error!r}"
        return True
    except WireError:
        return True
    return bool(wrong or shape.faults("channels", protocol))


def _differs(doc: dict[str, Any], examples: list[dict[str, Any]]) -> Iterator[bool]:
    compiled: dict[str, Channel] = {}
    for example in examples:
        key = json.dumps(example.get("secrets", {}))
        if key not in compiled:
            compiled[key] = compile_channel(doc, Given(secrets_of(doc, example)))
        yield bool(run_on(compiled[key], example))


# --- making them

def edits(doc: dict[str, Any]) -> list[Edit]:
    """Every change that is made, on a copy."""
    return list(_edits(copy.deepcopy({part: doc[part] for part in PROTOCOL if part in doc})))


def _changed(doc: dict[str, Any], where: Callable[[Path], bool] = lambda path: True) -> Iterator[tuple[Edit, dict[str, Any]]]:
    protocol = {part: doc[part] for part in PROTOCOL if part in doc}
    for number in [at for at, edit in enumerate(edits(doc)) if where(edit.path)]:
        changed = copy.deepcopy(protocol)
        for at, edit in enumerate(_edits(changed)):
            if at == number:
                edit.do()
                yield edit, {**doc, **changed}
                break


def _edits(doc: dict[str, Any]) -> Iterator[Edit]:
    seen: set[int] = set()
    for part in PROTOCOL:
        if part in doc:
            yield from _of_entry(doc, part, (part,), seen)


def _of_entry(holder: Any, key: Any, path: Path, seen: set[int]) -> Iterator[Edit]:
    value = holder[key]
    if isinstance(value, (dict, list)):
        if id(value) in seen:
            return
        seen.add(id(value))
        names = list(value) if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from _of_entry(value, name, (*path, name), seen)
            if not (isinstance(value, dict) and len(value) == 1) and len(path) >= 2:
                yield Edit((*path, name), "left out", _remove(value, name))
            if isinstance(value, dict) and name in TWINS and TWINS[name] not in value:
                yield Edit((*path, name), f"→ {TWINS[name]}", _rename(value, name, TWINS[name]))
        return
    if isinstance(value, bool):
        yield Edit(path, "flipped", _set(holder, key, not value))
    elif isinstance(value, int):
        yield Edit(path, "+ 1", _set(holder, key, value + 1))
    elif key in WORDS and value in WORDS[key]:
        yield from (Edit(path, f"→ {word}", _set(holder, key, word)) for word in WORDS[key] if word != value)
    elif isinstance(value, str):
        yield Edit(path, "longer", _set(holder, key, _longer(value)))
        yield from _without_casts(holder, key, path, value)


def _longer(text: str) -> str:
    """One more character; a duration and a status span grow instead."""
    if text.endswith("s") and text[:-1].isdigit():
        return f"{int(text[:-1]) + 1}s"
    if ".." in text:
        low, _, high = text.partition("..")
        return f"{low}..{int(high) - 1}"
    return text + "~"


def _without_casts(holder: Any, key: Any, path: Path, text: str) -> Iterator[Edit]:
    for word in casts.WORDS:
        for mark in (f"|{word}}}", f":{word}}}"):
            if mark in text and word not in casts.MONEY_WORDS + casts.TIME_WORDS:
                yield Edit(path, f"without {word}", _set(holder, key, text.replace(mark, "}")))
    if "?" in text and "{" in text:
        yield Edit(path, "not optional", _set(holder, key, text.replace("?", "")))
    for mark in _WITH_A_VALUE.findall(text):
        yield Edit(path, f"without {mark.strip(':|')}", _set(holder, key, text.replace(mark, ":" if mark[-1] == "|" else "")))
    if ":max(" in text:
        yield Edit(path, "shorter", _set(holder, key, text.replace(":max(", ":max(1")))


def _set(holder: Any, key: Any, value: Any) -> Callable[[], None]:
    return lambda: holder.__setitem__(key, value)


def _remove(holder: Any, key: Any) -> Callable[[], None]:
    return lambda: holder.__delitem__(key)


def _rename(holder: dict[str, Any], old: str, new: str) -> Callable[[], None]:
    def edit() -> None:
        items = [(new if name == old else name, value) for name, value in holder.items()]
        holder.clear()
        holder.update(items)
    return edit
