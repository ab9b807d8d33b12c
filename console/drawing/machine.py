"""A machine of states as a picture, with the path one thing has taken.

States stand in columns by how far they are from birth; the first life a table describes runs along the top. A move that goes
back, or passes over columns, is an arc. What was never passed is pale.
"""
from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from markupsafe import Markup

from engine.store import Machine

from .. import words

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _ROOM = 116, 34, 30, 20, 44     # room for arcs above and below


def draw(machine: Machine, moves: Sequence[Mapping[str, Any]], current: str,
         moment: Callable[[int], str]) -> Markup:
    """An SVG. `moves`: log rows (from_state, to_state, at_ms) of one thing, in order; `moment` writes a time."""
    places = _places(machine)
    taken = [(m["from_state"], m["to_state"]) for m in moves if m["from_state"]]
    reached = {m["to_state"]: m["at_ms"] for m in moves}
    columns, rows = (max(spot[axis] for spot in places.values()) + 1 for axis in (0, 1))
    width = columns * (_WIDTH + _GAP_X) - _GAP_X + 4
    height = rows * (_HEIGHT + _GAP_Y) - _GAP_Y + _ROOM + (16 if rows > 1 else _ROOM)
    parts = [Markup('<svg class="machine" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">').format(
        width, height, width, height, words.word(words.MACHINES, machine.name)), _HEADS]
    edges = [(a, b) for a, targets in machine.moves.items() for b in targets]
    for edge in sorted(edges, key=lambda e: e in taken):       # what was taken is drawn last, on top
        parts.append(_edge(places, *edge, edge in taken))
    for state, place in places.items():
        parts.append(_node(machine.name, state, place, state == current, reached.get(state), moment))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


_HEADS = Markup('<defs>' + "".join(
    f'<marker id="head-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    f'<path d="M0 0.5 8 4 0 7.5z" class="head-{name}"/></marker>' for name in ("taken", "open")) + '</defs>')


def _ranks(machine: Machine) -> dict[str, int]:
    """State → column: the longest way from birth without going back."""
    order: list[str] = []
    on_way: set[str] = set()
    forward: dict[str, list[str]] = {state: [] for state in machine.moves}

    def visit(state: str) -> None:
        on_way.add(state)
        for target in machine.moves[state]:
            if target in on_way:               # back to where it came from: an arc, no column
                continue
            forward[state].append(target)
            if target not in order:
                visit(target)
        on_way.discard(state)
        order.append(state)

    for state in (*machine.initial, *machine.moves):
        if state not in order:
            visit(state)
    ranks = {state: 0 for state in machine.moves}
    for state in reversed(order):
        for target in forward[state]:
            ranks[target] = max(ranks[target], ranks[state] + 1)
    return ranks


def _places(machine: Machine) -> dict[str, tuple[int, int]]:
    """State → (column, row). Of the states of a column, the one that leads furthest stands on top."""
    ranks = _ranks(machine)
    depth: dict[str, int] = {}

    def reach(state: str, seen: frozenset[str]) -> int:
        if state not in depth:
            steps = [reach(t, seen | {state}) + 1 for t in machine.moves[state] if t not in seen and ranks[t] > ranks[state]]
            depth[state] = max(steps, default=0)
        return depth[state]

    columns: dict[int, list[str]] = {}
    for state in machine.moves:
        columns.setdefault(ranks[state], []).append(state)
    return {state: (column, row) for column, states in columns.items()
            for row, state in enumerate(sorted(states, key=lambda s: (-reach(s, frozenset()), list(machine.moves).index(s))))}


def _corner(place: tuple[int, int]) -> tuple[float, float]:
    return 2 + place[0] * (_WIDTH + _GAP_X), _ROOM + place[1] * (_HEIGHT + _GAP_Y)


def _edge(places: Mapping[str, tuple[int, int]], a: str, b: str, taken: bool) -> Markup:
    (ax, ay), (bx, by) = _corner(places[a]), _corner(places[b])
    columns = places[b][0] - places[a][0]
    middle = _HEIGHT / 2
    if columns == 1:                           # a neighbour: straight, or a soft step to another row
        x1, y1, x2, y2 = ax + _WIDTH, ay + middle, bx - 1, by + middle
        bend = _GAP_X / 2
        path = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    elif columns > 1:                          # over the heads of those in between
        lift = 12 + 9 * columns
        x1, x2 = ax + _WIDTH * 0.72, bx + _WIDTH * 0.28
        path = f"M{x1} {ay}C{x1 + 14} {ay - lift} {x2 - 14} {by - lift} {x2} {by - 1}"
    else:                                      # back, below their feet
        fall = 12 + 7 * abs(columns)
        x1, x2 = ax + _WIDTH * 0.3, bx + _WIDTH * 0.7
        path = f"M{x1} {ay + _HEIGHT}C{x1 - 14} {ay + _HEIGHT + fall} {x2 + 14} {by + _HEIGHT + fall} {x2} {by + _HEIGHT + 1}"
    name = "taken" if taken else "open"
    return Markup('<path d="{}" class="edge edge-{}" marker-end="url(#head-{})"/>').format(path, name, name)


def _node(machine: str, state: str, place: tuple[int, int], is_current: bool, at_ms: int | None,
          moment: Callable[[int], str]) -> Markup:
    x, y = _corner(place)
    kind = "now" if is_current else "been" if at_ms is not None else "open"
    label = Markup('<text x="{}" y="{}" class="node-word">{}</text>').format(
        x + _WIDTH / 2, y + (14.5 if at_ms is not None else 21), words.state(machine, state))
    when = Markup('<text x="{}" y="{}" class="node-time">{}</text>').format(x + _WIDTH / 2, y + 27.5, moment(at_ms)) \
        if at_ms is not None else Markup("")
    return Markup('<g class="node node-{} tone-{}"><rect x="{}" y="{}" width="{}" height="{}" rx="5"/>{}{}</g>').format(
        kind, words.tone(machine, state), x, y, _WIDTH, _HEIGHT, label, when)
