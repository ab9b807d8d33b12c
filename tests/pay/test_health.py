"""Breakers: the table of what opens, leaves out, tries and closes, on a stopped clock; and what counts as a bad call."""
from __future__ import annotations

import random

import pytest

from engine import wire
from engine.base import clock, signal
from engine.pay import channels, health, troubles
from engine.pay.health import CLOSED, HALF_OPEN, OPEN, Breaker
from engine.pay.terms import Health
from engine.wire import Outcome
from tests.support.selling import FILES, put_live, shop
from tests.support.together import at_once

__all__ = ["shop"]


@pytest.fixture
def signals(monkeypatch) -> list[tuple[str, dict[str, str]]]:
    """(name, labels) of what is emitted."""
    seen: list[tuple[str, dict[str, str]]] = []
    monkeypatch.setattr(signal, "_sinks", [lambda name, value, labels: seen.append((name, labels))])
    return seen


RULES = Health(window_s=60, failures=0.5, slow_s=5, at_least=4, pause_s=30)

# Each story is a line of words, one a moment: ok · bad · slow (a call that takes no time) · 10s (time passes) · ask+ / ask-
# (it is asked whether it may be chosen, and may or may not) · unused (who may does not) · =state (what it is then).
STORIES = {
    "too few calls say nothing": "bad bad bad =closed ask+",
    "half of enough calls": "ok ok bad bad =open ask-",
    "slow is bad": "ok ok slow slow =open",
    "slow and failed count together": "ok ok slow bad =open",
    "less than half": "ok ok ok bad ok bad =closed",
    "old calls are forgotten": "bad bad bad 61s bad =closed",
    "the window slides": "ok ok ok ok 40s bad bad bad =closed 21s bad =open",
    "left out for the pause": "bad bad bad bad =open 29s ask- =open 1s =half_open ask+",
    "one probe at a time": "bad bad bad bad 30s ask+ ask- ask-",
    "a good probe closes": "bad bad bad bad 30s ask+ ok =closed ask+ ask+",
    "closed again, it begins anew": "bad bad bad bad 30s ask+ ok bad bad bad =closed bad =open",
    "a bad probe opens for another pause": "bad bad bad bad 30s ask+ bad =open 29s ask- 1s =half_open ask+",
    "a slow probe opens too": "bad bad bad bad 30s ask+ slow =open ask-",
    "a probe that never calls is given up": "bad bad bad bad 30s ask+ 29s ask- 1s ask+",
    "a probe that is not used lets another try": "bad bad bad bad 30s ask+ unused ask+",
    "whoever calls meanwhile is a probe as well": "bad bad bad bad 5s ok =closed",
    "a bad call meanwhile does not make the pause longer": "bad bad bad bad 20s bad 10s =half_open",
    "a call that began before tells nothing": "begin bad bad bad bad 1s old-ok =open",
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_breakers(story):
    breaker, now, began = Breaker("c", "pay", RULES), 1_000_000, 0
    for word in story.split():
        if word.endswith("s") and word[:-1].isdigit():
            now += int(word[:-1]) * 1000
        elif word in ("ok", "bad", "slow"):
            breaker.note(now, now, {"ok": "", "bad": "failed"}.get(word, word))
        elif word == "begin":
            began = now - 1
        elif word == "old-ok":
            breaker.note(began, now, "")
        elif word == "unused":
            breaker.not_used()
        elif word.startswith("ask"):
            assert breaker.admits(now) is (word == "ask+"), f"{word} in {story}"
        else:
            assert breaker.look(now).state == word[1:], story


def test_what_opened_it_is_said():
    breaker = Breaker("c", "pay", RULES)
    for bad in ("", "slow", "failed", "failed"):
        breaker.note(5, 5, bad)
    look = breaker.look(6)
    assert (look.state, look.calls, look.failed, look.slow, look.until_ms, look.since_ms) == (OPEN, 4, 2, 1, 30_005, 5)
    assert look.sentence == "of 4 calls 2 failed and 1 were slow" and look.bad_share == 0.75
    assert breaker.look(30_005).state == HALF_OPEN


def test_many_threads_get_one_probe():
    breaker = Breaker("c", "pay", RULES)
    for _ in range(4):
        breaker.note(0, 0, "failed")
    assert at_once(lambda n: breaker.admits(30_000), range(16)).count(True) == 1


def test_it_opens_exactly_when_the_share_says_so():
    """Against counting by hand, over random calls."""
    draw = random.Random(7)
    for _ in range(200):
        rules = Health(window_s=draw.choice((5, 20)), failures=draw.choice((0.2, 0.5, 1.0)), at_least=draw.randint(1, 8))
        breaker, calls, now = Breaker("c", "pay", rules), [], 0
        for _ in range(40):
            now += draw.randint(0, 3000)
            calls.append((now, draw.choice(("", "", "failed", "slow"))))
            recent = [bad for at, bad in calls if at > now - rules.window_s * 1000]
            opens = len(recent) >= rules.at_least and any(recent) and sum(map(bool, recent)) >= rules.failures * len(recent)
            assert breaker.note(now, now, calls[-1][1]) == (OPEN if opens else "")
            if opens:
                break


VERDICTS = {
    "not sent": (Outcome("failed", reason="refused"), 0.1, "failed"),
    "no answer": (Outcome("unknown", sent=True), 8.0, "failed"),
    "not understood": (Outcome("unknown", sent=True, status=200), 0.1, "failed"),
    "busy": (Outcome("busy", sent=True, status=429), 0.1, "failed"),
    "5xx, whatever it says": (Outcome("failed", sent=True, status=503), 0.1, "failed"),
    "no facts for the request": (Outcome("failed", ours=True), 0.0, ""),
    "a refusal of business": (Outcome("failed", sent=True, status=400), 0.1, ""),
    "never heard of it": (Outcome("absent", sent=True, status=404), 0.1, ""),
    "taken": (Outcome("pending", sent=True, status=200), 4.9, ""),
    "taken, slowly": (Outcome("pending", sent=True, status=200), 5.0, "slow"),
    "refused, slowly": (Outcome("failed", sent=True, status=400), 6.0, "slow"),
}


@pytest.mark.parametrize("outcome, seconds, verdict", VERDICTS.values(), ids=VERDICTS)
def test_what_counts_as_bad(outcome, seconds, verdict):
    assert health.verdict(outcome, seconds, RULES) == verdict


def test_calls_are_noted_and_people_are_told(shop, signals):
    """By channel and operation; a row for each change, and none otherwise."""
    shop.outside.answers["counter", "query"] = Outcome("unknown", reason="no answer", sent=True)
    channel = channels.get("counter")
    for _ in range(5):
        health.operate(channel, "query", {"payment.no": "P1"})
    look, = [look for look in health.current() if look.state == OPEN]
    assert (look.channel_id, look.operation, look.calls, look.failed) == ("counter", "query", 5, 5)
    row, = troubles.current()
    assert (row["channel_id"], row["operation"], row["failed"], row["why"]) == ("counter", "query", 5, "no answer")
    clock.advance(30)
    shop.outside.answers["counter", "query"] = Outcome("pending", sent=True, status=200)
    health.operate(channel, "query", {"payment.no": "P1"})
    assert troubles.current() == [] and [look.state for look in health.current()] == [CLOSED]
    assert [(name, labels["channel"]) for name, labels in signals if name.startswith("channel.")] == [
        ("channel.opened", "counter"), ("channel.closed", "counter")]


def test_a_wrong_file_counts_and_is_raised(shop):
    shop.outside.answers["counter", "query"] = wire.WireError("the secret is not there")
    for _ in range(5):
        with pytest.raises(wire.WireError):
            health.operate(channels.get("counter"), "query", {"payment.no": "P1"})
    assert [look.state for look in health.current()] == [OPEN]


def test_what_calls_nobody_is_not_counted(shop):
    health.operate(channels.get("wallet"), "pay", {"payment.no": "P1", "payment.amount_minor": 1, "payment.currency": "CNY"})
    assert health.current() == []


def test_other_rules_begin_anew(shop):
    first = health.breaker("counter", "pay")
    assert health.breaker("counter", "pay") is first and first.rules == Health()
    put_live(2, {"channels/counter.yaml": FILES["channels/counter.yaml"] + "health: {failures: 20%, pause: 2m}\n"})
    assert health.breaker("counter", "pay").rules == Health(failures=0.2, pause_s=120)
