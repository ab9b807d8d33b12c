"""Invariants 4 to 8 and 10: entitlements, coupons, pools, once-only facts, states, and prices that can be recomputed."""
from __future__ import annotations

from typing import Any, Iterator

from .. import store
from ..base.errors import Refusal
from ..config.catalog import Scene
from ..config.live import live
from ..deliver.entitlements import Entitlement
from ..flow import journal
from ..ledger import chart, postings
from ..runs import hooks
from ..steps.context import SaleContext
from ..trade import orders, pricing
from ..trade.quotes import Quote
from .violation import Violation, rows

PAGE = 1000
_GRANTING = ("grant_entitlements", "extend_entitlements")


def entitlements_match() -> Iterator[Violation]:
    """4. A completed order has each entitlement once; a fully refunded one has none left; none without a paid order."""
    for order in _pages(orders.TradeOrder, ("no", "scene_id", "release_no", "state", "quote_no"), state=["completed", "refunded"]):
        found = {(e["line_n"], e["grant_n"]) for e in order["entitlements"] if e["state"] == "active"}
        if order["state"] == "refunded":
            if found:
                yield Violation(4, order["no"], "is refunded and still has entitlements")
            continue
        try:
            scene = live.release(order["release_no"]).scene(order["scene_id"])
            sold = {(line["n"], g) for line in order["lines"] for g in range(1, len(scene.skus[line["sku"]].grants) + 1)}
        except (Refusal, KeyError) as error:
            yield Violation(4, order["no"], f"was sold as its release does not know it: {error}")
            continue
        if missing := sold - found if _grants(scene, order["no"], renewal=not order["quote_no"]) else set():
            yield Violation(4, order["no"], f"is completed without its entitlements {sorted(missing)} (line, grant)")
        if beyond := found - sold:
            yield Violation(4, order["no"], f"has entitlements {sorted(beyond)} (line, grant) that it did not buy")
    for no, order_no in rows("SELECT e.no, e.order_no FROM entitlement e LEFT JOIN trade_order o ON o.no = e.order_no "
                             "WHERE e.state = 'active' AND (o.no IS NULL OR o.paid_at_ms IS NULL)"):
        yield Violation(4, no, f"is active for order {order_no}, which is not paid")
    for no, order_no in rows("SELECT e.no, e.order_no FROM entitlement e JOIN trade_order o ON o.no = e.order_no "
                             "WHERE e.buyer_id <> o.buyer_id"):
        yield Violation(4, no, f"belongs to another buyer than its order {order_no}")
    for buyer, right, beyond in rows(
            'SELECT buyer_id, name, SUM(n) FROM (SELECT buyer_id, "right" AS name, quota_used AS n FROM entitlement UNION ALL '
            'SELECT buyer_id, "right", -amount FROM entitlement_use) uses GROUP BY buyer_id, name HAVING SUM(n) <> 0'):
        yield Violation(4, buyer, f"{abs(beyond)} of {right} are {'used without a note' if beyond > 0 else 'noted, and not used'}")
    for no, in rows("SELECT no FROM entitlement WHERE quota_total IS NOT NULL AND (quota_used > quota_total OR quota_used < 0)"):
        yield Violation(4, no, "more of its quota is used than it has")


def _grants(scene: Scene, order_no: str, renewal: bool = False) -> bool:
    """Whether a complete order of this scene must have what its SKUs grant. Where every such step has a condition, the
    order's journal tells whether one of them was met."""
    flows = ("renew",) if renewal else ("charge" if "pool" in scene.tenders else "paid", "fulfil")
    uses = [use for name in flows for use in scene.flows[name].steps if use.name in _GRANTING]
    return any(use.when is None for use in uses) or any(
        entry["name"] in _GRANTING and entry["state"] == "done" for entry in (journal.of(order_no) if uses else ()))


