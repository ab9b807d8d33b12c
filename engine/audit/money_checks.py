"""Invariants 1, 2, 3 and 9: the ledger balances, payments add up, and money and facts belong together."""
from __future__ import annotations

from typing import Iterator

from .. import store
from ..ledger import chart
from ..ledger.postings import LedgerPosting, LedgerTransaction, digest
from .violation import Violation, rows

PAGE = 5000


def ledger_balances() -> Iterator[Violation]:
    """1. Every transaction balances; the sum of all accounts is zero per currency; nothing was changed after posting."""
    for no, currency, total in rows("SELECT transaction_no, currency, SUM(amount_minor) FROM ledger_posting "
                                    "GROUP BY transaction_no, currency HAVING SUM(amount_minor) <> 0"):
        yield Violation(1, no, f"its legs add up to {total} {currency}, not to 0")
    for currency, total in rows("SELECT currency, SUM(amount_minor) FROM ledger_posting GROUP BY currency "
                                "HAVING SUM(amount_minor) <> 0"):
        yield Violation(1, currency, f"all accounts together hold {total}, not 0")
    for no, in rows("SELECT DISTINCT p.transaction_no FROM ledger_posting p LEFT JOIN ledger_transaction t "
                    "ON t.no = p.transaction_no WHERE t.no IS NULL"):
        yield Violation(1, no, "postings without their transaction")
    for name, in rows("SELECT DISTINCT account FROM ledger_posting"):
        if chart.kind_of(name) is None:
            yield Violation(1, name, "is not an account of the chart")
    yield from _digests()


def _digests() -> Iterator[Violation]:
    after = ""
    while True:
        page = store.many(LedgerTransaction, columns=("no", "digest"), also="no > ?", params=(after,), order_by="no", limit=PAGE)
        if not page:
            return
        legs: dict[str, list[tuple[str, str, int]]] = {row["no"]: [] for row in page}
        for leg in store.many(LedgerPosting, also="transaction_no > ? AND transaction_no <= ?",
                              params=(after, page[-1]["no"])):
            if leg["transaction_no"] in legs:
                legs[leg["transaction_no"]].append((leg["account"], leg["currency"], leg["amount_minor"]))
        for row in page:
            if digest(legs[row["no"]]) != row["digest"]:
                yield Violation(1, row["no"], "its legs are not those that were posted")
        after = page[-1]["no"]


def payments_add_up() -> Iterator[Violation]:
    """2. Σ tenders = payment amount = Σ allocations; refunds never exceed what was paid; a surplus is sent back."""
    for table, word in (("payment_tender", "tenders"), ("payment_allocation", "allocations")):
        for no, amount, total in rows(
                f"SELECT p.no, p.amount_minor, COALESCE(SUM(t.amount_minor), 0) FROM payment_order p LEFT JOIN {table} t "
                "ON t.payment_no = p.no GROUP BY p.no, p.amount_minor HAVING COALESCE(SUM(t.amount_minor), 0) <> p.amount_minor"):
            yield Violation(2, no, f"its {word} add up to {total}, its amount is {amount}")
    for no, noted, total in rows(
            "SELECT p.no, p.refunded_minor, COALESCE(SUM(r.amount_minor), 0) FROM payment_order p LEFT JOIN refund r "
            "ON r.payment_no = p.no AND r.state = 'succeeded' GROUP BY p.no, p.refunded_minor "
            "HAVING COALESCE(SUM(r.amount_minor), 0) <> p.refunded_minor"):
        yield Violation(2, no, f"notes {noted} refunded, its refunds add up to {total}")
    for no, amount, total in rows(
            "SELECT p.no, p.amount_minor, SUM(r.amount_minor) FROM payment_order p JOIN refund r ON r.payment_no = p.no "
            "AND r.state NOT IN ('failed', 'rejected') GROUP BY p.no, p.amount_minor HAVING SUM(r.amount_minor) > p.amount_minor"):
        yield Violation(2, no, f"refunds of {total} against {amount} paid")
    for no, amount, total in rows(
            "SELECT o.no, o.subtotal_minor, COALESCE(SUM(l.list_minor), -1) FROM trade_order o LEFT JOIN order_line l ON "
            "l.order_no = o.no GROUP BY o.no, o.subtotal_minor, o.payable_minor "
            "HAVING COALESCE(SUM(l.list_minor), -1) <> o.subtotal_minor OR "
            "SUM(l.payable_minor) <> o.payable_minor OR SUM(l.list_minor - l.discount_minor) <> o.payable_minor OR "
            "SUM(CASE WHEN l.list_minor <> l.quantity * l.unit_price_minor THEN 1 ELSE 0 END) > 0"):
        yield Violation(2, no, f"its lines ({total}) do not add up to the order ({amount})")
    yield from _belong_together()
    yield from _sent_back()


