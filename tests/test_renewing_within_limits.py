"""Deductions count in their channel's limits, and one that would pass a limit waits: nobody's contract suffers by it. And what
a channel's calls come to is noted, whoever makes them; no call is forbidden by it."""
from __future__ import annotations

import pytest

from engine import renewing, sale, store
from engine.base import clock
from engine.base.errors import Code
from engine.pay import health, limits
from engine.pay.limits import ChannelUse
from tests.support.contract_files import CONTRACT_FILES
from tests.support.contracting import club, deducted, refused
from tests.support.selling import SILENT, UNREACHABLE, Outcome, place, put_live, shop
from tests.support.selling import refused as refuses
from tests.support.together import at_once, errors

__all__ = ["club", "shop"]

STANDING = CONTRACT_FILES["channels/standing.yaml"]
DUE = "2026-12-20T12:00:00+08:00"


def limited(text, no=3):
    put_live(no, {**CONTRACT_FILES, "channels/standing.yaml": f"{STANDING}limits: {text}\n"})


def used():
    """(payments, minor units) of today, which are those of the payments that count."""
    today = clock.business_date(clock.now_ms(), "Asia/Shanghai")
    rows = store.many(ChannelUse, account="standing", day=today)
    counted = limits.used_today().get("standing", (0, 0))
    assert counted == (len(rows), sum(row["amount_minor"] for row in rows))
    return counted


def asked(club):
    return len(club.outside.asked("standing", "withhold"))


def test_a_deduction_counts_as_any_payment(club):
    contract = club.signed()
    limited("{day: {count: 5}}")
    club.until(DUE)
    assert club.periods(contract)[1]["state"] == "paid" and used() == (1, 25_00)


def test_one_that_failed_counts_no_longer(club):
    contract = club.signed()
    limited("{day: {count: 1}}")
    club.outside.answers["standing", "withhold"] = [refused, SILENT]
    club.until(DUE)
    assert (club.periods(contract)[1]["state"], used()) == ("failed", (0, 0))
    club.until("2026-12-20T16:00:00+08:00")
    assert (club.periods(contract)[1]["state"], used()) == ("deducting", (1, 25_00))      # nobody knows: it counts


@pytest.mark.parametrize("limit, why", [("{day: {count: 2}}", "as much as it may today"), ("{day: {amount: 60.00}}", "as much as it may"),
                                        ("{payment: {max: 20.00}}", "no more than 20.00 CNY at once")])
def test_one_beyond_the_limit_waits_and_is_seen(club, limit, why):
    several = [club.signed() for _ in range(3)]
    limited(limit)
    club.until("2026-12-20T20:00:00+08:00")
    waiting = [c for c in several if club.periods(c)[1]["state"] == "open"]
    assert len(waiting) == (3 if "payment" in limit else 1) and asked(club) == 3 - len(waiting)
    for contract in waiting:
        period = club.periods(contract)[1]
        assert (period["tries"], club.now(contract)["state"]) == (0, "active") and why in period["error"]
        assert club.in_force(contract) and club.told(contract) == ["soon"]                # the rights go on, nobody is blamed
    limited("{day: {count: 3}}", 4)
    club.days(1)
    assert {club.periods(c)[1]["state"] for c in several} == {"paid"} and asked(club) == 3
    assert {club.periods(c)[1]["error"] for c in several} == {None}
    assert {tuple(club.rights(c)) for c in several} == {(("2026-11-20", "2026-12-20"), ("2026-12-20", "2027-01-20"))}


def test_the_day_after_there_is_room_again(club):
    several = [club.signed() for _ in range(3)]
    limited("{day: {count: 2}}")
    club.until("2026-12-21T00:15:00+08:00")
    assert {club.periods(c)[1]["state"] for c in several} == {"paid"} and used() == (1, 25_00)


