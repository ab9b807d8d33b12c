"""Starting a process: it serves what is live, tells lower rooms what they need, and refuses databases it does not fit."""
from __future__ import annotations

import logging

import pytest

from engine import startup, store
from engine.base.errors import Code, Refusal
from engine.config import live as room
from engine.config import releases
from engine.config.live import live
from tests.support.catalogue import SMALL


def test_the_vocabulary_has_every_step_and_runs_examples():
    words = startup.vocabulary()
    assert words.steps and all(name == spec.name and spec.about for name, spec in words.steps.items())
    assert None not in (words.run_scene_example, words.run_channel_example, words.check_channel)


def test_a_started_process_serves_what_is_live_and_says_so(database):
    releases.publish(SMALL, "small", "Lin", startup.vocabulary())
    startup.start("worker")
    assert live.catalog().release_no == 1 and set(live.catalog().scenes) == {"shop-h5"}
    assert [(r["role"], r["verdict"], r["serving_no"]) for r in room.node_reports()] == [("worker", "ack", 1)]
    assert len(logging.getLogger().handlers) == 1


def test_a_command_that_looks_is_reported_nowhere(database):
    releases.publish(SMALL, "small", "Lin", startup.vocabulary())
    startup.look()
    assert live.catalog().release_no == 1 and room.node_reports() == []


@pytest.mark.parametrize("begin", [lambda: startup.start("api"), startup.look, startup.open_store])
def test_databases_behind_the_code_are_refused(sqlite_database, monkeypatch, begin):
    monkeypatch.setattr(store, "pending", lambda: ["trade/0009_future"])
    with pytest.raises(Refusal, match="trade/0009_future") as caught:
        begin()
    assert caught.value.code is Code.NOT_READY
