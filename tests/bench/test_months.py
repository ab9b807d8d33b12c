"""Two years of contracts, small: no double, no gap, the ledger of deductions is the contracts' periods. (`make soak`: whole.)"""
from __future__ import annotations

import pytest

from bench import months
from engine import store
from engine.base import clock


@pytest.fixture
def shop(database):
    months.open_shop()
    yield
    clock.set_to(None)


@pytest.mark.slow
def test_sixty_contracts_for_two_years(shop):
    found = months.live_through(60, 24, failing=0.05)
    assert found["wrong"] == []
    assert found["deductions"] > 60 * 24 * 0.75 and found["said"]["refused"] > 5 and found["said"]["silent, done"] > 2
    assert found["deductions"] == store.query(store.trade, "SELECT COUNT(*) FROM trade_order WHERE quote_no = ''"
                                                           " AND paid_at_ms IS NOT NULL")[0][0]


def test_a_channel_that_fails_half_of_the_time(sqlite_database):
    """Suspensions, resumptions by a later try, contracts that end unpaid: still nobody pays twice."""
    months.open_shop()
    found = months.live_through(12, 8, failing=0.6, seed=3)
    assert found["wrong"] == []
    assert found["states"]["ended"] > 0 or found["states"].get("suspended")


@pytest.mark.parametrize("sql, seen", [
    ("UPDATE contract_period SET amount_minor = amount_minor + 1 WHERE n = 2", "the bank took"),
    ("UPDATE contract_period SET starts_at_ms = starts_at_ms + 1 WHERE n = 2", "does not follow"),
    ("UPDATE contract SET state = 'active', paid_until_ms = 0", "a deduction is missing")])
def test_what_is_wrong_is_seen(sqlite_database, sql, seen):
    months.open_shop()
    bank = months.Bank(0.0, 1)
    wire_operate, months.wire.operate = months.wire.operate, bank.operate
    try:
        months._pass(bank, 2, 2, lambda text: None)
        assert months.look(bank)["wrong"] == []
        store.trade.database.execute_sql(sql)
        assert any(seen in line for line in months.look(bank)["wrong"])
    finally:
        months.wire.operate = wire_operate
