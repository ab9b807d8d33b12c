"""Numbers: unique without asking, sortable by time, short enough for every channel."""
from __future__ import annotations

import re

from engine.base import clock, ids
from tests.support.together import at_once


def test_what_a_number_looks_like():
    clock.set_to(1_795_147_200_123)
    assert re.fullmatch(r"O261120040000123[0-9A-HJKMNP-TV-Z]{8}", ids.new_no("O"))


def test_numbers_are_unique_at_any_speed():
    clock.set_to(1_795_147_200_123)            # all of one millisecond
    made = [no for batch in at_once(lambda n: [ids.new_no("P") for _ in range(2500)], range(4)) for no in batch]
    assert len(set(made)) == len(made) == 10_000


def test_numbers_sort_by_time():
    made = []
    for step_ms in (0, 1, 9, 90, 900, 59_000, 3_600_000, 86_400_000, 31 * 86_400_000, 366 * 86_400_000):
        clock.set_to((made[-1][0] if made else 1_795_147_200_000) + step_ms)
        made.append((clock.now_ms(), ids.new_no("O")))
    numbers = [no for _, no in made[1:]]
    assert numbers == sorted(numbers)


def test_channels_take_them():
    assert all(re.fullmatch(r"[A-Z0-9]{1,32}", ids.new_no(prefix)) for prefix in "OPQRUWEKMDL")


def test_a_token_is_unguessable():
    tokens = {ids.token() for _ in range(1000)}
    assert len(tokens) == 1000 and all(re.fullmatch("[0-9a-f]{32}", t) for t in tokens) and len(ids.token(4)) == 8
