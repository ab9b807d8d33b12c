"""Contracts from signature to end through the catalogue's own agreement channels, over HTTP with a sandbox in its own process:
what is signed, told, deducted, refused, repeated, lost and ended is so on both sides, and the money is the same."""
from __future__ import annotations

from typing import Iterator

import pytest

from engine.base import clock
from engine.pay import payments
from engine.trade import orders
from tests.crash.machine import request

from .agreements import CHANNELS, DAY_MS, HOUR_MS, Agreements

ALIPAY, PAPAY = CHANNELS
WAYS = [(channel, sign) for channel in CHANNELS for sign in ("with_payment", "first")]
each_way = pytest.mark.parametrize("channel, sign", WAYS)
each_channel = pytest.mark.parametrize("channel", CHANNELS)


def _open(processes, monkeypatch) -> Iterator[Agreements]:
    shop = Agreements(processes, monkeypatch)
    yield shop
    shop.prove()
    shop.close()


@pytest.fixture
def shop(sqlite_database, processes, monkeypatch) -> Iterator[Agreements]:
    """When a test is over, the books are in order and agree with what the channels took."""
    yield from _open(processes, monkeypatch)


@pytest.fixture
def shops(database, processes, monkeypatch) -> Iterator[Agreements]:
    """The same on each kind of database."""
    yield from _open(processes, monkeypatch)


# ── signing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("channel, sign", [(ALIPAY, "with_payment"), (PAPAY, "first")])
def test_signed_paid_and_renewed_four_times(shops, channel, sign):
    contract = shops.signed(channel, sign)
    for _ in range(4):
        shops.month(contract)
    periods = shops.periods(contract)
    assert [p["state"] for p in periods] == ["paid"] * 5
    assert [p["amount_minor"] for p in periods] == [3000, 2500, 2500, 2800, 2800]
    assert all(one["ends_at_ms"] == other["starts_at_ms"] for one, other in zip(periods, periods[1:]))
    assert [row["amount_minor"] for row in shops.taken()] == [3000, 2500, 2500, 2800, 2800]
    assert shops.told(contract) == ["soon", "renewed"] * 4


@each_way
def test_the_notice_of_a_signature_is_sent_again_and_counts_once(shop, channel, sign):
    shop.fault("repeated", channel=channel, prefix="C", times=3)
    contract = shop.signed(channel, sign)
    shop.until(clock.now_ms() + 1000)
    there = shop.at_the_channel(contract)
    assert there["channel_no"] == contract["channel_no"]
    assert [(notice["state"], notice["taken"]) for notice in there["notices"]] == [("signed", 1)] * 3
    assert len([cause for _, cause in shop.moves(contract["no"]) if cause.startswith("notice ")]) == 1
    shop.month(contract)
    assert shop.states(contract) == ["paid", "paid"]


@each_channel
def test_a_forged_signature_is_refused(shop, channel):
    """Nobody has signed; a forger says so. The buyer signs later."""
    shop.fault("forged", channel=channel, prefix="C")
    contract = shop.ordered(channel, "first")
    shop.until(clock.now_ms() + 5_000)
    told, other = shop.at_the_channel(contract)["notices"]
    assert (told["taken"], other["taken"], shop.now(contract)["state"], shop.taken()) == (0, 0, "signing", [])
    shop.gateway("POST", f"contracts/{channel}/{contract['no']}/sign")
    assert shop.wait(contract, "active")["paid_n"] == 1


@each_way
def test_a_signature_whose_notice_is_lost_is_asked_for(shop, channel, sign):
    shop.fault("lost", channel=channel, prefix="C")
    contract = shop.ordered(channel, sign)
    shop.until(clock.now_ms() + HOUR_MS)
    there = shop.at_the_channel(contract)
    assert (there["state"], there["notices"]) == ("signed", [])
    assert (shop.now(contract)["state"], shop.now(contract)["channel_no"]) == ("active", there["channel_no"])
    assert "asked the channel" in [cause for _, cause in shop.moves(contract["no"])]