def test_many_deductions_at_once_stay_within_the_limit(club):
    several = [club.signed() for _ in range(8)]
    limited("{day: {amount: 100.00}}")
    club.until("2026-12-20T11:59:00+08:00")                        # their next periods are open, and announced
    clock.set_to(clock.parse_rfc3339(DUE))
    results = at_once(lambda contract: renewing.deduct(contract["no"]), several)
    club.until("2026-12-20T13:00:00+08:00")
    assert not errors(results) and used() == (4, 100_00) and asked(club) == 4
    assert sorted(club.periods(c)[1]["state"] for c in several) == ["open"] * 4 + ["paid"] * 4


def test_a_wait_too_long_ends_as_any_unpaid_contract_does(club):
    contract = club.signed()
    limited("{payment: {max: 20.00}}")
    club.until("2027-01-05T12:00:00+08:00")
    assert club.now(contract)["state"] == "ended" and asked(club) == 0


def test_buyers_and_deductions_share_a_limit(club):
    contract = club.signed()
    limited("{day: {count: 1}}")
    club.until("2026-12-20T11:50:00+08:00")
    club.outside.answers["standing", "pay"] = Outcome("pending", {}, {"qr": "x"}, sent=True, status=200)
    order = sale.place("club", items=[{"sku": "card/month", "quantity": 1}], buyer_id=club.shop.buyer())
    sale.pay(order["no"], "standing")
    club.until("2026-12-20T12:05:00+08:00")
    assert club.periods(contract)[1]["state"] == "open" and asked(club) == 0
    sale.close(order["no"], "not wanted"), club.outside.answers.update({("standing", "close"): Outcome("closed", sent=True)})
    club.until("2026-12-20T13:00:00+08:00")
    assert club.periods(contract)[1]["state"] == "paid"
    with refuses(Code.CHANNEL_LIMIT_REACHED):
        sale.pay(place(club.shop, "card/month", scene="club")["no"], "standing")


# ── what the calls of a channel come to ──────────────────────────────────────────────────────────────────────────────

def looks():
    return {(look.channel_id, look.operation): (look.state, look.calls, look.failed) for look in health.current()}


def test_deductions_feed_a_breaker_and_are_made_all_the_same(club):
    several = [club.signed() for _ in range(6)]
    club.outside.answers["standing", "withhold"] = UNREACHABLE
    club.until(DUE)
    assert looks()["standing", "withhold"] == (health.OPEN, 5, 5) and asked(club) == 6       # the sixth was asked too
    club.outside.answers["standing", "withhold"] = deducted
    club.until("2026-12-20T12:06:00+08:00")
    assert {club.periods(c)[1]["state"] for c in several} == {"paid"} and looks()["standing", "withhold"][0] == health.CLOSED


def test_a_refusal_for_want_of_money_is_a_good_call(club):
    for _ in range(6):
        club.signed()
    club.outside.answers["standing", "withhold"] = refused
    club.until(DUE)
    assert looks()["standing", "withhold"] == (health.CLOSED, 6, 0)


def test_messages_feed_a_breaker_and_are_sent_all_the_same(shop):
    shop.outside.answers["note", "send"] = UNREACHABLE
    for n in range(6):
        shop.notice(sale.pay(place(shop, contact={"phone": f"1380000000{n}"})["no"], "wallet"))
    shop.work()
    assert looks()["note", "send"][0] == health.OPEN and len(shop.outside.asked("note", "send")) == 6
    shop.outside.answers["note", "send"] = Outcome("accepted", sent=True, status=200)
    clock.advance(60)
    shop.work()
    assert looks()["note", "send"][0] == health.CLOSED


def test_orders_from_a_supplier_feed_a_breaker(shop):
    shop.outside.answers["supply", "charge"] = Outcome("busy", reason="later", sent=True, status=503)
    for n in range(6):
        order = place(shop, scene="last-call", buyer="", contact={"phone": f"1380000000{n}"})
        shop.notice(sale.pay(order["no"], "wallet"))
        shop.work()
    assert looks()["supply", "charge"] == (health.OPEN, 5, 5) and len(shop.outside.asked("supply", "charge")) == 6
