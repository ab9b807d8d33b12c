"""Making a condition of a channel file hold: what must stand in a document so that `judge:` or `when:` is content.

`hold` writes into the document only what is not so already, and returns the HTTP statuses that would do.
"""
from __future__ import annotations

import re
from typing import Any, Iterable, Mapping

from engine.wire import casts, paths

ANY_STATUS = (200, 201, 204, 400, 404, 422, 500)
_OTHER = "OTHER"
_CLASSES = {"d": "1", "w": "A", "s": " ", "D": "A", "W": "-", "S": "A"}


class CannotSay(Exception):
    """The channel file has no way to say this."""


def hold(spec: Mapping[str, Any], tree: dict[str, Any]) -> list[int] | None:
    """The statuses it asks for, None when any will do. CannotSay when there is no way."""
    statuses: list[int] | None = None
    for word, value in spec.items():
        found = _LEAVES[word](tree, value) if word in _LEAVES else _refuse(word)
        if found is not None:
            statuses = found if statuses is None else [status for status in statuses if status in found]
    return statuses


def deny(spec: Mapping[str, Any], tree: dict[str, Any]) -> list[int] | None:
    """Makes a condition not hold: one of its parts is enough."""
    word, value = next(iter(spec.items()))
    if word == "http":
        return [status for status in ANY_STATUS if status not in _statuses(value)]
    if word == "exists":
        _remove(tree, paths.split(value))
    elif word in ("eq", "in", "matches"):
        path = paths.split(next(iter(value)))
        if paths.text_at(tree, path) is not None:
            put(tree, path, _OTHER)
    elif word == "ne":
        path, text = next(iter(value.items()))
        put(tree, paths.split(path), text)
    elif word == "not":
        return hold(value, tree)
    elif word in ("any", "all"):
        return [deny(one, tree) for one in value][-1]
    return None


def _refuse(word: str) -> None:
    raise CannotSay(f"a condition with {word!r} can't be made to hold")


def _statuses(spec: Any) -> list[int]:
    found: list[int] = []
    for one in spec if isinstance(spec, (list, tuple)) else [spec]:
        low, _, high = str(one).partition("..")
        found += range(int(low), int(high or low) + 1)
    return found


def _eq(tree: dict[str, Any], spec: Mapping[str, Any]) -> None:
    for path, wanted in spec.items():
        if paths.text_at(tree, paths.split(path)) != casts.as_text(wanted):
            put(tree, paths.split(path), wanted)


def _ne(tree: dict[str, Any], spec: Mapping[str, Any]) -> None:
    for path, unwanted in spec.items():
        if paths.text_at(tree, paths.split(path)) == casts.as_text(unwanted):
            put(tree, paths.split(path), _OTHER)


def _in(tree: dict[str, Any], spec: Mapping[str, Any]) -> None:
    for path, wanted in spec.items():
        if paths.text_at(tree, paths.split(path)) not in {casts.as_text(one) for one in wanted}:
            put(tree, paths.split(path), wanted[0])


def _exists(tree: dict[str, Any], path: str) -> None:
    if not paths.text_at(tree, paths.split(path)):
        put(tree, paths.split(path), "1")


def _matches(tree: dict[str, Any], spec: Mapping[str, Any]) -> None:
    for path, pattern in spec.items():
        if not re.fullmatch(pattern, paths.text_at(tree, paths.split(path)) or ""):
            put(tree, paths.split(path), sample(pattern))


def _all(tree: dict[str, Any], spec: Iterable[Mapping[str, Any]]) -> list[int] | None:
    asked = [found for one in spec if (found := hold(one, tree)) is not None]
    return asked[-1] if asked else None


_LEAVES = {
    "http": lambda tree, spec: _statuses(spec), "eq": _eq, "ne": _ne, "in": _in, "exists": _exists, "matches": _matches,
    "all": _all, "any": lambda tree, spec: hold(spec[0], tree), "not": lambda tree, spec: deny(spec, tree),
}


# --- places in a document

def put(tree: Any, steps: tuple[str, ...], value: Any) -> None:
    """As `paths.put`, with lists where a step is a number."""
    for step, following in zip(steps[:-1], steps[1:]):
        empty: Any = [] if following.isdigit() else {}
        tree = _into(tree, step, empty)
    if isinstance(tree, list):
        _into(tree, steps[-1], value)
        tree[int(steps[-1])] = value
    else:
        tree[steps[-1]] = value


def _into(tree: Any, step: str, empty: Any) -> Any:
    if not isinstance(tree, list):
        held = tree.get(step)
        if not isinstance(held, (dict, list)):
            tree[step] = empty
        return tree[step]
    while len(tree) <= int(step):
        tree.append(type(empty)() if isinstance(empty, (dict, list)) else {})
    return tree[int(step)]


def put_if_missing(tree: Any, steps: tuple[str, ...], value: Any) -> None:
    if paths.text_at(tree, steps) is None:
        put(tree, steps, value)


def _remove(tree: Any, steps: tuple[str, ...]) -> None:
    for step in steps[:-1]:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    if isinstance(tree, dict):
        tree.pop(steps[-1], None)


# --- a text that a pattern matches

def sample(pattern: str) -> str:
    """A short text that a regular expression of the usual kind matches. CannotSay for one that is too clever."""
    text, _ = _alternative(pattern, 0)
    if not re.fullmatch(pattern, text):
        raise CannotSay(f"no text was found that matches {pattern!r}")
    return text


def _alternative(pattern: str, at: int) -> tuple[str, int]:
    """The first of `a|b|c`, and where the group ends."""
    found: str | None = None
    text = ""
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            found, text = (text if found is None else found), ""
            at += 1
            continue
        piece, at = _piece(pattern, at)
        least, at = _times(pattern, at)
        text += piece * least
    return (text if found is None else found), at


def _piece(pattern: str, at: int) -> tuple[str, int]:
    mark = pattern[at]
    if mark == "(":
        start = re.compile(r"\((\?:|\?i\)|\?P<\w+>)?").match(pattern, at)
        text, end = _alternative(pattern, start.end())  # type: ignore[union-attr]
        return text, end + 1
    if mark == "[":
        end = pattern.index("]", at + 2)
        return next((chr(code) for code in range(48, 123) if re.fullmatch(pattern[at:end + 1], chr(code))), "-"), end + 1
    if mark == "\\":
        return _CLASSES.get(pattern[at + 1], pattern[at + 1]), at + 2
    return ("A" if mark == "." else "" if mark in "^$" else mark), at + 1


def _times(pattern: str, at: int) -> tuple[int, int]:
    if match := re.compile(r"\{(\d+)(,\d*)?\}").match(pattern, at):
        return int(match[1]), match.end()
    if at < len(pattern) and pattern[at] in "*?+":
        return (1 if pattern[at] == "+" else 0), at + 1
    return 1, at
