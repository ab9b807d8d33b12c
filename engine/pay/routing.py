"""Which channel a payment takes, of those that its choice offers: its condition holds → its limits allow it → it works →
by order, or by weight.

The draw by weight hangs on the payment's number alone: repeated, it gives the same. A channel that is left out changes
nothing between the others, which then have their shares of what is left.
"""
from __future__ import annotations

import hashlib
import math
from typing import Any, Iterator, Mapping

from .. import wire
from ..base import clock, signal
from ..base.errors import Code, Refusal
from ..config.catalog import ChannelChoice, Offer
from ..config.live import live
from . import channels, health, limits, terms

_SPAN = 2 ** 64


class Selection:
    """The channels of an offer for one payment, best first; `left_out` grows while it is gone through.

    left_out   [{"channel", "why", "sentence"}]; why: gone · condition · size · day_limit ·
               not_working · tried · refused
    """

    def __init__(self, offer: Offer, facts: Mapping[str, Any], payment_no: str, amount_minor: int,
                 tried: Mapping[str, str] | None = None):
        self.offer, self._facts, self._payment_no, self._amount_minor = offer, facts, payment_no, amount_minor
        self.left_out: list[dict[str, str]] = []
        for channel_id, reason in (tried or {}).items():
            self.leave_out(channel_id, "tried", reason)
        self._fit = [choice for choice in ranked(offer, payment_no)
                     if choice.channel_id not in (tried or {}) and self._may(choice)]

    def _may(self, choice: ChannelChoice) -> bool:
        document = live.catalog().channels.get(choice.channel_id)
        if document is None:
            self.leave_out(choice.channel_id, "gone", "there is no such channel any more")
        elif not _holds(choice, self._facts):
            self.leave_out(choice.channel_id, "condition", "its condition does not hold")
        elif wrong := limits.size_wrong(terms.of_document(document).limits, self._amount_minor, self._facts["currency"]):
            self.leave_out(choice.channel_id, "size", wrong)
        else:
            return True
        return False

    def leave_out(self, channel_id: str, why: str, sentence: str) -> None:
        self.left_out.append({"channel": channel_id, "why": why, "sentence": sentence})

    def __iter__(self) -> Iterator[str]:
        """Ids to try one after the other, until one takes the payment. Each counts in its day's limit when it is given;
        who can't use it says so with `refused`. When no channel works, the least bad one is given: selling goes on."""
        if not self.offer.is_route:            # chosen by name: there is nothing else to choose
            yield from (choice.channel_id for choice in self._fit if self._counted(choice.channel_id))
            return
        now, broken = clock.now_ms(), []
        for choice in self._fit:
            found = breaker_of(choice.channel_id)
            if found is not None and not found.admits(now):
                broken.append((look := found.look(now), choice.channel_id))
                self.leave_out(choice.channel_id, "not_working", look.sentence)
            elif self._counted(choice.channel_id):
                yield choice.channel_id
            elif found is not None:
                found.not_used()
        for look, channel_id in sorted(broken, key=lambda pair: (pair[0].bad_share, pair[0].until_ms)):
            if self._counted(channel_id):
                self.left_out = [each for each in self.left_out if each["channel"] != channel_id]
                signal.emit("channel.none_works", choice=self.offer.id)
                yield channel_id

    def _counted(self, channel_id: str) -> bool:
        full = limits.take(channel_id, self._payment_no, self._amount_minor)
        if full:
            self.leave_out(channel_id, "day_limit", full)
        return not full

    def refused(self, channel_id: str, sentence: str) -> None:
        """The channel that was given can't be used: nothing was begun with it."""
        limits.take_back(self._payment_no)
        self.leave_out(channel_id, "refused", sentence)

    def refusal(self) -> Refusal:
        """Why no channel is left."""
        reasons = {each["why"] for each in self.left_out}
        code = (Code.CHANNEL_UNAVAILABLE if reasons & {"tried", "refused"} else
                Code.CHANNEL_LIMIT_REACHED if "day_limit" in reasons else Code.CHANNEL_NOT_ALLOWED)
        why = "; ".join(f"{each['channel']}: {each['sentence']}" for each in self.left_out)
        return Refusal(code, f"this order can't be paid through {self.offer.id} now: {why}",
                       [{"path": "channel", "found": each["channel"], "expected": each["sentence"]} for each in self.left_out])


def ranked(offer: Offer, payment_no: str) -> list[ChannelChoice]:
    """An offer's channels in the order in which this payment tries them.

    By weight: each draws u, evenly from (0, 1], by a hash of the payment's number and its own id, and the smallest
    -ln(u) / weight is first; so one is first as often as its weight says (Efraimidis and Spirakis, 2006).
    """
    if not offer.weighted:
        return list(offer.of)

    def drawn(choice: ChannelChoice) -> float:
        digest = hashlib.sha256(f"{payment_no}/{choice.channel_id}".encode()).digest()
        return -math.log((int.from_bytes(digest[:8], "big") + 1) / _SPAN) / choice.weight
    return sorted(offer.of, key=drawn)


def breaker_of(channel_id: str) -> health.Breaker | None:
    """What tells whether a payment may go this way: the calls that ask for it or, where only parameters are signed, those
    that ask what became of it."""
    channel = channels.get(channel_id)
    for operation in ("pay", "query"):
        if wire.declares(channel, operation) and wire.needs_call(channel, operation):
            return health.breaker(channel_id, operation)
    return None


def _holds(choice: ChannelChoice, facts: Mapping[str, Any]) -> bool:
    return choice.when is None or choice.when({**facts, "channel.id": choice.channel_id})


def offered(offer: Offer, facts: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a sale of these facts could be paid by it, as far as conditions and the size of a payment go. Looks at the
    channels' documents and at nothing else."""
    return any(_holds(choice, facts) and choice.channel_id in documents and not limits.size_wrong(
        terms.of_document(documents[choice.channel_id]).limits, facts["payable"], facts["currency"]) for choice in offer.of)


def works(offer: Offer) -> bool:
    """Whether one of its channels is not known to be broken."""
    now = clock.now_ms()
    return any((found := breaker_of(choice.channel_id)) is None or found.look(now).state != health.OPEN for choice in offer.of)
