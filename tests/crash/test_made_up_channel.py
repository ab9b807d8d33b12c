"""A channel that exists nowhere is written as a file while everything runs, published, and sold through: paid, notified, refunded.

The dialect is made up at random by a seed; API, worker and sandbox are the processes that ran before it was thought of.
"""
from __future__ import annotations

import random
import time

import pytest

from engine import startup
from engine.config import releases
from tests.crash.machine import Machine
from tests.support.catalogue import sample
from tests.support.made_up_dialects import made_up
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

SHOP = {
    "products/made-up-pass.yaml": """\
id: made-up-pass
title: {zh: 通行证, en: Pass}
type: one_time
merchant: own
grants: [{right: made-up-entry, title: {zh: 入场, en: Entry}, quota: 1}]
skus:
  single: {title: {zh: 单次, en: Single}, price: 9.90, for: 1 month}
""",
    "lines/made-up.yaml": """\
id: made-up
title: {zh: 编造, en: Made up}
quote: {check: [buyer_is_known], price: [list_price]}
paid: {deliver: [grant_entitlements]}
""",
}
SCENE = """\
id: {id}-gate
title: {{zh: 闸机, en: Gate}}
line: made-up
terminal: h5
method: in_app
login: required
sells: {{made-up-pass: all}}
pay: {{channels: [{id}]}}
"""
SEEDS = [7, random.randrange(10 ** 6)]


def sell(machine: Machine, id: str, buyer: str, fault: dict | None = None) -> dict:
    """An order through the channel, to its end; the buyer does what his terminal is told."""
    if fault:
        machine.good("POST", "/_sandbox/faults", {"channel": id, "next": 1, **fault}, port=machine.port + 2)
    order = machine.place(buyer, f"{id}-gate", "made-up-pass/single")
    payment = machine.pay(order["no"], id)
    client = payment["client"]
    assert set(client) & {"qr", "redirect"}, client
    if "redirect" in client:
        machine.ask("GET", client["redirect"].removeprefix(f"http://127.0.0.1:{machine.port + 2}"), port=machine.port + 2)
    return machine.wait_order(order["no"])


def causes(view: dict) -> list[str]:
    return [event["cause"] for event in view["timeline"]]


def test_a_channel_made_up_while_everything_runs_is_sold_through(machine: Machine):
    machine.env["SALEWRIGHT_ASK_AFTER_S"] = "1"
    machine.start()
    buyer = machine.buyer()
    pids = [process.pid for process in (machine.api, machine.worker, machine.sandbox)]
    files = {**sample(), **SHOP}
    for seed in SEEDS:
        id = f"made-up-{seed}"
        text = made_up(id, random.Random(seed).choice)
        print(text)                            # what failed is in the report
        files |= {f"channels/{id}.yaml": text, f"scenes/{id}-gate.yaml": SCENE.format(id=id)}
        releases.publish(files, f"a channel made up by {seed}", "tests", startup.vocabulary())
        published_at = time.monotonic()
        wait_until(lambda: machine.ask("GET", f"/v1/scenes/{id}-gate")[0] == 200, "the new scene")
        assert time.monotonic() - published_at < 2, "the new release is not served after 2 s"

        plain = sell(machine, id, buyer)
        assert any(cause.startswith("notice paid") for cause in causes(plain)), causes(plain)
        assert len(plain["entitlements"]) == 1

        repeated = sell(machine, id, buyer, {"fault": "repeated", "times": 3})
        assert len(repeated["entitlements"]) == 1

        twice = sell(machine, id, buyer, {"fault": "duplicate_success"})
        back = wait_until(lambda: [r for r in machine.order(twice["no"])["refunds"] if r["state"] == "succeeded"], "the refund", 30)
        assert [refund["amount_minor"] for refund in back] == [990]
    assert pids == [process.pid for process in (machine.api, machine.worker, machine.sandbox)]
    assert all(process.popen.poll() is None for process in (machine.api, machine.worker, machine.sandbox))
    assert machine.violations() == []
