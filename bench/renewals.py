"""`python -m bench.renewals CONTRACTS STORED`: how fast due contracts are found, announced and deducted, by one thread.

All of them fall due at the same minute, beside so many more that are not due; the channel answers at once. Prints one line of
JSON. Databases are in a temporary folder, SQLite with the engine's own settings.
"""
from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from typing import Any

_NEVER_MS = 400 * 86_400_000
IDLE_SCANS = 50


def main(count: int, stored: int) -> dict[str, Any]:
    from engine import renewing, store, wire
    from engine.audit import invariants
    from engine.base import clock
    from engine.pay import contracts

    from . import months

    bank = months.Bank(0.0, 1)
    wire.operate = bank.operate
    store.open_all()
    store.migrate()
    months.open_shop()
    found: dict[str, Any] = {"contracts": count, "stored": stored}
    found["sign_s"] = _timed(lambda: [months.sign(number) for number in range(count)])
    assert not invariants.violations()
    _store_more(stored)
    found["idle_scan_ms"] = _timed(lambda: [renewing.scan() for _ in range(IDLE_SCANS)]) * 1000 / IDLE_SCANS
    due_ms = contracts.find(store.one(contracts.Contract, columns=("no",), order_by="next_at_ms")["no"])["next_at_ms"]
    for name, at_ms in (("announce", due_ms), ("deduct", due_ms + 86_400_000)):
        clock.set_to(at_ms + 60_000)
        found[f"{name}_scan_s"] = _timed(lambda: renewing.scan(1000))
        found[f"{name}_s"] = _timed(_drain)
    found["deductions"] = len(bank.taken)
    return found


def _timed(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _drain() -> None:
    from engine.flow import outbox
    while outbox.drain(100):
        pass


def _store_more(count: int) -> None:
    """Copies of the contracts there are, none of them due for more than a year."""
    from engine import store
    from engine.pay.contracts import Contract

    pattern = store.many(Contract, limit=200)
    for start in range(0, count, 2000):
        with store.transaction():
            store.insert(Contract, [{**pattern[n % len(pattern)], "no": f"X{n}", "next_at_ms": pattern[0]["next_at_ms"] + _NEVER_MS}
                                    for n in range(start, min(start + 2000, count))])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="salewright-renewals-") as folder:
        os.environ |= {"SALEWRIGHT_DATA_DIR": folder, "SALEWRIGHT_LOG_LEVEL": "ERROR"}
        print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
