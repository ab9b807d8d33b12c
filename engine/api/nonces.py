"""Nonces of signed requests that were received, so that none is taken twice.

A nonce is worth keeping for as long as its timestamp is fresh. It need not survive a power cut (the window is minutes),
so its commit does not wait for the disk; a killed process loses none.
"""
from __future__ import annotations

import threading
import time

import peewee

from .. import store
from ..base import clock

KEPT_S = 900                                   # more than twice the skew that is allowed
CLEAN_EVERY_S = 300


class SeenNonce(store.SystemTable):
    key_id = peewee.CharField(max_length=16)
    nonce = peewee.CharField(max_length=64)
    at_ms = peewee.BigIntegerField(index=True)

    class Meta:
        primary_key = peewee.CompositeKey("key_id", "nonce")


_lock = threading.Lock()
_clean_at = 0.0


def first_time(key_id: str, nonce: str) -> bool:
    """Record a nonce; False when this key used it before."""
    now = clock.now_ms()
    with store.transaction(store.system, durable=False):
        is_new = store.insert(SeenNonce, {"key_id": key_id, "nonce": nonce, "at_ms": now}, ignore=True) == 1
        if _time_to_clean():
            store.delete(SeenNonce, also="at_ms < ?", params=(now - KEPT_S * 1000,))
    return is_new


def _time_to_clean() -> bool:
    """Once in a while, whoever comes first in this process."""
    global _clean_at
    with _lock:
        now = time.monotonic()
        if now < _clean_at:
            return False
        _clean_at = now + CLEAN_EVERY_S
        return True