def _belong_together() -> Iterator[Violation]:
    for no, order_no in rows("SELECT p.no, p.order_no FROM payment_order p LEFT JOIN trade_order o ON o.no = p.order_no "
                             "AND o.currency = p.currency WHERE o.no IS NULL"):
        yield Violation(2, no, f"pays the order {order_no}, which is not there or in another currency")
    for table, key, other in (("payment_tender", "payment_no", "payment_order"),
                              ("payment_allocation", "payment_no", "payment_order"),
                              ("payment_allocation", "order_no", "trade_order"), ("order_line", "order_no", "trade_order")):
        for no, in rows(f"SELECT DISTINCT t.{key} FROM {table} t LEFT JOIN {other} o ON o.no = t.{key} WHERE o.no IS NULL"):
            yield Violation(2, no, f"is named in {table}, and not there")
    for no, payment_no in rows("SELECT r.no, r.payment_no FROM refund r LEFT JOIN payment_order p ON p.no = r.payment_no AND "
                               "p.order_no = r.order_no AND p.channel_id = r.channel_id AND p.currency = r.currency "
                               "WHERE p.no IS NULL"):
        yield Violation(2, no, f"is of the payment {payment_no}, whose order, channel or currency is another")


def _sent_back() -> Iterator[Violation]:
    for no, payable, noted, total in rows(
            "SELECT o.no, o.payable_minor, o.refunded_minor, COALESCE(SUM(r.amount_minor), 0) FROM trade_order o LEFT JOIN "
            "refund r ON r.order_no = o.no AND r.state = 'succeeded' AND r.kind <> 'surplus' "
            "GROUP BY o.no, o.payable_minor, o.refunded_minor "
            "HAVING COALESCE(SUM(r.amount_minor), 0) <> o.refunded_minor OR o.refunded_minor > o.payable_minor"):
        yield Violation(2, no, f"costs {payable} and notes {noted} refunded, its refunds add up to {total}")
    for no, surplus, total in rows(
            "SELECT p.no, p.surplus_minor, COALESCE(SUM(r.amount_minor), 0) FROM payment_order p LEFT JOIN refund r ON "
            "r.payment_no = p.no AND r.kind = 'surplus' AND r.state <> 'rejected' WHERE p.surplus_minor <> 0 "
            "GROUP BY p.no, p.surplus_minor "
            "HAVING COALESCE(SUM(r.amount_minor), 0) <> p.surplus_minor"):
        yield Violation(2, no, f"has a surplus of {surplus}, and {total} are sent back")


def paid_means_settled() -> Iterator[Violation]:
    """3. An order has reached `paid` if and only if its allocations are settled in the ledger, by one payment."""
    for no, in rows("SELECT o.no FROM trade_order o LEFT JOIN ledger_transaction t ON t.order_no = o.no AND t.kind = "
                    "'order_paid' WHERE o.paid_at_ms IS NOT NULL AND t.no IS NULL"):
        yield Violation(3, no, "was paid, but the ledger does not know")
    for no, state in rows("SELECT o.no, o.state FROM trade_order o JOIN ledger_transaction t ON t.order_no = o.no AND "
                          "t.kind = 'order_paid' WHERE o.paid_at_ms IS NULL"):
        yield Violation(3, no, f"is {state} and was never paid, but the ledger settled it")
    for no, state, paid_at in rows("SELECT no, state, paid_at_ms FROM trade_order WHERE (paid_at_ms IS NULL) <> "
                                   "(state IN ('draft', 'awaiting_payment', 'closed'))"):
        yield Violation(3, no, f"is {state}, yet its time of payment is {paid_at}")
    for no, kept in rows(
            "SELECT o.no, COALESCE(p.kept, 0) FROM trade_order o LEFT JOIN (SELECT order_no, COUNT(*) AS kept FROM payment_order "
            "WHERE state = 'succeeded' AND surplus_minor = 0 GROUP BY order_no) p ON p.order_no = o.no WHERE o.payable_minor > 0 "
            "AND COALESCE(p.kept, 0) <> CASE WHEN o.paid_at_ms IS NULL THEN 0 ELSE 1 END"):
        yield Violation(3, no, f"keeps {kept} payments")
    for no, payable, total in rows(
            "SELECT o.no, o.payable_minor, COALESCE(SUM(a.amount_minor), 0) FROM trade_order o LEFT JOIN (SELECT a.order_no, "
            "a.amount_minor FROM payment_allocation a JOIN payment_order p ON p.no = a.payment_no AND p.state = 'succeeded' AND "
            "p.surplus_minor = 0) a ON a.order_no = o.no WHERE o.paid_at_ms IS NOT NULL GROUP BY o.no, o.payable_minor "
            "HAVING COALESCE(SUM(a.amount_minor), 0) <> o.payable_minor"):
        yield Violation(3, no, f"its payments are allocated {total} to it, it costs {payable}")
    for no, payable, total in rows(
            "SELECT o.no, o.payable_minor, SUM(CASE WHEN p.amount_minor > 0 AND p.account <> 'coupon_expense' "
            "THEN p.amount_minor ELSE 0 END) FROM trade_order o JOIN ledger_transaction t ON t.order_no = o.no AND t.kind = "
            "'order_paid' JOIN ledger_posting p ON p.transaction_no = t.no GROUP BY o.no, o.payable_minor "
            "HAVING SUM(CASE WHEN p.amount_minor > 0 AND p.account <> 'coupon_expense' THEN p.amount_minor ELSE 0 END) "
            "<> o.payable_minor"):
        yield Violation(3, no, f"{total} were settled for an order of {payable}")
    yield from _settled_where_paid()


