"""Which channels are left out, in the database: a row for each process, channel and operation that ever failed too often.

Breakers live in the processes that call; this is how people see them (the console is another process). A row is written
when a breaker opens, opens again, or closes, and at no other time.
"""
from __future__ import annotations

import logging
from typing import Any

import peewee

from .. import store
from ..base import clock
from ..config.live import node_name

SHOWN_S = 24 * 3600                            # one not heard of for so long has ended with its process
_log = logging.getLogger("salewright.pay")


class ChannelTrouble(store.TradeTable):
    """state: open (left out until `until_ms`, then tried once) · closed. why: what the last bad call said."""
    node = peewee.CharField(max_length=120)    # host:pid
    channel_id = peewee.CharField(max_length=64)
    operation = peewee.CharField(max_length=32)
    state = peewee.CharField(max_length=12)
    calls = peewee.IntegerField()
    failed = peewee.IntegerField()
    slow = peewee.IntegerField()
    why = peewee.TextField()
    since_ms = peewee.BigIntegerField()
    until_ms = peewee.BigIntegerField(null=True)
    updated_at_ms = peewee.BigIntegerField(index=True)

    class Meta:
        primary_key = peewee.CompositeKey("node", "channel_id", "operation")


def keep(look: Any, why: str) -> None:
    """Write what a breaker became (`health.Look`). A database that does not answer costs us the row, never the payment."""
    key, now = {"node": node_name(), "channel_id": look.channel_id, "operation": look.operation}, clock.now_ms()
    said = {"state": "closed" if look.until_ms is None else "open", "calls": look.calls, "failed": look.failed,
            "slow": look.slow, "why": why[:400], "since_ms": look.since_ms or now, "until_ms": look.until_ms,
            "updated_at_ms": now}
    try:
        with store.transaction():
            if not store.update(ChannelTrouble, said, **key):
                store.insert(ChannelTrouble, {**key, **said})
    except peewee.DatabaseError:
        _log.warning("the state of %s could not be written", look.channel_id, exc_info=True, extra={"channel": look.channel_id})


def current() -> list[dict[str, Any]]:
    """What is left out, by channel; rows of processes that are long gone are not."""
    return store.many(ChannelTrouble, state="open", also="updated_at_ms > ?", params=(clock.now_ms() - SHOWN_S * 1000,),
                      order_by="channel_id, operation, node")
