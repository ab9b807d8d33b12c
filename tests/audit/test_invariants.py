"""Each invariant is broken on purpose, in several ways, and exactly that invariant is named. A verifier that can't fail
proves nothing."""
from __future__ import annotations

import pytest

from engine import charge, sale, store
from engine.audit import invariants
from engine.runs import finish_work_order
from engine.deliver import work_orders
from tests.support.selling import shop

__all__ = ["shop"]


@pytest.fixture
def world(shop):
    """Every kind of fact there is, and nothing broken. Returns the numbers that the breaking below refers to."""
    month = shop.items("card/month")
    crowd, fresh = shop.buyer("crowd"), shop.buyer("fresh")
    paid = sale.place("app", items=month, buyer_id=crowd)
    shop.notice(sale.pay(paid["no"], "wallet"))
    capped = sale.place("app", items=shop.items("card/week"), buyer_id=fresh)
    shop.notice(sale.pay(capped["no"], "wallet"))
    year = sale.place("app", items=shop.items("card/year"), buyer_id=shop.buyer("crowd"))
    shop.notice(sale.pay(year["no"], "wallet"))
    held = sale.place("app", items=month, buyer_id=shop.buyer("crowd"))
    closed = sale.place("app", items=month, buyer_id=shop.buyer("crowd"))
    late = sale.pay(closed["no"], "wallet")
    sale.close(closed["no"], "test")
    shop.notice(late)
    outside = sale.place("stall", items=month, contact={"phone": "13800000009"}, external={"no": "X1", "paid_minor": 4000})
    filing = sale.place("office", items=shop.items("filing/one"), contact={"phone": "13800000008"})
    shop.notice(sale.pay(filing["no"], "wallet"))
    charged = charge.charge_registered(shop.partner("bank", 100_000), "P1", "gift", month, shop.buyer())
    shop.work()
    for work in work_orders.of_order(filing["no"]):
        finish_work_order(work["no"], "clerk", {})
    shop.work()
    assert invariants.violations() == []
    refund = store.query(store.trade, "SELECT no FROM refund")[0][0]
    return {"paid": paid["no"], "capped": capped["no"], "held": held["no"], "closed": closed["no"], "late": late["no"],
            "outside": outside["no"], "filing": filing["no"], "charged": charged["order_no"], "charge": charged["no"],
            "refund": refund}


# invariant, what is done to the database; {names} are the world's numbers.
BREAKS = (
    (1, "UPDATE ledger_posting SET amount_minor = amount_minor + 1 WHERE id = (SELECT MIN(id) FROM ledger_posting)"),
    (1, "DELETE FROM ledger_posting WHERE id = (SELECT MIN(id) FROM ledger_posting WHERE account = 'suspense:wallet')"),
    # both legs raised alike: it balances, and still it is not what was posted
    (1, "UPDATE ledger_posting SET amount_minor = amount_minor * 2 WHERE transaction_no = (SELECT no FROM ledger_transaction "
        "WHERE kind = 'refund_succeeded')"),
    (1, "UPDATE ledger_posting SET account = 'suspense:nobody' WHERE account = 'suspense:wallet'"),
    (2, "UPDATE payment_tender SET amount_minor = amount_minor - 1 WHERE payment_no = '{late}'"),
    (2, "UPDATE payment_allocation SET amount_minor = amount_minor + 1 WHERE payment_no = '{late}'"),
    (2, "DELETE FROM payment_tender WHERE payment_no = '{late}'"),
    (2, "UPDATE payment_order SET refunded_minor = refunded_minor - 1 WHERE no = '{late}'"),
    (2, "UPDATE order_line SET payable_minor = payable_minor + 1, list_minor = list_minor + 1 WHERE order_no = '{paid}'"),
    (3, "UPDATE ledger_transaction SET order_no = '{held}' WHERE order_no = '{outside}'"),
    (3, "UPDATE payment_order SET order_no = '{held}' WHERE order_no = '{outside}'"),
    (4, "DELETE FROM entitlement WHERE order_no = '{paid}' AND grant_n = 1"),
    (4, "UPDATE entitlement SET order_no = '{held}' WHERE order_no = '{filing}'"),
    (4, "UPDATE entitlement SET quota_used = quota_total + 1 WHERE order_no = '{paid}' AND quota_total IS NOT NULL"),
    (5, "UPDATE coupon_usage SET used = used + 1 WHERE coupon_id = 'last-ten'"),
    (5, "UPDATE coupon_usage SET cap_total = 1 WHERE coupon_id = 'last-ten'"),
    (5, "UPDATE coupon_usage SET budget_minor = 1 WHERE coupon_id = 'purse'"),
    (5, "UPDATE coupon_buyer_usage SET used = 0"),
    (5, "UPDATE coupon_hold SET order_no = '{held}' WHERE order_no = '{capped}'"),
    (6, "UPDATE partner_pool SET balance = balance + 1"),
    (6, "UPDATE partner_pool SET floor = 99999"),
    (6, "UPDATE charge SET amount = amount + 1"),
    (6, "DELETE FROM pool_log WHERE kind = 'draw'"),
    (6, "UPDATE charge SET order_no = '{held}' WHERE no = '{charge}'"),
    (7, "UPDATE payment_order SET channel_no = 'same' WHERE channel_id = 'wallet' AND state = 'succeeded'"),
    (8, "UPDATE trade_order SET state = 'draft' WHERE no = '{held}'"),
    (8, "UPDATE state_log SET to_state = 'refunded' WHERE machine = 'order' AND no = '{paid}' AND to_state = 'paid'"),
    (8, "DELETE FROM state_log WHERE machine = 'message' AND from_state = ''"),
    (8, "UPDATE state_log SET machine = 'ghost' WHERE machine = 'work_order'"),
    (8, "DELETE FROM state_log WHERE machine = 'upstream'"),
    (9, "DELETE FROM refund WHERE no = '{refund}'; UPDATE payment_order SET refunded_minor = 0 WHERE no = '{late}'; "
        "DELETE FROM state_log WHERE no = '{refund}'"),
    (9, "UPDATE ledger_transaction SET event = 'order:nothing:paid' WHERE kind = 'surplus_received'"),
    (9, "UPDATE ledger_transaction SET kind = 'gift' WHERE kind = 'pool_topped_up'"),
    (10, "UPDATE quote SET result = REPLACE(result, '\"payable_minor\":4000', '\"payable_minor\":3999') WHERE no = "
         "(SELECT quote_no FROM trade_order WHERE no = '{outside}')"),
    (10, "UPDATE quote SET facts = REPLACE(facts, 'crowd', 'quiet') WHERE no = (SELECT quote_no FROM trade_order WHERE no = '{paid}')"),
    (10, "UPDATE quote SET items = REPLACE(items, '\"quantity\":1', '\"quantity\":2') WHERE no = (SELECT quote_no FROM trade_order "
         "WHERE no = '{filing}')"),
)


class _Undo(Exception):
    pass


def test_every_invariant_is_broken_here():
    assert {number for number, _ in BREAKS} == {i.number for i in invariants.INVARIANTS}


def test_each_break_is_named_as_what_it_is(world):
    wrong = []
    for number, sql in BREAKS:
        try:
            with store.transaction():
                for statement in sql.format(**world).split("; "):
                    assert store.trade.database.execute_sql(statement).rowcount, f"changes nothing: {statement}"
                named = {v.invariant for v in invariants.violations()}
                raise _Undo
        except _Undo:
            if named != {number}:
                wrong.append(f"{number} should be named, {sorted(named)} are: {sql}")
    assert invariants.violations() == []
    assert wrong == [], "\n".join(wrong)
