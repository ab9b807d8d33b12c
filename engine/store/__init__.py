"""Databases, transactions, rows, state machines, migrations. Tables live in the rooms that own them.

    with store.transaction() as tx:            # trade; store.content / store.system name the others
        row = store.one(Order, no=no, lock=True)
        store.move(ORDER, no, "paid", "notice", row=row)
        tx.later(Posting, {...})
"""
from .databases import (ContentTable, JsonField, LOGICAL, Logical, SystemTable, TradeTable, content, counts, logical_of,
                        open_all, system, tables, trade)
from .migrate import migrate, pending
from .rows import delete, insert, many, one, query, update
from .states import MACHINES, Machine, StateLog, born, move
from .transaction import Transaction, current, hold, in_transaction, retrying, snapshot, transaction

__all__ = ["ContentTable", "JsonField", "LOGICAL", "Logical", "MACHINES", "Machine", "StateLog", "SystemTable",
           "TradeTable", "Transaction", "born", "content", "counts", "current", "delete", "hold", "in_transaction", "insert",
           "logical_of", "many", "migrate", "move", "one", "open_all", "pending", "query", "retrying", "snapshot",
           "system", "tables", "trade", "transaction", "update"]
