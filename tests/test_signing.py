"""Signing: with the payment or before it, whatever comes first, is lost, or comes from the other side."""
from __future__ import annotations

import pytest

from engine import sale, signing
from engine.base import clock
from engine.base.errors import Code
from engine.pay import contracts, payments
from engine.trade import orders
from engine.wire import Outcome
from tests.support.contracting import SKU, club, day, order_of
from tests.support.contracting import refused as declined
from tests.support.selling import ABSENT, SILENT
from tests.support.selling import refused as refuses

__all__ = ["club"]
IN_FORCE = Outcome("signed", {"contract_no": "", "channel_contract_no": "A-asked"}, sent=True, status=200)


def answers(state: str, **fields):
    return lambda facts: Outcome(state, {"contract_no": facts["contract.no"], **fields}, sent=True, status=200)


# ── with the payment ─────────────────────────────────────────────────────────────────────────────────────────────────

def test_one_page_for_payment_and_signature(club):
    contract = club.ordered()
    attempt = payments.find(contract["payment_no"])
    assert (contract["state"], contract["operation"], attempt["state"]) == ("signing", "pay_and_sign", "pending")
    assert attempt["client"] == {"text": f"{attempt['no']} 3000 {contract['no']} 连续包月"}
    assert club.pay(contract) == "applied" and order_of(club.periods(contract)[0])["state"] == "completed"
    assert (club.now(contract)["state"], club.now(contract)["paid_n"]) == ("signing", 1)
    assert club.say(contract) == "applied"
    signed = club.now(contract)
    assert (signed["state"], signed["channel_no"], day(signed["next_at_ms"])) == ("active", f"A{contract['no']}", "2026-12-19")


def test_signed_before_it_is_paid(club):
    contract = club.ordered()
    assert club.say(contract) == "applied" and club.now(contract)["state"] == "signed"
    club.shop.work()
    assert not club.outside.asked("standing", "withhold")      # the buyer pays on the channel's page
    assert club.pay(contract) == "applied" and club.now(contract)["state"] == "active"


def test_a_word_that_is_repeated_is_applied_once(club):
    contract = club.ordered()
    assert [club.say(contract), club.say(contract), club.say(contract, key="again")] == ["applied", "repeated", "nothing_new"]


def test_a_lost_word_is_asked_for(club):
    contract = club.ordered()
    club.pay(contract)
    club.outside.answers["standing", "contract_query"] = [answers("pending"), SILENT, answers("signed", channel_contract_no="A-1")]
    club.days(1)
    assert (club.now(contract)["state"], club.now(contract)["channel_no"]) == ("active", "A-1")
    assert len(club.outside.asked("standing", "contract_query")) == 3
    club.until("2026-12-21T12:00:00+08:00")
    assert club.now(contract)["paid_n"] == 2


@pytest.mark.parametrize("said", [ABSENT, SILENT, answers("pending")], ids=["never heard of", "no answer", "pending"])
def test_paid_and_signed_while_it_is_asked_for(club, said):
    """The answer was true when it was given; meanwhile the notices came."""
    contract = club.ordered()

    def meanwhile(facts):
        club.pay(contract), club.say(contract)
        return said(facts) if callable(said) else said
    club.outside.answers["standing", "contract_query"] = meanwhile
    signing.ask(contract["no"])
    assert (club.now(contract)["state"], club.now(contract)["paid_n"]) == ("active", 1)
    assert not club.outside.asked("standing", "unsign")


def test_paid_while_its_end_is_decided(club):
    """A contract that is looked at while its order waits, and paid before it is ended: the look was at the past."""
    contract = club.ordered()
    club.say(contract)
    seen = club.now(contract)
    club.pay(contract)
    assert signing.terminate(contract["no"], "its order was not paid", seen=seen)["state"] == "active"
    assert signing.terminate(contract["no"], "no longer wanted")["state"] == "ended"


