"""Turns: no more at once than were given out; who waits gives his back, and gets one again."""
from __future__ import annotations

import threading
import time

import pytest

from engine.base import turn
from tests.support.together import at_once, errors


@pytest.fixture
def two_turns():
    turn.limit(2)
    yield
    turn.limit(0)


class Room:
    """Counts who is in it."""

    def __init__(self) -> None:
        self._lock, self.now, self.most = threading.Lock(), 0, 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self.now -= 1


def test_no_more_at_once_than_turns(two_turns):
    room = Room()

    def work(n: int) -> None:
        with turn.taken(), room:
            time.sleep(0.01)

    at_once(work, range(8))
    assert room.most == 2


def test_who_waits_for_the_outside_lets_others_work(two_turns):
    inside, waiting = Room(), Room()

    def work(n: int) -> None:
        with turn.taken():
            with inside:
                time.sleep(0.001)
            with turn.given_back(), waiting, turn.given_back():
                time.sleep(0.1)
            with inside:
                time.sleep(0.001)

    at_once(work, range(8))
    assert waiting.most > 2 and inside.most <= 2


def test_a_turn_comes_back_after_an_error(two_turns):
    for _ in range(3):
        with pytest.raises(ValueError), turn.taken():
            with turn.given_back():
                raise ValueError("the outside failed")
    room = Room()

    def work(n: int) -> None:
        with turn.taken(), room:
            time.sleep(0.01)

    assert not errors(at_once(work, range(4))) and room.most == 2


def test_without_a_limit_nobody_waits():
    room = Room()

    def work(n: int) -> None:
        with turn.taken(), turn.given_back(), room:
            time.sleep(0.05)

    at_once(work, range(8))
    assert room.most > 2


def test_turns_are_had_in_the_order_they_were_asked_for(two_turns):
    """Whoever gives one back and asks again stands behind those who wait."""
    had: list[int] = []

    def greedy(n: int) -> None:
        for _ in range(50):
            with turn.taken():
                had.append(n)
                time.sleep(0.0005)

    at_once(greedy, range(6))
    for n in range(6):
        places = [place for place, who in enumerate(had) if who == n]
        assert max(b - a for a, b in zip(places, places[1:])) <= 12, n
