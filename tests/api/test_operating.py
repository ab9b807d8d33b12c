"""Alive, ready, and figures for Prometheus."""
from __future__ import annotations

import pytest

from engine import store
from engine.api import keys, metrics
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.config.live import live
from engine.pay import health
from prometheus_client.parser import text_string_to_metric_families


def test_alive_asks_no_database(lite):
    store.counts.reset()
    assert lite.get("/healthz", key="").json == {"status": "ok"} and store.counts.statements == 0


def test_ready_when_everything_is_there(api):
    assert api.get("/readyz", key="").json == {"status": "ok", "release": 1}


def broken(channel_id: str) -> None:
    for _ in range(5):
        health.breaker(channel_id, "pay").note(clock.now_ms(), clock.now_ms(), "failed")


def test_channels_that_are_left_out_are_told_to_this_machine(lite):
    broken("till")
    told, = lite.get("/readyz", key="")["left_out"]
    assert (told["channel"], told["operation"], told["state"], told["why"]) == ("till", "pay", "open", "of 5 calls 5 failed")
    assert "left_out" not in lite.get("/readyz", key="", peer="10.0.0.7").json
    assert "left_out" not in lite.get("/readyz", key="", headers={"X-Forwarded-For": "203.0.113.7"}).json
    seen = samples(lite, key="")
    labels = (("channel", "till"), ("operation", "pay"))
    assert seen["salewright_channel_left_out", labels] == 1 and seen["salewright_channel_bad_share", labels] == 1


def test_not_ready_says_what_lacks(lite, monkeypatch, tmp_path):
    with monkeypatch.context() as patch:
        patch.setattr(store, "pending", lambda: ["trade/0009_future"])
        reply = lite.get("/readyz", key="")
        assert (reply.status, reply["code"]) == (503, "not_ready") and "trade/0009_future" in reply["message"]

    def none():
        raise Refusal(Code.NOT_READY)
    with monkeypatch.context() as patch:
        patch.setattr(live, "catalog", none)
        assert [d["path"] for d in lite.get("/readyz", key="")["details"]] == ["release"]
    store.system.open(f"sqlite:///{tmp_path}/no/such/folder/system.db")
    assert {"path": "system", "found": "the database does not answer"} in lite.get("/readyz", key="")["details"]


def samples(api, **more):
    text = api.get("/metrics", **more).raw.decode()
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in text_string_to_metric_families(text) for s in f.samples}


def test_what_happens_is_counted(lite, monkeypatch):
    monkeypatch.setattr(metrics.signals, "_counts", {})
    monkeypatch.setattr(metrics.signals, "_spreads", {})
    lite.buyer()
    lite.sold()
    lite.get("/v1/orders/O1")
    seen = samples(lite, key="")
    assert seen["salewright_order_placed_total", (("scene", "cards-app"),)] == 1
    labels = (("code", ""), ("interface", "orders.place"), ("status", "201"))
    assert seen["salewright_api_seconds_count", labels] == 1 and seen["salewright_api_seconds_sum", labels] > 0
    refused = (("code", "order_unknown"), ("interface", "orders.get"), ("status", "404"))
    assert seen["salewright_api_seconds_bucket", tuple(sorted((*refused, ("le", "+Inf"))))] == 1
    assert seen["salewright_outbox_jobs", (("state", "ready"),)] == 1 and seen["salewright_release", ()] == 1
    assert any(name == "process_resident_memory_bytes" for name, _ in seen)


def test_metrics_are_for_this_machine_or_a_key(lite):
    ops, seller = keys.create("ops", ["ops"]), keys.create("seller", ["sell"])
    assert lite.get("/metrics", key="", peer="10.0.0.7")["code"] == "unauthenticated"
    assert lite.get("/metrics", key="", headers={"X-Forwarded-For": "203.0.113.7"})["code"] == "unauthenticated"
    assert lite.signed("GET", "/metrics", key=ops, peer="10.0.0.7").status == 200
    assert lite.signed("GET", "/metrics", key=seller, peer="10.0.0.7")["code"] == "forbidden"


def test_metrics_stand_when_the_database_does_not(lite, tmp_path):
    store.trade.open(f"sqlite:///{tmp_path}/no/such/folder/trade.db")
    assert samples(lite, key="")["salewright_database_up", ()] == 0


@pytest.mark.parametrize("value, bucket", [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (10.0, "10.0"), (99.0, "+Inf")])
def test_a_time_falls_into_its_bucket(value, bucket):
    signals = metrics.Signals()
    signals.take("wire.seconds", value, {"channel": "a"})
    found = {s.labels["le"]: s.value for m in signals.collect() for s in m.samples if s.name.endswith("_bucket")}
    bounds = [str(b) for b in metrics.BOUNDS_S] + ["+Inf"]
    assert [found[b] for b in bounds] == [0.0] * bounds.index(bucket) + [1.0] * (len(bounds) - bounds.index(bucket))


def test_signals_with_differing_labels_share_a_metric():
    signals = metrics.Signals()
    signals.take("pay.failed", 1, {"channel": "a"})
    signals.take("pay.failed", 2, {"channel": "a", "why": "x"})
    [metric] = list(signals.collect())
    assert {(tuple(sorted(s.labels.items())), s.value) for s in metric.samples} == {
        ((("channel", "a"), ("why", "")), 1), ((("channel", "a"), ("why", "x")), 2)}


def test_a_flood_of_label_values_is_bounded(monkeypatch):
    monkeypatch.setattr(metrics, "SERIES_MAX", 10)
    signals = metrics.Signals()
    for n in range(50):
        signals.take("a.b", 1, {"buyer": str(n)})
        signals.take("a.seconds", 1, {"buyer": str(n)})
    assert len(signals._counts) + len(signals._spreads) <= 12 and sum(signals._counts.values()) == 50
