"""Numbers of orders, payments, …: readable, sortable by time, unique without asking anyone.

`O261121203517123K7Q2M9XA` = prefix, UTC time to the millisecond, 40 random bits. 24 letters and digits at most, since
channels cap an order number at 32.
"""
from __future__ import annotations

import os
import time
from functools import lru_cache

from . import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


def new_no(prefix: str) -> str:
    at_ms = clock.now_ms()
    noise = int.from_bytes(os.urandom(5), "big")
    return (f"{prefix}{_second(at_ms // 1000)}{at_ms % 1000:03d}{_PAIRS[noise >> 30]}{_PAIRS[noise >> 20 & 1023]}"
            f"{_PAIRS[noise >> 10 & 1023]}{_PAIRS[noise & 1023]}")


@lru_cache(maxsize=64)
def _second(at_s: int) -> str:
    return time.strftime("%y%m%d%H%M%S", time.gmtime(at_s))


def token(n_bytes: int = 16) -> str:
    """A secret a person may have to copy: URL-safe, unguessable."""
    return os.urandom(n_bytes).hex()
