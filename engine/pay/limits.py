"""What may go through a channel: the size of one payment, and all payments of a business day together.

A payment counts from its intent on, and no longer once it failed or was closed; money that comes all the same counts
again, whatever the limit says, for it has moved. One conditional UPDATE a payment: no number of buyers at once can pass a
limit. A channel without a limit by day costs no statement. A deduction of a contract counts as any payment does.
"""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock, money, settings
from . import terms
from .terms import Limits


class ChannelDay(store.TradeTable):
    """What an account has taken on a business day (`YYYY-MM-DD`)."""
    account = peewee.CharField(max_length=64)
    day = peewee.CharField(max_length=10)
    used = peewee.BigIntegerField()
    used_minor = peewee.BigIntegerField()

    class Meta:
        primary_key = peewee.CompositeKey("account", "day")


class ChannelUse(store.TradeTable):
    """A payment that counts in its channel's day."""
    payment_no = peewee.CharField(max_length=32, primary_key=True)
    account = peewee.CharField(max_length=64)
    day = peewee.CharField(max_length=10)
    amount_minor = peewee.BigIntegerField()


def size_wrong(limits: Limits, amount_minor: int, currency: str) -> str:
    """Why a payment is too small or too large for a channel, "" when it is not."""
    if limits.payment_min_minor is not None and amount_minor < limits.payment_min_minor:
        return f"it takes no less than {money.format_major(limits.payment_min_minor, currency)} {currency} at once"
    if limits.payment_max_minor is not None and amount_minor > limits.payment_max_minor:
        return f"it takes no more than {money.format_major(limits.payment_max_minor, currency)} {currency} at once"
    return ""


_NO_LIMIT = 2 ** 62


def take(channel_id: str, payment_no: str, amount_minor: int) -> str:
    """Count a payment in the open transaction; why the day does not allow it (then nothing is counted), "" when it does."""
    limits = terms.of(channel_id).limits
    if not limits.by_day:
        return ""
    count_max = _NO_LIMIT if limits.day_count is None else limits.day_count
    minor_max = _NO_LIMIT if limits.day_minor is None else limits.day_minor
    day = _today()
    if amount_minor > minor_max or not _raise(limits.account, day, amount_minor, count_max, minor_max):
        return "it has taken as much as it may today"
    _note(payment_no, limits.account, day, amount_minor)
    return ""


def count_all_the_same(channel_id: str, payment_no: str, amount_minor: int) -> None:
    """A payment that no longer counted was paid after all."""
    limits, day = terms.of(channel_id).limits, _today()
    if limits.by_day:
        _raise(limits.account, day, amount_minor, _NO_LIMIT, _NO_LIMIT)
        _note(payment_no, limits.account, day, amount_minor)


def give_back(payment: Mapping[str, Any]) -> None:
    """A payment that failed or was closed counts no longer; in the open transaction, with the payment's lock."""
    if payment["tender_kind"] == "channel":
        take_back(payment["no"])


def take_back(payment_no: str) -> None:
    """The same of a payment that did not come to be: `take` was in this transaction. Whether it counts is looked up, not what
    the channel's file says now: the limit it was counted in may be gone."""
    staged = store.current().staged(ChannelUse)
    use = next((row for row in staged if row["payment_no"] == payment_no), None)
    if use is not None:
        staged.remove(use)
    elif (use := store.one(ChannelUse, payment_no=payment_no)) is None or not store.delete(ChannelUse, payment_no=payment_no):
        return
    store.update(ChannelDay, {}, add={"used": -1, "used_minor": -use["amount_minor"]}, account=use["account"], day=use["day"])


def used_today() -> dict[str, tuple[int, int]]:
    """Account → (payments, minor units) of today."""
    return {row["account"]: (row["used"], row["used_minor"]) for row in store.many(ChannelDay, day=_today())}


def _today() -> str:
    return clock.business_date(clock.now_ms(), settings.timezone())


def _raise(account: str, day: str, amount_minor: int, count_max: int, minor_max: int) -> bool:
    """Raise a day's counters if that stays within both; False otherwise. A full day is only looked at, not locked: two who look
    at the same full channels in another order must not wait for each other."""
    def once_more() -> bool:
        return store.update(ChannelDay, {}, add={"used": 1, "used_minor": amount_minor}, account=account, day=day,
                            also="used + 1 <= ? AND used_minor + ? <= ?", params=(count_max, amount_minor, minor_max)) == 1
    first = {"account": account, "day": day, "used": 1, "used_minor": amount_minor}
    return once_more() or store.insert(ChannelDay, first, ignore=True) == 1 or once_more()


def _note(payment_no: str, account: str, day: str, amount_minor: int) -> None:
    store.current().later(ChannelUse, {"payment_no": payment_no, "account": account, "day": day, "amount_minor": amount_minor})