@each_channel
def test_who_declines_is_asked_for_nothing(shop, channel):
    shop.fault("declined", channel=channel, operation="sign")
    contract = shop.ordered(channel, "first")
    shop.until(clock.now_ms() + 2 * DAY_MS)
    assert shop.now(contract)["state"] in ("failed", "ended") and shop.states(contract) == ["dropped"]
    assert (orders.find(contract["order_no"])["state"], shop.taken()) == ("closed", [])


# ── deductions ───────────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_buyer_is_told_before_the_day_and_deducted_on_it(shop):
    contract = shop.signed(ALIPAY)
    due = shop.due(contract)
    shop.until(due - 3 * DAY_MS - 1000)
    assert (shop.told(contract), shop.states(contract)) == ([], ["paid"])
    shop.until(due - 3 * DAY_MS + 1000)
    assert (shop.told(contract), shop.states(contract)) == (["soon"], ["paid", "open"])
    shop.until(due - 1000)
    assert (shop.told(contract), shop.states(contract), len(shop.taken())) == (["soon"], ["paid", "open"], 1)
    shop.month(contract)
    assert (shop.told(contract), shop.states(contract), len(shop.taken())) == (["soon", "renewed"], ["paid", "paid"], 2)


def test_where_the_channel_tells_the_buyer_a_day_before_it_is_asked_a_day_before(shop):
    contract = shop.signed(PAPAY)
    due = shop.due(contract)
    shop.until(due - DAY_MS - 1000)
    assert (shop.told(contract), shop.states(contract), len(shop.gateway("GET", "payments")["items"])) == (["soon"], ["paid", "open"], 1)
    shop.until(due - 1000)
    attempt, = shop.attempts(contract, 2)
    there, = shop.gateway("GET", f"payments?no={attempt['no']}")["items"]
    assert (shop.told(contract), shop.states(contract), there["state"]) == (["soon"], ["paid", "deducting"], "pending")
    shop.month(contract)
    there, = shop.gateway("GET", f"payments?no={attempt['no']}")["items"]
    assert 0 <= there["done_at_ms"] - there["made_at_ms"] - DAY_MS < 60_000 and there["done_at_ms"] >= due - 1000
    assert shop.states(contract) == ["paid", "paid"] and shop.periods(contract)[1]["starts_at_ms"] == due and shop.in_force(contract)


def test_an_outcome_in_the_answer(shop):
    """A channel that can, says at once that it has the money, or that there is none."""
    contract = shop.signed(ALIPAY)
    shop.gateway("POST", "settings", {"pay_after_s": 0})
    shop.fault("declined", channel=ALIPAY, operation="withhold")
    shop.fault("lost", channel=ALIPAY, operation="withhold", next=2)      # its notices would be faster than its answers
    shop.until(shop.due(contract) + 1000)
    attempt, = shop.attempts(contract, 2)
    assert shop.moves(attempt["no"])[-1][0] == "failed" and shop.now(contract)["state"] == "overdue"
    shop.until(clock.now_ms() + 5 * HOUR_MS)
    assert shop.moves(shop.attempts(contract, 2)[1]["no"])[-1] == ("succeeded", "answer to withhold")


# What goes wrong with a month's deduction, and how its outcome is known then.
MONTHS = (((), "notice"), (("timeout_done",), "notice"), (("error_done",), "notice"), (("forged_answer",), "notice"),
          (("lost",), "asked the channel"), (("timeout_done", "lost"), "asked the channel"), (("slow", "late"), "notice"))


@each_channel
def test_a_deduction_is_made_once_whatever_is_lost_of_it(shop, channel):
    contract = shop.signed(channel)
    for n, (faults, known_by) in enumerate(MONTHS, 2):
        for fault in faults:
            delay = {"delay_s": 0.05} if fault in ("timeout_done", "slow", "late") else {}
            shop.fault(fault, channel=channel, operation="withhold", **delay)
        shop.until(shop.due(contract) + 3 * HOUR_MS)
        attempt, = shop.attempts(contract, n)
        assert shop.states(contract) == ["paid"] * n and shop.moves(attempt["no"])[-1][1].startswith(known_by), faults
    assert [row["amount_minor"] for row in shop.taken()] == [3000, 2500, 2500, 2800, 2800, 2800, 2800, 2800]


