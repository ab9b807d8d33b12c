"""Entitlements: granted once, lengthened from the buyer's own end, used up atomically."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import entitlements
from engine.deliver.entitlements import Entitlement, EntitlementUse
from tests.support.selling import NOON, refused
from tests.support.together import at_once, errors

DAY = 86_400_000


@pytest.fixture(autouse=True)
def noon(database):
    clock.set_to(NOON)


def wanted(right="calls", quota=None, pieces=1, count=1, unit="month", line=1, n=1):
    return {"line_n": line, "grant_n": n, "right": right, "count": count, "unit": unit, "quota": quota,
            "pieces": pieces}


def grant(order="O1", buyer="b", *what, earlier=()):
    with store.transaction():
        return entitlements.grant(order, buyer, list(what) or [wanted()], earlier)


def spans(right="calls", buyer="b"):
    return [((e["starts_at_ms"] - NOON) // DAY, (e["ends_at_ms"] - NOON) // DAY)
            for e in entitlements.of_buyer(buyer) if e["right"] == right]


# ── granting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_period_begins_now(database):
    [row] = grant()
    assert (row["state"], row["quota_total"], row["quota_used"]) == ("active", None, 0)
    assert spans() == [(0, 30)] and entitlements.of_order("O1") == [row]


@pytest.mark.parametrize("what, length",
                         [({"pieces": 3}, 92), ({"unit": "year"}, 365), ({"unit": "week", "count": 2}, 14),
                          ({"unit": "day"}, 1),
                                          ({"unit": "quarter", "pieces": 2}, 181)])
def test_several_pieces_are_a_longer_period(database, what, length):
    grant("O1", "b", wanted(**what))
    assert spans() == [(0, length)]


def test_several_pieces_with_a_quota_are_a_larger_quota(database):
    [row] = grant("O1", "b", wanted(quota=10, pieces=3))
    assert row["quota_total"] == 30 and spans() == [(0, 30)]


def test_what_is_bought_again_begins_where_the_buyers_own_ends(database):
    grant("O1"), grant("O2")
    assert spans() == [(0, 30), (30, 61)]
    grant("O3", "b", wanted("other"))          # another right begins now
    grant("O4", "other")                       # and another buyer's
    assert spans("other") == [(0, 30)] and spans(buyer="other") == [(0, 30)]
    clock.advance(100 * 86400)                 # what is over is not lengthened
    grant("O5")
    assert spans()[-1][0] == 100


def test_two_lines_of_one_order_follow_each_other(database):
    grant("O1", "b", wanted(line=1), wanted(line=2, unit="week"))
    assert spans() == [(0, 30), (30, 37)]


def test_a_quota_begins_at_once_beside_another(database):
    grant("O1", "b", wanted(quota=5)), grant("O2", "b", wanted(quota=5))
    assert spans() == [(0, 30), (0, 30)]


def test_guests_do_not_lengthen_each_other(database):
    grant("O1", ""), grant("O2", "")
    assert [e["starts_at_ms"] for e in store.many(Entitlement)] == [NOON, NOON]


def test_an_order_grants_once(database):
    import peewee
    grant()
    with pytest.raises(peewee.IntegrityError):
        grant()
    assert grant(earlier=entitlements.of_order("O1")) == [] and len(store.many(Entitlement)) == 1


def test_what_was_revoked_is_granted_again(database):
    [row] = grant("O1", "b", wanted(quota=10))
    entitlements.consume("b", "calls", 4, "k")
    with store.transaction():
        assert entitlements.revoke("O1", "test") == 1 and entitlements.revoke("O1", "test") == 0
    with refused(Code.ENTITLEMENT_INACTIVE):
        entitlements.consume("b", "calls", 1, "k2")
    clock.advance(86400)
    grant("O1", "b", wanted(quota=10), earlier=entitlements.of_order("O1"))
    [again] = store.many(Entitlement)
    assert (again["no"], again["state"], again["starts_at_ms"], again["quota_used"]) == \
        (row["no"], "active", NOON + DAY, 4)


def test_a_claimed_order_gives_its_rights_to_the_buyer(database):
    grant("O1", ""), grant("O2", "")
    with store.transaction():
        assert entitlements.bind("O1", "b") == 1 and entitlements.bind("O1", "c") == 0
    assert [e["order_no"] for e in entitlements.of_buyer("b")] == ["O1"]


@pytest.mark.parametrize("own, days, claimed", [
    ((), 0, [(0, 30), (30, 61)]), ((wanted(),), 0, [(0, 60), (60, 91)]), ((wanted(),), 10, [(0, 50), (50, 81)]),
    ((wanted(unit="week"),), 10, [(0, 30), (30, 61)]), ((wanted(pieces=2),), 40, [(0, 30), (30, 82)]),
    ((wanted(),), 100, [(0, 30), (30, 61)]), ((wanted(quota=5),), 0, [(0, 30), (30, 61)]), ((wanted("other"),), 0, [(0, 30), (30, 61)])],
    ids=["nothing of one's own", "at once", "ten days later", "one's own is over", "one of two is over", "all is over", "a quota",
         "another right"])
def test_a_claimed_right_loses_no_day_beside_the_buyers_own(database, own, days, claimed):
    if own:
        grant("O1", "b", *own)
    grant("O2", "", wanted(), wanted(line=2), wanted(quota=10, line=3))
    clock.advance(days * 86400)
    with store.transaction():
        entitlements.bind("O2", "b")
    assert [((e["starts_at_ms"] - NOON) // DAY, (e["ends_at_ms"] - NOON) // DAY) for e in entitlements.of_order("O2")] == \
        [*claimed, (0, 30)]


def test_what_a_buyer_may_do_now(database):
    grant("O1", "b", wanted("a", unit="day")), grant("O2", "b", wanted("a", unit="day"))
    grant("O3", "b", wanted("b", quota=1))
    now = [(e["order_no"]) for e in entitlements.of_buyer("b", only_now=True)]
    assert now == ["O1", "O3"] and len(entitlements.of_buyer("b")) == 3
    clock.advance(86400)
    assert [e["order_no"] for e in entitlements.of_buyer("b", only_now=True)] == ["O2", "O3"]


# ── using ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def used(order="O1"):
    return [e["quota_used"] for e in entitlements.of_order(order)]


def test_quota_is_used_up(database):
    [row] = grant("O1", "b", wanted(quota=10))
    assert entitlements.consume("b", "calls", 4, "k1") == \
        {"right": "calls", "amount": 4, "parts": [[row["no"], 4]], "left": 6}
    assert entitlements.consume("b", "calls", 6, "k2")["left"] == 0
    with refused(Code.QUOTA_EXHAUSTED, "1 of calls were asked for, 0 are left"):
        entitlements.consume("b", "calls", 1, "k3")
    assert used() == [10] and len(store.many(EntitlementUse)) == 2


def test_all_of_it_or_nothing(database):
    grant("O1", "b", wanted(quota=10))
    with refused(Code.QUOTA_EXHAUSTED, "10 are left"):
        entitlements.consume("b", "calls", 11, "k")
    assert used() == [0] and store.many(EntitlementUse) == []


def test_the_same_key_is_the_same_use(database):
    grant("O1", "b", wanted(quota=10), wanted("other", quota=10, line=2))
    first = entitlements.consume("b", "calls", 4, "k")
    assert entitlements.consume("b", "calls", 4, "k") == first and used() == [4, 0]
    entitlements.consume("b", "calls", 1, "k2")
    assert entitlements.consume("b", "calls", 4, "k") == first | {"left": 5}
    for right, amount in (("calls", 5), ("other", 4)):
        with refused(Code.IDEMPOTENCY_KEY_REUSED):
            entitlements.consume("b", right, amount, "k")


def test_what_ends_first_is_used_first(database):
    [late] = grant("O1", "b", wanted(quota=5))
    [soon] = grant("O2", "b", wanted(quota=3, unit="week"))
    assert entitlements.consume("b", "calls", 4, "k")["parts"] == [[soon["no"], 3], [late["no"], 1]]
    clock.advance(8 * 86400)
    assert entitlements.consume("b", "calls", 4, "k2") == \
        {"right": "calls", "amount": 4, "parts": [[late["no"], 4]], "left": 0}


def test_without_a_quota_there_is_always_some_left(database):
    grant()
    assert entitlements.consume("b", "calls", 1_000_000, "k")["left"] is None and used() == [1_000_000]


def test_a_quota_is_used_before_what_has_none_and_ends_later(database):
    [limited] = grant("O1", "b", wanted(quota=3, unit="week"))
    [free] = grant("O2", "b", wanted())
    assert entitlements.consume("b", "calls", 5, "k") == \
        {"right": "calls", "amount": 5, "parts": [[limited["no"], 3], [free["no"], 2]], "left": None}


@pytest.mark.parametrize("amount", [0, -1, -10])
def test_nothing_is_used_backwards(database, amount):
    grant("O1", "b", wanted(quota=10))
    with refused(Code.BAD_REQUEST):
        entitlements.consume("b", "calls", amount, "k")
    assert used() == [0]


def test_when_it_may_be_used(database):
    [row] = grant("O1", "b", wanted(quota=10))
    with refused(Code.ENTITLEMENT_UNKNOWN):
        entitlements.consume("b", "reports", 1, "k")
    with refused(Code.ENTITLEMENT_UNKNOWN):
        entitlements.consume("c", "calls", 1, "k")
    for at, allowed in ((row["starts_at_ms"] - 1, False), (row["starts_at_ms"], True), (row["ends_at_ms"] - 1, True),
                        (row["ends_at_ms"], False)):
        clock.set_to(at)
        if allowed:
            entitlements.consume("b", "calls", 1, f"k{at}")
        else:
            with refused(Code.ENTITLEMENT_INACTIVE):
                entitlements.consume("b", "calls", 1, f"k{at}")


def test_what_is_granted_while_we_wait_for_it_is_in_force(database, monkeypatch):
    many = store.many

    def waited(table, **given):
        if given.get("lock") and table is Entitlement:
            clock.advance(1)                   # the wait for the rows; their grant was committed in it
            monkeypatch.setattr(store, "many", many)
            grant("O1", "b", wanted(quota=2))
            store.current().flush()
        return many(table, **given)
    monkeypatch.setattr(store, "many", waited)
    assert entitlements.consume("b", "calls", 1, "k")["left"] == 1


def test_sixteen_users_at_once_never_use_more_than_there_is(database):
    grant("O1", "b", wanted(quota=5)), grant("O2", "b", wanted(quota=5, unit="week"))
    results = at_once(lambda n: entitlements.consume("b", "calls", 1, f"k{n}"), range(16))
    assert len(results) - len(errors(results)) == 10 and {e.code for e in errors(results)} == {Code.QUOTA_EXHAUSTED}
    assert used("O1") == used("O2") == [5] and len(store.many(EntitlementUse)) == 10


def test_sixteen_times_the_same_use_at_once(database):
    grant("O1", "b", wanted(quota=10))
    results = at_once(lambda n: entitlements.consume("b", "calls", 3, "k"), range(16))
    assert not errors(results) and all(r["parts"] == results[0]["parts"] for r in results) and used() == [3]
