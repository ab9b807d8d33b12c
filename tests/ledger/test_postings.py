"""The ledger: whatever is posted balances, once, and is never changed."""
from __future__ import annotations

import peewee
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import store
from engine.audit import money_checks
from engine.base import clock, ids, trace
from engine.ledger import postings
from engine.ledger.postings import LedgerPosting, LedgerTransaction, Move, balance, digest, post, reverse

SHOP, BANK, COUPONS = "deferred_revenue:shop", "channel_receivable:wallet", "coupon_expense"
ACCOUNTS = st.sampled_from([SHOP, BANK, COUPONS, "suspense:wallet", "refunds_payable:wallet", "partner_pool:bank"])
MOVES = st.lists(st.builds(Move, ACCOUNTS, ACCOUNTS, st.integers(0, 10 ** 12)), max_size=6)


def posted(moves, event="e", currency="CNY", **more):
    with store.transaction():
        return post("test", event, currency, moves, **more)


def legs(no):
    return [(leg["account"], leg["currency"], leg["amount_minor"]) for leg in
            store.many(LedgerPosting, transaction_no=no, order_by="id")]


def broken():
    return [str(v) for v in money_checks.ledger_balances()]


def test_a_move_is_two_legs(database):
    clock.set_to(5)
    no = posted([Move(SHOP, BANK, 990), Move(SHOP, COUPONS, 500)], order_no="O1", payment_no="P1")
    assert legs(no) == [(SHOP, "CNY", -990), (BANK, "CNY", 990), (SHOP, "CNY", -500), (COUPONS, "CNY", 500)]
    [row] = store.many(LedgerTransaction)
    assert (row["event"], row["order_no"], row["payment_no"], row["reverses"], row["at_ms"]) == \
        ("e", "O1", "P1", None, 5)
    assert row["digest"] == digest(legs(no)) and row["trace_id"] == trace.trace_id()
    assert (balance(SHOP, "CNY"), balance(BANK, "CNY"), balance(BANK, "USD"), balance("suspense:x", "CNY")) == \
        (-1490, 990, 0, 0)
    assert all(type(balance(name, "CNY")) is int for name in (SHOP, BANK, "suspense:x"))
    assert broken() == []


def test_a_move_of_nothing_is_no_leg(database):
    assert legs(posted([Move(SHOP, BANK, 0)])) == [] and broken() == []


@pytest.mark.parametrize("move",
                         [Move(SHOP, BANK, -1), Move("pocket", BANK, 1), Move(SHOP, "pocket:x", 1),
                          Move("suspense", BANK, 0)])
def test_what_can_not_be_posted(database, move):
    with pytest.raises(ValueError):
        posted([Move(SHOP, BANK, 5), move])
    assert store.many(LedgerTransaction) == store.many(LedgerPosting) == []


def test_a_fact_is_posted_once(database):
    posted([Move(SHOP, BANK, 5)])
    with pytest.raises(peewee.IntegrityError):
        posted([Move(SHOP, BANK, 5)])
    assert balance(BANK, "CNY") == 5 and len(store.many(LedgerTransaction)) == 1


def test_it_is_posted_with_its_fact_or_not_at_all(database):
    with pytest.raises(ZeroDivisionError):
        with store.transaction():
            post("test", "e", "CNY", [Move(SHOP, BANK, 5)])
            raise ZeroDivisionError
    assert store.many(LedgerTransaction) == []


def test_a_reversal_is_the_opposite(database):
    no = posted([Move(SHOP, BANK, 990), Move(SHOP, COUPONS, 500)], order_no="O1", payment_no="P1")
    with store.transaction():
        back = reverse(no, "e:reversed")
    assert legs(back) == [(name, unit, -amount) for name, unit, amount in legs(no)]
    row = store.one(LedgerTransaction, no=back)
    assert (row["kind"], row["reverses"], row["order_no"], row["payment_no"]) == ("reversal", no, "O1", "P1")
    assert balance(SHOP, "CNY") == balance(BANK, "CNY") == 0 and broken() == []
    with pytest.raises(peewee.IntegrityError):
        with store.transaction():
            reverse(no, "e:reversed")


def test_what_was_never_posted_is_not_reversed(database):
    with pytest.raises(LookupError), store.transaction():
        reverse("L1", "e")


def test_an_orders_part_of_the_ledger(database):
    one, two = posted([Move(SHOP, BANK, 1)], "a", order_no="O1"), posted([Move(SHOP, BANK, 2)], "b", order_no="O1")
    posted([Move(SHOP, BANK, 3)], "c", order_no="O2")
    found = postings.of_order("O1")
    assert sorted(t["no"] for t in found) == sorted([one, two])
    assert sorted(p["amount_minor"] for t in found for p in t["postings"]) == [-2, -1, 1, 2]
    assert postings.of_order("O3") == []


@settings(max_examples=25)
@given(batches=st.lists(st.tuples(MOVES, st.sampled_from(["CNY", "USD"]), st.booleans()), min_size=1, max_size=6))
def test_whatever_is_posted_and_reversed_balances(database, batches):
    before = {unit: {name: balance(name, unit) for name in (SHOP, BANK, COUPONS)} for unit in ("CNY", "USD")}
    expected = {unit: dict(of) for unit, of in before.items()}
    for moves, currency, undone in batches:
        no = posted(moves, ids.new_no("E"), currency)
        if undone:
            with store.transaction():
                reverse(no, ids.new_no("E"))
        else:
            for source, destination, amount in moves:
                for name, by in ((source, -amount), (destination, amount)):
                    if name in expected[currency]:
                        expected[currency][name] += by
    assert {unit: {name: balance(name, unit) for name in of} for unit, of in expected.items()} == expected
    assert broken() == []


@given(st.lists(st.tuples(ACCOUNTS, st.just("CNY"), st.integers()), max_size=5), st.data())
def test_a_digest_knows_every_leg_and_no_order(some, data):
    assert digest(data.draw(st.permutations(some))) == digest(some)
    if some:
        n = data.draw(st.integers(0, len(some) - 1))
        name, unit, amount = some[n]
        before, after = some[:n], some[n + 1:]
        assert digest([*before, (name, unit, amount + 1), *after]) != digest(some) != digest([*before, *after])