def _pages(table: Any, columns: tuple[str, ...], **where: Any) -> Iterator[dict[str, Any]]:
    """Orders with their lines and entitlements, a page at a time."""
    after = ""
    while True:
        page = store.many(table, columns=columns, also="no > ?", params=(after,), order_by="no", limit=PAGE, **where)
        if not page:
            return
        span = {"also": "order_no >= ? AND order_no <= ?", "params": (page[0]["no"], page[-1]["no"])}
        lines, granted = store.many(orders.OrderLine, **span), store.many(Entitlement, **span)
        by_order: dict[str, dict[str, Any]] = {row["no"]: dict(row, lines=[], entitlements=[]) for row in page}
        for kind, found in (("lines", lines), ("entitlements", granted)):
            for row in found:
                if row["order_no"] in by_order:
                    by_order[row["order_no"]][kind].append(row)
        yield from by_order.values()
        after = page[-1]["no"]


def coupons_count() -> Iterator[Violation]:
    """5. A coupon is held or redeemed at most once for a quote; budgets and caps are never exceeded; counters are true."""
    live_holds = ("SELECT coupon_id, COUNT(*) AS n, SUM(amount_minor) AS minor FROM coupon_hold WHERE state IN "
                  "('held', 'redeemed') AND counted = ? GROUP BY coupon_id")
    for coupon, used, minor, n, held in rows(
            f"SELECT u.coupon_id, u.used, u.used_minor, COALESCE(h.n, 0), COALESCE(h.minor, 0) FROM coupon_usage u LEFT JOIN "
            f"({live_holds}) h ON h.coupon_id = u.coupon_id WHERE u.used <> COALESCE(h.n, 0) OR u.used_minor <> "
            "COALESCE(h.minor, 0)", True):
        yield Violation(5, coupon, f"counts {used} uses of {minor}, there are {n} of {held}")
    for coupon, used, cap, minor, budget in rows(
            "SELECT coupon_id, used, cap_total, used_minor, budget_minor FROM coupon_usage WHERE used > cap_total OR "
            "used_minor > budget_minor OR used < 0"):
        yield Violation(5, coupon, f"{used} used of {cap}, {minor} spent of {budget}")
    for coupon, buyer, used, cap, n in rows(
            "SELECT u.coupon_id, u.buyer_id, u.used, u.cap, COALESCE(h.n, 0) FROM coupon_buyer_usage u LEFT JOIN (SELECT "
            "coupon_id, buyer_id, COUNT(*) AS n FROM coupon_hold WHERE state IN ('held', 'redeemed') AND counted_buyer = ? "
            "GROUP BY coupon_id, buyer_id) h ON h.coupon_id = u.coupon_id AND h.buyer_id = u.buyer_id "
            "WHERE u.used <> COALESCE(h.n, 0) OR u.used > u.cap", True):
        yield Violation(5, coupon, f"buyer {buyer} counts {used} of {cap}, there are {n}")
    for table, key, counted in (("coupon_usage", "u.coupon_id = h.coupon_id", "counted"), (
            "coupon_buyer_usage", "u.coupon_id = h.coupon_id AND u.buyer_id = h.buyer_id", "counted_buyer")):
        for coupon, in rows(f"SELECT DISTINCT h.coupon_id FROM coupon_hold h LEFT JOIN {table} u ON {key} WHERE h.state IN "
                            f"('held', 'redeemed') AND h.{counted} = ? AND u.coupon_id IS NULL", True):
            yield Violation(5, coupon, f"is held and counted nowhere in {table}")
    for coupon, quote, n in rows("SELECT coupon_id, quote_no, COUNT(*) FROM coupon_hold GROUP BY coupon_id, quote_no "
                                 "HAVING COUNT(*) > 1"):
        yield Violation(5, coupon, f"is held {n} times for quote {quote}")
    for no, state, order_state in rows(
            "SELECT h.no, h.state, o.state FROM coupon_hold h JOIN trade_order o ON o.no = h.order_no WHERE "
            "(h.state = 'redeemed' AND o.paid_at_ms IS NULL) OR (h.state = 'held' AND (o.paid_at_ms IS NOT NULL "
            "OR o.state = 'closed')) OR (h.state = 'released' AND o.state <> 'closed')"):
        yield Violation(5, no, f"is {state}, its order is {order_state}")


