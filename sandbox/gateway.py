"""What the gateway does: takes payments, refunds, supplier orders and messages, and lets time pass over them.

A *deed* is one such thing. It is written first and told afterwards, so an answer or a notice can be lost without losing
the deed: that is what an engine has to live with. Nothing here knows a channel; files say how things are said.
"""
from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from engine.base import clock

from . import speaking
from .reading import Call, Side
from .state import Row, State

_log = logging.getLogger("salewright.sandbox")

PAY_AFTER_S = 0.3

# How a fault spoils the answer to a call …
ANSWER_FAULTS = frozenset({"slow", "error_done", "timeout_done", "forged_answer"})
# … and what a deed goes through afterwards.
DEED_FAULTS = frozenset({"lost", "late", "repeated", "reordered", "forged", "duplicate_success", "wrong_amount",
                         "declined", "unpaid"})
ABOUT_FAULTS = {
    "slow": "the answer comes after delay_s",
    "error_done": "the deed is done and the answer is HTTP 500",
    "timeout_done": "the deed is done and the connection breaks without an answer after delay_s",
    "forged_answer": "the answer's signature is wrong",
    "lost": "no notice ever comes",
    "late": "the notice comes after delay_s",
    "repeated": "the notice is sent `times` times, whatever is answered",
    "reordered": "after the notice of success comes one of the older state",
    "forged": "a notice of success with a wrong signature comes at once; nobody pays",
    "duplicate_success": "a second success follows, with another channel number",
    "wrong_amount": "the notice is signed rightly and says one minor unit too much",
    "declined": "the buyer's payment fails",
    "unpaid": "the buyer does not pay by himself",
}
_EVENT = {"payment": "paid", "refund": "refunded", "charge": "delivered", "message": "delivered"}


@dataclass(slots=True)
class Ended:
    """How an operation ended: the state to say, what is known of it, and faults of the answer."""
    state: str
    fields: dict[str, Any]
    client_value: str
    faults: list[Mapping[str, Any]]


