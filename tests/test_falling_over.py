"""A route's next channel: asked only where the first has certainly not taken the payment, and never so that two are kept."""
from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import paying, sale, store, wire
from engine.base import clock, crash
from engine.base.errors import Code, Refusal
from engine.pay import health, payments
from engine.pay.payments import PaymentOrder
from tests.support.routes import BUSY, IDS, NO, TAKEN, answers, left_out, put_routes
from tests.support.selling import ABSENT, SILENT, UNREACHABLE, Outcome, order, payment, place, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


def attempts(order_no: str) -> dict[str, str]:
    return {p["channel_id"]: p["state"] for p in payments.of_order(order_no)}


FALLS = {"not sent": UNREACHABLE, "busy": BUSY, "refused": NO, "ended": Outcome("closed", sent=True, status=200)}
STAYS = {"no answer": (SILENT, "unknown"), "not understood": (Outcome("unknown", sent=True, status=500), "unknown"),
         "says it never heard of it": (ABSENT, "unknown"), "taken": (TAKEN, "pending"),
         "accepted": (Outcome("accepted", sent=True, status=200), "pending")}


@pytest.mark.parametrize("answer", FALLS.values(), ids=FALLS)
def test_what_has_certainly_not_moved_money_falls_over(shop, answer):
    put_routes("[east, west]")
    answers(shop, east=answer)
    placed = place(shop)
    taken = sale.pay(placed["no"], "qr")
    assert (taken["channel_id"], taken["state"], taken["client"]) == ("west", "pending", {"qr": "qr-text"})
    assert attempts(placed["no"]) == {"east": "failed", "west": "pending"}
    assert left_out(placed["no"]) == [{"east": "tried"}]
    shop.notice(taken)
    assert order(placed["no"])["state"] == "completed"


@pytest.mark.parametrize("answer, state", STAYS.values(), ids=STAYS)
def test_anything_else_stays(shop, answer, state):
    put_routes("[east, west]")
    answers(shop, east=answer)
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["state"] == state
    assert attempts(placed["no"]) == {"east": state} and not shop.outside.asked("west", "pay")


UNMADE, UNREAD = wire.WireError("the secret 'key' is not there: set the environment variable EAST_KEY"), wire.WireError("no key")
UNREAD.sent = True


def test_a_channel_whose_secret_is_missing_stops_no_sale(shop, caplog):
    put_routes("[east, west]")
    answers(shop, east=UNMADE, west=UNMADE)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE) as said:
        sale.pay(placed["no"], "qr")
    assert "EAST_KEY" not in said.value.message and "EAST_KEY" in caplog.text
    answers(shop, east=UNMADE)
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["channel_id"] == "west"
    assert attempts(placed["no"]) == {"east": "failed", "west": "pending"}


def test_an_answer_that_we_lack_the_key_to_read_is_waited_for(shop):
    put_routes("[east, west]")
    answers(shop, east=UNREAD)
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["state"] == "unknown" and attempts(placed["no"]) == {"east": "unknown"}
    shop.outside.answers["east", "query"] = UNREAD
    clock.advance(300)
    with refused(Code.PAYMENT_IN_PROGRESS):    # asking about it says no more, and so it is waited for
        sale.pay(placed["no"], "qr")


def test_a_channel_by_name_does_not_fall_over(shop):
    put_routes("[east, west]")
    answers(shop, east=BUSY)
    shop.outside.answers["counter", "pay"] = BUSY
    put_live(2)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "counter")
    assert attempts(placed["no"]) == {"counter": "failed"}


def test_with_the_order_as_well(shop):
    put_routes("[east, west]")
    answers(shop, east=UNREACHABLE)
    placed = place(shop, pay_by={"channel": "qr"})
    assert placed["payment"]["channel_id"] == "west" and placed["payment"]["client"] == {"qr": "qr-text"}


def test_the_order_stands_when_no_channel_takes_it(shop):
    put_routes("[east, west]")
    answers(shop, east=UNREACHABLE, west=BUSY)
    placed = place(shop, pay_by={"channel": "qr"})
    assert placed["state"] == "awaiting_payment" and "connection refused; come again" in placed["payment"]["reason"]
    answers(shop)
    assert sale.pay(placed["no"], "qr")["state"] == "pending"


def test_channels_and_time_are_bounded(shop, monkeypatch):
    put_routes("[east, west, north]")
    answers(shop, east=BUSY, west=BUSY, north=BUSY)
    monkeypatch.setattr(paying, "TRIES_MAX", 2)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "qr")
    assert set(attempts(placed["no"])) == {"east", "west"}
    monkeypatch.setattr(paying, "FALL_OVER_S", 0)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "qr")
    assert set(attempts(placed["no"])) == {"east"}