@pytest.mark.parametrize("said", [ABSENT, answers("failed")], ids=["never heard of", "refused"])
def test_paid_and_not_signed_is_one_period(club, said):
    contract = club.ordered()
    club.pay(contract)
    club.outside.answers["standing", "contract_query"] = said
    club.days(3)
    assert club.now(contract)["state"] == "failed" and order_of(club.periods(contract)[0])["state"] == "completed"
    club.days(60)
    assert not club.outside.asked("standing", "withhold")


def test_signed_and_never_paid_is_ended_at_the_channel(club):
    contract = club.ordered()
    club.say(contract)
    sale.close(contract["order_no"], "nobody paid")
    club.days(1)
    assert club.now(contract)["state"] == "ended" and len(club.outside.asked("standing", "unsign")) == 1
    assert [p["state"] for p in club.periods(contract)] == ["dropped"]


def test_neither_paid_nor_signed(club):
    contract = club.ordered()
    club.days(2)
    assert orders.find(contract["order_no"])["state"] == "closed" and club.now(contract)["state"] == "ended"


def test_signed_after_it_was_given_up_is_ended_at_the_channel(club):
    contract = club.ordered()
    club.outside.answers["standing", "contract_query"] = ABSENT
    club.days(2)
    assert club.now(contract)["state"] == "failed"
    assert club.say(contract) == "nothing_new"
    club.shop.work()
    facts, = club.outside.asked("standing", "unsign")
    assert facts["contract.channel_no"] == f"A{contract['no']}" and club.now(contract)["unsigned"]


def test_of_two_attempts_the_one_that_is_paid_has_the_contract(club):
    contract = club.ordered()
    other = contracts.of_order(contract["order_no"])
    sale.pay(contract["order_no"], "signet")
    both = {row["operation"]: contracts.find(row["contract_no"]) for row in (
        {**p, "operation": contracts.find(p["contract_no"])["operation"]} for p in contracts.periods_of_order(contract["order_no"]))}
    assert set(both) == {"pay_and_sign", "sign"} and other["no"] == contract["no"]
    club.pay(both["pay_and_sign"]), club.say(both["pay_and_sign"])
    club.say(both["sign"])
    club.days(2)
    assert club.now(both["pay_and_sign"])["state"] == "active" and club.now(both["sign"])["state"] == "ended"
    assert not club.outside.asked("signet", "withhold")
    assert contracts.of_order(contract["order_no"])["no"] == both["pay_and_sign"]["no"]


# ── before the payment ───────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("channel, sign", [("signet", ""), ("standing", "first")])
def test_signed_first_then_deducted(club, channel, sign):
    contract = club.ordered(channel=channel, sign=sign)
    first = payments.find(contract["payment_no"])
    assert (contract["operation"], first["state"], list(first["client"])) == ("sign", "pending", ["redirect"])
    assert club.say(contract) == "applied"
    club.shop.work()
    assert {p["state"] for p in payments.of_order(contract["order_no"])} == {"closed", "succeeded"}
    assert (club.now(contract)["state"], order_of(club.periods(contract)[0])["state"]) == ("active", "completed")
    assert [f["payment.amount_minor"] for f in club.outside.asked(channel, "withhold")] == [3000]
    club.until("2026-12-21T12:00:00+08:00")
    assert [p["amount_minor"] for p in club.periods(contract)] == [3000, 2500]


def test_a_first_deduction_that_fails_leaves_the_order_to_be_paid_or_closed(club):
    contract = club.ordered(channel="signet")
    club.outside.answers["signet", "withhold"] = declined
    club.say(contract)
    club.shop.work()
    assert orders.find(contract["order_no"])["state"] == "awaiting_payment" and club.periods(contract)[0]["state"] == "failed"
    club.days(1)
    assert orders.find(contract["order_no"])["state"] == "closed" and club.now(contract)["state"] == "ended"
    assert len(club.outside.asked("signet", "withhold")) == 1


