"""Paths into a decoded message: `amount.total`, `items.0.id`. One way to read them, one to write them."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .casts import as_text
from .model import Unreadable


class Missing(Unreadable):
    """The message has nothing at that place."""


def split(path: str) -> tuple[str, ...]:
    return tuple(path.split(".")) if path else ()


def dig(tree: Any, steps: tuple[str, ...]) -> Any:
    """What lies at a path; Missing when there is nothing, or null. A leading `*` in a step stands for any beginning."""
    for step in steps:
        if isinstance(tree, Mapping):
            if step not in tree and step.startswith("*"):
                step = next((key for key in tree if key.endswith(step[1:])), step)
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdigit() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            tree = None
        if tree is None:
            raise Missing(f"{'.'.join(steps)} is missing")
    return tree


def text_at(tree: Any, steps: tuple[str, ...]) -> str | None:
    """The text of the value at a path, None where there is nothing."""
    try:
        return as_text(dig(tree, steps))
    except Missing:
        return None


def put(tree: dict[str, Any], steps: tuple[str, ...], value: Any) -> None:
    """Sets a value, making the mappings on the way."""
    for step in steps[:-1]:
        tree = tree.setdefault(step, {})
    tree[steps[-1]] = value
