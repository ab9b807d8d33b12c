"""A process that writes to the trade database: what the gate's tests start several of.

    python tests/store/writers.py add 50       add 1 to the counter 50 times, a transaction each
    python tests/store/writers.py hold         say `held` inside a transaction, and stay there
"""
from __future__ import annotations

import sys
import time

from engine import store
from engine.trade.orders import PurchaseCount


def add(times: int) -> None:
    for _ in range(times):
        with store.transaction():
            row = store.one(PurchaseCount, buyer_id="b", lock=True)
            store.update(PurchaseCount, {"pieces": row["pieces"] + 1}, buyer_id="b")


def hold() -> None:
    with store.transaction():
        store.update(PurchaseCount, {}, add={"pieces": 1_000_000}, buyer_id="b")
        print("held", flush=True)
        time.sleep(60)


if __name__ == "__main__":
    store.open_all()
    if sys.argv[1] == "add":
        add(int(sys.argv[2]))
    else:
        hold()
    print("over", flush=True)
