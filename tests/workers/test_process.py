"""Workers as processes: they are woken, they end gracefully, and killed ones lose nothing."""
from __future__ import annotations

import signal
import threading
import time

import pytest

from engine import store
from engine.flow import outbox
from engine.workers import queue
from tests.support.processes import is_running
from tests.support.waiting import wait_until


@pytest.fixture
def texts(gateway):
    """The text messages the gateway was sent, by number."""
    class Texts(list):
        hold = threading.Event()               # while it is clear, the gateway does not answer
        reached = threading.Event()
    seen = Texts()
    seen.hold, seen.reached = threading.Event(), threading.Event()
    seen.hold.set()

    def take(path, body):
        seen.reached.set()
        seen.hold.wait(20)
        seen.append(body["no"])
        return 200, {}
    gateway.says("POST", "/texts/messages", take)
    return seen


@pytest.fixture
def worker(processes, gateway):
    def start(**env):
        return processes.python("-m", "engine.workers", env={
            "SALEWRIGHT_SANDBOX_URL": gateway.url, "SALEWRIGHT_LOG_LEVEL": "INFO", "SALEWRIGHT_SWEEP_EVERY_S": "60",
            "SALEWRIGHT_WORKER_THREADS": "2", **env})
    return start


def at_work(process):
    """Wait until it serves; its first sweep has then found what was there."""
    process.wait_for("release in force")
    wait_until(lambda: store.query(store.trade, "SELECT holder FROM sweep_lease"), "its sweep")


def sold(api, n=1):
    api.buyer()
    return [api.sold()["no"] for _ in range(n)]


def all_sent():
    return not store.query(store.trade, "SELECT 1 FROM message WHERE state <> 'sent'")


@pytest.mark.parametrize("kind", ["file", "redis"])
def test_a_commit_here_wakes_a_worker_there(api, worker, texts, kind, request, monkeypatch):
    env = {"SALEWRIGHT_HUEY_URL": request.getfixturevalue("redis_url")} if kind == "redis" else {}
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(outbox, "_wake", queue.Waker())
    at_work(worker(**env))
    began = time.monotonic()
    sold(api)
    wait_until(all_sent, "the message")
    assert time.monotonic() - began < 10       # its next sweep would be a minute away
    wait_until(lambda: not store.many(outbox.Outbox), "an empty outbox")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_finishes_what_is_under_way_and_ends(api, worker, texts, number):
    texts.hold.clear()
    sold(api, 5)
    process = worker()
    assert texts.reached.wait(30)
    process.send(number)
    time.sleep(0.5)
    assert is_running(process.pid)
    texts.hold.set()
    assert process.wait(30) == 0
    sent = store.query(store.trade, "SELECT COUNT(*) FROM message WHERE state = 'sent'")[0][0]
    assert sent == len(texts) == len(set(texts)) and 1 <= sent <= 2
    assert store.query(store.trade, "SELECT COUNT(*) FROM outbox")[0][0] == 5 - sent
    assert store.query(store.trade, "SELECT COUNT(*) FROM sweep_lease")[0][0] == 0
    assert "Traceback" not in process.output()
    worker()                                   # another one goes on at once: nothing is leased
    wait_until(all_sent, "the rest")
    assert len(set(texts)) == 5


def test_a_killed_worker_loses_nothing(api, worker, texts):
    texts.hold.clear()
    sold(api, 3)
    short = {"SALEWRIGHT_JOB_LEASE_S": "1", "SALEWRIGHT_SWEEP_EVERY_S": "0.5"}
    process = worker(**short)
    assert texts.reached.wait(30)
    process.kill9()
    texts.hold.set()
    worker(**short)
    wait_until(all_sent, "every message", 40)
    wait_until(lambda: not store.many(outbox.Outbox), "an empty outbox")
    assert len(set(texts)) == 3                # one of them the gateway may have heard of twice, under one number


def test_a_worker_goes_on_while_its_queue_is_down(lite, worker, texts):
    process = worker(SALEWRIGHT_HUEY_URL="redis://127.0.0.1:1/0", SALEWRIGHT_SWEEP_EVERY_S="0.5")
    process.wait_for("release in force")
    sold(lite)
    wait_until(all_sent, "the message, found by the sweep")
    process.send(signal.SIGTERM)
    assert process.wait(30) == 0
