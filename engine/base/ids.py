"""Numbers of orders, payments, …: readable, sortable by time, unique without asking anyone.

`O261121203517123K7Q2M9XA` = prefix, UTC time to the millisecond, 40 random bits. 24 letters and digits at most, since
channels cap an order number at 32.
"""
from __future__ import annotations

import os
import time

from . import clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U


def new_no(prefix: str) -> str:
    at_ms = clock.now_ms()
    t = time.gmtime(at_ms // 1000)
    noise = int.from_bytes(os.urandom(5), "big")
    tail = "".join(_ALPHABET[(noise >> shift) & 31] for shift in range(35, -1, -5))
    return (f"{prefix}{t.tm_year % 100:02d}{t.tm_mon:02d}{t.tm_mday:02d}{t.tm_hour:02d}{t.tm_min:02d}{t.tm_sec:02d}"
            f"{at_ms % 1000:03d}{tail}")


def token(n_bytes: int = 16) -> str:
    """A secret a person may have to copy: URL-safe, unguessable."""
    return os.urandom(n_bytes).hex()
