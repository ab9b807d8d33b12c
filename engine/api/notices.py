"""The endpoint of incoming notices: what channels tell us about payments, refunds and contracts, and shops about their orders.

A channel's word is law on money, so this is the strictest door: whoever can't be verified, or speaks of something else
than we know, is refused in the sender's own words, nothing is changed, and an alertable line is logged. Only a sender that
was told `success` stops repeating; whenever we could not keep what it said, it is told `failure`.
"""
from __future__ import annotations

import logging

from .. import settling, shopping, signing, supplying, wire
from ..base import crash, signal, trace
from ..base.errors import Code, Refusal
from ..pay import channels
from . import problems
from .endpoint import Answer, Call, endpoint

_log = logging.getLogger("salewright.notice")


class _Rejected(Exception):
    """A notice that is not taken, and why; the reason is fit for the log and for the sender."""


@endpoint("POST", "/v1/notices/{channel}/{event}", "notices.receive", ("渠道通知", "A channel's notice"), who="anyone",
          answers={200: None}, refusals=(Code.NOTICE_UNKNOWN, Code.BODY_TOO_LARGE))
def receive(call: Call) -> Answer:
    """Where channels send what became of payments and refunds. The channel's file says how a notice is verified and read,
    and how it is answered; a notice that comes again is applied once."""
    crash.point("notice.received")
    channel_id, event = call.path["channel"], call.path["event"]
    channel, asked = _channel(channel_id), call.asked.incoming()
    if event not in channel.events:
        raise Refusal(Code.NOTICE_UNKNOWN, f"the channel {channel_id} declares no notice {event!r}",
                      [{"path": "{event}", "found": event}])
    try:
        verdict, reason = _take(channel, channel_id, event, asked), ""
    except _Rejected as rejected:
        verdict, reason = "failure", str(rejected)
        _alert(channel_id, event, reason)
    except Exception as error:                 # nothing was kept: the sender must come again
        verdict, reason = "failure", "try again"
        _alert(channel_id, event, problems.of_error(error).message)
    status, headers, body = wire.answer(channel, event, verdict, reason, asked)
    return Answer(status=status, headers={name.title(): value for name, value in headers.items()}, raw=body)


def _channel(channel_id: str) -> wire.Channel:
    try:
        return channels.get(channel_id)
    except Refusal as refusal:
        if refusal.code is not Code.CHANNEL_NOT_ALLOWED:
            raise
        raise Refusal(Code.NOTICE_UNKNOWN, f"there is no channel {channel_id!r}",
                      [{"path": "{channel}", "found": channel_id}]) from None


def _take(channel: wire.Channel, channel_id: str, event: str, asked: wire.IncomingRequest) -> str:
    """Apply every notice of one call; `duplicate` when all of them were known."""
    try:
        notices = wire.receive(channel, event, asked)
    except wire.NoticeRejected as rejected:
        raise _Rejected(f"{rejected.code}: {rejected.reason}") from None
    verdicts = [_apply(channel, channel_id, notice) for notice in notices]
    return "duplicate" if verdicts and set(verdicts) == {"repeated"} else "success"


def _apply(channel: wire.Channel, channel_id: str, notice: wire.Notice) -> str:
    fields, once = notice.fields, (channel_id, notice.dedupe_key, notice.event)
    cause = f"notice {notice.event} of {channel_id}"
    try:
        if channel.role == "shop":             # its orders are paid there, under its own numbers
            return shopping.apply_shop(channel_id, fields, cause, once)
        if fields.get("refund_no"):
            return settling.apply_refund(fields["refund_no"], fields.get("state", "unknown"), fields, cause, once)
        contract_no = signing.named_in(channel_id, fields)
        if fields.get("payment_no"):
            verdict = settling.apply_payment(fields["payment_no"], fields, cause, once)
            if contract_no:                    # paid and signed in one
                signing.apply_with_payment(contract_no, fields, cause, once)
            return verdict
        if contract_no:
            return signing.apply(contract_no, fields, cause, once)
        if fields.get("upstream_no"):
            return supplying.apply_upstream(fields["upstream_no"], fields, cause, once)
        if fields.get("message_no"):
            return supplying.apply_receipt(fields["message_no"], fields, once)
    except Refusal as refusal:                 # another number, amount, currency or state than ours
        raise _Rejected(refusal.message) from None
    raise _Rejected("it names no payment, refund, contract or upstream order that we know")


def _alert(channel_id: str, event: str, reason: str) -> None:
    signal.emit("notice.rejected", channel=channel_id)
    _log.error("notice not taken: %s", reason, extra={
        "channel": channel_id, "event": event, "interface": trace.current().consumer,
        "endpoint": f"/v1/notices/{channel_id}/{event}", "reason": reason})
