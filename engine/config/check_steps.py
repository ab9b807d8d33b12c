"""Pipelines: is every step of a line one there is, where it may stand, with parameters it takes, and within reach?

A scene's overrides are held to the same, on top of its line.
"""
from __future__ import annotations

import dataclasses
from typing import Any, Mapping, NamedTuple

from . import check_references, marks
from .check_conditions import Fields, checked, out_of_reach
from .compile_flow import Placed, overridden, placed
from .conditions import Condition
from .problems import Fault, nearest_word, shown
from .reach import Known
from .shelf import Shelf
from .vocabulary import StepSpec, Vocabulary
from .wording import either, faults_of


class Scope(NamedTuple):
    """The scenes that share a pipeline: their fields together, their currencies, and what is fixed in each."""
    fields: Fields
    currencies: frozenset[str]
    known: list[tuple[str, Known]]             # (sales method, what is fixed) of each scene

    @property
    def currency(self) -> str | None:
        return next(iter(self.currencies)) if len(self.currencies) == 1 else None if self.currencies else "CNY"


def check_line(shelf: Shelf, vocabulary: Vocabulary, id: str, line: Mapping[str, Any], scope: Scope) -> None:
    seen: set[tuple[str, str]] = set()
    faults: list[Fault] = []
    unused = _unused_flows(line, scope)
    for step in placed(line):
        spec = _spec(vocabulary, step, faults)
        if spec is None:
            continue
        key = (step.address, repr(step.options))
        if key in seen:
            told = f"the step {step.name} already stands here, with the same options"
            faults.append(Fault(step.path[:3], "repeated", told, expected="once"))
            continue
        seen.add(key)
        faults += _check_options(shelf, spec, step.options, step, step.path, step.path, scope)
        condition = _when(shelf, step.options, step, step.path, scope, faults)
        if step.flow not in unused and out_of_reach(condition, (known for _, known in _running(step.flow, scope))):
            faults.append(_unreachable((*step.path, "when")))
    faults += _price_begins(vocabulary, line)
    faults += (Fault((flow,), "unreachable", f"no scene of this line runs the flow {flow}", expected=why, at_key=True)
               for flow, why in unused.items())
    shelf.add_all("lines", id, faults)


def _price_begins(vocabulary: Vocabulary, line: Mapping[str, Any]) -> list[Fault]:
    """Without a first step that makes the lines, at all times, an order would cost nothing."""
    makers = sorted(name for name, spec in vocabulary.steps.items() if spec.makes_lines)
    steps = [step for step in placed(line) if step.place == "quote.price"]
    if not makers or steps and steps[0].name in makers and "when" not in steps[0].options:
        return []
    path = steps[0].path if steps else ("quote",) if "quote" in line else ()
    return [Fault(path, "price-begins", "a price begins with a step that makes the lines, without a condition",
                  found=shown(steps[0].name) if steps else "no step at quote.price", expected=either(makers))]


def _spec(vocabulary: Vocabulary, step: Placed, faults: list[Fault]) -> StepSpec | None:
    spec = vocabulary.steps.get(step.name)
    at_key = len(step.path) > 3
    here = [name for name, other in vocabulary.steps.items() if step.place in other.places]
    if spec is None:
        nearest = nearest_word(step.name, here) or nearest_word(step.name, vocabulary.steps)
        faults.append(Fault(step.path, "step", f"there is no step {shown(step.name)}", nearest=nearest, at_key=at_key,
                            expected=None if nearest else either(sorted(here))))
        return None
    if step.place not in spec.places:
        expected = either(sorted(spec.places)) if spec.places else "its use as an `undo` only"
        faults.append(Fault(step.path, "step-place", f"the step {step.name} can't stand at {step.place}",
                            expected=expected, at_key=at_key))
        return None
    return spec


def _unused_flows(line: Mapping[str, Any], scope: Scope) -> dict[str, str]:
    """Flows a line fills that none of its scenes runs (a line without scenes has a note of its own)."""
    return {flow: why for flow, why in (("charge", "a scene with method direct_charge"),)
            if flow in line and scope.known and not _running(flow, scope)}


