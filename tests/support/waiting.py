"""Waiting for something that another thread or process does: bounded, with a reason when it never comes."""
from __future__ import annotations

import time
from typing import Callable, TypeVar

T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, timeout_s: float = 20.0, every_s: float = 0.02) -> T:
    """The first true answer of `look`; AssertionError names `what` when there is none in time."""
    until = time.monotonic() + timeout_s
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"waited {timeout_s:g} s in vain: {what}")
        time.sleep(every_s)
