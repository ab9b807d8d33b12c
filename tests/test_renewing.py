"""Renewals: period by period, once each, whatever fails; and what the buyer keeps meanwhile."""
from __future__ import annotations

import pytest

from engine import renewing, signing
from engine.base import clock
from engine.base.errors import Code
from engine.ledger import postings
from engine.pay import contracts, payments
from engine.wire import Outcome
from tests.support.contract_files import CONTRACT_FILES
from tests.support.contracting import club, day, deducted, order_of, refused, small_club
from tests.support.selling import ABSENT, PAID, SILENT, UNREACHABLE, put_live
from tests.support.selling import refused as refuses

__all__ = ["club", "small_club"]


def test_a_year_of_months(club):
    """Bought at noon on 20 November for 30.00; renewed for 25.00, from the fourth period on for 28.00."""
    contract = club.signed()
    assert (contract["state"], contract["paid_n"], day(contract["paid_until_ms"])) == ("active", 1, "2026-12-20")
    club.until("2027-11-01T12:00:00+08:00")
    periods = club.periods(contract)
    assert [p["state"] for p in periods] == ["paid"] * 12
    assert [p["amount_minor"] for p in periods] == [3000, 2500, 2500] + [2800] * 9
    assert all(one["ends_at_ms"] == other["starts_at_ms"] for one, other in zip(periods, periods[1:]))
    assert {order_of(p)["state"] for p in periods} == {"completed"}
    assert club.rights(contract) == [(day(p["starts_at_ms"]), day(p["ends_at_ms"])) for p in periods]
    assert club.rights(contract, "entries") == club.rights(contract)
    assert club.told(contract) == ["soon", "renewed"] * 11
    assert postings.balance("deferred_revenue:club", "CNY") == -(3000 + 2 * 2500 + 9 * 2800)
    assert [f["payment.amount_minor"] for f in club.outside.asked("standing", "withhold")] == [2500, 2500] + [2800] * 9
    assert len(club.outside.asked("standing", "announce")) == 11


def test_the_buyer_is_told_a_day_before_and_the_channel_too(club):
    contract = club.signed()
    club.until("2026-12-19T11:59:00+08:00")
    assert len(club.periods(contract)) == 1 and not club.outside.asked("standing", "announce")
    club.until("2026-12-19T12:01:00+08:00")
    period = club.periods(contract)[1]
    assert (period["state"], order_of(period)["state"], club.told(contract)) == ("open", "awaiting_payment", ["soon"])
    facts, = club.outside.asked("standing", "announce")
    assert (facts["payment.amount_minor"], day(facts["payment.deduct_at_ms"]), facts["contract.channel_no"]) == \
        (2500, "2026-12-20", f"A{contract['no']}")
    club.until("2026-12-20T11:59:59+08:00")
    assert not club.outside.asked("standing", "withhold")


def test_an_announcement_that_is_not_taken_is_repeated_and_stops_no_deduction(club):
    contract = club.signed()
    club.outside.answers["standing", "announce"] = UNREACHABLE
    club.until("2026-12-21T12:00:00+08:00")
    assert club.now(contract)["paid_n"] == 2 and len(club.outside.asked("standing", "announce")) > 10


def test_a_channel_that_tells_the_buyer_itself_is_asked_so_much_earlier(club):
    """It deducts two days after it was asked, so it is asked two days before; and the buyer is told by then, since that is longer
    than what the product says."""
    standing = CONTRACT_FILES["channels/standing.yaml"]
    put_live(3, {**CONTRACT_FILES, "channels/standing.yaml": f"{standing}deductions: {{told_before: 2d}}\n"})
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = Outcome("pending", sent=True, status=200)
    club.until("2026-12-18T11:59:59+08:00")
    assert len(club.periods(contract)) == 1
    club.until("2026-12-18T12:01:00+08:00")
    assert club.told(contract) == ["soon"] and len(club.outside.asked("standing", "withhold")) == 1
    facts, = club.outside.asked("standing", "withhold")
    assert day(facts["payment.deduct_at_ms"]) == "2026-12-20" and club.in_force(contract)
    club.until("2026-12-20T12:00:00+08:00")
    club.shop.notice(payments.find(club.periods(contract)[1]["payment_no"]))
    assert club.rights(contract) == [("2026-11-20", "2026-12-20"), ("2026-12-20", "2027-01-20")]
    assert (club.now(contract)["state"], club.told(contract)) == ("active", ["soon", "renewed"])


# ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_refused_deduction_is_tried_by_schedule_and_the_rights_go_on(club):
    """Refused at noon, again four hours later; the third, twenty hours after that, succeeds: the period has lost no day."""
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = [refused, refused, deducted]
    club.until("2026-12-20T12:00:00+08:00")
    assert club.now(contract)["state"] == "overdue" and club.in_force(contract)
    club.until("2026-12-21T11:59:00+08:00")
    assert [day(end) for _, end in [(0, contracts.period(contract["no"], 2)["try_at_ms"])]] == ["2026-12-21"]
    assert len(club.outside.asked("standing", "withhold")) == 2 and club.in_force(contract)
    club.until("2026-12-21T12:01:00+08:00")
    period = club.periods(contract)[1]
    assert (club.now(contract)["state"], period["tries"], day(period["starts_at_ms"]), day(period["ends_at_ms"])) == \
        ("active", 2, "2026-12-20", "2027-01-20")
    assert club.rights(contract) == [("2026-11-20", "2026-12-20"), ("2026-12-20", "2027-01-20")]
    assert club.told(contract) == ["soon", "refused", "refused", "renewed"]
    assert [p["state"] for p in payments.of_order(period["order_no"])] == ["failed", "failed", "succeeded"]


def test_after_the_grace_the_rights_pause_and_a_later_deduction_resumes_them_from_then(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = refused
    club.until("2026-12-23T11:59:00+08:00")
    assert club.now(contract)["state"] == "overdue" and club.in_force(contract)
    club.until("2026-12-23T12:00:00+08:00")
    assert club.now(contract)["state"] == "suspended" and not club.in_force(contract) and club.told(contract)[-1] == "paused"
    club.days(4)
    club.outside.answers["standing", "withhold"] = deducted
    assert renewing.retry_now(contract["no"])["state"] == "active"
    assert club.rights(contract) == [("2026-11-20", "2026-12-20"), ("2026-12-27", "2027-01-27")] and club.in_force(contract)
    club.until("2027-02-01T12:00:00+08:00")
    assert club.rights(contract)[2:] == [("2027-01-27", "2027-02-27")]


def test_a_contract_that_stays_unpaid_ends(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = refused
    club.until("2027-01-05T12:00:00+08:00")
    ended = club.now(contract)
    assert (ended["state"], day(ended["ended_at_ms"]), ended["next_at_ms"], bool(ended["unsigned"])) == ("ended", "2027-01-02", None, True)
    assert len(club.outside.asked("standing", "withhold")) == 3 and len(club.outside.asked("standing", "unsign")) == 1
    assert club.told(contract) == ["soon", "refused", "refused", "refused", "paused", "over"]
    assert [p["state"] for p in club.periods(contract)] == ["paid", "dropped"]
    assert order_of(club.periods(contract)[1])["state"] == "closed"


def test_what_never_reached_the_channel_is_no_failure_of_the_buyers(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = [UNREACHABLE, UNREACHABLE, deducted]
    club.until("2026-12-20T12:11:00+08:00")
    period = club.periods(contract)[1]
    assert (period["state"], period["tries"], club.now(contract)["state"]) == ("paid", 0, "active")
    assert "refused" not in club.told(contract)


@pytest.mark.parametrize("later, tries", [(PAID, 0), (Outcome("failed", {"state": "failed", "channel_no": "W1"}, reason="empty", sent=True), 1),
                                          (ABSENT, 0)], ids=["paid", "failed", "never heard of"])
def test_an_unknown_outcome_is_asked_for_and_nothing_is_deducted_meanwhile(club, later, tries):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = SILENT
    club.outside.answers["standing", "query"] = SILENT
    club.until("2026-12-20T14:00:00+08:00")
    assert len(club.outside.asked("standing", "withhold")) == 1 and club.periods(contract)[1]["state"] == "deducting"
    assert club.in_force(contract)             # the rights go on while nobody knows
    club.outside.answers["standing", "query"] = later
    club.outside.answers["standing", "withhold"] = deducted
    club.until("2026-12-21T14:00:00+08:00")
    period = club.periods(contract)[1]
    assert (period["state"], period["tries"]) == ("paid", tries)
    assert len(club.outside.asked("standing", "withhold")) == (1 if later is PAID else 2)


def test_a_deduction_is_asked_about_by_its_own_question(club):
    """The usual question knows payments only: that it has not heard of a deduction says nothing, and none is made again."""
    contract = club.ordered(channel="signet")
    club.outside.answers |= {("signet", "withhold"): SILENT, ("signet", "withhold_query"): PAID, ("signet", "query"): ABSENT}
    club.say(contract)
    club.shop.work()
    club.until(clock.now_ms() + 3_600_000)
    assert [(p["state"], p["tries"]) for p in club.periods(contract)][:1] == [("paid", 0)]
    assert len(club.outside.asked("signet", "withhold")) == 1 and not club.outside.asked("signet", "query")


def test_a_deduction_that_is_told_of_later(club):
    """The channel takes the order to deduct and sends a notice when it has the money."""
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = Outcome("pending", sent=True, status=200)
    club.until("2026-12-20T12:30:00+08:00")
    attempt = payments.find(club.periods(contract)[1]["payment_no"])
    assert attempt["state"] == "pending" and club.shop.notice(attempt) == "applied" and club.shop.notice(attempt) == "repeated"
    assert club.now(contract)["paid_n"] == 2
    club.until("2026-12-21T12:30:00+08:00")
    assert len(club.outside.asked("standing", "withhold")) == 1


def test_a_late_success_of_a_deduction_that_failed_pays_its_period(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = [refused, deducted]
    club.until("2026-12-20T13:00:00+08:00")
    first = payments.find(club.periods(contract)[1]["payment_no"])
    assert club.shop.notice(first) == "applied" and club.now(contract)["paid_n"] == 2
    club.until("2026-12-21T13:00:00+08:00")
    assert len(club.outside.asked("standing", "withhold")) == 1


def test_a_late_success_after_the_next_try_paid_goes_back(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = [refused, deducted]
    club.until("2026-12-21T13:00:00+08:00")
    failed, paid = payments.of_order(club.periods(contract)[1]["order_no"])
    assert club.shop.notice(failed) == "applied"
    club.shop.work()
    assert (payments.find(failed["no"])["refunded_minor"], payments.find(paid["no"])["refunded_minor"]) == (2500, 0)


def test_a_delivery_that_fails_keeps_the_money_and_is_done_by_a_worker(club, monkeypatch):
    """The deduction is settled alone; the buyer was told once of what was announced, and the next period waits for nothing."""
    from engine.deliver import entitlements
    real, failed = entitlements.grant, []

    def grant(order_no, *more, **named):
        if len(failed) < 2:                    # in the deduction's transaction, and once again in the worker's
            failed.append(order_no)
            raise RuntimeError("the entitlements stumble")
        return real(order_no, *more, **named)
    contract = club.signed()
    monkeypatch.setattr(entitlements, "grant", grant)
    club.until("2026-12-20T12:00:10+08:00")
    period = club.periods(contract)[1]
    assert (period["state"], order_of(period)["state"], club.now(contract)["paid_n"]) == ("paid", "paid", 2)
    club.until("2026-12-20T13:00:00+08:00")
    assert order_of(period)["state"] == "completed" and len(failed) == 2
    assert club.rights(contract)[1:] == [("2026-12-20", "2027-01-20")] and club.told(contract) == ["soon", "renewed"]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_terminated_by_the_buyer_what_is_paid_stays(club):
    contract = club.signed()
    assert signing.terminate(contract["no"], "no longer wanted")["state"] == "ended"
    assert signing.terminate(contract["no"], "again")["reason"] == "no longer wanted"
    club.until("2027-03-01T12:00:00+08:00")
    assert not club.outside.asked("standing", "withhold") and len(club.outside.asked("standing", "unsign")) == 1
    assert club.rights(contract) == [("2026-11-20", "2026-12-20")] and club.told(contract) == ["over"]


def test_a_success_that_comes_for_a_terminated_contract_goes_back(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = Outcome("pending", sent=True, status=200)
    club.until("2026-12-20T12:01:00+08:00")
    attempt = payments.find(club.periods(contract)[1]["payment_no"])
    signing.terminate(contract["no"], "no longer wanted")
    assert club.shop.notice(attempt) == "applied"
    club.shop.work()
    assert payments.find(attempt["no"])["refunded_minor"] == 2500
    assert [p["state"] for p in club.periods(contract)] == ["paid", "dropped"]
    assert club.rights(contract) == [("2026-11-20", "2026-12-20")]


def test_terminated_in_its_grace_the_rights_end_where_they_ended(club):
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = refused
    club.until("2026-12-21T12:00:00+08:00")
    assert club.in_force(contract)
    signing.terminate(contract["no"], "no longer wanted")
    assert not club.in_force(contract) and club.rights(contract) == [("2026-11-20", "2026-12-20")]


def test_ended_at_the_channel(club):
    contract = club.signed()
    assert club.say(contract, "ended", reason="the buyer did it there") == "applied"
    assert club.say(contract, "ended") == "repeated" and club.say(contract, "ended", key="other") == "nothing_new"
    club.until("2027-01-20T12:00:00+08:00")
    ended = club.now(contract)
    assert (ended["state"], ended["reason"]) == ("ended", "the buyer did it there") and not club.outside.asked("standing", "unsign")


@pytest.mark.parametrize("said, ends", [("ended", True), ("signed", False), ("unknown", False), ("failed", False)])
def test_a_refusal_may_mean_that_it_was_ended_there(club, said, ends):
    """The buyer ended it in the wallet, and we were not told: nobody is told that there is no money, and it is not tried again."""
    contract = club.signed()
    club.outside.answers["standing", "withhold"] = refused
    club.outside.answers["standing", "contract_query"] = lambda facts: Outcome(said, {"contract_no": facts["contract.no"]}, sent=True)
    club.until("2026-12-22T12:00:00+08:00")
    assert club.now(contract)["state"] == ("ended" if ends else "overdue")
    assert len(club.outside.asked("standing", "withhold")) == (1 if ends else 3)
    assert club.told(contract)[1:] == (["over"] if ends else ["refused"] * 3)
    assert not ends or ([p["state"] for p in club.periods(contract)] == ["paid", "dropped"] and not club.outside.asked("standing", "unsign"))


def test_the_channel_is_told_until_it_knows(club):
    contract = club.signed()
    club.outside.answers["standing", "unsign"] = [SILENT, UNREACHABLE, Outcome("succeeded", sent=True)]
    signing.terminate(contract["no"], "no longer wanted")
    club.days(1)
    assert len(club.outside.asked("standing", "unsign")) == 3 and club.now(contract)["unsigned"]


# ── prices ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_contract_is_pinned_to_the_terms_that_were_signed(club):
    from tests.support.contract_files import CONTRACT_FILES
    from tests.support.selling import put_live
    contract = club.signed()
    dearer = CONTRACT_FILES["products/pass.yaml"].replace("renewal_price: 25.00", "renewal_price: 99.00")
    put_live(3, {**CONTRACT_FILES, "products/pass.yaml": dearer})
    club.until("2026-12-21T12:00:00+08:00")
    assert club.periods(contract)[1]["amount_minor"] == 2500 and order_of(club.periods(contract)[1])["release_no"] == 2


def test_only_what_failed_is_tried_again(club):
    contract = club.ordered()
    with refuses(Code.CONTRACT_STATE, "no deduction"):
        renewing.retry_now(contract["no"])


def test_several_pieces_are_renewed_together(club):
    contract = club.signed(quantity=3)
    club.until("2026-12-21T12:00:00+08:00")
    assert [p["amount_minor"] for p in club.periods(contract)] == [9000, 7500]


def test_a_scan_leaves_alone_what_is_not_due(small_club):
    club = small_club
    club.signed(), club.signed()
    clock.advance(60)
    assert renewing.scan() == 0
    club.until("2026-12-19T11:59:00+08:00")
    clock.set_to(clock.parse_rfc3339("2026-12-19T12:00:00+08:00"))
    assert renewing.scan(limit=1) == 2 and renewing.scan() == 0
    clock.advance(contracts.LEASE_S)           # the jobs were lost: they are found again
    assert renewing.scan() == 2
