"""Limits by day: counted with the payment's intent, given back with its end, never passed by any number of buyers."""
from __future__ import annotations

import threading

import pytest

from engine import sale, store
from engine.base import clock
from engine.base.errors import Code
from engine.pay import limits
from engine.pay.limits import ChannelDay, ChannelUse
from tests.support.routes import NO, TAKEN, answers, left_out, put_routes
from tests.support.selling import FILES, SILENT, Outcome, payment, place, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def limited(**lines: str) -> None:
    """The shop with limits in channels of the scene `app`."""
    put_live(1, {f"channels/{id}.yaml": FILES[f"channels/{id}.yaml"] + f"{text}\n" for id, text in lines.items()})


def used(account: str) -> tuple[int, int]:
    """(payments, minor units) of today, which are those of the payments that count."""
    counted = limits.used_today().get(account, (0, 0))
    rows = store.many(ChannelUse, account=account)
    assert counted == (len(rows), sum(row["amount_minor"] for row in rows))
    return counted


def test_a_day_is_full_and_the_next_is_not(shop):
    limited(counter="limits: {day: {count: 2}}")
    for _ in range(2):
        sale.pay(place(shop)["no"], "counter")
    with refused(Code.CHANNEL_LIMIT_REACHED, "counter: it has taken as much as it may today"):
        sale.pay(place(shop)["no"], "counter")
    assert used("counter") == (2, 8000)
    clock.advance(12 * 3600)                                       # from noon to midnight in the business's zone
    assert sale.pay(place(shop)["no"], "counter")["state"] == "pending"
    assert {row["day"]: row["used"] for row in store.many(ChannelDay)} == {"2026-11-20": 2, "2026-11-21": 1}


@pytest.mark.parametrize("amount, fit", [("80.00", 2), ("79.99", 1), ("40.00", 1), ("39.99", 0)])
def test_a_days_amount(shop, amount, fit):
    limited(counter=f"limits: {{day: {{amount: {amount}}}}}")
    for _ in range(fit):
        sale.pay(place(shop)["no"], "counter")
    with refused(Code.CHANNEL_LIMIT_REACHED):
        sale.pay(place(shop)["no"], "counter")
    assert used("counter") == (fit, fit * 4000)


def test_a_smaller_payment_may_still_fit(shop):
    limited(counter="limits: {day: {amount: 60.00}}")
    sale.pay(place(shop)["no"], "counter")
    with refused(Code.CHANNEL_LIMIT_REACHED):
        sale.pay(place(shop)["no"], "counter")
    assert sale.pay(place(shop, "card/week")["no"], "counter")["amount_minor"] == 1490


def test_a_refused_payment_leaves_no_trace(shop):
    limited(counter="limits: {day: {count: 1}}")
    sale.pay(place(shop)["no"], "counter")
    placed = place(shop)
    with refused(Code.CHANNEL_LIMIT_REACHED):
        sale.pay(placed["no"], "counter")
    assert sale.pay(placed["no"], "wallet")["state"] == "pending"


ENDS = {
    "refused by the channel": (lambda shop, p: None, NO, (0, 0)),
    "closed": (lambda shop, p: shop.notice(p, state="closed"), TAKEN, (0, 0)),
    "failed": (lambda shop, p: shop.notice(p, state="failed"), TAKEN, (0, 0)),
    "failed, told twice": (lambda shop, p: [shop.notice(p, key=k, state="failed") for k in "ab"], TAKEN, (0, 0)),
    "unknown": (lambda shop, p: None, SILENT, (1, 4000)),
    "paid": (lambda shop, p: shop.notice(p), TAKEN, (1, 4000)),
    "closed, and paid all the same": (lambda shop, p: [shop.notice(p, key="a", state="closed"), shop.notice(p, key="b")],
                                      TAKEN, (1, 4000)),
}


@pytest.mark.parametrize("end, answer, left", ENDS.values(), ids=ENDS)
def test_what_counts_in_the_end(shop, end, answer, left):
    limited(counter="limits: {day: {count: 1}}")
    shop.outside.answers["counter", "pay"] = answer
    placed = place(shop)
    attempt = sale.place("app", items=shop.items("card/month"), buyer_id=placed["buyer_id"],
                         pay_by={"channel": "counter"})["payment"]
    end(shop, attempt)
    assert used("counter") == left


def test_money_that_has_moved_counts_whatever_the_limit_says(shop):
    limited(counter="limits: {day: {count: 1}}")
    first = sale.pay(place(shop)["no"], "counter")
    shop.notice(first, key="a", state="closed")
    sale.pay(place(shop)["no"], "counter")
    shop.notice(first, key="b")
    assert used("counter") == (2, 8000)


def test_money_comes_in_though_its_limit_was_off_in_between(shop):
    limited(counter="limits: {day: {count: 2}}")
    placed = place(shop)
    attempt = sale.pay(placed["no"], "counter")
    limited()                                  # a release without the limit, in which the attempt ends
    sale.close(placed["no"], "not wanted")
    shop.work()
    assert payment(attempt["no"])["state"] == "closed"
    limited(counter="limits: {day: {count: 2}}")
    assert shop.notice(attempt) == "applied" and payment(attempt["no"])["surplus_minor"] == 4000
    assert used("counter") == (1, 4000)