def _running(flow: str, scope: Scope) -> list[tuple[str, Known]]:
    """The scenes that run a flow: a direct charge is charged, every other order is paid or closed."""
    if flow in ("quote", "place", "fulfil"):
        return scope.known
    return [(method, known) for method, known in scope.known if (method == "direct_charge") == (flow == "charge")]


def _unreachable(path: tuple) -> Fault:
    return Fault(path, "unreachable", "this can never hold here, so the step would never run")


def _when(shelf: Shelf, options: Mapping[str, Any], step: Placed, path: tuple, scope: Scope,
          faults: list[Fault]) -> Condition | None:
    if "when" not in options:
        return None
    return checked(shelf, options["when"], (*path, "when"), step.flow, scope.fields, scope.currency, faults)


def _check_options(shelf: Shelf, spec: StepSpec, options: Mapping[str, Any], step: Placed, path: tuple, at: tuple,
                   scope: Scope) -> list[Fault]:
    """Faults of a step's options but for its `when`. `path`: where they are written; `at`: where a missing one is."""
    params_path = (*path, "with") if "with" in options else at
    faults = _check_params(shelf, spec, options.get("with", {}), step, params_path, scope)
    if "undo" in options and options["undo"] != spec.undo:
        faults.append(Fault((*path, "undo"), "undo", f"{shown(options['undo'])} does not take {spec.name} back",
                            expected=spec.undo or f"no undo: nothing takes {spec.name} back"))
    if "timeout" in options and spec.kind != "call":
        told = f"the step {spec.name} makes no call that could time out"
        faults.append(Fault((*path, "timeout"), "not-here", told, at_key=True))
    return faults


def _check_params(shelf: Shelf, spec: StepSpec, params: Mapping[str, Any], step: Placed, path: tuple,
                  scope: Scope) -> list[Fault]:
    form = marks.of_step(spec)
    found = faults_of(list(form.validator.iter_errors(params)), form.schema)
    if found:
        return [dataclasses.replace(fault, path=(*path, *fault.path)) for fault in found]
    marked = form.marker.marks(params)
    faults = check_references.faults(shelf, marked, path)
    for mark in marked:
        if mark.word == "condition":
            checked(shelf, mark.value, (*path, *mark.path), step.flow, scope.fields, scope.currency, faults)
    return faults


def check_overrides(shelf: Shelf, vocabulary: Vocabulary, id: str, scene: Mapping[str, Any], line: Mapping[str, Any],
                    scope: Scope) -> None:
    """`scope`: the scene's own."""
    steps: dict[str, list[Placed]] = {}
    for step in placed(line):
        steps.setdefault(step.address, []).append(step)
    faults: list[Fault] = []
    for address, override in scene.get("override", {}).items():
        step = _overridden_step(steps, address, scene["line"], faults)
        spec = vocabulary.steps.get(step.name) if step else None
        if spec is None or step.place not in spec.places:
            continue
        path = ("override", address)
        if not _check_options(shelf, spec, step.options, step, (), (), scope):      # else it is told of the line
            faults += _check_options(shelf, spec, overridden(step.options, override), step, path, path, scope)
        condition = _when(shelf, override, step, path, scope, faults)
        if out_of_reach(condition, (known for _, known in _running(step.flow, scope))):
            faults.append(_unreachable((*path, "when")))
    shelf.add_all("scenes", id, faults)


def _overridden_step(steps: Mapping[str, list[Placed]], address: str, line_id: str,
                     faults: list[Fault]) -> Placed | None:
    found = steps.get(address, [])
    if len(found) == 1:
        return found[0]
    if found:
        told = f"the line {line_id} has this step {len(found)} times here: it can't be told which is meant"
        faults.append(Fault(("override", address), "override", told, at_key=True))
    else:
        nearest = nearest_word(address, steps)
        expected = None if nearest else "flow.hook.step, e.g. " + next(iter(steps))
        faults.append(Fault(("override", address), "override", f"the line {line_id} has no step there",
                            shown(address), expected, nearest, at_key=True))
    return None