def test_a_first_deduction_that_nobody_knows_of_is_asked_for(club):
    contract = club.ordered(channel="signet")
    club.outside.answers["signet", "withhold"], club.outside.answers["signet", "withhold_query"] = SILENT, SILENT
    club.say(contract)
    club.shop.work()
    assert club.periods(contract)[0]["state"] == "deducting"
    club.outside.answers["signet", "withhold_query"] = Outcome("succeeded", {"state": "succeeded", "channel_no": "W1"}, sent=True)
    club.days(0.01)
    assert club.now(contract)["state"] == "active" and len(club.outside.asked("signet", "withhold")) == 1


# ── who signs, and what ──────────────────────────────────────────────────────────────────────────────────────────────

def test_a_guest_signs_nothing(club):
    order = sale.place("club-door", items=[{"sku": SKU, "quantity": 1}], pay_by={"channel": "standing"})
    assert contracts.of_order(order["no"]) is None and order["payment"]["client"] == {"text": f"{order['payment']['no']} 3000"}
    club.shop.notice(payments.find(order["payment"]["no"]))
    assert orders.find(order["no"])["state"] == "completed"


def test_a_channel_that_takes_no_contracts_sells_one_period(club):
    order = sale.place("club", items=[{"sku": SKU, "quantity": 1}], buyer_id=club.shop.buyer(), pay_by={"channel": "wallet"})
    club.shop.notice(payments.find(order["payment"]["no"]))
    assert contracts.of_order(order["no"]) is None and orders.find(order["no"])["state"] == "completed"


def test_goods_that_do_not_renew_are_paid_as_ever(club):
    order = sale.place("club", items=[{"sku": "card/month", "quantity": 1}], buyer_id=club.shop.buyer(), pay_by={"channel": "standing"})
    assert contracts.of_order(order["no"]) is None and order["payment"]["client"] == {"text": f"{order['payment']['no']} 4000"}


@pytest.mark.parametrize("items, channel, sign, match", [
    ([SKU, "pass/weekly"], "standing", "", "one recurring product"),
    (["card/month"], "standing", "first", "no recurring product"),
    ([SKU], "wallet", "first", "takes no contracts"),
    ([SKU], "signet", "with_payment", "does not sign with payment")])
def test_what_can_not_be_signed_is_refused(club, items, channel, sign, match):
    with refuses(Code.CONTRACT_REFUSED, match):
        sale.place("club", items=[{"sku": sku, "quantity": 1} for sku in items], buyer_id=club.shop.buyer(),
                   pay_by={"channel": channel, "sign": sign})


@pytest.mark.parametrize("fields, notice, match", [
    ({"state": "signed", "channel_contract_no": "A-other"}, None, "not A-other"),
    ({"state": "signed"}, ("signet", "k", "signed"), "not of the channel signet")])
def test_a_word_about_something_else_is_refused(club, fields, notice, match):
    contract = club.signed()
    with refuses(Code.NOTICE_REJECTED, match):
        signing.apply(contract["no"], fields, "notice", notice)


def test_a_contract_is_known_by_either_number(club):
    contract = club.signed()
    assert signing.named_in("standing", {"contract_no": "C1"}) == "C1"
    assert signing.named_in("standing", {"channel_contract_no": f"A{contract['no']}"}) == contract["no"]
    assert signing.named_in("signet", {"channel_contract_no": f"A{contract['no']}"}) is None
    assert signing.named_in("standing", {}) is None


def test_terms_are_told_to_the_channel(club):
    contract = club.ordered("pass/quarterly", channel="standing", sign="first", quantity=2)
    facts, = club.outside.asked("standing", "sign")
    assert {name: value for name, value in facts.items() if name.startswith("contract.") and not name.endswith("_ms")} == {
        "contract.no": contract["no"], "contract.channel_no": "", "contract.title": "连续包季", "contract.amount_minor": 14000,
        "contract.currency": "CNY", "contract.period_unit": "quarter", "contract.period_count": 1, "contract.reason": ""}
    assert (day(facts["contract.starts_at_ms"]), day(facts["contract.next_at_ms"])) == ("2026-11-20", "2026-11-20")
    assert clock.rfc3339(facts["contract.ends_at_ms"])[:4] == "2036"