class Gateway:
    """`public_url`: where buyers' browsers reach this process. `wake`: called when something new is due."""

    def __init__(self, state: State, public_url: str, wake: Callable[[], None] = lambda: None):
        self.state, self.public_url, self.wake = state, public_url, wake
        self._handlers: dict[str, Callable[[Side, Call], tuple[str, Row | None, str]]] = {
            "pay": self._pay, "query": self._query, "close": self._close, "cancel": self._close, "refund": self._refund,
            "refund_query": self._refund_query, "send": self._send, "charge": self._charge,
        }

    def handle(self, side: Side, call: Call, pay_soon: bool = True) -> Ended:
        """Does what a call asks. `pay_soon` False: the buyer is at the cashier page and pays by hand."""
        no = str(call.facts.get("refund.no") or call.facts.get("payment.no") or call.facts.get("upstream.no")
                 or call.facts.get("message.no") or "")
        faults = self.state.use_faults(side.id, call.operation, no, ANSWER_FAULTS)
        handler = self._handlers.get(call.operation)
        if handler is None:
            state, deed, why = "failed", None, "the sandbox does not know this operation"
        else:
            with self.state.lock():
                state, deed, why = handler(side, call)
                if deed and call.operation == "pay" and pay_soon:
                    self._let_buyer_pay(deed)
        fields = fields_of(deed) if deed else {}
        if why:
            fields |= {"reason": why, "error_code": "REFUSED"}
        self.wake()
        return Ended(state, fields, self.cashier_url(deed) if deed else "", faults)

    def cashier_url(self, deed: Row) -> str:
        return f"{self.public_url}/_sandbox/cashier/{deed['token']}"

    # --- operations: each returns (state, deed, why it was refused)

    def _pay(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        facts = call.facts
        no, amount = facts["payment.no"], facts.get("payment.amount_minor", 0)
        held = self.state.find(side.id, "payment", no)
        if held is None:
            held = self._begin(side, call, "payment", no, "pending", amount_minor=amount)
        elif held["amount_minor"] != amount:
            return "failed", None, "this payment number was used with another amount"
        elif held["state"] != "pending":
            return "failed", held, f"the payment is {held['state']}"
        return "pending", held, ""

    def _begin(self, side: Side, call: Call, kind: str, no: str, state: str, amount_minor: int = 0,
               parent_no: str = "") -> Row:
        facts = call.facts
        faults = self.state.use_faults(side.id, call.operation, no, DEED_FAULTS)
        currency = facts.get("payment.currency") or facts.get("upstream.currency") or side.setting.currency
        return self.state.begin(side.id, kind, no, state, {
            "parent_no": parent_no, "amount_minor": amount_minor, "currency": currency, "facts": facts,
            "faults": faults})

    def _query(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        deed = self._asked(side, call)
        return (_shown_state(deed), deed, "") if deed else ("absent", None, "there is no such number")

    def _asked(self, side: Side, call: Call) -> Row | None:
        if "upstream.no" in call.facts:
            return self.state.find(side.id, "charge", call.facts["upstream.no"])
        return self.state.find(side.id, "payment", call.facts.get("payment.no", ""))

    def _close(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        deed = self._asked(side, call)
        if deed is None:
            return "absent", None, "there is no such number"
        if self.state.move(deed, "closed") or deed["state"] == "closed":
            return "closed", self.state.by_id(deed["id"]), ""
        return "failed", None, f"it is {deed['state']} already"

    def _refund(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        no, amount = call.facts["refund.no"], call.facts["refund.amount_minor"]
        payment = self.state.find(side.id, "payment", call.facts["payment.no"])
        held = self.state.find(side.id, "refund", no)
        if held is not None:
            same = held["amount_minor"] == amount and payment is not None and held["parent_no"] == payment["no"]
            return (_shown_state(held), held, "") if same else ("failed", None, "this refund number was used before")
        if payment is None or payment["state"] != "succeeded":
            return "failed", None, "the payment was not paid"
        if self.state.given_back_minor(side.id, payment["no"]) + amount > payment["amount_minor"]:
            return "failed", None, "more would be refunded than was paid"
        deed = self._begin(side, call, "refund", no, "pending", amount, payment["no"])
        self.state.plan("end", deed["id"], self.pay_after_s(), state="succeeded")
        return "pending", deed, ""

    def _refund_query(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        deed = self.state.find(side.id, "refund", call.facts["refund.no"])
        return (_shown_state(deed), deed, "") if deed else ("absent", None, "there is no such refund")

    def _send(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        no = call.facts["message.no"]
        deed = self.state.find(side.id, "message", no) or self._begin(side, call, "message", no, "succeeded")
        return "succeeded", deed, ""

    def _charge(self, side: Side, call: Call) -> tuple[str, Row | None, str]:
        no = call.facts["upstream.no"]
        held = self.state.find(side.id, "charge", no)
        if held is None:
            held = self._begin(side, call, "charge", no, "accepted", call.facts.get("upstream.amount_minor", 0))
            self.state.plan("end", held["id"], self.pay_after_s(), state="succeeded")
        return "accepted", held, ""

    # --- the buyer

    def pay_after_s(self) -> float:
        return float(self.state.setting("pay_after_s", PAY_AFTER_S) or 0)

    def _let_buyer_pay(self, deed: Row) -> None:
        by_himself = self.state.setting("pay_after_s", PAY_AFTER_S) is not None
        faults = {fault["fault"] for fault in deed["faults"]}
        if "forged" in faults and not self.state.sayings(deed["id"]):
            self.state.plan("notice", deed["id"], 0, state="succeeded", forged=True, attempts_max=2)
        if deed["state"] == "pending" and by_himself and not faults & {"unpaid", "forged"}:
            self.state.plan("end", deed["id"], self.pay_after_s(),
                            state="failed" if "declined" in faults else "succeeded")

    def end(self, deed: Row, state: str) -> bool:
        """A deed comes to its end, once; its notices are planned. False when it had ended before."""
        with self.state.lock():
            if not self.state.move(deed, state):
                return False
            self._plan_notices(deed, state)
        self.wake()
        return True

    def _plan_notices(self, deed: Row, state: str) -> None:
        faults = {fault["fault"]: fault for fault in deed["faults"]}
        if "lost" in faults or not deed["facts"].get("notice_url_sent") or state == "closed":
            return
        delay_s = float(faults["late"].get("delay_s", 5)) if "late" in faults else 0
        times = int(faults["repeated"].get("times", 3)) if "repeated" in faults else 1
        off = 1 if "wrong_amount" in faults else 0
        for number in range(times):
            self.state.plan("notice", deed["id"], delay_s + number * 0.05, state=state, off=off)
        if "duplicate_success" in faults:
            self.state.plan("notice", deed["id"], delay_s + 0.2, state=state, second=True)
        if "reordered" in faults:
            self.state.plan("notice", deed["id"], delay_s + 0.5, state="pending")

    # --- notices

    def compose(self, side: Side, deed: Row, detail: Mapping[str, Any]) -> speaking.Said:
        """The notice of a deed, as `detail` wants it: state, off (minor units), second (channel number), forged."""
        state = detail["state"]
        fields = fields_of({**deed, "state": state, "amount_minor": deed["amount_minor"] + detail.get("off", 0),
                            "channel_no": deed["channel_no"] + ("B" if detail.get("second") else "")})
        event_id = f"{deed['channel_no']}-{state}{'-2' if detail.get('second') else ''}"
        return speaking.notice(side, _EVENT[deed["kind"]], state, fields, event_id, bool(detail.get("forged")))

    def event_of(self, deed: Row) -> str:
        return _EVENT[deed["kind"]]


def _shown_state(deed: Row) -> str:
    return "pending" if deed["state"] == "accepted" else deed["state"]


def fields_of(deed: Row) -> dict[str, Any]:
    """A deed in the words of `take:`."""
    kind, no, done = deed["kind"], deed["no"], deed["state"] in ("succeeded", "partial")
    done_at_ms = (deed["done_at_ms"] or clock.now_ms()) if done else None
    common = {"amount_minor": deed["amount_minor"], "currency": deed["currency"]} if deed["amount_minor"] else {}
    if kind == "payment":
        return {**common, "payment_no": no, "channel_no": deed["channel_no"], "paid_at_ms": done_at_ms}
    if kind == "refund":
        return {**common, "payment_no": deed["parent_no"], "refund_no": no, "channel_refund_no": deed["channel_no"],
                "refunded_at_ms": done_at_ms}
    if kind == "charge":
        return {**common, "upstream_no": no, "channel_no": deed["channel_no"], "delivered_at_ms": done_at_ms}
    return {"message_no": no, "channel_no": deed["channel_no"]}
