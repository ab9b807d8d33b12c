"""Posting: immutable double entries in the same transaction as the fact that caused them.

A move takes an amount from a source account to a destination; it is kept as two signed legs, so that a lost or changed
leg shows. `event` names the fact and is unique: the same fact is posted once. A correction is a reversal.
"""
from __future__ import annotations

import hashlib
from typing import Iterable, NamedTuple

import peewee

from .. import store
from ..base import clock, ids, trace
from . import chart


class LedgerTransaction(store.TradeTable):
    no = peewee.CharField(max_length=32, primary_key=True)
    event = peewee.CharField(max_length=100, unique=True)
    kind = peewee.CharField(max_length=32)
    order_no = peewee.CharField(max_length=32, index=True)
    payment_no = peewee.CharField(max_length=32, index=True)
    reverses = peewee.CharField(max_length=32, null=True)
    digest = peewee.CharField(max_length=64)   # of the legs as posted
    trace_id = peewee.CharField(max_length=32)
    at_ms = peewee.BigIntegerField()


class LedgerPosting(store.TradeTable):
    """One leg. amount_minor is positive where the account receives."""
    id = peewee.BigAutoField()
    transaction_no = peewee.CharField(max_length=32, index=True)
    account = peewee.CharField(max_length=100)
    currency = peewee.CharField(max_length=3)
    amount_minor = peewee.BigIntegerField()

    class Meta:
        indexes = ((("account", "id"), False),)


class Move(NamedTuple):
    source: str
    destination: str
    amount_minor: int


def digest(legs: Iterable[tuple[str, str, int]]) -> str:
    """Hash of (account, currency, amount) in any order: what `verify` holds the stored legs against."""
    text = "\n".join(f"{a} {c} {m}" for a, c, m in sorted(legs))
    return hashlib.sha256(text.encode()).hexdigest()


def post(kind: str, event: str, currency: str, moves: list[Move], *, order_no: str = "", payment_no: str = "",
         reverses: str | None = None) -> str:
    """Stage a balanced transaction in the open database transaction; returns its number.

    Moves of zero are left out; a negative amount is a ValueError (turn the move round instead). A second post of the same
    event makes the commit fail with peewee.IntegrityError.
    """
    legs: list[tuple[str, str, int]] = []
    for move in moves:
        if move.amount_minor < 0:
            raise ValueError(f"{event}: a move of {move.amount_minor}: swap source and destination")
        for name in (move.source, move.destination):
            if chart.kind_of(name) is None:
                raise ValueError(f"{event}: {name!r} is not in the chart of accounts")
        if move.amount_minor:
            legs += [(move.source, currency, -move.amount_minor), (move.destination, currency, move.amount_minor)]
    no = ids.new_no("L")
    tx = store.current()
    tx.later(LedgerTransaction, {"no": no, "event": event, "kind": kind, "order_no": order_no, "payment_no": payment_no,
                                 "reverses": reverses, "digest": digest(legs), "trace_id": trace.trace_id(),
                                 "at_ms": clock.now_ms()})
    for name, unit, amount in legs:
        tx.later(LedgerPosting, {"transaction_no": no, "account": name, "currency": unit, "amount_minor": amount})
    return no


def reverse(transaction_no: str, event: str) -> str:
    """Post the opposite of a transaction; LookupError when it was never posted."""
    original = store.one(LedgerTransaction, no=transaction_no)
    if original is None:
        raise LookupError(f"there is no ledger transaction {transaction_no!r}")
    legs = store.many(LedgerPosting, transaction_no=transaction_no, order_by="id")
    no = ids.new_no("L")
    tx = store.current()
    opposite = [(leg["account"], leg["currency"], -leg["amount_minor"]) for leg in legs]
    tx.later(LedgerTransaction, {"no": no, "event": event, "kind": "reversal", "order_no": original["order_no"],
                                 "payment_no": original["payment_no"], "reverses": transaction_no,
                                 "digest": digest(opposite), "trace_id": trace.trace_id(), "at_ms": clock.now_ms()})
    for name, unit, amount in opposite:
        tx.later(LedgerPosting, {"transaction_no": no, "account": name, "currency": unit, "amount_minor": amount})
    return no


def balance(account: str, currency: str) -> int:
    """What an account holds, in minor units (a liability is negative)."""
    total = store.query(store.trade, 'SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_posting '
                                     'WHERE account = ? AND currency = ?', (account, currency))[0][0]
    return int(total)                          # PostgreSQL adds whole numbers up to a decimal


def returned(order_no: str) -> dict[str, int]:
    """account → what an order's refunds have taken back from it so far, minor units."""
    return {account: int(total) for account, total in store.query(
        store.trade, "SELECT p.account, SUM(p.amount_minor) FROM ledger_transaction t JOIN ledger_posting p ON "
                     "p.transaction_no = t.no WHERE t.order_no = ? AND t.kind = 'refund_approved' AND p.amount_minor > 0 "
                     "GROUP BY p.account", (order_no,))}


def of_order(order_no: str) -> list[dict]:
    """An order's ledger transactions with their legs, in order."""
    found = store.many(LedgerTransaction, order_no=order_no, order_by="at_ms, no")
    legs = store.many(LedgerPosting, transaction_no=[t["no"] for t in found], order_by="id") if found else []
    for transaction in found:
        transaction["postings"] = [leg for leg in legs if leg["transaction_no"] == transaction["no"]]
    # Several may be posted in one millisecond; their legs know the order.
    return sorted(found, key=lambda t: t["postings"][0]["id"] if t["postings"] else 0)
