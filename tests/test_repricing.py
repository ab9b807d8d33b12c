"""Prices beyond the terms: proposed, agreed to, declined, and never more than the buyer signed for at the channel."""
from __future__ import annotations

from engine import repricing
from engine.base.errors import Code
from tests.support.contracting import club
from tests.support.selling import refused as refuses

__all__ = ["club"]


def test_a_higher_price_waits_for_consent(club):
    contract = club.signed()
    assert repricing.propose(contract["no"], 3100)["proposed"] == {"price_minor": 3100, "from_n": 2}
    club.until("2026-12-21T12:00:00+08:00")
    assert club.periods(contract)[1]["amount_minor"] == 2500               # not agreed to: the signed price
    with refuses(Code.CONSENT_MISMATCH, "3100 waits"):
        repricing.consent(contract["no"], 3200)
    assert repricing.consent(contract["no"], 3100)["proposed"] is None
    club.until("2027-04-21T12:00:00+08:00")
    assert [p["amount_minor"] for p in club.periods(contract)] == [3000, 2500, 3100, 3100, 3100, 3100]
    with refuses(Code.CONSENT_MISMATCH, "nothing waits"):
        repricing.consent(contract["no"], 3100)


def test_a_price_that_is_declined_is_off_and_a_lower_one_needs_no_consent(club):
    contract = club.signed()
    repricing.propose(contract["no"], 3100)
    assert repricing.consent(contract["no"], 3100, agrees=False)["proposed"] is None
    assert repricing.propose(contract["no"], 2000)["proposed"] is None
    club.until("2027-03-21T12:00:00+08:00")
    assert [p["amount_minor"] for p in club.periods(contract)] == [3000, 2000, 2000, 2000, 2000]


def test_a_price_beyond_what_the_buyer_signed_for_at_the_channel(club):
    """The channel was told: at most 30.00, which the first period costs. It would refuse to deduct more."""
    contract = club.ordered(sign="first")
    club.say(contract)
    club.shop.work()
    facts, = club.outside.asked("standing", "sign")
    assert (facts["contract.amount_minor"], club.now(contract)["state"]) == (3000, "active")
    with refuses(Code.CONTRACT_STATE, "signed for deductions of 3000 at most"):
        repricing.propose(contract["no"], 3001)
    assert repricing.propose(contract["no"], 3000)["proposed"] == {"price_minor": 3000, "from_n": 2}


def test_a_price_does_not_change_what_was_announced(club):
    contract = club.signed()
    club.until("2026-12-19T13:00:00+08:00")
    repricing.propose(contract["no"], 2000)
    club.until("2027-01-21T13:00:00+08:00")
    assert [p["amount_minor"] for p in club.periods(contract)] == [3000, 2500, 2000]


def test_only_a_contract_in_force_has_another_price(club):
    contract = club.ordered()
    for change in (lambda: repricing.propose(contract["no"], 1), lambda: repricing.consent(contract["no"], 1)):
        with refuses(Code.CONTRACT_STATE, "is signing"):
            change()
    with refuses(Code.CONTRACT_UNKNOWN):
        repricing.propose("C0", 1)
