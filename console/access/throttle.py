"""Slowing down whoever guesses passwords: each failure in a row past the free ones doubles the wait, up to a limit.

Counted by login name and by address in the database, so that every console node counts the same. The wait is short enough
that a stranger can't shut an administrator out for long.
"""
from __future__ import annotations

from engine import store
from engine.base import clock

from .tables import LoginFailure

FREE = {"login": 4, "address": 20}             # failures that cost nothing yet
WAIT_FIRST_S, WAIT_MAX_S = 15, 900
FORGET_S = 24 * 3600


def keys(login: str, address: str) -> list[str]:
    return [f"login:{login.strip().lower()[:64]}", f"address:{address[:64]}"]


def wait_s(login: str, address: str) -> int:
    """Seconds until another try is allowed; 0: now."""
    rows = store.many(LoginFailure, key=keys(login, address))
    until = max((row["until_ms"] for row in rows), default=0)
    return max(0, -(-(until - clock.now_ms()) // 1000))


def failed(login: str, address: str) -> None:
    now = clock.now_ms()
    with store.transaction(store.system):
        for key in keys(login, address):
            row = store.one(LoginFailure, key=key, lock=True)
            fresh = row is None or now - row["updated_at_ms"] > FORGET_S * 1000
            failures = 1 if fresh else row["failures"] + 1
            over = failures - FREE[key.partition(":")[0]]
            wait = 0 if over <= 0 else min(WAIT_MAX_S, WAIT_FIRST_S * 2 ** min(over - 1, 20))
            values = {"failures": failures, "until_ms": now + wait * 1000, "updated_at_ms": now}
            if row is None:
                store.insert(LoginFailure, {"key": key, **values}, ignore=True)
            else:
                store.update(LoginFailure, values, key=key)


def succeeded(login: str, address: str) -> None:
    """A right password clears its name's count; the address keeps its own, or one good account would cover bad tries."""
    with store.transaction(store.system):
        store.delete(LoginFailure, key=keys(login, address)[0])
        store.delete(LoginFailure, also="updated_at_ms < ?", params=(clock.now_ms() - FORGET_S * 1000,))


def unlock(login: str) -> None:
    """An administrator lets somebody try again at once."""
    with store.transaction(store.system):
        store.delete(LoginFailure, key=keys(login, "")[0])
