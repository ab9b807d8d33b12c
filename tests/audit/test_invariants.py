"""A verifier that can't fail proves nothing: each invariant sees each way in which it can be broken, and no other does."""
from __future__ import annotations

import pytest

from engine import store
from engine.audit import invariants
from engine.audit.invariants import INVARIANTS, verify, violations
from engine.trade.quotes import Quote
from tests.audit.healthy import Undone, execute, fill
from tests.support.selling import shop

__all__ = ["shop"]

LEG = "(SELECT MIN(id) FROM ledger_posting WHERE account = 'deferred_revenue:shop' AND amount_minor < 0)"
OWED = "(SELECT MIN(no) FROM ledger_transaction WHERE kind = 'refund_approved')"
COUPON = "(SELECT MIN(no) FROM coupon_hold WHERE state = 'redeemed' AND coupon_id = 'last-ten')"
GRANT = "(SELECT MIN(no) FROM entitlement WHERE order_no = '{coupons}' AND quota_total IS NULL)"
QUOTA = "(SELECT MIN(no) FROM entitlement WHERE order_no = '{coupons}' AND quota_total IS NOT NULL)"
LOGGED = "INSERT INTO state_log (machine, no, from_state, to_state, cause, trace_id, at_ms) VALUES ('{0}', '{1}', '{2}', '{3}', 'x', 'x', 0)"
TRANSACTION = ("INSERT INTO ledger_transaction (no, event, kind, order_no, payment_no, reverses, digest, trace_id, at_ms) VALUES "
               "('L0', '{0}', '{1}', '', '', {2}, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'x', 0)")


def gone(where: str) -> list[str]:
    """A ledger transaction vanishes with its legs."""
    return [f"DELETE FROM ledger_posting WHERE transaction_no IN (SELECT no FROM ledger_transaction WHERE {where})",
            f"DELETE FROM ledger_transaction WHERE {where}"]


def log(machine: str, no: str, *states: str) -> list[str]:
    """A thing is moved, and its log told so."""
    return [LOGGED.format(machine, no, a, b) for a, b in zip(states, states[1:])]


