"""Indexes that leave rows out are used by the queries they are for: the database takes them only where the text of a query
says that those rows don't count."""
from __future__ import annotations

import pytest

from console.queries import order_search
from engine import store
from engine.pay import payments
from engine.trade import quotes

LOOKS = {
    "quote_open": ("FROM \"quote\"", quotes.expire_due),
    "payment_order_to_ask": ("FROM \"payment_order\"", payments.due_to_ask),
    "payment_order_with_channel_no": ("\"channel_no\" =", lambda: order_search.condition("C1")),
    "trade_order_with_external_no": ("\"external_no\" =", lambda: order_search.condition("6920056412345678")),
}


@pytest.mark.parametrize("index", LOOKS)
def test_it_is_used(database, index):
    part, look = LOOKS[index]
    asked = {}
    execute = store.trade.database.execute_sql

    def listening(sql, params=None):
        asked[sql] = params
        return execute(sql, params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.trade.database, "execute_sql", listening)
        look()
    [sql] = [sql for sql in asked if part in sql]
    if database.backend == "sqlite":
        plan = store.trade.database.execute_sql(f"EXPLAIN QUERY PLAN {sql}", asked[sql]).fetchall()
    else:                                      # it reads small tables whole unless told not to
        with store.transaction():
            store.trade.database.execute_sql("SET LOCAL enable_seqscan = off")
            plan = store.trade.database.execute_sql(f"EXPLAIN {sql}", asked[sql]).fetchall()
    assert index in str(plan), plan