@each_channel
def test_a_notice_of_a_deduction_that_is_repeated_and_one_that_is_forged(shop, channel):
    contract = shop.signed(channel)
    shop.fault("repeated", channel=channel, operation="withhold", times=3)
    shop.month(contract)
    there = shop.taken()[-1]
    assert [notice["taken"] for notice in there["notices"]] == [1, 1, 1]
    path = f"/v1/notices/{channel}/{there['notices'][0]['event']}"
    forged = b"<xml><return_code>SUCCESS</return_code><out_trade_no>P1</out_trade_no><sign>00</sign></xml>"
    said = request(shop.port, "POST", path, forged if channel == PAPAY else b"out_trade_no=P1&sign_type=RSA2&sign=AA==", {
        "Content-Type": "text/xml" if channel == PAPAY else "application/x-www-form-urlencoded"})
    assert b"SUCCESS" not in said[1] and b"success" not in said[1]
    assert shop.states(contract) == ["paid", "paid"] and shop.told(contract) == ["soon", "renewed"]


@each_channel
def test_a_channel_that_is_away_when_it_is_due(shop, channel):
    """Nothing was asked of the buyer, so nothing was refused; it is asked for again, and the rights go on meanwhile."""
    contract = shop.signed(channel)
    shop.until(shop.due(contract) - DAY_MS - 60_000)
    shop.stop_the_channel()
    shop.until(shop.due(contract) + HOUR_MS)
    assert (shop.states(contract)[-1], shop.in_force(contract), shop.now(contract)["state"]) == ("failed", True, "active")
    shop.start_the_channel()
    shop.until(clock.now_ms() + 26 * HOUR_MS)
    period = shop.periods(contract)[1]
    assert (period["state"], period["tries"], "refused" in shop.told(contract)) == ("paid", 0, False)


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@each_channel
def test_refused_retried_suspended_and_resumed(shop, channel):
    contract = shop.signed(channel)
    due = shop.due(contract)
    shop.fault("declined", channel=channel, operation="withhold", next=3)
    shop.until(due + 60_000)
    assert (shop.now(contract)["state"], shop.states(contract), shop.in_force(contract)) == ("overdue", ["paid", "failed"], True)
    shop.until(due + 3 * DAY_MS - 60_000)
    assert (shop.now(contract)["state"], shop.in_force(contract)) == ("overdue", True)
    shop.until(due + 3 * DAY_MS + HOUR_MS)
    assert (shop.now(contract)["state"], shop.in_force(contract)) == ("suspended", False)
    assert [row["state"] for row in shop.attempts(contract, 2)] in (["failed"] * 3, ["closed"] * 3)
    assert shop.told(contract) == ["soon", "refused", "refused", "refused", "paused"]
    shop.until(due + 4 * DAY_MS)
    shop.api("POST", f"/v1/contracts/{contract['no']}/retry")
    shop.until(clock.now_ms() + 25 * HOUR_MS)
    period = shop.periods(contract)[1]
    assert (shop.now(contract)["state"], period["state"], period["tries"], shop.in_force(contract)) == ("active", "paid", 3, True)
    assert period["starts_at_ms"] >= due + 4 * DAY_MS              # what was not paid for was not delivered
    shop.month(contract)
    assert shop.states(contract) == ["paid"] * 3 and [row["amount_minor"] for row in shop.taken()] == [3000, 2500, 2500]


@each_channel
def test_refused_once_and_in_time_again(shop, channel):
    """In its grace the period loses no day."""
    contract = shop.signed(channel)
    due = shop.due(contract)
    shop.fault("declined", channel=channel, operation="withhold")
    shop.until(due + 2 * DAY_MS)
    period = shop.periods(contract)[1]
    assert (period["state"], period["tries"], period["starts_at_ms"], shop.now(contract)["state"]) == ("paid", 1, due, "active")
    assert shop.told(contract) == ["soon", "refused", "renewed"]


@each_channel
def test_nobody_pays_any_more(shop, channel):
    contract = shop.signed(channel)
    shop.fault("declined", channel=channel, operation="withhold", next=9)
    shop.until(shop.due(contract) + 15 * DAY_MS)
    assert (shop.now(contract)["state"], shop.at_the_channel(contract)["state"]) == ("ended", "ended")
    assert shop.states(contract) == ["paid", "dropped"] and len(shop.taken()) == 1