# what is done → the invariants that must see it, and nobody else. {names} are those of `healthy.fill`.
BREAKS = {
    "a leg is changed": ({1}, [f"UPDATE ledger_posting SET amount_minor = amount_minor - 1 WHERE id = {LEG}"]),
    "a leg is lost": ({1}, [f"DELETE FROM ledger_posting WHERE id = {LEG}"]),
    "a leg is doubled": ({1}, ["INSERT INTO ledger_posting (transaction_no, account, currency, amount_minor) SELECT transaction_no, account, "
                               f"currency, amount_minor FROM ledger_posting WHERE id = {LEG}"]),
    "both legs are changed alike": ({1}, [f"UPDATE ledger_posting SET amount_minor = amount_minor * 2 WHERE transaction_no = {OWED}"]),
    "a leg moves to another account": ({1}, [f"UPDATE ledger_posting SET account = 'deferred_revenue:other' WHERE id = {LEG}"]),
    "an account that is none": ({1}, [f"UPDATE ledger_posting SET account = 'pocket:x' WHERE id = {LEG}"]),
    "a leg changes its currency": ({1}, [f"UPDATE ledger_posting SET currency = 'USD' WHERE id = {LEG}"]),
    "legs without a transaction": ({1}, ["INSERT INTO ledger_posting (transaction_no, account, currency, amount_minor) VALUES "
                                         "('L0', 'fees:x', 'CNY', 1), ('L0', 'fees:y', 'CNY', -1)"]),
    "a digest is changed": ({1}, [f"UPDATE ledger_transaction SET digest = 'x' WHERE no = {OWED}"]),

    "a tender is changed": ({2}, ["UPDATE payment_tender SET amount_minor = 1 WHERE payment_no = '{plain.payment}'"]),
    "a tender is lost": ({2}, ["DELETE FROM payment_tender WHERE payment_no = '{plain.payment}'"]),
    "an allocation is changed": ({2}, ["UPDATE payment_allocation SET amount_minor = 1 WHERE payment_no = '{waits.payment}'"]),
    "an allocation is lost": ({2}, ["DELETE FROM payment_allocation WHERE payment_no = '{waits.payment}'"]),
    "a payment is changed": ({2}, ["UPDATE payment_order SET amount_minor = amount_minor + 1 WHERE no = '{waits.payment}'"]),
    "a refund is forgotten": ({2}, ["UPDATE payment_order SET refunded_minor = 0 WHERE no = '{closed.payment}'"]),
    "a refund is larger than the payment": ({2}, ["UPDATE refund SET amount_minor = amount_minor + 1 WHERE payment_no = '{closed.payment}'"]),
    "a line costs more than the order": ({2}, ["UPDATE order_line SET list_minor = list_minor + 1 WHERE order_no = '{waits}' AND n = 1"]),
    "a line's discount is changed": ({2}, ["UPDATE order_line SET discount_minor = discount_minor + 1 WHERE order_no = '{waits}' AND n = 1"]),
    "a line is lost": ({2}, ["DELETE FROM order_line WHERE order_no = '{coupons}' AND n = 3"]),

    "a paid order forgets it": ({3, 9}, ["UPDATE trade_order SET paid_at_ms = NULL WHERE no = '{plain}'"]),
    "the ledger forgets a paid order": ({3, 9}, gone("order_no = '{plain}'")),
    "an unpaid order is said to be paid": ({3, 5, 9}, ["UPDATE trade_order SET paid_at_ms = 1 WHERE no = '{waits}'"]),
    "a paid order goes on waiting": ({3, 8}, ["UPDATE trade_order SET state = 'awaiting_payment' WHERE no = '{plain}'"]),
    "an order keeps two payments": ({3, 9}, ["UPDATE payment_order SET surplus_minor = 0 WHERE order_no = '{closed}'"]),
    "an order costs more than was settled": ({3}, ["UPDATE trade_order SET payable_minor = payable_minor + 1 WHERE no = '{plain}'",
                                                   "UPDATE order_line SET payable_minor = payable_minor + 1, discount_minor = discount_minor - 1 "
                                                   "WHERE order_no = '{plain}'"]),
    "a payment is for another order": ({3}, ["UPDATE payment_allocation SET order_no = '{waits}' WHERE payment_no = '{plain.payment}'"]),

    "an entitlement is lost": ({4}, [f"DELETE FROM entitlement WHERE no = {GRANT}"]),
    "an entitlement is revoked": ({4}, ["UPDATE entitlement SET state = 'revoked' WHERE order_no = '{done}'",
                                        "INSERT INTO state_log (machine, no, from_state, to_state, cause, trace_id, at_ms) SELECT 'entitlement', "
                                        "no, 'active', 'revoked', 'x', 'x', 0 FROM entitlement WHERE order_no = '{done}'"]),
    "an entitlement nobody bought": ({4}, ["UPDATE entitlement SET grant_n = 9 WHERE order_no = '{done}'"]),
    "an entitlement of an order nobody paid": ({4}, [f"UPDATE entitlement SET order_no = '{{waits}}' WHERE no = {GRANT}"]),
    "an entitlement of no order": ({4}, [f"UPDATE entitlement SET order_no = 'O0' WHERE no = {GRANT}"]),
    "more quota used than there is": ({4}, [f"UPDATE entitlement SET quota_used = quota_total + 1 WHERE no = {QUOTA}"]),
    "quota used backwards": ({4}, [f"UPDATE entitlement SET quota_used = -1 WHERE no = {QUOTA}"]),
    "a refunded order keeps its entitlements": ({4}, ["UPDATE trade_order SET state = 'refunded' WHERE no = '{done}'",
                                                      *log("order", "{done}", "completed", "refunding", "refunded")]),

    "a coupon counts a use too many": ({5}, ["UPDATE coupon_usage SET used = used + 1 WHERE coupon_id = 'last-ten'"]),
    "a coupon counts a use too few": ({5}, ["UPDATE coupon_usage SET used = used - 1 WHERE coupon_id = 'last-ten'"]),
    "a coupon spends more than it says": ({5}, ["UPDATE coupon_usage SET used_minor = used_minor + 1 WHERE coupon_id = 'last-ten'"]),
    "a cap is passed": ({5}, ["UPDATE coupon_usage SET cap_total = 1 WHERE coupon_id = 'last-ten'"]),
    "a budget is passed": ({5}, ["UPDATE coupon_usage SET budget_minor = 1 WHERE coupon_id = 'last-ten'"]),
    "a buyer counts a use too many": ({5}, ["UPDATE coupon_buyer_usage SET used = used + 1"]),
    "a buyer's cap is passed": ({5}, ["UPDATE coupon_buyer_usage SET cap = 0"]),
    "a count is lost": ({5}, ["DELETE FROM coupon_usage WHERE coupon_id = 'last-ten'"]),
    "a buyer's count is lost": ({5}, ["DELETE FROM coupon_buyer_usage WHERE used > 0"]),
    "a hold is lost": ({5}, [f"DELETE FROM coupon_hold WHERE no = {COUPON}"]),
    "a coupon is held twice for a quote": ({5}, [f"UPDATE coupon_hold SET quote_no = '{{open.quote}}', order_no = NULL WHERE no = {COUPON}"]),
    "a coupon is used up by nobody": ({5}, [f"UPDATE coupon_hold SET order_no = '{{waits}}' WHERE no = {COUPON}"]),
    "a closed order holds a coupon": ({5, 8}, ["UPDATE coupon_hold SET state = 'held' WHERE order_no = '{closed}'"]),

    "a pool holds more than went in": ({6}, ["UPDATE partner_pool SET balance = balance + 1 WHERE partner_id = 'bank'"]),
    "a pool forgets a draw": ({6}, ["UPDATE partner_pool SET drawn = drawn - 1, balance = balance + 1 WHERE partner_id = 'club'"]),
    "a pool is below its floor": ({6}, ["UPDATE partner_pool SET floor = balance + 1 WHERE partner_id = 'club'"]),
    "a pool's log is changed": ({6}, ["UPDATE pool_log SET amount = amount + 1 WHERE partner_id = 'club' AND kind = 'draw'"]),
    "a pool the ledger does not know": ({6}, ["UPDATE partner_pool SET balance = balance + 1, topped_up = topped_up + 1 WHERE partner_id = 'bank'",
                                              "UPDATE pool_log SET amount = amount + 1 WHERE partner_id = 'bank' AND kind = 'top_up'"]),
    "a charge is changed": ({6}, ["UPDATE charge SET amount = amount + 1 WHERE state = 'charged' AND partner_id = 'bank'"]),
    "a charge whose order nobody paid": ({6}, ["UPDATE charge SET state = 'charged' WHERE no = '{waiting charge}'",
                                               *log("charge", "{waiting charge}", "charging", "charged")]),

    "a payment succeeds twice": ({7, 8}, log("payment", "{plain.payment}", "pending", "succeeded")),
    "one taking of money stands for two payments": ({7}, ["UPDATE payment_order SET channel_no = 'W-1' WHERE no IN ('{plain.payment}', '{guest.payment}')"]),

    "a state is set by hand": ({8}, ["UPDATE work_order SET state = 'done' WHERE state = 'open' AND order_no = '{worked}'"]),
    "a log is lost": ({8}, ["DELETE FROM state_log WHERE no = '{plain}'"]),
    "the middle of a log is lost": ({8}, ["DELETE FROM state_log WHERE no = '{plain}' AND to_state = 'paid'"]),
    "a move that is in no table": ({8}, ["UPDATE trade_order SET state = 'paid' WHERE no = '{done}'", *log("order", "{done}", "completed", "paid")]),
    "a birth that is in no table": ({8}, ["UPDATE state_log SET to_state = 'paid' WHERE no = '{waits}' AND from_state = ''"]),
    "a machine nobody knows": ({8}, log("engine", "X1", "", "running")),

    "a refund is not posted": ({9}, gone("kind = 'refund_succeeded'")),
    "a surplus is not posted": ({9}, gone("kind = 'surplus_received'")),
    "a refund that is owed is not posted": ({9}, gone("kind = 'refund_approved'")),
    "a top-up is not posted": ({6, 9}, gone("kind = 'pool_topped_up'")),
    "a posting of nothing that happened": ({9}, [TRANSACTION.format("refund:R0:succeeded", "refund_succeeded", "NULL")]),
    "a posting of an unknown kind": ({9}, [TRANSACTION.format("gift", "gift", "NULL")]),
    "a reversal of nothing": ({9}, [TRANSACTION.format("undo", "reversal", "'L-none'")]),
    "a reversal that names nothing": ({9}, [TRANSACTION.format("undo", "reversal", "NULL")]),

    "a quote's sum is changed": ({10}, ["UPDATE quote SET payable_minor = payable_minor + 1 WHERE no = '{coupons.quote}'"]),
}


