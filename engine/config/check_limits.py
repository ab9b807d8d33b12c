"""What a channel says of itself beside its protocol. Limits: amounts of its currency that leave room, and one day for all
channels of an account; how it deducts, where it does."""
from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..base import money
from .check_scenes import precision
from .problems import Fault

Document = Mapping[str, Any]


def check(channels: list[tuple[str, Document]]) -> Iterator[tuple[str, list[Fault]]]:
    """(id, faults) of each channel that says something about limits or deductions."""
    first: dict[str, tuple[str, Document]] = {}
    for id, channel in channels:
        if "deductions" in channel and "withhold" not in channel["operations"]:
            yield id, [Fault(("deductions",), "not-here", "only a channel that withholds has deductions",
                             expected="an operation withhold", at_key=True)]
        limits = channel.get("limits")
        if limits is None:
            continue
        faults = list(_alone(channel, limits))
        account = limits.get("account")
        if account is not None and not faults:
            other_id, other = first.setdefault(account, (id, channel))
            if _day_of(other) != _day_of(channel):
                told = f"{other_id} shares the account {account}, and says another day of it"
                faults.append(Fault(("limits", "account"), "limits", told, expected="the same `day` and currency"))
        yield id, faults


def _alone(channel: Document, limits: Document) -> Iterator[Fault]:
    currency, payment = channel.get("currency", "CNY"), limits.get("payment", {})
    if channel.get("role") != "pay":
        yield Fault(("limits",), "not-here", "limits are of channels that take payments", f"role {channel.get('role')}",
                    at_key=True)
    amounts = [(("limits", part, word), limits[part][word]) for part, words in (("payment", ("min", "max")), ("day", ("amount",)))
               for word in words if word in limits.get(part, {})]
    wrong = [fault for path, amount in amounts for fault in precision(amount, currency, path)]
    yield from wrong
    if not wrong and {"min", "max"} <= set(payment) and _minor(payment["min"], currency) > _minor(payment["max"], currency):
        yield Fault(("limits", "payment", "min"), "range", "min is above max: no payment fits", str(payment["min"]),
                    f"at most {payment['max']}")
    if "account" in limits and "day" not in limits:
        yield Fault(("limits", "account"), "limits", "an account without a day counts nothing", expected="`day` beside it")


def _minor(amount: Any, currency: str) -> int:
    return money.parse_major(amount, currency)


def _day_of(channel: Document) -> tuple[Any, ...]:
    day, currency = channel["limits"].get("day", {}), channel.get("currency", "CNY")
    return currency, _minor(day["amount"], currency) if "amount" in day else None, day.get("count")
