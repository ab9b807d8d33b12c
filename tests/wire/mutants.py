"""Mutants of a channel file: every leaf of what it says about the protocol, changed one at a time.

A leaf is changed into something that is still a plausible file: another word of the same list, a text with one more
character, a number one higher, an entry left out. Whatever tells the file from its mutant must be one of its examples.
"""
from __future__ import annotations

import copy
from typing import Any, Callable, Iterator

from engine.wire import casts, codecs, crypto

PROTOCOL = ("base", "zone", "constants", "sign", "verify", "match", "take", "judge", "answers", "operations", "notices")
# Names with a few legal values: their mutants are the others.
WORDS = {"sort": ("key", "none"), "empties": ("drop", "keep"), "encode": codecs.ENCODINGS, "as": ("json", "text"),
         "answers": ("json", "form"), "body": ("json", "form", "xml"), "hash": crypto.HASHES, "of": ("body", "query")}
TWINS = {"rsa_sha256": "rsa_sha1", "hmac_sha256": "hmac_sha1", "post": "put", "get": "post", "fen": "yuan",
         "rfc3339": "unix", "xml": "json"}
# A leaf whose change no message can show: pairs are sorted by key, and a leaf may say what would be so anyway.
Edit = Callable[[], None]


def mutants(doc: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was changed, the changed document). Parts that the file shares by an anchor are changed once, everywhere."""
    count = sum(1 for _ in _edits(copy.deepcopy(doc)))
    for number in range(count):
        changed = copy.deepcopy(doc)
        for at, (name, edit) in enumerate(_edits(changed)):
            if at == number:
                edit()
                yield name, changed
                break


def _edits(doc: dict[str, Any]) -> Iterator[tuple[str, Edit]]:
    seen: set[int] = set()
    for part in PROTOCOL:
        if part in doc:
            yield from _of_entry(doc, part, part, seen)


def _of_entry(holder: Any, key: Any, path: str, seen: set[int]) -> Iterator[tuple[str, Edit]]:
    value = holder[key]
    if isinstance(value, (dict, list)):
        if id(value) in seen:
            return
        seen.add(id(value))
        names = list(value) if isinstance(value, dict) else range(len(value))
        for name in names:
            yield from _of_entry(value, name, f"{path}.{name}", seen)
            if not (isinstance(value, dict) and len(value) == 1) and path.count(".") >= 1:
                yield f"{path}.{name} left out", _remove(value, name)
            if isinstance(value, dict) and name in TWINS and TWINS[name] not in value:
                yield f"{path}.{name} → {TWINS[name]}", _rename(value, name, TWINS[name])
        return
    if isinstance(value, bool):
        yield f"{path} flipped", _set(holder, key, not value)
    elif isinstance(value, int):
        yield f"{path} + 1", _set(holder, key, value + 1)
    elif key in WORDS and value in WORDS[key]:
        yield from ((f"{path} → {word}", _set(holder, key, word)) for word in WORDS[key] if word != value)
    elif isinstance(value, str):
        yield f"{path} longer", _set(holder, key, _longer(value))
        yield from _without_casts(holder, key, path, value)


def _longer(text: str) -> str:
    """One more character; a duration and a status span grow instead."""
    if text.endswith("s") and text[:-1].isdigit():
        return f"{int(text[:-1]) + 1}s"
    if ".." in text:
        low, _, high = text.partition("..")
        return f"{low}..{int(high) - 1}"
    return text + "~"


def _without_casts(holder: Any, key: Any, path: str, text: str) -> Iterator[tuple[str, Edit]]:
    for word in casts.WORDS:
        for mark in (f"|{word}}}", f":{word}}}"):
            if mark in text and word not in casts.MONEY_WORDS + casts.TIME_WORDS:
                yield f"{path} without {word}", _set(holder, key, text.replace(mark, "}"))
    if "?" in text and "{" in text:
        yield f"{path} not optional", _set(holder, key, text.replace("?", ""))
    if ":max(" in text:
        yield f"{path} shorter", _set(holder, key, text.replace(":max(", ":max(1"))


def _set(holder: Any, key: Any, value: Any) -> Edit:
    return lambda: holder.__setitem__(key, value)


def _remove(holder: Any, key: Any) -> Edit:
    return lambda: holder.__delitem__(key)


def _rename(holder: dict[str, Any], old: str, new: str) -> Edit:
    def edit() -> None:
        items = [(new if name == old else name, value) for name, value in holder.items()]
        holder.clear()
        holder.update(items)
    return edit
