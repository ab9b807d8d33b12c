"""Registering steps. A step's docstring is its manual, `params` the JSON Schema of its `with:`."""
from __future__ import annotations

import importlib
import inspect
from typing import Any, Callable, Mapping

from ..config.template import FLOWS
from ..config.vocabulary import StepSpec
from ..flow.step import Step

_MODULES = ("checks", "prices", "holds", "granting", "working", "telling", "partnering")
_steps: dict[str, Step] = {}


def _spec(name: str, about: str, at: str, kind: str, params: Mapping[str, Any] | None, required: tuple[str, ...],
          undo: str | None, **traits: bool) -> StepSpec:
    places = frozenset(at.split())
    known = {f"{flow}.{hook.name}" for flow, hooks in FLOWS.items() for hook in hooks}
    if places - known:
        raise ValueError(f"step {name}: no such place {sorted(places - known)}")
    schema = {"type": "object", "properties": dict(params or {}), "required": list(required), "additionalProperties": False}
    return StepSpec(name, inspect.cleandoc(about), schema, places, kind, undo, **traits)


def step(at: str, kind: str, *, params: Mapping[str, Any] | None = None, required: tuple[str, ...] = (),
         undo: str | None = None, **traits: bool) -> Callable:
    """Register a pure or write step under its function's name. `at`: the places it may stand in, blank-separated;
    `traits`: what StepSpec knows besides (opens_work, makes_lines)."""
    def register(fn: Callable) -> Callable:
        _add(Step(_spec(fn.__name__, fn.__doc__ or "", at, kind, params, required, undo, **traits), run=fn))
        return fn
    return register


def call_step(name: str, at: str, *, params: Mapping[str, Any] | None = None, required: tuple[str, ...] = (),
              undo: str | None = None) -> Callable:
    """Register a class with prepare, call, conclude (and ask) as a call step."""
    def register(cls: type) -> type:
        _add(Step(_spec(name, cls.__doc__ or "", at, "call", params, required, undo), call=cls()))
        return cls
    return register


def _add(step_: Step) -> None:
    if step_.spec.name in _steps:
        raise ValueError(f"the step {step_.spec.name} is registered twice")
    _steps[step_.spec.name] = step_


def load() -> dict[str, Step]:
    """All steps by name."""
    for module in _MODULES:
        importlib.import_module(f"{__package__}.{module}")
    return _steps
