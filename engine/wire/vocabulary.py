"""The words of the channel language: operations, facts, fields, states. The schema and the checks read these tables."""
from __future__ import annotations

from typing import NamedTuple

OPERATIONS = {
    "pay": "asks the channel to collect a payment",
    "query": "asks what became of a payment (or of an order, for a supplier)",
    "close": "ends a payment that was not made",
    "cancel": "takes a payment or an order back, whatever its state",
    "refund": "gives money back",
    "refund_query": "asks what became of a refund",
    "sign": "opens a withholding contract",
    "pay_and_sign": "asks for a payment and opens a contract, in one",
    "contract_query": "asks what became of a contract",
    "unsign": "ends a contract",
    "announce": "tells the channel, and through it the buyer, of a deduction to come",
    "withhold": "deducts under a contract",
    "withhold_query": "asks what became of a deduction, where `query` does not know of it",
    "transfer": "pays money out",
    "split": "shares a payment among receivers",
    "statement": "fetches what the channel booked in one day",
    "send": "sends a message",
    "charge": "orders from a supplier, or asks a partner's system to charge an account",
    "notify": "tells a partner what became of its order",
    "deliver": "tells a shop that its order was delivered",
    "invoice": "issues an invoice",
    "invoice_query": "asks what became of an invoice",
    "red_invoice": "takes an invoice back by one of the opposite sign",
}

STATES = {
    "succeeded": "done, for good",
    "pending": "taken; the end is still open",
    "accepted": "taken by a system that reports the end later",
    "partial": "a part was delivered",
    "failed": "refused or failed, for good",
    "closed": "ended without having been done",
    "signed": "the contract is in force",
    "ended": "the contract is over",
    "absent": "the channel has never heard of it",
    "busy": "nothing was done; the same request may be repeated later",
    "unknown": "it may have happened: ask later",
}

# The fact a template names → its type. Money facts come as `<name>_minor`, times as `<name>_ms` (`payment.expires_at`
# is read from `payment.expires_at_ms`), and a template must say how to write them. `texts` is a list of them.
FACTS = {
    "payment.no": "text", "payment.amount": "money", "payment.currency": "text", "payment.created_at": "time",
    "payment.expires_at": "time", "payment.channel_no": "text", "payment.paid_at": "time", "payment.deduct_at": "time",
    "order.no": "text", "order.title": "text",
    "buyer.id": "text", "buyer.phone": "text", "buyer.name": "text",
    "client.ip": "text", "client.openid": "text", "client.return_url": "text", "client.user_agent": "text",
    "notice_url": "text",
    "refund.no": "text", "refund.amount": "money", "refund.currency": "text", "refund.reason": "text",
    "refund.channel_no": "text", "refund.created_at": "time",
    "contract.no": "text", "contract.channel_no": "text", "contract.title": "text", "contract.amount": "money",
    "contract.currency": "text", "contract.period_unit": "text", "contract.period_count": "int",
    "contract.created_at": "time", "contract.starts_at": "time", "contract.next_at": "time", "contract.ends_at": "time",
    "contract.reason": "text",
    "statement.from": "time", "statement.until": "time",
    "message.no": "text", "message.to": "text", "message.text": "text", "message.template": "text",
    "upstream.no": "text", "upstream.item": "text", "upstream.quantity": "int", "upstream.account": "text",
    "upstream.amount": "money", "upstream.currency": "text", "upstream.channel_no": "text",
    "notify.no": "text", "notify.event": "text", "notify.at": "time",
    "charge.no": "text", "charge.partner_order_no": "text", "charge.state": "text", "charge.reason": "text",
    "charge.amount": "money", "charge.currency": "text", "charge.drawn": "int", "charge.items": "text", "charge.account": "text",
    "partner.id": "text",
    "shop.order_no": "text", "shop.item": "text", "shop.items": "text", "shop.item_nos": "texts",
    "delivery.at": "time", "delivery.code": "text",
    "invoice.no": "text", "invoice.title": "text", "invoice.tax_no": "text", "invoice.item": "text", "invoice.rate": "text",
    "invoice.amount": "money", "invoice.currency": "text", "invoice.email": "text", "invoice.phone": "text",
    "invoice.original_no": "text", "invoice.channel_no": "text", "invoice.reason": "text", "invoice.created_at": "time",
}
OPEN_FACTS = ("settings.", "fields.")     # any name below these is a text fact; settings are also looked up in ours

