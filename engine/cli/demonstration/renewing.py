"""The demo's contract: a recurring product is signed for and paid, then time is let pass until it is renewed."""
from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ... import signing, wire
from ...base import clock
from ...config.catalog import Scene
from ...pay import channels
from .selling import CLIENT, PATIENCE_S, Shop
from .stage import Refused

BUYER = "demo-subscriber"
MINUTE_MS = 60_000


@dataclass
class Renewal:
    """What came of it; `view` is the contract as the interface shows it."""
    scene: str = ""
    error: str = ""
    view: Mapping[str, Any] = field(default_factory=dict)


def renew(shop: Shop) -> Renewal:
    """In the first scene that sells a recurring product; an error is kept, not raised. Without such a scene: nothing."""
    renewal = Renewal()
    try:
        for scene in sorted(shop.catalog.scenes.values(), key=lambda scene: scene.id):
            sku = next((key for key in scene.skus if signing.renews(scene, key)), None)
            if sku and (channel := _channel(shop, scene, sku)):
                renewal.scene = scene.id
                _renew(shop, renewal, scene, sku, channel)
                break
    except (Refused, OSError, KeyError, TimeoutError) as error:
        renewal.error = f"{type(error).__name__}: {error}"
    return renewal


def _channel(shop: Shop, scene: Scene, sku: str) -> str | None:
    """The first channel of the scene that takes contracts for it."""
    shop.api("PUT", f"/v1/buyers/{BUYER}", {"phone": "13600000001"})
    quote = shop.api("POST", "/v1/quotes", {"scene": scene.id, "items": [{"sku": sku}], "buyer": {"id": BUYER}})
    return next((offer["id"] for offer in quote["channels"] if wire.declares(channels.get(offer["id"]), "withhold")), None)


def _renew(shop: Shop, renewal: Renewal, scene: Scene, sku: str, channel: str) -> None:
    new = shop.api("POST", "/v1/contracts", {"scene": scene.id, "sku": sku, "buyer": {"id": BUYER}, "channel": channel,
                                             "client": CLIENT}, **{"Idempotency-Key": uuid.uuid4().hex})
    shop.buyer_pays(channel, new["order"]["payment"])

    def until(what: str, done: Callable[[Mapping[str, Any]], bool], patience_s: float = PATIENCE_S) -> Mapping[str, Any]:
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            renewal.view = shop.api("GET", f"/v1/contracts/{new['contract']['no']}")
            if done(renewal.view):
                return renewal.view
            time.sleep(0.2)
        raise TimeoutError(f"contract {new['contract']['no']} is not {what} after {patience_s} s")

    signed = until("signed and paid", lambda view: view["state"] == "active")
    notice_ms = int(scene.skus[sku].extra["notice_before"] * 1000)
    pass_to(clock.parse_rfc3339(signed["paid_until"]) - notice_ms)
    told = until("announced", lambda view: len(view["periods"]) == 2)["periods"][1]
    pass_to(clock.parse_rfc3339(told["next_try_at"]))
    until("deducted", lambda view: view["periods"][1]["state"] != "open")
    pass_to(clock.parse_rfc3339(told["due_at"]))           # a channel may tell the buyer first, and take the money then
    until("renewed", lambda view: view["paid_periods"] == 2)


def pass_to(at_ms: int) -> None:
    """Let time pass until a minute after then, on the whole stage."""
    clock.let_pass(max(0, at_ms + MINUTE_MS - clock.now_ms()) / 1000)
