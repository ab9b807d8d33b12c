"""Contracts through the catalogue's own agreement channels with every process real: API, worker and sandbox, over HTTP, while
workers die. Months pass for all of them at once."""
from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from engine import store
from engine.base import clock
from engine.pay import contracts
from tests.crash.machine import Machine, request
from tests.sandbox.agreements import CHANNELS, DAY_MS, SKU, catalogue
from tests.support.waiting import wait_until


class Months(Machine):
    """A machine whose calendar the test turns."""

    def __init__(self, *args):
        super().__init__(*args)
        self.env |= {"SALEWRIGHT_SWEEP_EVERY_S": "0.2", "SALEWRIGHT_ASK_AFTER_S": "1"}

    def sandbox_says(self, method: str, path: str, body=None):
        return self.good(method, f"/_sandbox/{path}", body, port=self.port + 2)

    def signed(self, channel: str, sign: str) -> dict:
        shown = self.good("POST", "/v1/contracts", {"scene": "club", "sku": SKU, "buyer": {"id": self.buyer()}, "channel": channel,
                                                    "sign": sign}, key="sign")
        client, no = shown["order"]["payment"]["client"], shown["contract"]["no"]
        if "text" in client:
            self.sandbox_says("POST", f"app/{channel}", client)
        elif "redirect" in client:
            address = urlsplit(client["redirect"])
            request(self.port + 2, "GET", f"{address.path}?{address.query}", None, {})
        return self.wait(no, lambda row: row["state"] == "active", "in force")

    def wait(self, no: str, right, what: str) -> dict:
        def look():
            self.keep_up()
            found = contracts.find(no)
            return found if right(found) else None
        return wait_until(look, f"contract {no} {what}; it is {contracts.find(no)['state']}", 60)

    def pass_to(self, at_ms: int) -> None:
        clock.let_pass(max(0, at_ms - clock.now_ms()) / 1000 + 1)

    def month(self, no: str, n: int) -> None:
        """Until period `n` is paid: told of, asked for, and (some channels take a day over it) deducted."""
        due = contracts.find(no)["paid_until_ms"]
        self.pass_to(due - 3 * DAY_MS)
        wait_until(lambda: self.keep_up() or contracts.period(no, n), f"period {n} announced", 60)
        self.pass_to(contracts.period(no, n)["try_at_ms"])
        wait_until(lambda: self.keep_up() or contracts.period(no, n)["state"] != "open", f"period {n} asked for", 60)
        self.pass_to(due)

        def paid() -> bool:
            """By and by: what was asked for late is deducted late, and what is not told of is asked for."""
            self.keep_up()
            try:
                return wait_until(lambda: contracts.find(no)["paid_n"] == n, "it is paid", 1.0)
            except AssertionError:
                return clock.let_pass(6 * 3600) < 0
        wait_until(paid, f"contract {no} paid {n} times", 60)

    def money(self) -> tuple[dict[str, int], dict[str, int]]:
        """What the channels took, and what the paid periods cost, by payment."""
        taken = {row["no"]: row["amount_minor"] for row in self.sandbox_says("GET", "payments")["items"] if row["state"] == "succeeded"}
        return taken, {row["payment_no"]: row["amount_minor"] for row in store.many(contracts.ContractPeriod, state="paid")}


def lives(months: Months, channel: str, sign: str, crash_at: str) -> None:
    months.start(crash_at)
    no = months.signed(channel, sign)["no"]
    months.month(no, 2)
    assert months.crashed.exists(), f"nobody was killed at {crash_at}"
    months.sandbox_says("POST", "faults", {"fault": "timeout_done", "channel": channel, "operation": "withhold", "delay_s": 0.1})
    months.sandbox_says("POST", "faults", {"fault": "lost", "channel": channel, "operation": "withhold"})
    months.month(no, 3)
    months.worker.kill9()
    months.month(no, 4)
    months.sandbox_says("POST", f"contracts/{channel}/{no}/end", {})
    months.wait(no, lambda row: row["state"] == "ended", "ended")
    months.pass_to(contracts.find(no)["paid_until_ms"] + 40 * DAY_MS)
    view = months.good("GET", f"/v1/contracts/{no}")
    assert [(p["state"], p["amount_minor"]) for p in view["periods"]] == [("paid", 3000), ("paid", 2500), ("paid", 2500), ("paid", 2800)]
    taken, paid = months.money()
    assert taken == paid and len(taken) == 4
    assert months.violations() == []


@pytest.mark.slow
@pytest.mark.parametrize("crash_at", ["withhold.called", "notice.before_commit"])
def test_paid_and_signed_together(sqlite_database, processes, tmp_path, crash_at):
    lives(Months(processes, tmp_path, catalogue()), CHANNELS[0], "with_payment", crash_at)


@pytest.mark.slow
@pytest.mark.parametrize("crash_at", ["withhold.intent_committed", "signed.before_commit"])
def test_signed_first(postgresql_database, processes, tmp_path, crash_at):
    lives(Months(processes, tmp_path, catalogue()), CHANNELS[1], "first", crash_at)