def test_a_notice_faster_than_a_refusal_ends_it(shop):
    put_routes("[east, west]")

    def answer(facts):
        shop.notice(payment(facts["payment.no"]))
        return NO
    answers(shop, east=answer)
    placed = place(shop)
    assert sale.pay(placed["no"], "qr")["state"] == "succeeded" and attempts(placed["no"]) == {"east": "succeeded"}


def test_an_order_that_was_closed_meanwhile_is_not_asked_for_again(shop):
    put_routes("[east, west]")

    def answer(facts):
        sale.close(facts["order.no"], "the seller has closed it")
        return NO
    answers(shop, east=answer)
    placed = place(shop)
    with refused(Code.CHANNEL_UNAVAILABLE):
        sale.pay(placed["no"], "qr")
    assert attempts(placed["no"]) == {"east": "failed"}


def test_a_failure_that_was_paid_all_the_same_is_sent_back_once(shop):
    """The first channel said no and took the money; the second one is what the buyer was shown."""
    put_routes("[east, west]")
    answers(shop, east=NO)
    placed = place(shop)
    taken = sale.pay(placed["no"], "qr")
    failed = next(p for p in payments.of_order(placed["no"]) if p["channel_id"] == "east")
    shop.notice(failed)
    assert order(placed["no"])["state"] == "completed"
    shop.notice(taken)
    shop.work()
    assert kept(placed["no"]) == [failed["no"]] and payment(taken["no"])["refunded_minor"] == 4000


def test_the_same_route_again_is_the_same_attempt(shop):
    put_routes("[{use: east, weight: 1}, {use: west, weight: 1}, {use: north, weight: 1}]")
    answers(shop)
    placed = place(shop)
    first = sale.pay(placed["no"], "qr")
    assert all(sale.pay(placed["no"], "qr") == first for _ in range(5))


def test_another_choice_closes_the_routes_attempt(shop):
    put_routes("[east, west]")
    answers(shop)
    placed = place(shop)
    sale.pay(placed["no"], "qr")
    sale.pay(placed["no"], "wallet")
    shop.work()
    assert attempts(placed["no"]) == {"east": "closed", "wallet": "pending"}


def test_an_unknown_attempt_of_the_route_is_waited_for_and_asked(shop):
    put_routes("[east, west]")
    answers(shop, east=SILENT)
    placed = place(shop)
    first = sale.pay(placed["no"], "qr")
    with refused(Code.PAYMENT_IN_PROGRESS, first["no"]):
        sale.pay(placed["no"], "qr")
    clock.advance(60)
    shop.outside.answers["east", "query"] = ABSENT
    shop.outside.answers["east", "pay"] = UNREACHABLE
    assert sale.pay(placed["no"], "qr")["channel_id"] == "west"
    assert payment(first["no"])["state"] == "failed"


def test_sixteen_at_once_fall_over_once(shop):
    put_routes("[east, west]")
    answers(shop, east=UNREACHABLE)
    placed = place(shop)
    results = at_once(lambda n: store.retrying(lambda: sale.pay(placed["no"], "qr")), range(16))
    assert all(isinstance(e, Refusal) and e.code is Code.PAYMENT_IN_PROGRESS for e in errors(results))
    live = [p for p in payments.of_order(placed["no"]) if p["state"] in payments.LIVE]
    assert [p["channel_id"] for p in live] == ["west"] and len(shop.outside.asked("west", "pay")) == 1


@pytest.mark.parametrize("again, left", [(TAKEN, {"pending"}), (SILENT, {"unknown"})], ids=["taken", "unknown"])
def test_who_asked_again_in_between_is_joined(shop, monkeypatch, again, left):
    """Between the first channel's no and the next one's turn the buyer asks once more: there is one attempt, not two."""
    put_routes("[east, west]")
    answers(shop, east=[BUSY, again])
    placed, asked = place(shop), []

    def point(name: str) -> None:
        if name == "pay.outcome_committed" and not asked:
            asked.append(name)
            sale.pay(placed["no"], "qr")
    monkeypatch.setattr(crash, "point", point)
    try:
        assert sale.pay(placed["no"], "qr")["channel_id"] == "east"
    except Refusal as refusal:
        assert refusal.code is Code.PAYMENT_IN_PROGRESS and left == {"unknown"}
    assert not shop.outside.asked("west", "pay")
    assert {p["state"] for p in payments.of_order(placed["no"])} == {"failed"} | left


