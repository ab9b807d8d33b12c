"""Choosing a channel: conditions, sizes, health, order and weight."""
from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import quoting, sale
from engine.base import clock, ids, signal
from engine.base.errors import Code
from engine.config.catalog import ChannelChoice, Offer
from engine.config.live import live
from engine.pay import health, payments, routing
from tests.support.routes import BUSY, IDS, TAKEN, answers, left_out, put_routes
from tests.support.selling import SILENT, UNREACHABLE, place, refused, shop

__all__ = ["shop"]


def offer(**weights: int) -> Offer:
    return Offer("r", {}, tuple(ChannelChoice(id, None, weight) for id, weight in weights.items()), is_route=True)


# ── the draw ─────────────────────────────────────────────────────────────────────────────────────────────────────────

@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10_000), min_size=1), st.text(max_size=40))
def test_the_draw_hangs_on_the_number_alone(weights, number):
    first = routing.ranked(offer(**weights), number)
    assert first == routing.ranked(offer(**weights), number)
    assert sorted(choice.channel_id for choice in first) == sorted(weights)


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10_000), min_size=2), st.text(max_size=40), st.data())
def test_who_is_left_out_changes_nothing_between_the_others(weights, number, data):
    gone = data.draw(st.sampled_from(sorted(weights)))
    others = offer(**{id: weight for id, weight in weights.items() if id != gone})
    assert [c for c in routing.ranked(offer(**weights), number) if c.channel_id != gone] == routing.ranked(others, number)


@pytest.mark.parametrize("weights", [{"a": 70, "b": 30}, {"a": 1, "b": 1, "c": 1}, {"a": 9000, "b": 999, "c": 1}, {"a": 5}])
def test_each_is_first_by_its_share(weights):
    """Of 20,000 numbers; four standard deviations of room, and for the second among what the first leaves."""
    count, total = 20_000, sum(weights.values())
    ranked = [routing.ranked(offer(**weights), f"P{n}") for n in range(count)]
    first = Counter(choices[0].channel_id for choices in ranked)
    for id, weight in weights.items():
        share = weight / total
        assert abs(first[id] - count * share) <= 4 * (count * share * (1 - share)) ** 0.5 + 1
    if len(weights) == 3:
        left = [choices[1].channel_id for choices in ranked if choices[0].channel_id == "a"]
        share = weights["b"] / (total - weights["a"])
        assert abs(left.count("b") - len(left) * share) <= 4 * (len(left) * share * (1 - share)) ** 0.5 + 1


def test_without_weights_it_is_the_order():
    assert [c.channel_id for c in routing.ranked(offer(c=0, a=0, b=0), ids.new_no("P"))] == ["c", "a", "b"]


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_first_is_taken_and_nothing_is_said(shop):
    put_routes("[east, west]")
    answers(shop)
    placed = place(shop)
    payment = sale.pay(placed["no"], "qr")
    assert (payment["channel_id"], payment["client"]) == ("east", {"qr": "qr-text"}) and left_out(placed["no"]) == []
    assert sale.pay(placed["no"], "qr") == payment                 # asked again, it is the same


def test_weights_share_payments(shop):
    put_routes("[{use: east, weight: 3}, {use: west, weight: 1}]")
    answers(shop)
    used = Counter(sale.pay(place(shop)["no"], "qr")["channel_id"] for _ in range(60))
    assert set(used) == {"east", "west"} and used["east"] > used["west"]


CONDITIONS = {
    "amount": ("{gte: {payable: 100.00}}", {}, ["card/year"], ["card/month"]),
    "terminal and currency": ("{all: [{eq: {scene.terminal: app}}, {eq: {currency: CNY}}]}", {}, ["card/month"], None),
    "a field of the scene": ("{eq: {fields.from_page: home}}", {}, None, ["card/month"]),
    "the hour": ("{lt: {time.hour: 12}}", {}, None, ["card/month"]),
}


