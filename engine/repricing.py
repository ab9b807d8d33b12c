"""Prices of a contract beyond the terms that were signed: proposed by us, agreed to by the buyer."""
from __future__ import annotations

from typing import Any, Mapping

from . import store
from .base.errors import Code, Refusal
from .pay import contracts
from .pay.contracts import LIVE


def propose(no: str, price_minor: int) -> dict[str, Any]:
    """Another price of a piece from the next period on that has no order yet. A lower one holds at once; a higher one waits
    for the buyer's consent, and until then the price that was signed is deducted. Returns the contract. CONTRACT_STATE for more
    than the channel was told to deduct at most."""
    with store.transaction():
        contract = _in_force(no)
        from_n = contract["paid_n"] + (2 if contracts.unfinished(no) else 1)
        _within_what_was_signed(contract, price_minor)
        if price_minor <= contracts.price_of(contract, from_n):
            _agree(contract, price_minor, from_n)
        else:
            contracts.change(contract, proposed={"price_minor": price_minor, "from_n": from_n})
    return contracts.find(no)


def consent(no: str, price_minor: int, agrees: bool = True) -> dict[str, Any]:
    """The buyer's word on a price that was proposed; CONSENT_MISMATCH when that is another one. Returns the contract."""
    with store.transaction():
        contract = _in_force(no)
        proposed = contract["proposed"]
        if proposed is None or proposed["price_minor"] != price_minor:
            waits = proposed["price_minor"] if proposed else "nothing"
            raise Refusal(Code.CONSENT_MISMATCH, f"{waits} waits for consent, not {price_minor}",
                          [{"path": "price_minor", "found": price_minor, "expected": waits}])
        if agrees:
            _agree(contract, price_minor, max(proposed["from_n"], contract["paid_n"] + (2 if contracts.unfinished(no) else 1)))
        else:
            contracts.change(contract, proposed=None)
    return contracts.find(no)


def _in_force(no: str) -> dict[str, Any]:
    contract = contracts.find(no, lock=True)
    if contract["state"] not in LIVE:
        raise Refusal(Code.CONTRACT_STATE, f"contract {no} is {contract['state']}, not in force",
                      [{"path": "contract.state", "found": contract["state"], "expected": ", ".join(LIVE)}])
    return contract


def _within_what_was_signed(contract: Mapping[str, Any], price_minor: int) -> None:
    """Where the buyer signed at the channel for so much at most, it would refuse to deduct more, whoever consents here."""
    most = contract["terms"].get("most_minor")
    if most is not None and price_minor * contract["quantity"] > most:
        raise Refusal(Code.CONTRACT_STATE, f"contract {contract['no']} was signed for deductions of {most} at most: a higher price "
                                           "needs a new contract",
                      [{"path": "price_minor", "found": price_minor, "expected": f"at most {most // contract['quantity']}"}])


def _agree(contract: dict[str, Any], price_minor: int, from_n: int) -> None:
    """The price holds from a period on, in place of every later step that was signed."""
    steps = [step for step in contract["terms"]["price_steps"] if step[0] < from_n] + [[from_n, price_minor]]
    contracts.change(contract, terms={**contract["terms"], "price_steps": steps}, proposed=None)
