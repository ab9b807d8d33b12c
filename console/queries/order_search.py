"""From what a person types into the search box to orders: each kind of number is looked up in its own index."""
from __future__ import annotations

import re

import peewee

from engine import store
from engine.deliver import upstream
from engine.deliver.charges import Charge
from engine.deliver.messages import Message
from engine.deliver.outgoing import OutgoingNotice
from engine.deliver.work_orders import WorkOrder
from engine.pay.contracts import ContractPeriod
from engine.pay.payments import PaymentOrder
from engine.pay.refunds import Refund
from engine.trade.buyers import Buyer
from engine.trade.orders import TradeOrder

MOST = 200                                     # what one search may stand for; beyond it the words are too vague
_TELEPHONE = re.compile(r"\+?[0-9][0-9 -]{5,18}\Z")


def condition(text: str) -> peewee.Expression:
    """Orders whose number, or that of anything that hangs on them, is this text, exactly; or whose buyer, telephone or outside
    number is."""
    return (TradeOrder.no << _order_nos(text)) | (TradeOrder.buyer_id << _buyer_ids(text))


def _order_nos(text: str) -> list[str]:
    places = [(PaymentOrder, "no"), (PaymentOrder, "channel_no"), (Refund, "no"), (Refund, "channel_refund_no"), (Charge, "no"),
              (Message, "no"), (WorkOrder, "no"), (OutgoingNotice, "no")]
    if _TELEPHONE.match(text):                 # a guest is known by where his messages went
        places += [(Charge, "phone"), (Message, "recipient")]
    found = {text, text.upper()}
    for table, column in places:
        found |= {row["order_no"] for row in store.many(table, columns=("order_no",), limit=MOST, **{column: text})}
    return sorted(found | _by_contract(text) | _by_upstream(text) | _by_outside(text))


def _by_contract(text: str) -> set[str]:
    """The orders of a contract's periods, by its number."""
    return {row["order_no"] for row in store.many(ContractPeriod, columns=("order_no",), contract_no=text, limit=MOST)}


def _by_upstream(text: str) -> set[str]:
    """The orders behind an upstream order, by its number."""
    return set(upstream.orders_of(text))


def _by_outside(text: str) -> set[str]:
    """By the number a shop or partner knows an order by. The index leaves out orders without one; it is used where the
    query's text says that they don't count."""
    return {row["no"] for row in store.many(TradeOrder, columns=("no",), external_no=text, also="external_no <> ''", limit=MOST)}


def _buyer_ids(text: str) -> list[str]:
    by_phone = store.many(Buyer, columns=("id",), phone=text, limit=MOST) if _TELEPHONE.match(text) else []
    return sorted({text, *(row["id"] for row in by_phone)})
