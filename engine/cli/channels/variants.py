"""What operations and notices are examined by: the ways a signed message may be wrong, the leaves of a condition."""
from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

from ...wire.signing import Check
from . import opposite
from .values import AT_S

GOOD = "signed, and good"


def ways(check: Check, good: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """(name, message, moment): a signed message as it should be, and each way it may be wrong."""
    yield GOOD, dict(good), AT_S
    yield "changed on the way", {**good, "body": tampered(good["body"])}, AT_S
    if check.fresh:
        yield "too old", dict(good), AT_S + int(check.fresh.within_s) + 1
    if check.key_id and check.key_id.name.startswith("header."):
        name = check.key_id.name.removeprefix("header.").lower()
        yield "under a key we do not know", {**good, "headers": {**good["headers"], name: "key-9"}}, AT_S


def tampered(body: str) -> str:
    """The body with one of the values it tells us changed."""
    for old, new in (("S1", "S9"), ("990", "1"), ("P261121", "P9"), ("261121", "261122")):
        if old in body:
            return body.replace(old, new)
    run = max(re.findall(r"[A-Za-z0-9+/]+", body) or [""], key=len)
    if not run:
        return body + " "
    middle = len(run) // 2
    return body.replace(run, run[:middle] + ("B" if run[middle] == "A" else "A") + run[middle + 1:])


def body_of(kind: str, tree: Any) -> dict[str, Any]:
    if kind in ("json", "form", "xml") and isinstance(tree, (dict, list)):
        return {kind: tree}
    return {"body": opposite.encoded(kind, tree).decode()}


def leaves(spec: Mapping[str, Any]) -> Iterator[str]:
    for word, value in spec.items():
        if word in ("all", "any"):
            for one in value:
                yield from leaves(one)
        elif word == "not":
            yield from leaves(value)
        elif isinstance(value, Mapping):
            yield from (f"{word} {path}" for path in value)
        else:
            yield word


def listed(spec: Mapping[str, Any], word: str) -> list[tuple[str, list[Any]]]:
    found = [(path, values) for path, values in spec.get(word, {}).items()]
    for nested in ("all", "any"):
        for one in spec.get(nested, ()):
            found += listed(one, word)
    return found


def chosen_words(node: Any) -> Iterator[tuple[str, str]]:
    """(fact, word) for every word that a request says in theirs (`$words:`)."""
    if isinstance(node, Mapping):
        name = re.fullmatch(r"\{([a-z_.]+)\??\}", str(node.get("$words", "")))
        if name:
            yield from ((name[1], word) for word in node if word not in ("$words", "else"))
        for value in node.values():
            yield from chosen_words(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from chosen_words(value)