def _settled_where_paid() -> Iterator[Violation]:
    for no, channel, amount, total in rows(
            "SELECT p.no, p.channel_id, p.amount_minor, COALESCE(SUM(l.amount_minor), 0) FROM payment_order p JOIN "
            "ledger_transaction t ON t.payment_no = p.no AND t.kind = 'order_paid' LEFT JOIN ledger_posting l ON "
            "l.transaction_no = t.no AND l.account = 'channel_receivable:' || p.channel_id WHERE p.tender_kind = 'channel' "
            "GROUP BY p.no, p.channel_id, p.amount_minor "
            "HAVING COALESCE(SUM(l.amount_minor), 0) <> p.amount_minor"):
        yield Violation(3, no, f"{amount} came in through {channel}, {total} were posted there")


# kind of ledger transaction → the facts that must have one: (subject, event, FROM …).
_FACTS = {
    "order_paid": ("no", "'order:' || no || ':paid'", "trade_order WHERE paid_at_ms IS NOT NULL"),
    "surplus_received": ("no", "'payment:' || no || ':surplus'",
                         "payment_order WHERE state = 'succeeded' AND surplus_minor > 0"),
    "refund_approved": ("no", "'refund:' || no || ':approved'", "refund WHERE state NOT IN ('applied', 'rejected')"),
    "refund_succeeded": ("no", "'refund:' || no || ':succeeded'", "refund WHERE state = 'succeeded'"),
    "pool_topped_up": ("l.pool_id", "'pool:' || l.pool_id || ':' || l.ref",
                       "pool_log l JOIN partner_pool p ON p.id = l.pool_id "
                       "WHERE l.kind = 'top_up' AND p.unit = 'money'"),
}


# What a fact moved: (event, amount, FROM …). Of an order that was paid: what it costs, and what coupons took off.
_AMOUNTS = (
    ("'order:' || no || ':paid'", "subtotal_minor", "trade_order WHERE paid_at_ms IS NOT NULL"),
    ("'payment:' || no || ':surplus'", "surplus_minor", "payment_order WHERE surplus_minor > 0"),
    ("'refund:' || no || ':approved'", "amount_minor", "refund"), ("'refund:' || no || ':succeeded'", "amount_minor", "refund"))


def money_events_match() -> Iterator[Violation]:
    """9. Every money event has its posting, every posting its event."""
    for kind, (subject, event, source) in _FACTS.items():
        facts = f"(SELECT {subject} AS subject, {event} AS event FROM {source})"
        for no, name in rows(f"SELECT f.subject, f.event FROM {facts} f LEFT JOIN ledger_transaction t ON t.event = f.event "
                             "AND t.kind = ? WHERE t.no IS NULL", kind):
            yield Violation(9, no, f"happened, but nothing was posted as {name}")
        # A set is taken from a set: a join with what is put together here would look at every pair of them.
        for no, name in rows("SELECT no, event FROM ledger_transaction WHERE kind = ? AND event IN (SELECT event FROM "
                             f"ledger_transaction WHERE kind = ? EXCEPT SELECT f.event FROM {facts} f)", kind, kind):
            yield Violation(9, no, f"posts {name}, which never happened")
    for event, amount, source in _AMOUNTS:
        for no, wanted, total in rows(
                f"SELECT f.no, f.amount, COALESCE(SUM(CASE WHEN p.amount_minor > 0 THEN p.amount_minor ELSE 0 END), 0) FROM "
                f"(SELECT no, {amount} AS amount, {event} AS event FROM {source}) f JOIN ledger_transaction t ON "
                "t.event = f.event LEFT JOIN "
                "ledger_posting p ON p.transaction_no = t.no GROUP BY f.no, f.amount "
                "HAVING COALESCE(SUM(CASE WHEN p.amount_minor > 0 THEN p.amount_minor ELSE 0 END), 0) <> f.amount"):
            yield Violation(9, no, f"was {wanted}, and {total} were posted for it")
    marks = ", ".join("?" * (len(_FACTS) + 1))
    for no, kind in rows(f"SELECT no, kind FROM ledger_transaction WHERE kind NOT IN ({marks})", *_FACTS, "reversal"):
        yield Violation(9, no, f"is of the unknown kind {kind}")
    for no, in rows("SELECT t.no FROM ledger_transaction t LEFT JOIN ledger_transaction o ON o.no = t.reverses "
                    "WHERE t.kind = 'reversal' AND o.no IS NULL"):
        yield Violation(9, no, "reverses a transaction that does not exist")
