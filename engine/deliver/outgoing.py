"""Notices we send: to a partner what became of its charge, to a shop that its order was delivered.

A notice is staged with the fact it tells of and sent by a worker through an operation of a channel, with growing waits,
until the other side acknowledges it. What it says is frozen when it is staged: repeated, it says the same under the same
number. Notices about one order go one after the other, so that the other side hears of things as they happened. What was
not acknowledged in its time is a dead job; a person may send it round again.
"""
from __future__ import annotations

import logging
from typing import Any, Callable, Mapping

import peewee

from .. import store, wire
from ..base import clock, crash, ids, signal, trace
from ..config.catalog import Reporting
from ..flow import outbox

BEHIND_S = 5.0                                 # how long one waits behind an earlier notice about the same order
_log = logging.getLogger("salewright.outgoing")


class OutgoingNotice(store.TradeTable):
    """owner: the partner or scene it is sent for. n: its place among the order's notices. facts: what it says, in the channel
    language's words."""
    no = peewee.CharField(max_length=32, primary_key=True)
    owner = peewee.CharField(max_length=64)
    order_no = peewee.CharField(max_length=32, index=True)
    n = peewee.IntegerField()
    channel_id = peewee.CharField(max_length=64)
    operation = peewee.CharField(max_length=16)
    event = peewee.CharField(max_length=24)
    facts = store.JsonField()
    state = peewee.CharField(max_length=12)
    attempts = peewee.IntegerField()
    error = peewee.TextField(null=True)
    give_up_at_ms = peewee.BigIntegerField()
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("owner", "no"), False),)


OUTGOING = store.Machine("outgoing", OutgoingNotice, "no", initial=("queued",), moves={
    "queued": ("told", "given_up"), "given_up": ("queued",), "told": ()},
    titles={"zh": "外发通知", "en": "Outgoing notice"})


def stage(reporting: Reporting, operation: str, owner: str, order_no: str, event: str, facts: Mapping[str, Any]) -> str:
    """Stage a notice and the job that sends it in the open transaction; returns its number."""
    now, no, tx = clock.now_ms(), ids.new_no("N"), store.current()
    earlier = [row for row in tx.staged(OutgoingNotice) if row["order_no"] == order_no] + of_order(order_no)
    tx.later(OutgoingNotice, {
        "no": no, "owner": owner, "order_no": order_no, "n": len(earlier) + 1, "channel_id": reporting.channel_id,
        "operation": operation,
        "event": event, "facts": {**facts, "notify.no": no, "notify.event": event, "notify.at_ms": now}, "state": "queued",
        "attempts": 0, "error": None, "give_up_at_ms": now + int(reporting.for_s * 1000), "trace_id": trace.trace_id(),
        "created_at_ms": now, "updated_at_ms": now})
    store.born(OUTGOING, no, "queued", f"{event} of order {order_no}")
    outbox.stage("notice.send", no, channel=reporting.channel_id, wait=[reporting.wait_min_s, reporting.wait_max_s],
                 for_s=reporting.for_s)
    return no


def send(job: Mapping[str, Any], channel: Any, common: Mapping[str, Any], operate: Callable[..., wire.Outcome]
         ) -> None:
    """Send a notice once; `operate` makes the call. Raises outbox.Later until it is acknowledged, outbox.GivenUp when its time
    is over."""
    row = _taken_up(job)
    if row is None:
        return
    outcome = operate(channel, row["operation"], _all_facts(row, channel, common, operate))
    crash.point("outgoing.called")
    with store.transaction():
        row = store.one(OutgoingNotice, no=row["no"], lock=True)
        if row["state"] != "queued":           # another worker was as fast
            return
        attempts, told = row["attempts"] + 1, outcome.state in ("succeeded", "accepted")
        refused = outcome.state == "failed" and outcome.sent
        over = refused or clock.now_ms() >= row["give_up_at_ms"]
        reason = None if told else outcome.reason or outcome.state
        if told or over:
            if told and row["facts"].pop("delivery.code", None):       # a secret that has reached its buyer is not kept
                store.update(OutgoingNotice, {"facts": row["facts"]}, no=row["no"])
            store.move(OUTGOING, row["no"], "told" if told else "given_up", reason or "acknowledged", row=row,
                       attempts=attempts, error=reason)
        else:
            store.update(OutgoingNotice, {"attempts": attempts, "error": reason, "updated_at_ms": clock.now_ms()}, no=row["no"])
    if told:
        return
    if not over:
        raise outbox.Later(outbox.backoff_s(attempts, *job["args"]["wait"]), reason)
    signal.emit("outgoing.given_up", channel=row["channel_id"])
    _log.error("notice %s was not acknowledged: %s", row["no"], reason,
               extra={"channel": row["channel_id"], "order": row["order_no"], "owner": row["owner"]})
    raise outbox.GivenUp(reason)


def _all_facts(row: Mapping[str, Any], channel: Any, common: Mapping[str, Any], operate: Callable[..., wire.Outcome]
               ) -> dict[str, Any]:
    """What is told. Where the report must name the shop's own numbers of the pieces, the shop is asked for them first."""
    facts = {**row["facts"], **common}
    if "shop.item_nos" in wire.needs_facts(channel, row["operation"]) and wire.declares(channel, "query"):
        said = operate(channel, "query", facts).fields
        facts["shop.item_nos"] = [item["number"] for item in said.get("items", ()) if item.get("number")] or ""
    return facts


def _taken_up(job: Mapping[str, Any]) -> dict[str, Any] | None:
    """The notice of a job, if it is still to be sent; one that was given up gets its time again, since a person sent its
    job round."""
    with store.transaction():
        row = store.one(OutgoingNotice, no=job["subject_no"], lock=True)
        if row is None or row["state"] == "told":
            return None
        if row["state"] == "given_up":
            until_ms = clock.now_ms() + int(job["args"]["for_s"] * 1000)
            store.move(OUTGOING, row["no"], "queued", "sent round again", row=row, give_up_at_ms=until_ms)
            row = {**row, "state": "queued", "give_up_at_ms": until_ms}
        if store.one(OutgoingNotice, columns=("no",), order_no=row["order_no"], channel_id=row["channel_id"], state="queued",
                     also="n < ?", params=(row["n"],)):
            raise outbox.Later(BEHIND_S, "an earlier notice about the same order comes first")
    return row


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(OutgoingNotice, order_no=order_no, order_by="n")


def of_owner(owner: str, limit: int = 50) -> list[dict[str, Any]]:
    """The last notices sent for a partner or scene, newest first."""
    return store.many(OutgoingNotice, owner=owner, order_by="no DESC", limit=limit)