def seen() -> set[int]:
    return {v.invariant for v in violations()}


def after(statements: list[str], made: dict[str, str]) -> set[int] | str:
    """The invariants that see what some statements do, which is then undone."""
    found: set[int] | str = "nothing was changed"
    try:
        with store.transaction():
            if all([execute(_filled(sql, made)) for sql in statements]):
                found = seen()
            raise Undone
    except Undone:
        return found


def _filled(sql: str, made: dict[str, str]) -> str:
    for name, no in made.items():
        sql = sql.replace("{%s}" % name, no)
    return sql


def test_each_break_is_seen_by_its_invariant_and_by_no_other(shop):
    made = fill(shop)
    assert violations() == []
    wrong = {name: (f"seen by {found}", f"expected {expected}") for name, (expected, statements) in BREAKS.items()
             if (found := after(statements, made)) != expected}
    assert wrong == {}
    assert violations() == []                  # each was undone


def test_a_quote_that_was_changed_inside_is_seen(shop):
    made = fill(shop)
    quote = store.one(Quote, no=made["coupons.quote"])
    line = quote["result"]["lines"][0]
    changes = {
        "result": quote["result"] | {"payable_minor": 1}, "facts": quote["facts"] | {"buyer.tags": []}, "wanted": [],
        "excluded": {"last-ten": "cap_reached"}, "items": [*quote["items"], {"sku": "card/year", "quantity": 1}],
        "created_at_ms": None, "buyer_id": ""}
    expected = {name: {10} for name in changes} | {"created_at_ms": set()}
    found = {}
    for name, value in changes.items():
        try:
            with store.transaction():
                store.update(Quote, {name: quote["created_at_ms"] - 10 ** 12 if value is None else value}, no=quote["no"])
                found[name] = seen()
                raise Undone
        except Undone:
            pass
    assert found == expected and line["sku"] == "card/month"


