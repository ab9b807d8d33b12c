"""What is sold is written, not coded: files made by this test are published to running processes and sold through."""
from __future__ import annotations

import threading
import time

import pytest

from engine import startup
from engine.config import releases
from tests.crash.machine import QR_CHANNEL, Machine
from tests.support.catalogue import sample

pytestmark = pytest.mark.slow

FILES = {
    "products/night-pass.yaml": """\
id: night-pass
title: {zh: 夜间通行证, en: Night pass}
type: one_time
merchant: own
grants: [{right: night-entry, title: {zh: 夜间入场, en: Night entry}, quota: 3}]
skus:
  single: {title: {zh: 单次, en: Single}, price: 66.00, for: 1 month, quantity_max: 4}
""",
    "coupons/moonlight.yaml": """\
id: moonlight
title: {zh: 月光券, en: Moonlight}
benefit: {percent: 50, at_most: 40.00}
when: {eq: {fields.moon: full}}
scope: {products: [night-pass]}
stack: {group: moonlight, priority: 7}
""",
    "lines/night.yaml": """\
id: night
title: {zh: 夜间, en: Night}
quote:
  check: [buyer_is_known]
  price: [list_price, coupons]
  hold: [{hold_coupons: {undo: release_coupons}}]
paid:
  deliver: [grant_entitlements]
  tell:
    - message: {with: {template: membership-open, to: buyer}, may_fail: true}
close:
  release: [release_coupons]
""",
    "scenes/night-gate.yaml": """\
id: night-gate
title: {zh: 夜间闸机, en: The night gate}
line: night
terminal: h5
method: in_app
login: required
sells: {night-pass: all}
pay: {channels: [wechat-native]}
fields:
  moon: {type: string, enum: [full, new], title: {zh: 月相, en: Moon}}
examples:
  - name: 满月半价
    given: {items: [night-pass/single], fields: {moon: full}}
    then: {payable: 33.00, coupons: [moonlight]}
""",
}
# The same line with its delivery re-ordered and one more step: told by the journal of the next order.
REORDERED = FILES["lines/night.yaml"].replace(
    "  deliver: [grant_entitlements]\n",
    "  deliver:\n    - tag_buyer: {with: {add: [night-owl]}}\n    - grant_entitlements\n")


class Asking:
    """A client that never stops quoting; every answer that is not a price is kept."""

    def __init__(self, machine: Machine, buyer: str):
        self.failed: list = []
        self.asked = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(machine, buyer))

    def _run(self, machine: Machine, buyer: str) -> None:
        while not self._stop.is_set():
            status, answer = machine.ask("POST", "/v1/quotes", {
                "scene": "aiqicha-pc", "buyer": {"id": buyer}, "items": [{"sku": "aiqicha-vip/month"}]}, patience_s=0)
            self.asked += 1
            if status not in (200, 201):
                self.failed.append((status, answer))

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *exc) -> None:
        self._stop.set()
        self._thread.join()


def publish(files: dict[str, str], note: str) -> int:
    return releases.publish(files, note, "tests", startup.vocabulary())


def test_a_new_product_coupon_line_and_scene_sell_within_two_seconds(machine: Machine):
    machine.start()
    buyer = machine.buyer()
    files = {**sample(), **FILES}
    assert machine.ask("GET", "/v1/scenes/night-gate")[0] == 404
    with Asking(machine, buyer) as asking:
        publish(files, "the night")
        published_at = time.monotonic()
        while machine.ask("GET", "/v1/scenes/night-gate")[0] != 200:
            assert time.monotonic() - published_at < 2, "the new release is not served after 2 s"
            time.sleep(0.02)
        order = machine.place(buyer, "night-gate", "night-pass/single", fields={"moon": "full"})
        assert order["payable_minor"] == 3300 and order["release"] == 2
        machine.pay(order["no"])
        view = machine.wait_order(order["no"])
        assert [e["right"] for e in view["entitlements"]] == ["night-entry"]

        publish({**files, "lines/night.yaml": REORDERED}, "owls")
        until = time.monotonic() + 2
        while machine.good("GET", "/v1/scenes")["release"] != 3:
            assert time.monotonic() < until
            time.sleep(0.02)
        second = machine.place(buyer, "night-gate", "night-pass/single", fields={"moon": "new"})
        machine.pay(second["no"])
        machine.wait_order(second["no"])
    assert asking.asked > 20 and asking.failed == []
    assert "night-owl" in machine.good("GET", f"/v1/buyers/{buyer}")["tags"]
    assert machine.order(order["no"])["release"] == 2 and machine.order(second["no"])["release"] == 3
    assert machine.violations() == []


def test_a_broken_release_is_refused_and_the_old_one_serves(machine: Machine):
    machine.start()
    buyer = machine.buyer()
    broken = {**sample(), **FILES, "scenes/night-gate.yaml": FILES["scenes/night-gate.yaml"].replace(
        "line: night", "line: nigth")}
    with pytest.raises(Exception, match="check_failed"):
        publish(broken, "a slip")
    order = machine.place(buyer)
    assert order["release"] == 1


def test_an_order_goes_on_under_its_release(machine: Machine):
    """The product is gone from the next release; an order of it is paid and delivered all the same."""
    machine.start()
    buyer = machine.buyer()
    plain = sample()
    publish({**plain, **FILES}, "the night")
    until = time.monotonic() + 2
    while machine.good("GET", "/v1/scenes")["release"] != 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    order = machine.place(buyer, "night-gate", "night-pass/single", fields={"moon": "new"})
    publish({**plain, "scenes/aiqicha-pc.yaml": plain["scenes/aiqicha-pc.yaml"] + "note: the night is over\n"}, "day again")
    while machine.ask("GET", "/v1/scenes/night-gate")[0] != 404:
        time.sleep(0.02)
    machine.pay(order["no"], QR_CHANNEL)
    view = machine.wait_order(order["no"])
    assert view["release"] == 2 and [e["right"] for e in view["entitlements"]] == ["night-entry"]
    assert machine.violations() == []
