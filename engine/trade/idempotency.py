"""Idempotency keys: the first answer again for the same request, a refusal for another one under the same key.

The row is written in the transaction of the work it stands for. Whoever comes second breaks the unique rule, is rolled
back, and reads what the first one left: no separate lock, and never two orders.
"""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock
from ..base.errors import Code, Refusal


class IdempotencyKey(store.TradeTable):
    """answer null: the work is done as far as `resource_no`, but the answer is not out yet."""
    client = peewee.CharField(max_length=64)
    key = peewee.CharField(max_length=128)
    fingerprint = peewee.CharField(max_length=64)
    resource_no = peewee.CharField(max_length=40)
    status = peewee.IntegerField()
    answer = store.JsonField(null=True)
    created_at_ms = peewee.BigIntegerField(index=True)

    class Meta:
        primary_key = peewee.CompositeKey("client", "key")


def remember(client: str, key: str, fingerprint: str, resource_no: str, status: int, answer: Any) -> None:
    """Stage the key with its answer in the open transaction; a twin makes its commit raise peewee.IntegrityError."""
    store.current().later(IdempotencyKey, {
        "client": client, "key": key, "fingerprint": fingerprint, "resource_no": resource_no, "status": status,
        "answer": answer, "created_at_ms": clock.now_ms()})


def complete(client: str, key: str, status: int, answer: Any) -> None:
    """Fill in the answer of a key remembered without one."""
    with store.transaction():
        store.update(IdempotencyKey, {"status": status, "answer": answer}, client=client, key=key)


def recall(client: str, key: str, fingerprint: str) -> dict[str, Any] | None:
    """What is known of a key: None, or its row; IDEMPOTENCY_KEY_REUSED when it stands for another request."""
    row = store.one(IdempotencyKey, client=client, key=key)
    if row is not None and row["fingerprint"] != fingerprint:
        raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the Idempotency-Key {key!r} was used before with another request",
                      [{"path": "Idempotency-Key", "found": key, "expected": "a new key for a new request"}])
    return row


def forget_older_than(days: int) -> int:
    """Clean up; keys are promised for this many days."""
    with store.transaction():
        return store.delete(IdempotencyKey, also="created_at_ms < ?", params=(clock.now_ms() - days * 86_400_000,))