@pytest.mark.parametrize("when, client, holds, fails", CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition(shop, when, client, holds, fails):
    put_routes(f"[{{use: east, when: {when}}}, west]")
    answers(shop)
    for goods, used in ((holds, "east"), (fails, "west")):
        if goods:
            placed = place(shop, *goods)
            assert sale.pay(placed["no"], "qr", client)["channel_id"] == used
            assert left_out(placed["no"]) == ([] if used == "east" else [{"east": "condition"}])


def test_the_bank_that_the_buyer_names(shop):
    put_routes("[{use: east, when: {in: {payment.bank: [CMB, ICBC]}}}, west]")
    answers(shop)
    assert sale.pay(place(shop)["no"], "qr", {"bank": "CMB"})["channel_id"] == "east"
    assert sale.pay(place(shop)["no"], "qr", {"bank": "ABC"})["channel_id"] == "west"
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "west"


def test_the_time_is_that_of_the_payment(shop):
    put_routes("[{use: east, when: {lt: {time.hour: 13}}}, west]")
    answers(shop)
    late = place(shop)
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "east"
    clock.advance(3600 - 2400 + 600)                               # 12:30: still
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "east"
    clock.advance(1800)
    with refused(Code.ORDER_STATE):
        sale.pay(late["no"], "qr")
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "west"


@given(st.lists(st.booleans(), min_size=3, max_size=3), st.lists(st.integers(1, 9), min_size=3, max_size=3), st.booleans())
def test_never_a_channel_whose_condition_is_false(sqlite_database, holds, weights, weighted):
    choices = tuple(ChannelChoice(id, (lambda facts, held=held: held), weight if weighted else 0)
                    for id, held, weight in zip(IDS, holds, weights))
    put_routes("[east, west, north]")
    selection = routing.Selection(Offer("r", {}, choices, is_route=True), {"currency": "CNY"}, "P1", 100)
    for id in IDS:                                                 # even when nothing works
        for _ in range(5):
            health.breaker(id, "pay").note(clock.now_ms(), clock.now_ms(), "failed")
    given_out = list(selection)
    assert sorted(given_out) == sorted(id for id, held in zip(IDS, holds) if held)
    health.forget()


def test_no_condition_holds(shop):
    put_routes("[{use: east, when: {gte: {payable: 100.00}}}, {use: west, when: {gte: {payable: 200.00}}}]")
    with refused(Code.CHANNEL_NOT_ALLOWED):
        sale.pay(place(shop)["no"], "qr")


def test_a_channel_of_a_route_is_not_offered_by_itself(shop):
    put_routes("[east, west]")
    with refused(Code.CHANNEL_NOT_ALLOWED):
        sale.pay(place(shop)["no"], "east")


@pytest.mark.parametrize("limit, used", [("{min: 50.00}", "west"), ("{min: 40.00}", "east"), ("{max: 39.99}", "west"),
                                         ("{max: 40.00}", "east")])
def test_the_size_of_a_payment(shop, limit, used):
    put_routes("[east, west]", east=f"limits: {{payment: {limit}}}")
    answers(shop)
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["channel_id"] == used
    assert left_out(placed["no"]) == ([] if used == "east" else [{"east": "size"}])


def test_a_channel_that_is_gone(shop):
    """An order keeps its release, channels are live."""
    put_routes("[east, west]")
    answers(shop)
    placed = place(shop)
    channels = {id: document for id, document in live._current.channels.items() if id != "east"}
    live._pinned[1], live._current = live._current, dataclasses.replace(live._current, release_no=2, channels=channels)
    assert sale.pay(placed["no"], "qr")["channel_id"] == "west" and left_out(placed["no"]) == [{"east": "gone"}]


# ── health ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def break_it(*channel_ids: str, calls: int = 5) -> None:
    for channel_id in channel_ids:
        for _ in range(calls):
            health.breaker(channel_id, "pay").note(clock.now_ms(), clock.now_ms(), "failed")


def test_what_does_not_work_is_left_out_and_tried_again(shop):
    put_routes("[east, west]")
    answers(shop)
    break_it("east")
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["channel_id"] == "west" and left_out(placed["no"]) == [{"east": "not_working"}]
    clock.advance(30)
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "east"                  # the probe
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "east"                  # it works again


def test_a_failed_probe_costs_its_buyer_nothing(shop):
    put_routes("[east, west]")
    answers(shop, east=UNREACHABLE)
    break_it("east")
    clock.advance(30)
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "west"
    assert len(shop.outside.asked("east", "pay")) == 1
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "west"
    assert len(shop.outside.asked("east", "pay")) == 1                                # open for another pause


def test_a_slow_or_silent_channel_is_found_out_by_its_own_calls(shop):
    put_routes("[east, west]")
    answers(shop, east=[SILENT] * 5 + [TAKEN])
    used = [sale.pay(place(shop)["no"], "qr")["channel_id"] for _ in range(8)]
    assert used == ["east"] * 5 + ["west"] * 3                     # an unknown outcome never leads to another channel


def test_selling_goes_on_when_nothing_works(shop, monkeypatch):
    seen = []
    monkeypatch.setattr(signal, "_sinks", [lambda name, value, labels: seen.append((name, labels))])
    put_routes("[east, west, north]")
    answers(shop)
    break_it("east", "north")
    for bad in ("", "", "failed", "failed", "failed"):             # the least bad one
        health.breaker("west", "pay").note(clock.now_ms(), clock.now_ms(), bad)
    assert sale.pay(place(shop)["no"], "qr")["channel_id"] == "west"
    assert ("channel.none_works", {"choice": "qr"}) in seen


def test_a_channel_that_only_signs_is_known_by_its_questions(shop):
    put_routes("[east, west]")
    assert routing.breaker_of("wallet").operation == "query" and routing.breaker_of("east").operation == "pay"


def test_quotes_leave_out_what_does_not_work_while_something_does(shop):
    put_routes("[east, west]")
    scene, facts = live.catalog().scene("app"), {"payable": 100, "currency": "CNY"}

    def shown():
        return [offer.id for offer in quoting.payable_now(scene, facts)]
    assert shown() == ["wallet", "qr"]
    break_it("east")
    assert shown() == ["wallet", "qr"]
    break_it("west")
    assert shown() == ["wallet"]
    for _ in range(5):
        health.breaker("wallet", "query").note(clock.now_ms(), clock.now_ms(), "failed")
    assert shown() == ["wallet", "qr"]


def test_a_channel_by_name_is_the_buyers_own_choice(shop):
    for _ in range(5):
        health.breaker("counter", "pay").note(clock.now_ms(), clock.now_ms(), "failed")
    assert sale.pay(place(shop)["no"], "counter")["state"] == "pending"


def test_busy_channels_are_told_in_the_refusal(shop):
    put_routes("[east, west]")
    answers(shop, east=BUSY, west=UNREACHABLE)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE, "come again.*connection refused"):
        sale.pay(placed["no"], "qr")
    assert {p["channel_id"]: p["state"] for p in payments.of_order(placed["no"])} == {"east": "failed", "west": "failed"}
