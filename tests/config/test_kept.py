"""What is kept from one check to the next: never for other arguments, never for ever."""
from __future__ import annotations

import gc
import random
import threading
from typing import Any

import pytest

from engine.config import conditions
from engine.config.conditions import AllOf
from engine.config.kept import PASSES_MAX, Memory, alike


def listed(*of: Any) -> list:
    return list(of)


def counted(*of: Any) -> tuple:
    return tuple(of)


@pytest.fixture
def memory() -> Memory:
    return Memory()


DOCUMENT = {"id": "a"}


def several(least: int) -> AllOf:
    return AllOf((conditions.Test("gte", "quantity", "int", least, str(least)),))


@pytest.mark.parametrize("one, other, same", [
    (("scenes", DOCUMENT), ("scenes", DOCUMENT), True),
    (("scenes", DOCUMENT), ("lines", DOCUMENT), False),
    (("scenes", DOCUMENT), ("scenes", dict(DOCUMENT)), False),                  # equal, and yet another document
    ((alike({"a": 1}),), (alike({"a": 1}),), True),
    ((alike({"a": 1}),), (alike({"a": True}),), False),
    ((alike({"a": 1, "b": 2}),), (alike({"b": 2, "a": 1}),), False),
    (((DOCUMENT, None),), ((DOCUMENT, None),), True),
    (((DOCUMENT,),), ((DOCUMENT, DOCUMENT),), False),
    ((several(2),), (several(2),), True),
    ((several(2),), (several(3),), False),
])
def test_what_counts_as_the_same_arguments(memory, one, other, same):
    kept = memory.begin()
    assert (kept.made(listed, *one) is kept.made(listed, *other)) is same
    assert kept.made(listed, *one) == list(one) and kept.made(counted, *one) == one


def test_an_object_gone_is_not_taken_for_a_new_one_in_its_place(memory):
    kept = memory.begin()
    for number in range(1000):
        assert kept.made(listed, {"number": number}) == [{"number": number}]
        gc.collect(0)


def test_what_is_not_asked_for_is_forgotten_and_what_is_asked_for_stays(memory):
    document, others = {"id": "stays"}, [{"n": n} for n in range(20)]
    first = memory.begin().made(listed, document)
    for other in others:
        kept = memory.begin()
        assert kept.made(listed, document) is first
        kept.made(listed, other)
        kept.end()
        assert len(memory) <= 1 + PASSES_MAX
    for _ in range(PASSES_MAX):
        memory.begin().end()
    assert len(memory) == 0


def test_a_failure_is_not_kept(memory):
    answers = iter([ZeroDivisionError(), None])

    def fails_once() -> str:
        if error := next(answers):
            raise error
        return "made"

    kept = memory.begin()
    with pytest.raises(ZeroDivisionError):
        kept.made(fails_once)
    assert kept.made(fails_once) == "made"


def test_passes_at_once_get_what_is_theirs(memory):
    documents, wrong = [{"n": n} for n in range(50)], []

    def work(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(60):
            kept = memory.begin()
            for document in draw.sample(documents, 20):
                if kept.made(listed, document) != [document]:
                    wrong.append(document)
            kept.end()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(memory) <= len(documents)
