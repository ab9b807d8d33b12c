"""Pipelines: a line's steps with a scene's overrides → flows of compiled steps, numbered through."""
from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterable, Iterator, Mapping, NamedTuple

from ..base import clock, money
from . import marks, shape
from .catalog import NOTHING, Flow, Retry, StepUse
from .check_conditions import table_with
from .conditions import compile_closure, parse
from .facts import FactTable
from .kept import Alike
from .template import FLOWS
from .vocabulary import StepSpec


class Placed(NamedTuple):
    """A step as a line's file places it; `path` leads to it in the document."""
    flow: str
    hook: str
    name: str
    options: Mapping[str, Any]
    path: tuple

    @property
    def place(self) -> str:
        return f"{self.flow}.{self.hook}"

    @property
    def address(self) -> str:
        return f"{self.flow}.{self.hook}.{self.name}"


def placed(line: Mapping[str, Any]) -> Iterator[Placed]:
    """Every step of a line's document, in the template's order."""
    for flow, hooks in FLOWS.items():
        for hook in hooks:
            for number, written in enumerate(line.get(flow, {}).get(hook.name, ())):
                path = (flow, hook.name, number)
                if isinstance(written, str):
                    yield Placed(flow, hook.name, written, NOTHING, path)
                else:
                    (name, options), = written.items()
                    yield Placed(flow, hook.name, name, options, (*path, name))


def overridden(options: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """A line's options of a step with a scene's on top: parameters one by one, everything else whole."""
    merged = {**options, **override}
    if "with" in options and "with" in override:
        merged["with"] = {**options["with"], **override["with"]}
    return merged


def flows_of(line: Mapping[str, Any], overrides: Alike, specs: tuple[StepSpec, ...], fields: Alike,
             currency: str) -> Mapping[str, Flow]:
    """All flows of a scene, each of the template's, empty ones too. Amounts are read in the scene's currency.

    specs   of the line's steps, in the order of `placed`
    fields  of the line's scenes (`Fields.own`)

    The documents are checked ones: this raises on others.
    """
    steps: dict[str, list[StepUse]] = {flow: [] for flow in FLOWS}
    facts = {flow: table_with(flow, fields) for flow in FLOWS}
    for step, spec in zip(placed(line), specs, strict=True):
        own = overrides.value.get(step.address)
        options = step.options if own is None else overridden(step.options, own)
        steps[step.flow].append(_use(len(steps[step.flow]) + 1, step, options, spec, facts[step.flow], currency))
    return MappingProxyType({name: Flow(name, tuple(uses)) for name, uses in steps.items()})


def _use(number: int, step: Placed, options: Mapping[str, Any], spec: StepSpec, facts: FactTable,
         currency: str) -> StepUse:
    def closure(tree: Any) -> Any:
        return compile_closure(parse(tree, facts, (), currency)[0])

    def read(mark: marks.Mark) -> Any:
        if mark.word == "condition":
            return closure(mark.value)
        return money.parse_major(mark.value, currency) if mark.word == "money" else clock.parse_duration_s(mark.value)

    written = options.get("with", {})
    params = marks.replaced(written, marks.of_step(spec).marker.marks(written), read)
    return StepUse(
        number=number, hook=step.hook, name=step.name,
        params=MappingProxyType(params) if params else NOTHING,
        when=closure(options["when"]) if "when" in options else None,
        retry=_retry(options.get("retry")),
        timeout_s=clock.parse_duration_s(options["timeout"]) if "timeout" in options else None,
        undo=options.get("undo"),
        may_fail=options.get("may_fail", False))


def _retry(options: Mapping[str, Any] | None) -> Retry:
    if options is None:
        return Retry()
    if "wait" not in options:
        return Retry(options["times"])
    return Retry(options["times"], *shape.parse_wait(options["wait"]))


def scenes_by_line(scenes: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, list[tuple[str, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for id, scene in scenes:
        found.setdefault(scene["line"], []).append((id, scene))
    return found
