"""What the configuration room must be told about higher rooms; `run.py` hands it in at start-up (no import upward)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping


@dataclass(frozen=True, slots=True)
class StepSpec:
    """A registered step as the checker sees it.

    with_schema  JSON Schema of its `with:` (type object, additionalProperties false)
    places       where it may stand: {"quote.check", "place.check", …}
    kind         pure (reads) · write (in the phase's transaction) · call (an outside call: a phase of its own)
    undo         name of the step that compensates it, when it has one
    opens_work   it opens work orders, which may keep the order from completing
    makes_lines  it makes the order's lines: a price begins with such a step
    """
    name: str
    about: str
    with_schema: Mapping[str, Any]
    places: frozenset[str]
    kind: str
    undo: str | None = None
    opens_work: bool = False
    makes_lines: bool = False


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """steps: by name. run_scene_example(catalog, scene, given) → outcome dict; run_channel_example(doc, example) →
    list of differences ([] = as expected); check_channel(doc) → list of (path tuple, message) beyond JSON Schema.
    tenders: the ways to pay that the engine can take so far. `check_examples.py` says what a given and an outcome are."""
    steps: Mapping[str, StepSpec]
    run_scene_example: Callable[..., Mapping[str, Any]] | None = None
    run_channel_example: Callable[..., list[str]] | None = None
    check_channel: Callable[..., list[tuple]] | None = None
    check_verify: Callable[..., list[tuple]] | None = None     # the same of a partner's `verify:`
    tenders: frozenset[str] = frozenset({"channel"})