# What `take:` may fill. Money fields become `<name>_minor`, times `<name>_at` → `<name>_at_ms`.
FIELDS = {
    "payment_no": "text", "order_no": "text", "refund_no": "text", "contract_no": "text", "message_no": "text",
    "upstream_no": "text", "channel_no": "text", "channel_refund_no": "text", "channel_contract_no": "text",
    "merchant": "text", "currency": "text", "payer": "text", "reason": "text", "error_code": "text",
    "event_type": "text", "tracking_no": "text",
    "shop_order_no": "text", "item": "text", "quantity": "text", "items": "items",
    "phone": "text",
    "invoice_no": "text", "channel_invoice_no": "text", "link": "text",
    "amount": "money", "fee": "money",
    "paid_at": "time", "refunded_at": "time", "signed_at": "time", "ended_at": "time", "delivered_at": "time",
    "next_at": "time",
    "state": "state",
}

# What each of a shop order's `items` may say: `number` is what the shop itself calls this piece or line of the order.
ITEM_FIELDS = {"item": "text", "number": "text", "quantity": "text", "amount": "money"}

# What a statement's rows may say. An amount has no sign: `kind` says which way it went.
ROW_FIELDS = {
    "kind": "kind", "payment_no": "text", "channel_no": "text", "refund_no": "text", "channel_refund_no": "text",
    "contract_no": "text", "currency": "text", "amount": "money", "fee": "money", "at": "time",
}
KINDS = {"payment": "money that came in", "refund": "money that went back", "other": "anything else the channel booked"}

# A field of an answer that must equal the fact of the request it answers; otherwise the answer is about something else.
SAME_AS = {"payment_no": "payment.no", "refund_no": "refund.no", "contract_no": "contract.no",
           "message_no": "message.no", "upstream_no": "upstream.no", "invoice_no": "invoice.no",
           "shop_order_no": "shop.order_no"}

PRIVATE_FACTS = ("buyer.phone", "buyer.name", "message.to", "message.text", "client.openid", "upstream.account",
                 "charge.account", "delivery.code", "invoice.email", "invoice.phone")


class Builtin(NamedTuple):
    kind: str       # text | time
    about: str


BUILTINS = {
    "timestamp": Builtin("time", "the moment of this message"),
    "nonce": Builtin("text", "32 random hex digits, new for each message"),
    "operation": Builtin("text", "the operation's name"),
    "method": Builtin("text", "the HTTP method"),
    "host": Builtin("text", "host and port of the address"),
    "path": Builtin("text", "the path of the address"),
    "path_and_query": Builtin("text", "path, and `?query` where there is one"),
    "body": Builtin("text", "the body, byte for byte as it travels"),
    "url": Builtin("text", "the finished address"),
    "signature": Builtin("text", "the signature, encoded"),
    "token": Builtin("text", "the token that `auth:` fetched"),
    "page": Builtin("text", "the number of a statement's further page: 2, 3 …"),
    "skipped": Builtin("text", "how many rows the pages before had"),
    "reason": Builtin("text", "why a notice is refused"),
}


def fact_kind(name: str) -> str | None:
    """Type of a fact a template may name, None for a name there isn't."""
    if name in FACTS:
        return FACTS[name]
    return "text" if name.startswith(OPEN_FACTS) else None


def key_of(name: str, kind: str) -> str:
    """The key under which a fact or field travels: `paid_at` → `paid_at_ms`, `amount` → `amount_minor`."""
    return name + {"money": "_minor", "time": "_ms"}.get(kind, "")