_DRAWN = """charge c LEFT JOIN payment_order p ON p.order_no = c.order_no AND p.tender_kind = 'pool' AND p.state = 'succeeded'
LEFT JOIN payment_tender d ON d.payment_no = p.no AND d.kind = 'pool'"""       # d.ref: the pool that paid a charge


def pools_hold() -> Iterator[Violation]:
    """6. A pool never goes below its floor; drawn − returned = charged orders; its log adds up, and names who drew."""
    for pool, unit, currency, balance, floor, topped_up, drawn, returned in rows(
            "SELECT id, unit, currency, balance, floor, topped_up, drawn, returned FROM partner_pool"):
        if drawn and balance < floor:
            yield Violation(6, pool, f"holds {balance}, below its floor of {floor}")
        if balance != topped_up - drawn + returned:
            yield Violation(6, pool, f"holds {balance}, but {topped_up} − {drawn} + {returned} went through it")
        charged = rows(f"SELECT COALESCE(SUM(c.amount), 0) FROM {_DRAWN} WHERE d.ref = ? AND c.state = 'charged'", pool)[0][0]
        if drawn - returned != charged:
            yield Violation(6, pool, f"drew {drawn} and got {returned} back, but its charges are {charged}")
        logged = dict(rows("SELECT kind, SUM(amount) FROM pool_log WHERE pool_id = ? GROUP BY kind", pool))
        if (logged.get("top_up", 0), logged.get("draw", 0), logged.get("return", 0)) != (topped_up, drawn, returned):
            yield Violation(6, pool, f"its log {dict(logged)} does not add up to its totals")
        owed = -postings.balance(chart.account("partner_pool", pool), currency)
        if unit == "money" and owed != balance:
            yield Violation(6, pool, f"holds {balance}, but the ledger says {owed}")
    for no, state in rows("SELECT c.no, c.state FROM charge c JOIN trade_order o ON o.no = c.order_no WHERE "
                          "(c.state IN ('charged', 'returned')) <> (o.paid_at_ms IS NOT NULL) OR "
                          "(c.state = 'returned') <> (o.state = 'refunded')"):
        yield Violation(6, no, f"is {state}, which its order is not")
    for kind, done in (("draw", "c.state IN ('charged', 'returned')"), ("return", "c.state = 'returned'")):
        for no, partner, amount, logged in rows(
                f"SELECT c.no, c.partner_id, c.amount, COALESCE(SUM(l.amount), 0) FROM {_DRAWN} "
                "LEFT JOIN pool_log l ON l.pool_id = d.ref AND l.partner_id = c.partner_id AND l.ref = c.order_no AND l.kind = ? "
                "GROUP BY c.no, c.partner_id, c.amount, c.state "
                f"HAVING COALESCE(SUM(l.amount), 0) <> CASE WHEN {done} THEN c.amount ELSE 0 END", kind):
            yield Violation(6, no, f"is a charge of {amount}, the log of its pool has {logged} as {kind} by {partner}")
    for ref, pool in rows("SELECT l.ref, l.pool_id FROM pool_log l LEFT JOIN partner_pool p ON p.id = l.pool_id "
                          "WHERE p.id IS NULL"):
        yield Violation(6, ref, f"was logged for the pool {pool}, which does not exist")


def facts_once() -> Iterator[Violation]:
    """7. One notice is applied at most once: no payment or refund succeeds twice. One (contract, period) is deducted once."""
    for machine, no, n in rows("SELECT machine, no, COUNT(*) FROM state_log WHERE (machine IN ('payment', 'refund') AND "
                               "to_state = 'succeeded') OR (machine = 'charge' AND to_state = 'charged') OR "
                               "(machine = 'contract_period' AND to_state = 'paid') "
                               "GROUP BY machine, no HAVING COUNT(*) > 1"):
        yield Violation(7, no, f"this {machine} succeeded {n} times")
    for no, n in rows("SELECT p.no, COUNT(*) FROM contract_period p JOIN payment_order o ON o.order_no = p.order_no AND o.state = "
                      "'succeeded' AND o.surplus_minor = 0 GROUP BY p.no HAVING COUNT(*) > 1"):
        yield Violation(7, no, f"this period was deducted {n} times")
    for event, n in rows("SELECT event, COUNT(*) FROM ledger_transaction GROUP BY event HAVING COUNT(*) > 1"):
        yield Violation(7, event, f"was posted {n} times")
    for no, channel, channel_no, n in rows(
            "SELECT MIN(no), channel_id, channel_no, COUNT(*) FROM payment_order WHERE state = 'succeeded' AND channel_no IS "
            "NOT NULL AND channel_id <> '' GROUP BY channel_id, channel_no HAVING COUNT(*) > 1"):
        yield Violation(7, no, f"{channel} {channel_no} stands for {n} payments")


