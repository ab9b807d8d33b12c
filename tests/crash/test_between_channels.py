"""kill -9 while a route goes from a channel that refused to the next: the order completes, with one payment kept."""
from __future__ import annotations

import pytest
import yaml

from tests.crash.machine import QR_CHANNEL, QR_SCENE, Machine, count, pieces
from tests.support.catalogue import sample
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow
SECOND, ROUTE = "second-account", "scan"
# Where the first channel has refused, and we do not know it yet, or do.
POINTS = ("pay.called", "pay.outcome_committed")


def with_route() -> dict[str, str]:
    """The sample's catalogue, with a second account at the QR channel and a route to both in its scene."""
    files = sample()
    scene = yaml.safe_load(files[f"scenes/{QR_SCENE}.yaml"])
    other = [each for each in scene["pay"]["channels"] if each["use"] != QR_CHANNEL]     # what renews needs one
    scene["pay"]["channels"] = [{"route": ROUTE, "title": {"zh": "扫码", "en": "QR"}, "of": [QR_CHANNEL, SECOND]}, *other]
    del scene["examples"]
    files[f"scenes/{QR_SCENE}.yaml"] = yaml.safe_dump(scene, allow_unicode=True)
    files[f"channels/{SECOND}.yaml"] = f"id: {SECOND}\ntitle: {{zh: 第二账户, en: A second account}}\nlike: {QR_CHANNEL}\n" \
                                       "limits: {day: {count: 100}}\n"
    return files


@pytest.fixture
def machine(database, processes, tmp_path) -> Machine:
    return Machine(processes, tmp_path, with_route())


@pytest.mark.parametrize("point", POINTS)
def test_a_sale_survives(machine: Machine, point: str):
    machine.start(crash_at=point)
    machine.fault(fault="refused", operation="pay")
    order = machine.place(machine.buyer())
    paid = machine.pay(order["no"], ROUTE)
    assert paid["state"] in ("pending", "succeeded")
    wait_until(machine.crashed.exists, f"a process at {point}", 20)
    view = machine.wait_order(order["no"])
    assert pieces(view)["kept payments"] == 1 and pieces(view)["doubled entitlements"] == 0
    assert [p["channel"] for p in view["payments"] if p["state"] == "succeeded" and not p["refunded_minor"]]
    counted = count("SELECT COUNT(*) FROM channel_use")
    assert count("SELECT COALESCE(SUM(used), 0) FROM channel_day") == counted
    assert counted == sum(p["channel"] == SECOND and p["state"] not in ("failed", "closed") for p in view["payments"])
    assert machine.violations() == []


def test_without_a_crash_the_second_channel_is_asked_in_the_same_request(machine: Machine):
    machine.start()
    machine.fault(fault="refused", operation="pay")
    order = machine.place(machine.buyer())
    paid = machine.pay(order["no"], ROUTE)
    assert paid["channel"] == SECOND and paid["client"]["qr"]
    view = machine.wait_order(order["no"])
    assert {p["channel"]: p["state"] for p in view["payments"]} == {QR_CHANNEL: "failed", SECOND: "succeeded"}
    assert machine.violations() == []


def test_a_lost_answer_is_waited_for(machine: Machine):
    """The deed is done and the answer is 502: no second channel is asked, and what was done is found out."""
    machine.start()
    machine.fault(fault="error_done", operation="pay")
    order = machine.place(machine.buyer())
    paid = machine.pay(order["no"], ROUTE)
    assert (paid["channel"], paid["state"]) in ((QR_CHANNEL, "unknown"), (QR_CHANNEL, "succeeded"))
    view = machine.wait_order(order["no"])
    assert [(p["channel"], p["state"]) for p in view["payments"]] == [(QR_CHANNEL, "succeeded")]
    assert machine.violations() == []