def test_every_invariant_has_a_break():
    broken = set().union(*(expected for expected, _ in BREAKS.values()))
    assert broken == {invariant.number for invariant in INVARIANTS} == set(range(1, 11))
    alone = {number for expected, _ in BREAKS.values() if len(expected) == 1 for number in expected}
    assert alone == set(range(1, 11))          # each is seen alone somewhere


def test_every_invariant_says_what_it_holds():
    assert all(i.sentence.endswith(".") and not i.sentence[0].isdigit() for i in INVARIANTS)


def test_an_empty_database_is_in_order(shop):
    assert violations() == [] and [f.invariant.number for f in verify(only=(3, 7))] == [3, 7]


def test_a_violation_names_its_subject(shop):
    shop.broken = True
    made = fill(shop)
    execute(f"UPDATE payment_tender SET amount_minor = 1 WHERE payment_no = '{made['plain.payment']}'")
    [violation] = violations()
    assert (violation.invariant, violation.subject) == (2, made["plain.payment"])
    assert str(violation) == f"invariant 2: {made['plain.payment']}: its tenders add up to 1, its amount is 3333"


def test_only_so_many_are_told(shop):
    shop.broken = True
    fill(shop)
    execute("UPDATE payment_tender SET amount_minor = 1")
    [finding] = verify(only=(2,), at_most=3)
    assert len(finding.violations) == 3 and finding.took_s >= 0 and finding.invariant is INVARIANTS[1]


def test_more_orders_than_a_page(shop, monkeypatch):
    from engine.audit import money_checks, trade_checks
    made = fill(shop)
    monkeypatch.setattr(money_checks, "PAGE", 2)
    monkeypatch.setattr(trade_checks, "PAGE", 2)
    assert violations() == []
    for name in ("an entitlement is lost", "a digest is changed", "a quote's sum is changed"):
        assert after(BREAKS[name][1], made) == BREAKS[name][0]


def test_sales_that_go_on_meanwhile_look_like_no_violation(shop, monkeypatch):
    """Each invariant reads one moment: an order that is paid between two of its questions breaks nothing."""
    from engine import sale
    from tests.support.together import at_once, errors
    placed = sale.place("app", items=shop.items("card/month"), buyer_id=shop.buyer())
    attempt = sale.pay(placed["no"], "wallet")
    real, told = invariants.trade_checks.rows, []

    def rows(sql, *params):
        found = real(sql, *params)
        if not told and "state_log" in sql:    # in the middle of invariant 7 or 8
            told.append(1)
            assert not errors(at_once(lambda n: shop.notice(attempt), [1]))
        return found
    monkeypatch.setattr(invariants.trade_checks, "rows", rows)
    assert violations() == [] and told
