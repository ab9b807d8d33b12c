"""What there is to do: the handlers of the outbox's tasks, and what can be overdue. They call, they do not decide."""
from __future__ import annotations

from typing import Any, Callable, NamedTuple

from .. import charge, renewing, runs, sale, settling, signing, store
from ..base import clock
from ..deliver import charges, messages, outgoing
from ..flow import executor, outbox
from ..pay import channels, contracts, health, payments, refunds
from ..trade import orders, quotes


@outbox.handles("flow.advance")
def _advance(job: dict[str, Any]) -> None:
    executor.advance(job["subject_no"], runs.HOST)


@outbox.handles("message.send")
def _send_message(job: dict[str, Any]) -> None:
    messages.send(job["subject_no"], channels.get(job["args"]["channel"]), health.operate)


@outbox.handles("notice.send")
def _send_notice(job: dict[str, Any]) -> None:
    channel_id = job["args"]["channel"]
    outgoing.send(job, channels.get(channel_id), channels.common_facts(channel_id), health.operate)


@outbox.handles("payment.close")
def _close_payment(job: dict[str, Any]) -> None:
    settling.close_payment(job["subject_no"])


@outbox.handles("refund.send")
def _send_refund(job: dict[str, Any]) -> None:
    settling.send_refund(job["subject_no"])


@outbox.handles("contract.advance")
def _advance_contract(job: dict[str, Any]) -> None:
    renewing.advance(job["subject_no"])


@outbox.handles("contract.unsign")
def _unsign(job: dict[str, Any]) -> None:
    signing.unsign(job["subject_no"])


class Overdue(NamedTuple):
    """due(limit) → numbers of what is overdue; do(number): what to do with one, harmless when it is done already."""
    name: str
    due: Callable[[int], list[str]]
    do: Callable[[str], Any]


def _unpaid(limit: int) -> list[str]:
    """Orders whose time to pay is over. A direct charge's order is its charge's business; a renewal's (the only ones that
    were not quoted) its contract's."""
    found = store.many(orders.TradeOrder, columns=("no",), state="awaiting_payment",
                       also="expires_at_ms <= ? AND quote_no <> '' AND NOT EXISTS (SELECT 1 FROM charge WHERE "
                            "charge.order_no = trade_order.no)",
                       params=(clock.now_ms(),), order_by="expires_at_ms", limit=limit)
    return [row["no"] for row in found]


def _expire_quotes(_: str) -> None:
    while quotes.expire_due():
        pass


OVERDUE = (
    Overdue("quotes", lambda limit: ["all that are due"], _expire_quotes),
    Overdue("order", _unpaid, sale.expire),
    Overdue("payment", payments.due_to_ask, settling.ask_payment),
    Overdue("refund", refunds.due, settling.send_refund),
    Overdue("flow", executor.overdue, lambda no: executor.advance(no, runs.HOST)),
    Overdue("contract", lambda limit: ["all that are due"] if contracts.any_due() else [], lambda _: renewing.scan()),
    Overdue("charge", lambda limit: [row["no"] for row in charges.due(limit)], charge.complete),
)
