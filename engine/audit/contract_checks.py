"""Invariant 11: contracts, their periods, the orders that pay them and the ledger say the same."""
from __future__ import annotations

from typing import Iterator

from .violation import Violation, rows

_FORCE = "('active', 'overdue', 'suspended')"
_PAID = ("SELECT contract_no, COUNT(*) AS n, MAX(n) AS last, MAX(ends_at_ms) AS until FROM contract_period WHERE state = 'paid' "
         "GROUP BY contract_no")


def contracts_match() -> Iterator[Violation]:
    """11. A contract's paid periods are the deductions in the ledger, one order each, without gap; and none is forgotten."""
    yield from _periods_and_orders()
    yield from _periods_and_ledger()
    yield from _spans()
    yield from _in_force()


def _periods_and_orders() -> Iterator[Violation]:
    for no, order_no in rows("SELECT c.no, c.order_no FROM contract c LEFT JOIN order_line l ON l.order_no = c.order_no AND "
                             "l.sku = c.sku AND l.quantity = c.quantity WHERE l.order_no IS NULL"):
        yield Violation(11, no, f"was signed with order {order_no}, which has no such product")
    for no, in rows("SELECT o.no FROM trade_order o LEFT JOIN contract_period p ON p.order_no = o.no WHERE o.quote_no = '' AND "
                    "p.no IS NULL"):
        yield Violation(11, no, "renews, but no contract knows of it")
    for no, order_no, state in rows(
            "SELECT p.no, p.order_no, p.state FROM contract_period p JOIN trade_order o ON o.no = p.order_no WHERE "
            "p.n > 1 AND (p.state = 'paid') <> (o.paid_at_ms IS NOT NULL)"):
        yield Violation(11, no, f"is {state}, its order {order_no} is not")
    for no, amount, payable in rows("SELECT p.no, p.amount_minor, o.payable_minor FROM contract_period p JOIN trade_order o ON "
                                    "o.no = p.order_no WHERE p.amount_minor <> o.payable_minor"):
        yield Violation(11, no, f"costs {amount}, its order {payable}")
    for no, order_no in rows("SELECT p.no, p.order_no FROM contract_period p LEFT JOIN trade_order o ON o.no = p.order_no "
                             "WHERE o.no IS NULL"):
        yield Violation(11, no, f"has no order {order_no}")


def _periods_and_ledger() -> Iterator[Violation]:
    for no, payment_no in rows("SELECT p.no, p.payment_no FROM contract_period p LEFT JOIN ledger_transaction t ON t.order_no = "
                               "p.order_no AND t.payment_no = p.payment_no AND t.kind = 'order_paid' WHERE p.state = 'paid' AND "
                               "t.no IS NULL"):
        yield Violation(11, no, f"is paid by {payment_no}, which the ledger does not know for it")
    for no, payment_no in rows(
            "SELECT p.no, t.payment_no FROM contract_period p JOIN ledger_transaction t ON t.order_no = p.order_no AND "
            "t.kind = 'order_paid' AND t.payment_no = p.payment_no WHERE p.state IN ('open', 'deducting', 'failed')"):
        yield Violation(11, no, f"is deducted by {payment_no} in the ledger, and not paid")
    for no, n in rows("SELECT p.no, COUNT(*) FROM contract_period p JOIN ledger_transaction t ON t.order_no = p.order_no AND "
                      "t.kind = 'order_paid' GROUP BY p.no HAVING COUNT(*) > 1"):
        yield Violation(11, no, f"is in the ledger {n} times")


def _spans() -> Iterator[Violation]:
    for no, noted, until, n, last, ends in rows(
            f"SELECT c.no, c.paid_n, c.paid_until_ms, COALESCE(p.n, 0), COALESCE(p.last, 0), p.until FROM contract c LEFT JOIN "
            f"({_PAID}) p ON p.contract_no = c.no WHERE c.paid_n <> COALESCE(p.n, 0) OR c.paid_n <> COALESCE(p.last, 0) OR "
            "COALESCE(c.paid_until_ms, 0) <> COALESCE(p.until, 0)"):
        yield Violation(11, no, f"notes {noted} paid periods until {until}; there are {n}, the last is {last}, until {ends}")
    for no, in rows("SELECT b.no FROM contract_period a JOIN contract_period b ON b.contract_no = a.contract_no AND b.n = a.n + 1 "
                    "WHERE b.state = 'paid' AND (a.state <> 'paid' OR b.starts_at_ms < a.ends_at_ms)"):
        yield Violation(11, no, "begins before the period before it ends")
    for no, in rows("SELECT no FROM contract_period WHERE state = 'paid' AND (starts_at_ms IS NULL OR ends_at_ms IS NULL OR "
                    "ends_at_ms <= starts_at_ms)"):
        yield Violation(11, no, "is paid for no time")
    for no, n in rows("SELECT contract_no, COUNT(*) FROM contract_period WHERE state IN ('open', 'deducting', 'failed') "
                      "GROUP BY contract_no HAVING COUNT(*) > 1"):
        yield Violation(11, no, f"has {n} periods open at once")


def _in_force() -> Iterator[Violation]:
    for no, state in rows(f"SELECT no, state FROM contract WHERE state IN {_FORCE} AND (paid_n < 1 OR signed_at_ms IS NULL)"):
        yield Violation(11, no, f"is {state}, but was never paid and signed")
    for no, state in rows("SELECT no, state FROM contract WHERE state IN ('signing', 'signed', 'active', 'overdue', 'suspended') "
                          "AND next_at_ms IS NULL"):
        yield Violation(11, no, f"is {state}, and nobody will look at it again")
    for no, state in rows("SELECT p.no, c.state FROM contract_period p LEFT JOIN contract c ON c.no = p.contract_no WHERE "
                          "p.state IN ('open', 'deducting', 'failed') AND (c.no IS NULL OR c.state IN ('ended', 'failed'))"):
        yield Violation(11, no, f"is to be deducted, its contract is {state}")
