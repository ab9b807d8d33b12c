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


_RAISE = """
INSERT INTO channel_day (account, day, used, used_minor) VALUES (?, ?, 1, ?)
ON CONFLICT (account, day) DO UPDATE SET used = channel_day.used + 1, used_minor = channel_day.used_minor + excluded.used_minor"""
_WITHIN = " WHERE channel_day.used + 1 <= ? AND channel_day.used_minor + excluded.used_minor <= ?"
_NO_LIMIT = 2 ** 62


def take(channel_id: str, payment_no: str, amount_minor: int) -> str:
    """Count a payment in the open transaction; why the day does not allow it (then nothing is counted), "" when it does."""
    limits = terms.of(channel_id).limits
    if not limits.by_day:
        return ""
    count_max = _NO_LIMIT if limits.day_count is None else limits.day_count
    minor_max = _NO_LIMIT if limits.day_minor is None else limits.day_minor
    if amount_minor > minor_max or not _raise(limits, _today(), amount_minor, (count_max, minor_max)):
        return "it has taken as much as it may today"
    _note(payment_no, limits, amount_minor)
    return ""


def count_all_the_same(channel_id: str, payment_no: str, amount_minor: int) -> None:
    """A payment that no longer counted was paid after all. One that ended while there was no limit has never ceased to."""
    limits = terms.of(channel_id).limits
    if limits.by_day and store.one(ChannelUse, payment_no=payment_no) is None:
        _raise(limits, _today(), amount_minor)
        _note(payment_no, limits, amount_minor)


def give_back(payment: Mapping[str, Any]) -> None:
    """A payment that failed or was closed counts no longer; in the open transaction, with the payment's lock."""
    if payment["tender_kind"] == "channel":
        take_back(payment["channel_id"], payment["no"])


def take_back(channel_id: str, payment_no: str) -> None:
    """The same of a payment that did not come to be: `take` was in this transaction."""
    if not terms.of(channel_id).limits.by_day:
        return
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


def _raise(limits: Limits, day: str, amount_minor: int, caps: tuple[int, int] | None = None) -> bool:
    sql, params = (_RAISE, ()) if caps is None else (_RAISE + _WITHIN, caps)
    db = store.trade
    sql = sql if db.is_sqlite else sql.replace("?", "%s")
    return db.database.execute_sql(sql, (limits.account, day, amount_minor, *params)).rowcount == 1


def _note(payment_no: str, limits: Limits, amount_minor: int) -> None:
    store.current().later(ChannelUse, {"payment_no": payment_no, "account": limits.account, "day": _today(),
                                       "amount_minor": amount_minor})
