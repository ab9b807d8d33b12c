"""What suppliers say about upstream orders they took, and message providers about messages: delivered, or not."""
from __future__ import annotations

import logging
from typing import Any, Mapping

from . import store
from .base import clock, signal
from .base.errors import Code, Refusal
from .deliver import messages, upstream
from .pay import notices

_log = logging.getLogger("salewright.supply")
# A partial delivery is no end: the supplier goes on, or says that it failed.
_ENDS = {"succeeded": "done", "failed": "failed", "accepted": "accepted", "pending": "accepted"}


def apply_upstream(upstream_no: str, fields: Mapping[str, Any], cause: str, notice: tuple[str, str, str]) -> str:
    """Apply a supplier's notice, once; returns applied · repeated · nothing_new. NOTICE_REJECTED for an order that is not
    ours. notice: (channel id, dedupe key, event)."""
    with store.transaction(crash_point="notice.before_commit"):
        if not notices.first_time(notice[0], notice[1], notice[2], upstream_no, fields):
            return "repeated"
        row = store.one(upstream.UpstreamOrder, no=upstream_no, lock=True)
        if row is None or row["channel_id"] != notice[0]:
            raise Refusal(Code.NOTICE_REJECTED, f"there is no upstream order {upstream_no!r} at this supplier")
        state = _ENDS.get(fields.get("state", ""))
        if state is None or not upstream.UPSTREAM.allows(row["state"], state):
            return "nothing_new"               # said before, or an older word after a newer one
        store.move(upstream.UPSTREAM, upstream_no, state, cause, row=row,
                   external_no=fields.get("channel_no") or row["external_no"],
                   error=(fields.get("reason") or cause) if state == "failed" else None)
    if state == "failed":
        signal.emit("upstream.failed", channel=notice[0])
        _log.error("the supplier could not deliver %s", upstream_no, extra={
            "channel": notice[0], "orders": ", ".join(upstream.orders_of(upstream_no)), "at": clock.rfc3339(clock.now_ms())})
    return "applied"


def apply_receipt(message_no: str, fields: Mapping[str, Any], notice: tuple[str, str, str]) -> str:
    """Apply a message provider's receipt, once; returns applied · repeated · nothing_new. NOTICE_REJECTED for a message that
    is not of this channel."""
    with store.transaction(crash_point="notice.before_commit"):
        if not notices.first_time(notice[0], notice[1], notice[2], message_no, fields):
            return "repeated"
        state = fields.get("state", "unknown")
        if state not in ("succeeded", "failed"):
            return "nothing_new"
        try:
            reason = fields.get("reason") or fields.get("error_code") or "not delivered"
            known = not messages.received(message_no, notice[0], state == "succeeded", reason)
        except LookupError as unknown:
            raise Refusal(Code.NOTICE_REJECTED, str(unknown)) from None
    return "nothing_new" if known else "applied"
