"""Payment orders: whole from the start, and found when they should be asked for."""
from __future__ import annotations

import pytest

from engine import store
from engine.base import clock, settings
from engine.base.errors import Code
from engine.pay import payments
from tests.support.selling import refused

T0 = 1_800_000_000_000


def create(state="pending", kind="channel", ref="wallet", **more):
    with store.transaction():
        return payments.create("O1", 990, "CNY", kind=kind, ref=ref, state=state, cause="test", expires_at_ms=T0 + 1000,
                               **more)


@pytest.mark.parametrize("kind, ref, channel",
                         [("channel", "wallet", "wallet"), ("pool", "bank", ""), ("external", "T1", "")])
def test_a_payment_is_written_whole(database, kind, ref, channel):
    clock.set_to(T0)
    row = create("succeeded", kind, ref)
    assert payments.find(row["no"]) == row
    assert (row["channel_id"], row["succeeded_at_ms"], row["ask_at_ms"], row["surplus_minor"]) == (channel, T0, None, 0)
    [tender], [allocation] = store.many(payments.PaymentTender), store.many(payments.PaymentAllocation)
    assert (tender["kind"], tender["ref"], tender["amount_minor"]) == (kind, ref, 990)
    assert (allocation["order_no"], allocation["amount_minor"]) == ("O1", 990)


def test_what_is_open_is_asked_for_in_time(database):
    clock.set_to(T0)
    live = [create(state)["no"] for state in ("created", "pending")]
    create("succeeded")
    assert payments.due_to_ask() == [] and {row["no"] for row in payments.live("O1")} == set(live)
    clock.advance(settings.get_int("ASK_AFTER_S"))
    assert sorted(payments.due_to_ask()) == sorted(live) and len(payments.due_to_ask(limit=1)) == 1


def test_asking_is_put_off_up_to_an_hour(database):
    clock.set_to(T0)
    no, waits = create()["no"], []
    for _ in range(12):
        with store.transaction():
            payments.asked(payments.find(no, lock=True))
        waits.append((payments.find(no)["ask_at_ms"] - T0) // 1000)
    assert waits == [30, 60, 120, 240, 480, 960, 1920] + [3600] * 5 and payments.find(no)["asked"] == 12


def test_a_payment_nobody_knows(database):
    with refused(Code.PAYMENT_UNKNOWN, "P9"):
        payments.find("P9")
    assert payments.of_order("O9") == payments.live("O9") == []
