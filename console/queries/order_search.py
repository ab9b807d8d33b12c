"""From what a person types into the search box to orders: each kind of number is looked up in its own index."""
from __future__ import annotations

import peewee

from engine import store
from engine.deliver.charges import Charge
from engine.deliver.messages import Message
from engine.pay.payments import PaymentOrder, PaymentTender
from engine.pay.refunds import Refund
from engine.trade.buyers import Buyer
from engine.trade.orders import TradeOrder

MOST = 200                                     # what one search may stand for; beyond it the words are too vague


def condition(text: str) -> peewee.Expression:
    """Orders whose number, buyer, telephone, outside number or channel number is this text, exactly."""
    return (TradeOrder.no << _order_nos(text)) | (TradeOrder.buyer_id << _buyer_ids(text)) | (TradeOrder.external_no == text)


def _order_nos(text: str) -> list[str]:
    found = {text, text.upper()}
    for table, columns in ((PaymentOrder, ("no", "channel_no")), (Refund, ("no", "channel_refund_no")),
                           (Charge, ("no", "partner_order_no", "phone")), (Message, ("recipient",))):
        for column in columns:
            found |= {row["order_no"] for row in store.many(table, columns=("order_no",), limit=MOST, **{column: text})}
    for tender in store.many(PaymentTender, columns=("payment_no",), limit=MOST, ref=text, kind="external"):
        found |= {row["order_no"] for row in store.many(PaymentOrder, columns=("order_no",), no=tender["payment_no"])}
    return sorted(found)


def _buyer_ids(text: str) -> list[str]:
    return sorted({text, *(row["id"] for row in store.many(Buyer, columns=("id",), phone=text, limit=MOST))})
