"""The live catalogue: followed within two seconds, swapped whole, never replaced by what this node can't compile."""
from __future__ import annotations

import logging
import threading
import time

import pytest

from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.config import live as room
from engine.config import releases
from engine.config.live import Live
from tests.config.releasing import ONE, TWO, WORDS, install, publish
from tests.config.test_releases import refusal
from tests.support.waiting import wait_until

BROKEN_LATER = {**ONE, "scenes/new.yaml": "id: word-of-a-newer-engine"}


@pytest.fixture(autouse=True)
def checker(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def live():
    holder = Live()
    yield holder
    holder.stop()


@pytest.fixture
def followed(live, monkeypatch):
    """Started and looking often."""
    monkeypatch.setenv("SALEWRIGHT_RELEASE_POLL_S", "0.02")

    def start() -> Live:
        live.start(WORDS, "api")
        return live
    return start


def serving(holder: Live) -> int:
    return holder.catalog().release_no


def make_unfit(monkeypatch, word: str, becomes: str) -> None:
    """From now on, this node's compiler (not the publisher's) stumbles over a word."""
    older = install(monkeypatch)
    monkeypatch.setattr(room, "check", lambda files, words, examples: older(
        {path: text.replace(word, becomes) for path, text in files.items()}, words, examples))


def test_before_the_first_release_it_is_not_ready(database, followed):
    holder = followed()
    with refusal(Code.NOT_READY):
        holder.catalog()
    publish(ONE)
    wait_until(lambda: room.node_reports(), "a report")
    assert serving(holder) == 1


def test_what_is_live_is_there_right_after_start(database, live):
    publish(ONE)
    live.start(WORDS, "api")
    assert serving(live) == 1 and live.catalog().digest == releases.digest_of(ONE)


def test_a_new_release_is_taken_within_two_seconds_by_default(sqlite_database, live):
    publish(ONE)
    live.start(WORDS, "api")
    publish(TWO)
    began = time.monotonic()
    wait_until(lambda: serving(live) == 2, "release 2")
    assert time.monotonic() - began < 2


def test_rollback_is_followed_too(database, followed):
    publish(ONE)
    holder = followed()
    publish(TWO)
    wait_until(lambda: serving(holder) == 2, "release 2")
    releases.rollback(1, "Lin", "", WORDS)
    wait_until(lambda: serving(holder) == 1, "release 1 again")


def test_a_request_asks_no_database(sqlite_database, followed):
    publish(ONE)
    holder = followed()
    holder._stop.set()                         # the poller's own question is not a request's
    holder._thread.join()
    before = store.counts.statements
    for _ in range(100):
        holder.catalog()
        holder.release(1)
    assert store.counts.statements == before


@pytest.mark.parametrize("becomes, reason", [("BROKEN", "it is broken"), ("CRASH", "an older engine stumbled")])
def test_what_this_node_can_not_compile_is_refused_and_the_old_one_serves(database, followed, monkeypatch, caplog,
                                                                          becomes, reason):
    publish(ONE)
    holder = followed()
    make_unfit(monkeypatch, "word-of-a-newer-engine", becomes)
    with caplog.at_level(logging.INFO, "salewright.releases"):
        publish(BROKEN_LATER)
        wait_until(lambda: room.node_reports()[0]["verdict"] == "reject", "a reject")
    report = room.node_reports()[0]
    assert (report["release_no"], report["serving_no"], report["role"]) == (2, 1, "api") and reason in report["reason"]
    assert serving(holder) == 1
    assert [r.message for r in caplog.records if r.levelname == "ERROR" and "refused" in r.message] == [
        "release refused, the old one goes on"]
    publish(TWO)
    wait_until(lambda: serving(holder) == 3, "the next sound release")
    wait_until(lambda: [r["verdict"] for r in room.node_reports()] == ["ack"], "its report")


def test_a_refused_release_is_not_compiled_again_and_again(sqlite_database, followed, monkeypatch):
    publish(ONE)
    followed()
    make_unfit(monkeypatch, "word-of-a-newer-engine", "BROKEN")
    publish(BROKEN_LATER)
    wait_until(lambda: room.node_reports()[0]["verdict"] == "reject", "a reject")
    counting = install(monkeypatch)
    time.sleep(0.2)
    assert counting.calls == 0


def test_a_pinned_release_is_compiled_once_however_many_ask(database, live, checker):
    publish(ONE)
    publish(TWO)
    live.start(WORDS, "worker")
    before = checker.calls
    found = []

    def ask() -> None:
        found.append(live.release(1))
        store.content.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(catalog is found[0] for catalog in found)
    assert found[0].release_no == 1 and checker.calls == before + 1
    assert live.release(2) is live.catalog()


def test_what_was_live_is_kept_for_the_orders_under_way(database, live, checker):
    publish(ONE)
    live.start(WORDS, "api")
    before = live.catalog()
    publish(TWO)
    live.look()
    calls = checker.calls
    assert serving(live) == 2 and live.release(1) is before and checker.calls == calls


def test_a_compilation_holds_up_nobody_who_needs_none(sqlite_database, live, monkeypatch):
    publish(ONE)
    live.start(WORDS, "worker")
    publish(TWO)
    live.look()
    publish({**ONE, "scenes/b.yaml": "id: b\n"})
    quick, compiling, go_on = room.check, threading.Event(), threading.Event()

    def slow(*of, **more):
        compiling.set()
        assert go_on.wait(10)
        return quick(*of, **more)

    def take() -> None:
        live.look()
        store.content.close()

    monkeypatch.setattr(room, "check", slow)
    taking = threading.Thread(target=take)
    taking.start()
    assert compiling.wait(10)
    assert (live.catalog().release_no, live.release(2).release_no, live.release(1).release_no) == (2, 2, 1)
    go_on.set()
    taking.join(10)
    assert serving(live) == 3


def test_pinned_releases_are_kept_by_use_up_to_a_bound(sqlite_database, live, checker, monkeypatch):
    monkeypatch.setattr(room, "PINNED_MAX", 2)
    for n in range(4):
        publish({**ONE, "scenes/n.yaml": f"id: n{n}"})
    live.start(WORDS, "worker")
    for no in (1, 2, 1, 3):                    # 2 was used longest ago when 3 comes
        live.release(no)
    before = checker.calls
    live.release(1)
    live.release(3)
    assert checker.calls == before
    live.release(2)
    assert checker.calls == before + 1


def test_a_pinned_release_that_is_unknown_or_unfit_is_refused(database, live, checker, monkeypatch):
    publish(BROKEN_LATER)
    publish(ONE)
    live.start(WORDS, "api")
    with refusal(Code.RELEASE_UNKNOWN):
        live.release(9)
    make_unfit(monkeypatch, "word-of-a-newer-engine", "BROKEN")
    for _ in range(2):
        with refusal(Code.CHECK_FAILED):
            live.release(1)


def test_nodes_show_life_and_the_silent_are_forgotten(database, live, monkeypatch):
    monkeypatch.setattr(room, "HEARTBEAT_S", -1)
    clock.set_to(1_800_000_000_000)
    publish(ONE)
    live.start(WORDS, "api")
    store.insert(room.NodeReport, {"node": "gone:1", "role": "api", "release_no": 1, "verdict": "ack", "reason": "",
                                   "serving_no": 1, "at_ms": 0, "seen_at_ms": 0})
    at_ms = clock.advance(30)
    live.look()
    mine = next(r for r in room.node_reports() if r["node"] == room.node_name())
    assert (mine["at_ms"], mine["seen_at_ms"]) == (1_800_000_000_000, at_ms)
    publish(TWO)
    live.look()
    assert [r["node"] for r in room.node_reports()] == [room.node_name()]


def test_stopping_takes_the_report_back_and_it_may_start_anew(database, live):
    publish(ONE)
    live.start(WORDS, "api")
    assert len(room.node_reports()) == 1
    live.stop()
    assert room.node_reports() == []
    with refusal(Code.NOT_READY):
        live.catalog()
    publish(TWO)
    live.start(WORDS, "worker")
    assert serving(live) == 2 and [r["role"] for r in room.node_reports()] == ["worker"]


def test_started_twice_is_a_mistake_and_unstarted_too(sqlite_database, live):
    publish(ONE)
    with pytest.raises(RuntimeError):
        live.release(1)
    live.start(WORDS, "api")
    with pytest.raises(RuntimeError):
        live.start(WORDS, "api")


def test_a_command_loads_and_leaves_no_trace(database, live):
    live.load(WORDS)
    with refusal(Code.NOT_READY):
        live.catalog()
    publish(ONE)
    publish(TWO)
    live.load(WORDS)
    assert serving(live) == 2 and live.release(1).release_no == 1
    assert room.node_reports() == []


def test_a_lost_database_is_outlived(postgresql_database, followed, caplog):
    publish(ONE)
    holder = followed()
    server, name = postgresql_database.server, postgresql_database.name
    with caplog.at_level(logging.INFO, "salewright.releases"):
        server.admin(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        server.cut_connections(name)
        wait_until(lambda: "can't look for releases" in caplog.text, "the loss in the log")
        time.sleep(0.2)
        assert serving(holder) == 1
        assert caplog.text.count("can't look for releases") == 1
        server.admin(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
        wait_until(lambda: "answers again" in caplog.text, "the recovery in the log")
    store.open_all()
    publish(TWO)
    wait_until(lambda: serving(holder) == 2, "release 2")
