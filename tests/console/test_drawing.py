"""Pictures: every machine can be drawn, what was passed stands out, and nothing breaks out of the drawing."""
from __future__ import annotations

import re
import xml.dom.minidom

import pytest

from console.app import create_app
from console.drawing import chart, machine
from engine import store
from engine.trade.orders import ORDER


@pytest.fixture
def page(sqlite_database):
    with create_app().test_request_context("/console/"):
        yield


def draw(name, moves=(), current=""):
    return str(machine.draw(store.MACHINES[name], moves, current, lambda at_ms: str(at_ms)))


def path(*states):
    return [{"from_state": a, "to_state": b, "at_ms": n} for n, (a, b) in enumerate(zip(("", *states), states))]


def test_every_machine_is_drawn_whole(page):
    for name, found in store.MACHINES.items():
        svg = draw(name, path(found.initial[0]), found.initial[0])
        xml.dom.minidom.parseString(svg)
        assert svg.count("<rect") == len(found.moves)
        assert svg.count('class="edge') == sum(len(targets) for targets in found.moves.values())


def test_the_path_taken_stands_out(page):
    svg = draw("order", path("awaiting_payment", "paid", "completed"), "completed")
    assert svg.count("edge-taken") == 2 and svg.count("node-now") == 1 and svg.count("node-been") == 2
    assert svg.count("node-open") == len(ORDER.moves) - 3


def test_places_do_not_overlap_and_the_straight_life_is_on_top(page):
    for found in store.MACHINES.values():
        places = machine._places(found)
        assert len(set(places.values())) == len(found.moves)
    places = machine._places(ORDER)
    assert [places[state] for state in ("draft", "awaiting_payment", "paid", "fulfilling", "completed")] == [
        (0, 0), (1, 0), (2, 0), (3, 0), (4, 0)]


@pytest.mark.parametrize("placed, top", [(0, 1), (1, 1), (2, 2), (3, 5), (7, 10), (13, 20), (51, 100), (1001, 2000)])
def test_a_chart_has_a_round_top(page, placed, top):
    hours = [{"placed": 0, "paid": 0} for _hour in range(24)]
    hours[5] = {"placed": placed, "paid": placed // 2}
    svg = str(chart.hours(hours, 5))
    xml.dom.minidom.parseString(svg)
    assert max(int(n) for n in re.findall(r'class="scale">(\d+)<', svg)) == top
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="bar', svg)]
    assert len(heights) == (placed > 0) + (placed // 2 > 0) and all(0 < h <= 136 for h in heights)
