"""The vocabulary: every step says what it does, where it may stand and what it takes."""
from __future__ import annotations

import jsonschema
import pytest

from engine.config.template import FLOWS
from engine.runs import STEPS
from engine.steps import registry
from engine.steps.registry import call_step, step

PLACES = {f"{flow}.{hook.name}" for flow, hooks in FLOWS.items() for hook in hooks}


@pytest.mark.parametrize("name", sorted(STEPS))
def test_a_step_is_described(name):
    it = STEPS[name]
    assert it.spec.name == name and it.spec.about[0].isupper() and it.spec.about.endswith(".")
    assert it.spec.places and it.spec.places <= PLACES
    assert it.spec.kind in ("pure", "write", "call")
    assert (it.call is not None) == (it.spec.kind == "call") and (it.run is None) == (it.spec.kind == "call")
    jsonschema.Draft202012Validator.check_schema(it.spec.with_schema)
    assert it.spec.with_schema["additionalProperties"] is False
    assert it.spec.undo is None or STEPS[it.spec.undo].run is not None
    if it.call:
        assert all(hasattr(it.call, part) for part in ("prepare", "call", "conclude"))


def test_calls_stand_only_where_a_worker_can_take_over():
    """A call is a phase of its own: no flow that must be done within one transaction may have one."""
    assert {place.partition(".")[0] for it in STEPS.values() if it.call
            for place in it.spec.places} <= {"paid", "fulfil", "charge"}


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(registry, "_steps", {})


def test_a_step_is_registered_under_its_name(fresh):
    @step("paid.tell", "write", params={"to": {"type": "string"}}, required=("to",), undo="take_back", opens_work=True)
    def shout(ctx, params):
        """Shout it."""
    spec = registry._steps["shout"].spec
    assert (spec.about, spec.places, spec.undo, spec.opens_work) == ("Shout it.", {"paid.tell"}, "take_back", True)
    assert spec.with_schema == {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"],
                                "additionalProperties": False}


def test_a_name_is_taken_once(fresh):
    def again():
        @step("paid.tell", "write")
        def shout(ctx, params):
            """Shout it."""
    again()
    with pytest.raises(ValueError, match="registered twice"):
        again()
    with pytest.raises(ValueError, match="registered twice"):
        call_step("shout", "paid.tell")(type("Shout", (), {"__doc__": "Shout."}))


def test_a_place_must_be_one(fresh):
    with pytest.raises(ValueError, match="no such place"):
        @step("paid.shout", "write")
        def shout(ctx, params):
            """Shout it."""
