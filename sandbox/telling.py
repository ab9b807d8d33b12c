"""What comes of a deed: it ends once, what hangs on it ends with it, and notices of it are planned and composed."""
from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

from engine.base import clock
from engine.pay import terms

from . import speaking
from .deeds import GOOD, KINDS, PAYING, fields_of
from .side import Side
from .state import Row, State

PAY_AFTER_S = 0.3
_OLDER = ("pending", "accepted", "closed", "failed")


class Teller:
    """`api_url`: where the engine takes notices of channels whose requests name no address. `wake`: called when something
    new is due. `sides`: the channels there are."""

    def __init__(self, state: State, api_url: str, sides: Callable[[], Mapping[str, Side]],
                 wake: Callable[[], None] = lambda: None):
        self.state, self.api_url, self.sides, self.wake = state, api_url, sides, wake

    # --- the buyer, the supplier

    def pay_after_s(self) -> float:
        return float(self.state.setting("pay_after_s", PAY_AFTER_S) or 0)

    def let_buyer_decide(self, deed: Row) -> None:
        """A payment is paid, a contract signed, after a while; not when buyers act by hand only."""
        by_himself = self.state.setting("pay_after_s", PAY_AFTER_S) is not None
        faults = {fault["fault"] for fault in deed["faults"]}
        good = "signed" if deed["kind"] == "contract" else "succeeded"
        if "forged" in faults and not self.state.sayings(deed["id"]):
            self.state.plan("notice", deed["id"], 0, state=good, forged=True, attempts_max=2)
        if deed["state"] == "pending" and by_himself and not faults & {"unpaid", "forged"}:
            self.plan_end(deed, "failed" if "declined" in faults else good)

    def plan_end(self, deed: Row, state: str) -> None:
        self.state.plan("end", deed["id"], self.pay_after_s(), state=state)

    def deduct(self, side: Side, deed: Row, contract: Row, state: str) -> None:
        """A deduction ends when the buyer's time to hear of it is over; one that takes no time at all, in the answer."""
        rules = terms.read(side.doc).deductions
        fresh = clock.now_ms() - (contract["done_at_ms"] or 0) <= rules.at_once_within_s * 1000
        after_s = self.pay_after_s() + (0 if fresh else rules.told_before_s)
        if after_s:
            self.state.plan("end", deed["id"], after_s, state=state)
        else:
            self.end(side, deed, state)

    def end(self, side: Side | None, deed: Row, state: str, of: tuple[str, ...] = ("pending", "accepted")) -> bool:
        """A deed comes to its end, once; its notices are planned. False when it had ended before."""
        with self.state.lock():
            if not self.state.move(deed, state, of):
                return False
            contract = self.contract_of(side, deed) if side and deed["kind"] == "payment" else None
            if contract is not None and state in ("succeeded", "failed"):
                self.end(side, contract, "signed" if state == "succeeded" else "failed")
            self._plan_notices(deed, state)
        self.wake()
        return True

    def contract_of(self, side: Side, deed: Row) -> Row | None:
        """The contract that a payment was made with, or is a deduction of."""
        if deed["kind"] not in PAYING:
            return None
        facts = deed["facts"]
        return self.state.find_any(side.id, ("contract",), facts.get("contract.no", ""), facts.get("contract.channel_no", ""))

    def _plan_notices(self, deed: Row, state: str) -> None:
        faults = {fault["fault"]: fault for fault in deed["faults"]}
        if "lost" in faults or state == "closed" or deed["kind"] == "note":
            return
        delay_s = float(faults["late"].get("delay_s", 5)) if "late" in faults else 0
        times = int(faults["repeated"].get("times", 3)) if "repeated" in faults else 1
        off = 1 if "wrong_amount" in faults else 0
        for number in range(times):
            self.state.plan("notice", deed["id"], delay_s + number * 0.05, state=state, off=off)
        if "duplicate_success" in faults:
            self.state.plan("notice", deed["id"], delay_s + 0.2, state=state, second=True)
        if "reordered" in faults:
            self.state.plan("notice", deed["id"], delay_s + 0.5, state="older")

    # --- notices

    def compose(self, side: Side, deed: Row, detail: Mapping[str, Any]) -> tuple[str, str, str, speaking.Said]:
        """(event, address, state it says, message) of the notice that `detail` wants: state (`older`: one that came before
        the end), off (minor units), second (channel number), forged. CannotSay when the file has no such notice."""
        states = _OLDER if detail["state"] == "older" else (detail["state"],)
        why = "the file has no notice of it"
        for event in self._events(side, deed):
            for state in states:
                try:
                    said = self._said(side, event, {**deed, "state": state}, detail)
                except speaking.CannotSay as error:
                    why = str(error)
                    continue
                url = self._address(side, deed, event)
                return event, f"{url}{'&' if '?' in url else '?'}{said.query}" if said.query else url, state, said
        raise speaking.CannotSay(why)

    def _said(self, side: Side, event: str, deed: Row, detail: Mapping[str, Any]) -> speaking.Said:
        mark = "-2" if detail.get("second") else ""
        told = {**deed, "amount_minor": deed["amount_minor"] + detail.get("off", 0),
                "channel_no": deed["channel_no"] + ("B" if detail.get("second") else "")}
        contract = self.contract_of(side, deed)
        if contract is not None and contract["state"] not in GOOD:
            contract = None
        return speaking.notice(side, event, deed["state"], fields_of(told, contract), f"{deed['channel_no']}-{deed['state']}{mark}",
                               bool(detail.get("forged")))

    def _events(self, side: Side, deed: Row) -> Iterator[str]:
        """The notices that may tell of a deed, the likeliest first."""
        kind, events = KINDS[deed["kind"]], side.channel.events
        asked = _last_part(deed["facts"].get("notice_url_sent", ""))
        taken = {name: {field.name for field in event.take.fields} for name, event in events.items()}
        fit = [name for name in events if kind.says in taken[name]]
        if kind.says == "payment_no":         # a refund's notice names its payment too
            fit = [name for name in fit if not {"refund_no", "channel_refund_no"} & taken[name]] or fit
        named = [name for name in (asked, *kind.events) if name in events]
        yield from dict.fromkeys([*(name for name in named if name in fit), *fit, *named])

    def _address(self, side: Side, deed: Row, event: str) -> str:
        """The address that the request named, as far as it is this event's; else where the engine takes notices."""
        sent = deed["facts"].get("notice_url_sent", "")
        last = _last_part(sent)
        if sent and last == event:
            return sent
        if last in side.channel.events:
            return sent[:len(sent) - len(last)] + event if sent.endswith(last) else sent
        return sent or f"{self.api_url}/v1/notices/{side.id}/{event}"


def _last_part(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2]