@each_channel
def test_another_price_with_the_buyers_consent(shop, channel):
    """A buyer who signed for so much at most at the channel can be asked for no more."""
    contract = shop.signed(channel)
    path = f"/v1/contracts/{contract['no']}"
    if channel == ALIPAY:
        with pytest.raises(AssertionError, match="409.*signed for deductions of 2800 at most"):
            shop.api("POST", f"{path}/price", {"price_minor": 2801})
    shop.api("POST", f"{path}/price", {"price_minor": 2700})
    shop.month(contract)
    shop.api("POST", f"{path}/consent", {"price_minor": 2700})
    shop.month(contract)
    shop.api("POST", f"{path}/price", {"price_minor": 2000})
    shop.month(contract)
    assert [p["amount_minor"] for p in shop.periods(contract)] == [3000, 2500, 2700, 2000]
    assert [row["amount_minor"] for row in shop.taken()] == [3000, 2500, 2700, 2000]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def over(shop: Agreements, contract, order_no: str) -> None:
    """Both sides know; the open order is closed; months later nothing was taken, and what was paid for is over."""
    assert (shop.now(contract)["state"], bool(shop.now(contract)["unsigned"])) == ("ended", True)
    assert shop.at_the_channel(contract)["state"] == "ended" and orders.find(order_no)["state"] == "closed"
    assert shop.states(contract) == ["paid", "dropped"] and shop.told(contract)[-1] == "over"
    shop.until(shop.due(contract) + 40 * DAY_MS)
    assert shop.states(contract) == ["paid", "dropped"] and not shop.in_force(contract)


@each_channel
def test_ended_from_our_side(shop, channel):
    contract = shop.signed(channel)
    shop.until(shop.due(contract) - 2 * DAY_MS)                     # the buyer was told, nothing was asked of the channel yet
    assert shop.states(contract) == ["paid", "open"]
    shop.api("POST", f"/v1/contracts/{contract['no']}/terminate", {"reason": "no longer wanted"})
    shop.settle()
    assert shop.in_force(contract)
    over(shop, contract, shop.periods(contract)[1]["order_no"])
    assert len(shop.taken()) == 1


@each_channel
@pytest.mark.parametrize("lost", [False, True], ids=["told", "lost"])
def test_ended_in_the_wallet(shop, channel, lost):
    """Where its notice is lost, the next deduction is refused: then it is asked for, and no second one is tried."""
    if lost:
        shop.fault("lost", channel=channel, prefix="C")
    contract = shop.ordered(channel, "with_payment")
    shop.until(clock.now_ms() + HOUR_MS)
    shop.until(shop.due(contract) - 2 * DAY_MS)
    shop.gateway("POST", f"contracts/{channel}/{contract['no']}/end")
    shop.until(shop.due(contract) + DAY_MS)
    over(shop, contract, shop.periods(contract)[1]["order_no"])
    assert len(shop.taken()) == 1 and len(shop.attempts(contract, 2)) == (1 if lost else 0)
    assert "refused" not in shop.told(contract)


@pytest.mark.parametrize("closes", [True, False], ids=["it is closed", "it can't be closed"])
def test_ended_while_a_deduction_is_under_way(shop, closes):
    """Where the channel has told the buyer and deducts all the same, the money goes back."""
    contract = shop.signed(PAPAY)
    shop.until(shop.due(contract) - HOUR_MS)
    attempt, = shop.attempts(contract, 2)
    if not closes:
        shop.fault("refused", channel=PAPAY, operation="close", next=999)
    shop.api("POST", f"/v1/contracts/{contract['no']}/terminate", {})
    shop.until(shop.due(contract) + 2 * HOUR_MS)
    found = payments.find(attempt["no"])
    assert (found["state"], found["surplus_minor"], found["refunded_minor"]) == (("closed", 0, 0) if closes else ("succeeded", 2500, 2500))
    over(shop, contract, attempt["order_no"])
    assert len(shop.taken()) == (1 if closes else 2)
