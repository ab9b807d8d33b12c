"""The generic template: which flows an order's life has and which hooks a line may fill in each, in order.

`engine/sale.py` tells what happens between the hooks. `after` says in a sentence where a hook stands; the schema of
`lines/*.yaml` and the console's drawing are made from this table.
"""
from __future__ import annotations

from typing import NamedTuple


class Hook(NamedTuple):
    name: str
    about: str


FLOWS: dict[str, tuple[Hook, ...]] = {
    "quote": (
        Hook("check", "before anything is priced; a refusal here ends the quote"),
        Hook("price", "list price first, then what lowers it"),
        Hook("hold", "holds what the price depends on, until the quote expires"),
    ),
    "place": (
        Hook("check", "before the order is written"),
        Hook("hold", "holds what the order needs until it is paid or closed"),
        Hook("break_down", "work orders that come before payment"),
    ),
    "paid": (
        Hook("deliver", "after the money is in the ledger: what the buyer gets"),
        Hook("tell", "messages; the order is already delivered"),
    ),
    "renew": (
        Hook("announce", "before each deduction, as early as the product says: the buyer is told"),
        Hook("fail", "a deduction failed; the schedule goes on"),
        Hook("suspend", "the grace is over and nothing was paid"),
        Hook("end", "the contract is over, whoever ended it"),
        Hook("deliver", "after a deduction is in the ledger: the next period"),
        Hook("tell", "messages of a renewal; the period is already delivered"),
    ),
    "fulfil": (
        Hook("deliver", "after all work orders of a paid order are done"),
        Hook("tell", "messages of fulfilment"),
    ),
    "close": (
        Hook("release", "an unpaid order ends: what it held becomes free"),
        Hook("tell", "messages of closing"),
    ),
    "charge": (
        Hook("check", "a partner's direct charge, before the pool is drawn"),
        Hook("draw", "the partner's pool pays"),
        Hook("deliver", "what the buyer gets; waits while the buyer is not registered"),
        Hook("tell", "messages to the buyer and the partner"),
    ),
}
