"""What the gateway does with calls: takes payments, refunds, contracts, orders and messages. Nothing here knows a channel;
files say how things are said. What comes of a deed later is in `telling.py`.
"""
from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from . import speaking
from .deeds import KINDS, PAYING, fields_of, number_of
from .faults import ANSWER_FAULTS, DEED_FAULTS
from .matching import Call
from .side import Side
from .state import Row, State
from .telling import Teller

Ending = tuple[str, Row | None, str]           # the state to say, the deed, why it was refused
# Where the file has no word for a state, one that is near enough; what is not over yet may have to be over at once.
_NEAR: Mapping[str, tuple[str, ...]] = {
    "pending": ("pending", "accepted", "succeeded", "signed"), "accepted": ("accepted", "pending", "succeeded"),
    "succeeded": ("succeeded", "accepted", "pending"), "closed": ("closed", "succeeded", "ended"),
    "signed": ("signed", "succeeded", "accepted"), "ended": ("ended", "closed", "succeeded", "accepted"),
    "absent": ("absent", "failed"), "failed": ("failed", "closed", "ended"),
}


@dataclass(slots=True)
class Ended:
    """How an operation ended: the state to say, what is known of it, what the terminal gets, and faults of the answer."""
    state: str
    fields: dict[str, Any]
    facts: Mapping[str, Any]
    cashier_url: str
    token: str
    faults: list[Mapping[str, Any]]
    beside: list[tuple[str, Mapping[str, Any]]]