def states_moved() -> Iterator[Violation]:
    """8. No state was reached by a transition that is not in its table."""
    for name, from_state, to_state, no, n in rows("SELECT machine, from_state, to_state, MIN(no), COUNT(*) FROM state_log "
                                                  "GROUP BY machine, from_state, to_state"):
        machine = store.MACHINES.get(name)
        if machine is None or not machine.allows(from_state, to_state):
            yield Violation(8, no, f"{name} went from {from_state or 'nothing'} to {to_state} ({n} times)")
    for name, no, from_state, before in rows(
            "SELECT machine, no, from_state, before_state FROM (SELECT machine, no, from_state, LAG(to_state, 1, '') OVER "
            "(PARTITION BY machine, no ORDER BY id) AS before_state FROM state_log) chain WHERE from_state <> before_state"):
        yield Violation(8, no, f"{name} moved from {from_state or 'nothing'}, but was {before or 'not born'}")
    for machine in store.MACHINES.values():
        if machine.logged:
            table = machine.table._meta.table_name
            for no, state, logged in rows(
                    f'SELECT t."{machine.key}", t.state, l.to_state FROM {table} t LEFT JOIN state_log l ON l.id = (SELECT '
                    f'MAX(id) FROM state_log x WHERE x.no = t."{machine.key}" AND x.machine = ?) '
                    f"WHERE l.to_state IS NULL OR l.to_state <> t.state", machine.name):
                yield Violation(8, no, f"{machine.name} is {state}, its log ends at {logged or 'nothing'}")


def quotes_recompute() -> Iterator[Violation]:
    """10. Recomputing an order's quote from its stored facts under its pinned release gives the same quote."""
    for no, quote_no in rows("SELECT o.no, o.quote_no FROM trade_order o LEFT JOIN quote q ON q.no = o.quote_no AND q.state = "
                             "'adopted' AND q.order_no = o.no AND q.payable_minor = o.payable_minor AND q.currency = o.currency "
                             "AND q.release_no = o.release_no WHERE o.quote_no <> '' AND q.no IS NULL"):
        yield Violation(10, no, f"is not what its quote {quote_no} says")
    after = ""
    while True:
        page = store.many(Quote, state="adopted", also="no > ?", params=(after,), order_by="no", limit=PAGE)
        if not page:
            return
        for row in page:
            try:
                again = recompute(row)
            except (Refusal, KeyError) as error:
                yield Violation(10, row["no"], f"can't be recomputed: {error}")
                continue
            if again != row["result"] or again["payable_minor"] != row["payable_minor"]:
                yield Violation(10, row["no"], f"recomputed: {again['payable_minor']}, quoted: {row['payable_minor']}"
                                               if again["payable_minor"] != row["payable_minor"]
                                else "recomputed: the same sum, made up differently")
        after = page[-1]["no"]


def recompute(row: dict[str, Any]) -> dict[str, Any]:
    """A stored quote's price, made again from its stored facts; reads nothing but its release."""
    catalog = live.release(row["release_no"])
    scene = catalog.scene(row["scene_id"])
    partner = catalog.partner(row["partner_id"]) if row["partner_id"] else None
    ctx = SaleContext(row["no"], catalog, scene, row["buyer_id"], partner)
    ctx.buyer = None
    ctx.chosen, ctx.fields, ctx.base = pricing.wanted(scene, row["items"]), row["fields"], row["facts"]
    ctx.wanted_coupons, ctx.excluded, ctx.now_ms, ctx.own_journal = row["wanted"], row["excluded"], row["created_at_ms"], []
    hooks(ctx, "quote", "price")
    return ctx.price.result()
