"""Everything there is to know about one order, read for its page."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.base import clock
from engine.deliver import charges, entitlements, messages, outgoing, upstream, work_orders
from engine.deliver.upstream import UpstreamLink
from engine.flow import journal
from engine.flow.journal import FlowRun
from engine.ledger import postings
from engine.pay import contracts, notices, payments, refunds
from engine.pay.payments import PaymentAllocation, PaymentTender
from engine.trade import buyers, coupons, orders
from engine.trade.orders import OrderDetail


def load(no: str) -> dict[str, Any]:
    """The order's row and, by name, what hangs on it. Refusal ORDER_UNKNOWN."""
    order = orders.find(no)
    paid_by = payments.of_order(no)
    numbers = [p["no"] for p in paid_by]
    page = {
        "order": order, "lines": orders.lines(no), "sold": orders.sold(no), "buyer": buyers.find(order["buyer_id"]),
        "payments": paid_by, "tenders": _by_payment(PaymentTender, numbers), "allocations": _by_payment(PaymentAllocation, numbers),
        "notices": notices.of_payments(numbers), "refunds": refunds.of_order(no), "coupons": coupons.of_order(no),
        "entitlements": entitlements.of_order(no), "messages": messages.of_order(no),
        "work_orders": _nested(work_orders.of_order(no)),
        "upstream": [_linked(row, no) for row in upstream.of_order(no)], "charge": charges.of_order(no), "steps": journal.of(no),
        "outgoing": outgoing.of_order(no), "contract": contracts.of_order(no), "periods": contracts.periods_of_order(no),
        "runs": store.many(FlowRun, subject_no=no, order_by="created_at_ms"), "ledger": _as_posted(postings.of_order(no)),
        "details": [d for d in store.many(OrderDetail, order_no=no, order_by="id") if d["kind"] != "sold"],
    }
    page["log"] = state_log(page)
    page["totals"] = _totals(page["ledger"])
    page["now_ms"] = clock.now_ms()
    return page


def _as_posted(transactions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order in which they were written: several of one millisecond have numbers in any order."""
    return sorted(transactions, key=lambda t: (t["at_ms"], min((leg["id"] for leg in t["postings"]), default=0)))


def _by_payment(table: Any, numbers: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {no: [] for no in numbers}
    for row in store.many(table, payment_no=numbers) if numbers else ():
        found[row["payment_no"]].append(row)
    return found


def state_log(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Every move of the order and of everything of its own, as it was written."""
    numbers = [page["order"]["no"]]
    for name in ("payments", "refunds", "coupons", "entitlements", "messages", "work_orders", "upstream", "outgoing", "periods"):
        numbers += [row["no"] for row in page[name]]
    if page["charge"]:
        numbers.append(page["charge"]["no"])
    return store.many(store.StateLog, no=numbers, order_by="id")


def numbers(page: dict[str, Any]) -> set[str]:
    """The numbers that stand on the page as anchors."""
    found = {row["no"] for name in ("payments", "refunds", "messages", "work_orders", "upstream", "outgoing", "ledger")
             for row in page[name]}
    return found | ({page["charge"]["no"]} if page["charge"] else set())


def _linked(row: dict[str, Any], order_no: str) -> dict[str, Any]:
    """An upstream order with the work order that gave rise to it, and the other orders it was placed for."""
    links = store.many(UpstreamLink, upstream_no=row["no"], order_by="order_no")
    return {**row, "work_order_no": next((link["work_order_no"] for link in links if link["order_no"] == order_no), ""),
            "others": [link["order_no"] for link in links if link["order_no"] != order_no]}


def _nested(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Work orders with their children right below them, each with its `depth`."""
    children: dict[str, list[dict[str, Any]]] = {}
    known = {row["no"] for row in rows}
    for row in rows:
        children.setdefault(row["parent_no"] if row["parent_no"] in known else "", []).append(row)

    def walk(parent: str, depth: int) -> list[dict[str, Any]]:
        return [found for row in children.get(parent, ())
                for found in ({**row, "depth": depth}, *walk(row["no"], depth + 1))]
    return walk("", 0)


def _totals(transactions: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    """(account, currency) → what the order's postings left there; a balanced order's sum is zero."""
    totals: dict[tuple[str, str], int] = {}
    for transaction in transactions:
        for leg in transaction["postings"]:
            key = leg["account"], leg["currency"]
            totals[key] = totals.get(key, 0) + leg["amount_minor"]
    return dict(sorted(totals.items()))