# ── whatever happens, wherever it is killed ──────────────────────────────────────────────────────────────────────────

class Killed(BaseException):
    """The process is gone at this line."""


class World:
    """What the channels know. A payment is `open` there once it was taken, and stays so until somebody pays it."""

    def __init__(self, shop, said: dict[str, str]):
        self.shop, self.said, self.books = shop, said, {}
        for id in IDS:
            shop.outside.answers[id, "pay"] = lambda facts, id=id: self.pay(id, facts["payment.no"])
            shop.outside.answers[id, "query"] = lambda facts: self.query(facts["payment.no"])
            shop.outside.answers[id, "refund"] = shop.outside.answers["counter", "refund"]

    def pay(self, id: str, no: str) -> Outcome:
        others = [p for p in payments.of_order(payment(no)["order_no"]) if p["no"] != no]
        # No second channel is asked while the first may have the money, or shows the buyer how to pay. (An attempt whose
        # answer was lost with what it showed is told to close.)
        assert not [p for p in others if p["state"] in ("created", "unknown") or p["state"] == "pending" and p["client"]], others
        word = self.said[id]
        if word in ("taken", "done, not said", "paid at once"):
            self.books[no] = "open"
        if word == "paid at once":
            self.books[no] = "paid"
            return Outcome("succeeded", {"state": "succeeded", "channel_no": f"W-{no}"}, sent=True, status=200)
        return {"taken": TAKEN, "done, not said": SILENT, "not done, not said": SILENT, "busy": BUSY, "no": NO,
                "unreachable": UNREACHABLE}[word]

    def query(self, no: str) -> Outcome:
        known = self.books.get(no)
        if known is None:
            return ABSENT
        return Outcome("succeeded", {"state": "succeeded", "channel_no": f"W-{no}"}, sent=True, status=200) \
            if known == "paid" else Outcome("pending", {"state": "pending"}, sent=True, status=200)


WORDS = ("taken", "done, not said", "not done, not said", "paid at once", "busy", "no", "unreachable")


@settings(max_examples=60)
@given(st.tuples(*[st.sampled_from(WORDS)] * 3), st.booleans(), st.integers(0, 14), st.lists(st.integers(0, 14), max_size=2),
       st.integers(0, 999))
def test_never_two_kept_payments(shop, said, weighted, killed_at, killed_again, seed):
    """Any word of any channel, and a process that is killed at any point of it; the buyer asks again, workers ask, and
    whatever is open at a channel may be paid in any order: one payment is kept, the others go back."""
    draw = random.Random(seed)
    health.forget()
    put_routes("[" + ", ".join(f"{{use: {id}, weight: {n + 1}}}" if weighted else id for n, id in enumerate(IDS)) + "]",
               east="limits: {day: {count: 1000}}")
    world = World(shop, dict(zip(IDS, said)))
    placed = place(shop)
    for killed in (killed_at, *killed_again):
        _until_killed(lambda: sale.pay(placed["no"], "qr"), killed)
        clock.advance(draw.choice((0, 15)))
    clock.advance(20)                                              # calls are over: what is in doubt can be asked for
    for _ in range(3):
        _until_killed(lambda: sale.pay(placed["no"], "qr"), 1000)
        for no in payments.due_to_ask():
            sale.settling.ask_payment(no)
        shop.work()
    for no in draw.sample(sorted(world.books), len(world.books)):
        if draw.random() < 0.8:
            world.books[no] = "paid"
            shop.notice(payment(no))
    shop.work()
    paid = [no for no, state in world.books.items() if state == "paid"]
    assert len(kept(placed["no"])) == (1 if paid else 0)
    assert order(placed["no"])["state"] == ("completed" if paid else "awaiting_payment")
    for p in payments.of_order(placed["no"]):
        assert p["state"] == "succeeded" or p["no"] not in paid
        assert p["refunded_minor"] == (p["amount_minor"] if p["no"] in paid and p["no"] not in kept(placed["no"]) else 0)


def _until_killed(work, killed_at: int) -> None:
    """Do it in a process that dies at the crash point of this number; a refusal is an answer like another."""
    passed = iter(range(killed_at))

    def point(name: str) -> None:
        if next(passed, None) is None:
            raise Killed(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crash, "point", point)
        try:
            work()
        except (Killed, Refusal):
            return


def kept(order_no: str) -> list[str]:
    return [p["no"] for p in store.many(PaymentOrder, order_no=order_no, state="succeeded") if not p["surplus_minor"]]
