"""The sweep: one worker at a time, by index, cheap when there is nothing, and it finds everything that was lost."""
from __future__ import annotations

import time

import pytest

from engine import store
from engine.base import clock
from engine.flow import journal, outbox
from engine.trade import idempotency, quotes
from engine.workers import jobs, sweep
from engine.workers.crew import Crew
from tests.support.waiting import wait_until


@pytest.fixture
def crew():
    made = Crew(2)
    yield made
    made.stop()


class Still:
    """A crew that does what it is given at once."""

    def __init__(self):
        self.given, self.looks = [], 0

    def look(self):
        self.looks += 1

    def failing(self, name):
        return 0

    def also(self, name, no, do):
        self.given.append((name, no))
        do(no)


def sweep_once(crew=None, **more):
    crew = crew or Still()
    assert sweep.Sweep(crew, jobs.OVERDUE).once(5.0)
    return [(name, no) for name, no in crew.given if name != "quotes"]


def state_of(table, no):
    return store.query(store.trade, f"SELECT state FROM {table} WHERE no = ?", (no,))[0][0]


def test_one_worker_sweeps_and_another_takes_over_when_it_is_silent(database):
    clock.set_to(clock.now_ms())
    first, second = (sweep.Sweep(Still(), ()) for _ in range(2))
    assert (first.once(5), second.once(5), first.once(5)) == (True, False, True)
    clock.advance(14)
    assert not second.once(5)
    clock.advance(1.1)
    assert (second.once(5), first.once(5)) == (True, False)


