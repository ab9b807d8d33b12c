"""Sessions: one row a login, ended by logging out, by idling, by age, or by an administrator.

The token in the browser's signed cookie is new at every login and at every change of the password.
"""
from __future__ import annotations

import hashlib
import secrets
from typing import Any, Mapping

from engine import store
from engine.base import clock

from .tables import ConsoleSession, ConsoleUser

IDLE_S = 60 * 60
LIFE_S = 12 * 3600
_TOUCH_S = 60                                  # how often a sign of life is written


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def begin(user_id: int, address: str, agent: str) -> str:
    """A new session; returns its token."""
    token, now = secrets.token_urlsafe(32), clock.now_ms()
    with store.transaction(store.system):
        store.delete(ConsoleSession, also="seen_at_ms < ?", params=(now - LIFE_S * 1000,))
        store.insert(ConsoleSession, {"token_hash": _hash(token), "user_id": user_id, "address": address[:64],
                                      "agent": agent[:200], "created_at_ms": now, "seen_at_ms": now})
    return token


def user_of(token: str) -> dict[str, Any] | None:
    """The active user behind a token whose session is neither idle too long nor too old."""
    session = store.one(ConsoleSession, token_hash=_hash(token)) if token else None
    if session is None or is_over(session):
        return None
    user = store.one(ConsoleUser, id=session["user_id"])
    if user is None or not user["active"]:
        return None
    if clock.now_ms() - session["seen_at_ms"] > _TOUCH_S * 1000:
        with store.transaction(store.system):
            store.update(ConsoleSession, {"seen_at_ms": clock.now_ms()}, token_hash=session["token_hash"])
    return user


def is_over(session: Mapping[str, Any]) -> bool:
    now = clock.now_ms()
    return now - session["seen_at_ms"] > IDLE_S * 1000 or now - session["created_at_ms"] > LIFE_S * 1000


def end(token: str) -> None:
    with store.transaction(store.system):
        store.delete(ConsoleSession, token_hash=_hash(token))


def end_all(user_id: int, except_token: str = "") -> int:
    """End a user's sessions (but the one given); returns how many."""
    with store.transaction(store.system):
        return store.delete(ConsoleSession, also="token_hash <> ?", params=(_hash(except_token),), user_id=user_id)


def of_user(user_id: int) -> list[dict[str, Any]]:
    """A user's sessions that are not over, the one seen last first, each with `mine`-comparable `token_hash`."""
    found = store.many(ConsoleSession, user_id=user_id, order_by="seen_at_ms DESC")
    return [session for session in found if not is_over(session)]


def is_token_of(token: str, session: Mapping[str, Any]) -> bool:
    return session["token_hash"] == _hash(token)