class Gateway:
    """`public_url`: where buyers' browsers reach this process."""

    def __init__(self, state: State, public_url: str, teller: Teller):
        self.state, self.public_url, self.teller = state, public_url, teller
        self._handlers: dict[str, Callable[[Side, Call], Ending]] = {
            "pay": self._pay, "pay_and_sign": self._pay, "query": self._query, "withhold_query": self._query,
            "close": self._close, "cancel": self._cancel, "refund": self._refund, "refund_query": self._refund_query,
            "sign": self._sign, "contract_query": self._contract_query, "unsign": self._unsign, "withhold": self._withhold,
            "announce": self._announce, "send": self._send, "charge": self._charge, "invoice": self._invoice,
            "statement": self._statement, "red_invoice": self._invoice, "invoice_query": self._invoice_query,
            "deliver": self._deliver,
        }

    def handle(self, side: Side, call: Call, pay_soon: bool = True) -> Ended:
        """Does what a call asks. `pay_soon` False: the buyer is at the cashier page and decides by hand."""
        faults = self.state.use_faults(side.id, call.operation, number_of(call.facts), ANSWER_FAULTS)
        with self.state.lock():
            refused = any(fault["fault"] == "refused" for fault in faults)
            state, deed, why = ("failed", None, "refused, as was asked for") if refused else \
                self._handlers.get(call.operation, self._note)(side, call)
            if deed and deed["state"] == "pending" and deed["kind"] in ("payment", "contract") and state == "pending" \
                    and call.operation in ("pay", "pay_and_sign", "sign") and pay_soon:
                self.teller.let_buyer_decide(deed)
        if call.operation in side.channel.operations and side.channel.operations[call.operation].sends:
            state, deed = self._sayable(side, call, state, deed)
        fields = self._fields(side, deed) if deed else {}
        if why:
            fields |= {"reason": why, "error_code": "REFUSED"}
        self.teller.wake()
        return Ended(state, fields, call.facts, self.cashier_url(deed) if deed else "", deed["token"] if deed else "", faults,
                     self._beside(side, deed) if deed and call.operation == "refund_query" else [])

    def _beside(self, side: Side, deed: Row) -> list[tuple[str, Mapping[str, Any]]]:
        """The other refunds of the same payment."""
        rows = self.state.children(side.id, deed["kind"], deed["parent_no"])
        return [(_shown_state(row), fields_of(row)) for row in rows if row["id"] != deed["id"]]

    def _fields(self, side: Side, deed: Row) -> dict[str, Any]:
        return fields_of(deed, self.teller.contract_of(side, deed))

    def _sayable(self, side: Side, call: Call, state: str, deed: Row | None) -> tuple[str, Row | None]:
        fields = self._fields(side, deed) if deed else {}
        for near in _NEAR.get(state, (state,)):
            if speaking.can_answer(side, call.operation, near, fields, call.facts):
                if deed and near in ("succeeded", "signed") and state in ("pending", "accepted"):
                    self.teller.end(side, deed, near)          # this channel answers only when it is done
                    deed = self.state.by_id(deed["id"])
                return near, deed
        return state, deed                     # `speaking` says why it can't be said

    def cashier_url(self, deed: Row) -> str:
        return f"{self.public_url}/_sandbox/cashier?token={deed['token']}"

    def _find(self, side: Side, call: Call, *kinds: str) -> Row | None:
        words = KINDS[kinds[0]]
        return self.state.find_any(side.id, kinds, call.facts.get(words.no, ""), call.facts.get(words.channel_no, ""))

    def _begin(self, side: Side, call: Call, kind: str, no: str, state: str, amount_minor: int = 0, parent_no: str = "") -> Row:
        facts = call.facts
        faults = self.state.use_faults(side.id, call.operation, no, DEED_FAULTS)
        currency = next((facts[name] for name in ("payment.currency", "refund.currency", "upstream.currency", "invoice.currency")
                         if facts.get(name)), side.setting.currency)
        return self.state.begin(side.id, kind, no, state, {
            "parent_no": parent_no, "amount_minor": amount_minor, "currency": currency.upper(), "facts": facts,
            "faults": faults})

    # --- payments

    def _pay(self, side: Side, call: Call) -> Ending:
        facts = call.facts
        no, amount = facts.get("payment.no") or _made_up(), facts.get("payment.amount_minor", 0)
        held = self.state.find_any(side.id, PAYING, no, "")
        if held is None:
            held = self._begin(side, call, "payment", no, "pending", amount)
        elif held["amount_minor"] != amount:
            return "failed", None, "this payment number was used with another amount"
        elif held["state"] != "pending":
            return "failed", held, f"the payment is {held['state']}"
        if facts.get("contract.no") and self._find(side, call, "contract") is None:
            self._begin(side, call, "contract", facts["contract.no"], "pending", parent_no=no)
        return "pending", held, ""

    def _query(self, side: Side, call: Call) -> Ending:
        deed = self._asked(side, call)
        return (_shown_state(deed), deed, "") if deed else ("absent", None, "there is no such number")

    def _asked(self, side: Side, call: Call) -> Row | None:
        for kinds in (("charge",), ("shop_order",), PAYING):
            if KINDS[kinds[0]].no in call.facts or KINDS[kinds[0]].channel_no in call.facts:
                return self._find(side, call, *kinds)
        return None

    def _close(self, side: Side, call: Call) -> Ending:
        deed = self._asked(side, call)
        if deed is None:
            return "absent", None, "there is no such number"
        if self.state.move(deed, "closed") or deed["state"] == "closed":
            return "closed", self.state.by_id(deed["id"]), ""
        return "failed", None, f"it is {deed['state']} already"

    def _cancel(self, side: Side, call: Call) -> Ending:
        """As close; a payment that was made is given back whole."""
        deed = self._asked(side, call)
        if deed is not None and deed["kind"] in PAYING and deed["state"] == "succeeded" \
                and not self.state.given_back_minor(side.id, deed["no"]):
            self.state.move(deed, "closed", of=("succeeded",))
        return self._close(side, call)

    def _refund(self, side: Side, call: Call) -> Ending:
        facts = call.facts
        no = facts.get("refund.no") or _made_up()
        payment = self._asked(side, call)
        amount = facts.get("refund.amount_minor", payment["amount_minor"] if payment else 0)
        held = self.state.find(side.id, "refund", no)
        if held is not None:
            same = held["amount_minor"] == amount and payment is not None and held["parent_no"] == payment["no"]
            return (_shown_state(held), held, "") if same else ("failed", None, "this refund number was used before")
        if payment is None or payment["state"] != "succeeded":
            return "failed", None, "the payment was not paid"
        if self.state.given_back_minor(side.id, payment["no"]) + amount > payment["amount_minor"]:
            return "failed", None, "more would be refunded than was paid"
        call.facts.setdefault("payment.channel_no", payment["channel_no"])
        deed = self._begin(side, call, "refund", no, "pending", amount, payment["no"])
        self.teller.plan_end(deed, "succeeded")
        return "pending", deed, ""

    def _refund_query(self, side: Side, call: Call) -> Ending:
        deed = self._find(side, call, "refund")
        if deed is None and not {"refund.no", "refund.channel_no"} & set(call.facts):     # it asks for all of a payment
            payment = self._asked(side, call)
            deed = next(reversed(self.state.children(side.id, "refund", payment["no"])), None) if payment else None
        if deed is not None:
            call.facts.setdefault("refund.no", deed["no"])
        return (_shown_state(deed), deed, "") if deed else ("absent", None, "there is no such refund")

    # --- contracts

    def _sign(self, side: Side, call: Call) -> Ending:
        no = call.facts.get("contract.no") or _made_up()
        held = self.state.find(side.id, "contract", no) or self._begin(side, call, "contract", no, "pending")
        if held["state"] != "pending":
            return "failed", held, f"the contract is {held['state']}"
        return "pending", held, ""

    def _contract_query(self, side: Side, call: Call) -> Ending:
        deed = self._find(side, call, "contract")
        return (deed["state"], deed, "") if deed else ("absent", None, "there is no such contract")

    def _unsign(self, side: Side, call: Call) -> Ending:
        deed = self._find(side, call, "contract")
        if deed is None:
            return "absent", None, "there is no such contract"
        self.teller.end(side, deed, "ended", of=("pending", "signed"))
        return "ended", self.state.by_id(deed["id"]), ""

    def _withhold(self, side: Side, call: Call) -> Ending:
        no, amount = call.facts.get("payment.no") or _made_up(), call.facts.get("payment.amount_minor", 0)
        held = self.state.find_any(side.id, PAYING, no, "")
        if held is not None:
            return (_shown_state(held), held, "") if held["amount_minor"] == amount else \
                ("failed", None, "this payment number was used with another amount")
        contract = self._find(side, call, "contract")
        if contract is None or contract["state"] != "signed":
            return "failed", None, "the contract is not in force"
        if amount > contract["facts"].get("contract.amount_minor", amount):
            return "failed", None, "it is more than was signed for"
        deed = self._begin(side, call, "deduction", no, "pending", amount, contract["no"])
        declined = any(fault["fault"] == "declined" for fault in deed["faults"])
        self.teller.deduct(side, deed, contract, "failed" if declined else "succeeded")
        deed = self.state.by_id(deed["id"])
        return deed["state"], deed, "there is not enough money" if deed["state"] == "failed" else ""

    def _announce(self, side: Side, call: Call) -> Ending:
        contract = self._find(side, call, "contract")
        if contract is None or contract["state"] != "signed":
            return "failed", None, "the contract is not in force"
        return self._note(side, call)

    # --- orders, messages, invoices

    def _send(self, side: Side, call: Call) -> Ending:
        no = call.facts.get("message.no") or _made_up()
        deed = self.state.find(side.id, "message", no) or self._begin(side, call, "message", no, "succeeded")
        return "succeeded", deed, ""

    def _charge(self, side: Side, call: Call) -> Ending:
        no = call.facts.get("upstream.no") or _made_up()
        held = self.state.find(side.id, "charge", no)
        if held is None:
            held = self._begin(side, call, "charge", no, "accepted", call.facts.get("upstream.amount_minor", 0))
            faults = {fault["fault"] for fault in held["faults"]}
            self.teller.plan_end(held, "partial" if "partial" in faults else "failed" if "declined" in faults else "succeeded")
        return "accepted", held, ""

    def _invoice(self, side: Side, call: Call) -> Ending:
        no = call.facts.get("invoice.no") or _made_up()
        held = self.state.find(side.id, "invoice", no)
        if held is None:
            held = self._begin(side, call, "invoice", no, "accepted", call.facts.get("invoice.amount_minor", 0))
            self.teller.plan_end(held, "failed" if any(f["fault"] == "declined" for f in held["faults"]) else "succeeded")
        return "accepted" if held["state"] == "accepted" else held["state"], held, ""

    def _invoice_query(self, side: Side, call: Call) -> Ending:
        deed = self._find(side, call, "invoice")
        return (_shown_state(deed), deed, "") if deed else ("absent", None, "there is no such invoice")

    def _deliver(self, side: Side, call: Call) -> Ending:
        deed = self._find(side, call, "shop_order")
        if deed is None:
            return "failed", None, "there is no such order"
        self._note(side, call)
        return "succeeded", deed, ""

    def _statement(self, side: Side, call: Call) -> Ending:
        return "succeeded", None, ""

    def _note(self, side: Side, call: Call) -> Ending:
        """Anything else is written down as done; the same number again is the same thing."""
        no = f"{call.operation}:{number_of(call.facts) or _made_up()}"
        return "succeeded", self.state.find(side.id, "note", no) or self._begin(side, call, "note", no, "succeeded"), ""


def _made_up() -> str:
    """A number for what the channel does not number."""
    return f"U{secrets.token_hex(8)}"


def _shown_state(deed: Row) -> str:
    return "pending" if deed["state"] == "accepted" else deed["state"]