def test_given_back_to_the_day_it_was_taken_of(shop):
    limited(counter="limits: {day: {count: 5}}")
    first = sale.pay(place(shop)["no"], "counter")
    clock.advance(12 * 3600)
    shop.notice(first, state="closed")
    assert [(row["day"], row["used"], row["used_minor"]) for row in store.many(ChannelDay)] == [("2026-11-20", 0, 0)]


def test_channels_of_one_account_share_its_day(shop):
    put_routes("[east, west]", east="limits: {day: {count: 2}, account: main}", west="limits: {day: {count: 2}, account: main}")
    answers(shop)
    for _ in range(2):
        sale.pay(place(shop)["no"], "qr")
    with refused(Code.CHANNEL_LIMIT_REACHED):
        sale.pay(place(shop)["no"], "qr")
    assert used("main") == (2, 8000)


def test_a_full_channel_is_left_out_of_its_route(shop):
    put_routes("[east, west]", east="limits: {day: {count: 1}}")
    answers(shop)
    assert [sale.pay(place(shop)["no"], "qr")["channel_id"] for _ in range(3)] == ["east", "west", "west"]
    placed = place(shop)
    sale.pay(placed["no"], "qr")
    assert left_out(placed["no"]) == [{"east": "day_limit"}]


def test_a_channel_without_a_day_costs_no_statement(shop):
    def cost() -> int:
        placed = place(shop)
        store.counts.reset()
        sale.pay(placed["no"], "counter")
        return store.counts.statements
    plain = cost()
    limited(counter="limits: {payment: {max: 50.00}}")
    assert cost() == plain
    limited(counter="limits: {day: {count: 5}}")
    assert cost() == plain + 3                                     # a day begins
    assert cost() == plain + 2                                     # its counter, and that this payment counts


def test_no_number_of_buyers_passes_a_limit(shop):
    """Sixteen at once for seven places, some of whose payments fail at once and give their place back."""
    limited(counter="limits: {day: {count: 7, amount: 280.00}}")
    turn, lock = iter(range(100)), threading.Lock()

    def answer(facts):
        with lock:
            return NO if next(turn) % 4 == 3 else Outcome("pending", {}, {"qr": "q"}, sent=True)
    shop.outside.answers["counter", "pay"] = answer
    placed = [place(shop)["no"] for _ in range(16)]
    results = at_once(lambda n: store.retrying(lambda: sale.pay(placed[n], "counter")), range(16))
    taken = [r for r in results if not isinstance(r, Exception)]
    assert {e.code for e in errors(results)} <= {Code.CHANNEL_LIMIT_REACHED, Code.CHANNEL_UNAVAILABLE}
    assert used("counter") == (len(taken), 4000 * len(taken)) and 1 <= len(taken) <= 7
    assert all(payment(p["no"])["state"] == "pending" for p in taken)


def test_a_route_fills_one_account_after_the_other_at_any_concurrency(shop):
    put_routes("[east, west]", east="limits: {day: {count: 5}}", west="limits: {day: {amount: 200.00}}")
    answers(shop)
    placed = [place(shop)["no"] for _ in range(16)]
    results = at_once(lambda n: store.retrying(lambda: sale.pay(placed[n], "qr")), range(16))
    taken = [r["channel_id"] for r in results if not isinstance(r, Exception)]
    assert sorted(taken) == ["east"] * 5 + ["west"] * 5
    assert {e.code for e in errors(results)} == {Code.CHANNEL_LIMIT_REACHED}
    assert (used("east"), used("west")) == ((5, 20000), (5, 20000))


def test_channels_that_are_full_hold_up_nobody(shop):
    """Some look at one first, some at the other: whoever finds both full has waited for nobody, and no one dies of it."""
    put_routes("[{use: east, weight: 50}, {use: west, weight: 50}]", east="limits: {day: {count: 3}}", west="limits: {day: {count: 3}}")
    answers(shop)
    crowd = [place(shop)["no"] for _ in range(24)]
    results = at_once(lambda no: sale.pay(no, "qr")["state"], crowd)
    assert results.count("pending") == 6 and {e.code for e in errors(results)} == {Code.CHANNEL_LIMIT_REACHED}
    assert used("east")[0] == used("west")[0] == 3


def test_late_money_counts_once_though_the_limit_came_and_went(shop):
    limited(counter="limits: {day: {count: 5}}")
    no = sale.pay(place(shop)["no"], "counter")["no"]
    put_live(2)                                # without the limit
    shop.notice(payment(no), key="failed", state="failed")
    limited(counter="limits: {day: {count: 5}}")
    assert used("counter") == (0, 0)
    shop.notice(payment(no))
    assert payment(no)["state"] == "succeeded" and used("counter") == (1, 4000)


def test_a_payment_at_midnight_is_of_one_day(shop, monkeypatch):
    limited(counter="limits: {day: {count: 1}}")
    days = iter(["2026-11-20"] + ["2026-11-21"] * 99)
    monkeypatch.setattr(limits, "_today", lambda: next(days))
    with store.transaction():
        assert limits.take("counter", "P1", 100) == ""
    assert store.one(ChannelUse, payment_no="P1")["day"] == "2026-11-20"
