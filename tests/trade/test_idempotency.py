"""Idempotency keys: the first answer again for the same request, never two works."""
from __future__ import annotations

import peewee
import pytest

from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.trade import idempotency
from engine.trade.orders import PurchaseCount
from tests.support.selling import refused
from tests.support.together import at_once, errors


def work(n=0, key="k", answer={"no": "O1"}):
    """Something done under a key: one row, with the key's in the same transaction."""
    with store.transaction():
        store.insert(PurchaseCount, {"buyer_id": f"b{n}", "cap_key": "k", "pieces": 1})
        idempotency.remember("client", key, "print", "O1", 201, answer)


def test_a_key_is_remembered_with_its_work(database):
    assert idempotency.recall("client", "k", "print") is None
    work()
    row = idempotency.recall("client", "k", "print")
    assert (row["resource_no"], row["status"], row["answer"]) == ("O1", 201, {"no": "O1"})
    assert idempotency.recall("other client", "k", "print") is None
    with refused(Code.IDEMPOTENCY_KEY_REUSED):
        idempotency.recall("client", "k", "another print")


def test_work_that_failed_is_not_remembered(database):
    with pytest.raises(ZeroDivisionError), store.transaction():
        idempotency.remember("client", "k", "print", "O1", 201, {})
        raise ZeroDivisionError
    assert idempotency.recall("client", "k", "print") is None


def test_sixteen_times_at_once_it_is_done_once(database):
    results = at_once(work, range(16))
    assert len(errors(results)) == 15 and all(isinstance(e, peewee.IntegrityError) for e in errors(results))
    assert len(store.many(PurchaseCount)) == 1


def test_an_answer_that_comes_later(database):
    work(answer=None)
    assert idempotency.recall("client", "k", "print")["answer"] is None
    idempotency.complete("client", "k", 200, {"no": "O2"})
    row = idempotency.recall("client", "k", "print")
    assert (row["status"], row["answer"]) == (200, {"no": "O2"})


def test_keys_are_kept_for_their_days(database):
    clock.set_to(1_800_000_000_000)
    work(1, "old")
    clock.advance(7 * 86400)
    work(2, "new")
    assert idempotency.forget_older_than(7) == 0
    clock.advance(0.001)
    assert idempotency.forget_older_than(7) == 1
    assert idempotency.recall("client", "old", "print") is None and idempotency.recall("client", "new", "print")