def test_a_sweep_that_ends_leaves_its_lease(database, monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_SWEEP_EVERY_S", "30")
    first = sweep.Sweep(Still(), ())
    first.start()
    wait_until(lambda: store.many(sweep.SweepLease), "the lease")
    first.stop()
    assert store.many(sweep.SweepLease) == [] and sweep.Sweep(Still(), ()).once(30)


def test_a_sweep_that_stumbles_goes_on(database, monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_SWEEP_EVERY_S", "0.05")
    looks = []

    def due(limit):
        looks.append(limit)
        raise RuntimeError("stumbled")
    running = sweep.Sweep(Still(), [jobs.Overdue("x", due, print)])
    running.start()
    wait_until(lambda: len(looks) >= 3, "three sweeps")
    running.stop()


def test_an_idle_second_costs_less_than_two_statements(lite, crew):
    swept = sweep.Sweep(crew, jobs.OVERDUE)
    swept.once(5.0)
    wait_until(lambda: not crew._in_hand and not crew._may_be_more, "a quiet crew")
    time.sleep(0.1)
    store.counts.reset(record=True)
    swept.once(5.0)
    wait_until(lambda: not crew._in_hand and not crew._may_be_more, "a quiet crew")
    time.sleep(0.1)
    of_the_sweep = [sql for sql in store.counts.log if '"live_release"' not in sql]    # another thread's, by the clock
    assert len(of_the_sweep) / 5.0 <= 2.2 and store.counts.commits <= 2


def test_unpaid_orders_and_quotes_expire(api):
    api.buyer(tags=["fresh"])
    quote = api.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/month"}]}).json
    order = api.order(sku="card/week")
    assert sweep_once() == []
    clock.set_to(clock.parse_rfc3339(order["expires_at"]))
    assert sweep_once() == [("order", order["no"])]
    assert api.get(f"/v1/orders/{order['no']}")["state"] == "closed"
    assert state_of("quote", quote["no"]) == "expired"
    assert api.order(sku="card/week")["payable_minor"] == 990          # cap and coupon are free again


def test_an_order_that_was_paid_silently_is_found_before_it_expires(api, gateway):
    api.buyer()
    order = api.order()
    payment = api.pay(order["no"])
    clock.set_to(clock.now_ms())
    assert sweep_once() == []
    clock.advance(16)
    gateway.says("GET", f"/till/payments/{payment['no']}", (200, api.paid_notice(payment)))
    assert sweep_once() == [("payment", payment["no"])]
    assert api.get(f"/v1/orders/{order['no']}")["state"] == "completed"


def test_a_partners_waiting_charge_is_its_own_clock(api):
    api.post("/v1/partners/mall/pool/top-ups", {"unit": "money", "amount": 10000}, once="t")
    body = {"partner_order_no": "N1", "scene": "cards-charge", "items": [{"sku": "card/month"}], "phone": "13800000009"}
    charge = api.partner("POST", "/v1/partners/mall/charges/unregistered", body).json
    clock.set_to(clock.parse_rfc3339(charge["try_at"]))
    assert sweep_once() == [("charge", charge["no"])]
    clock.set_to(clock.parse_rfc3339(charge["give_up_at"]) + 1)
    assert sweep_once() == [("charge", charge["no"])]
    assert state_of("charge", charge["no"]) == "failed" and state_of("trade_order", charge["order"]) == "closed"


def test_a_refund_whose_job_was_lost_is_sent(api, gateway):
    api.buyer()
    order = api.order()
    payment = api.pay(order["no"])
    for id in ("T-1", "T-2"):
        api.notice("till", "paid", api.paid_notice(payment, id=id))
    refund = api.get(f"/v1/orders/{order['no']}")["refunds"][0]
    with store.transaction():
        store.delete(outbox.Outbox, task="refund.send")
    gateway.says("POST", "/till/refunds", lambda path, body: (200, {
        "shop": "S1", "payment": body["payment"], "no": body["no"], "id": "R-1", "amount": body["amount"], "state": "PAID"}))
    assert ("refund", refund["no"]) in sweep_once()
    assert state_of("refund", refund["no"]) == "succeeded"


def test_a_flow_whose_job_was_lost_goes_on(api):
    order = api.sold(scene="filings-pc", sku="filing/standard", buyer="")
    for work in order["work_orders"]:
        api.post(f"/v1/work-orders/{work['no']}/finish", {"worker": "Lin"})
    with store.transaction():
        store.delete(outbox.Outbox, task="flow.advance")
    [run] = store.many(journal.FlowRun, state="running")
    assert ("flow", run["no"]) in sweep_once()
    assert api.get(f"/v1/orders/{order['no']}")["state"] == "completed"


def test_what_fails_does_not_stand_before_the_others(lite, monkeypatch):
    limits = []
    crew = Still()
    crew.failing = lambda name: 7
    sweep.Sweep(crew, [jobs.Overdue("x", lambda limit: limits.append(limit) or [], print)]).once(5)
    assert limits == [sweep.LIMIT + 7]


def test_old_idempotency_keys_are_forgotten_by_the_hour(lite, monkeypatch):
    lite.buyer()
    lite.order()
    now = [time.monotonic()]
    monkeypatch.setattr(sweep.time, "monotonic", lambda: now[0])
    swept = sweep.Sweep(Still(), ())
    clock.set_to(clock.now_ms() + sweep.KEYS_KEPT_DAYS * 86_400_000 + 1)
    swept.once(5)
    assert len(store.many(idempotency.IdempotencyKey)) == 1
    now[0] += sweep.HOUR_S + 1
    swept.once(5)
    assert store.many(idempotency.IdempotencyKey) == []


def test_every_kind_looks_by_an_index(sqlite_database):
    """A sweep over a million rows must not read them."""
    for kind in jobs.OVERDUE:
        store.counts.reset(record=True)
        kind.due(10) if kind.name != "quotes" else quotes.expire_due()
        asked = list(store.counts.log)
        store.counts.reset()
        assert asked
        for sql in asked:
            plan = [row[3] for row in store.query(store.trade, "EXPLAIN QUERY PLAN " + sql, ["x"] * sql.count("?"))]
            assert any("USING" in step for step in plan) and not any(step.startswith("SCAN") for step in plan), (sql, plan)
