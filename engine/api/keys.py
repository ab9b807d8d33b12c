"""API keys: who a client is and what it may do. Made, listed and revoked by the command line and the console.

A key's secret is kept as it is, since a signature can only be checked with it: the system database is as secret as the
keys in it. A revoked key stops working within `CACHE_S` seconds everywhere.
"""
from __future__ import annotations

import re
import time
from typing import Any, Iterable

import peewee

from .. import store
from ..base import clock, ids
from ..base.errors import Code, Refusal

# What a key may be allowed to do, as people are told it.
SCOPES = {
    "sell": {"zh": "售卖", "en": "Quotes, orders, payments, buyers, entitlements"},
    "support": {"zh": "客服", "en": "Look at orders and buyers, close orders, do work orders"},
    "finance": {"zh": "财务", "en": "Look at partners' pools and top them up"},
    "ops": {"zh": "运维", "en": "Read metrics from another machine"},
}
CACHE_S = 2.0
_CACHED_MAX = 10_000
_ID = re.compile(r"sk_[0-9a-f]{12}\Z")
_PATTERN = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\*?\Z|\*\Z")


class ApiKey(store.SystemTable):
    """scenes: ids, or beginnings of ids that end in `*`. secret: as the client has it."""
    id = peewee.CharField(max_length=16, primary_key=True)
    name = peewee.CharField(max_length=80)
    secret = peewee.CharField(max_length=64)
    scopes = store.JsonField()
    scenes = store.JsonField()
    created_by = peewee.CharField(max_length=80)
    created_at_ms = peewee.BigIntegerField()
    revoked_at_ms = peewee.BigIntegerField(null=True)


def create(name: str, scopes: Iterable[str], scenes: Iterable[str] = ("*",), author: str = "") -> str:
    """Make a key; returns `id.secret`, the only time that it is shown. BAD_REQUEST for a scope or pattern that is none."""
    scopes, scenes = sorted(set(scopes)), sorted(set(scenes))
    wrong = [s for s in scopes if s not in SCOPES] or [s for s in scenes if not _PATTERN.match(s)]
    if wrong or not scopes or not scenes or not name.strip():
        raise Refusal(Code.BAD_REQUEST, "a key has a name, scopes and scenes", [
            {"path": "key", "found": ", ".join(wrong) or "nothing", "expected":
             f"scopes of {', '.join(SCOPES)}; scenes as their ids or beginnings with *"}])
    key_id, secret = f"sk_{ids.token(6)}", ids.token(24)
    with store.transaction(store.system):
        store.insert(ApiKey, {"id": key_id, "name": name.strip()[:80], "secret": secret, "scopes": scopes, "scenes": scenes,
                              "created_by": author, "created_at_ms": clock.now_ms(), "revoked_at_ms": None})
    return f"{key_id}.{secret}"


def everything() -> list[dict[str, Any]]:
    """All keys, newest first, without their secrets."""
    rows = store.many(ApiKey, order_by="created_at_ms DESC, id")
    return [{k: v for k, v in row.items() if k != "secret"} for row in rows]


def revoke(key_id: str) -> bool:
    """Stop a key from working; True when this call did. NOT_FOUND for a key that never was."""
    with store.transaction(store.system):
        if store.one(ApiKey, columns=("id",), id=key_id) is None:
            raise Refusal(Code.NOT_FOUND, f"there is no key {key_id!r}")
        changed = store.update(ApiKey, {"revoked_at_ms": clock.now_ms()}, id=key_id, revoked_at_ms=None)
    _cache.pop(key_id, None)
    return changed == 1


def first_key() -> str | None:
    """A key that may do everything, when there is none at all yet; its text, or None."""
    if store.one(ApiKey, columns=("id",)) is not None:
        return None
    return create("first key", SCOPES, author="setup")


# id → (row or None, good until). Unknown ids are remembered too, so that guessing costs the database nothing.
_cache: dict[str, tuple[dict[str, Any] | None, float]] = {}


def find(key_id: str) -> dict[str, Any] | None:
    """A key in force, at most `CACHE_S` old; None otherwise."""
    if not _ID.match(key_id):
        return None
    now = time.monotonic()
    row, good_until = _cache.get(key_id, (None, 0.0))
    if good_until <= now:
        row = store.one(ApiKey, id=key_id, revoked_at_ms=None)
        if len(_cache) >= _CACHED_MAX:
            _cache.clear()
        _cache[key_id] = (row, now + CACHE_S)
    return row


def forget() -> None:
    """Ask the database again at the next request (another database was opened)."""
    _cache.clear()
