"""`make soak`: what takes too long for a test. Two years of contracts, whole: `python -m bench.soak [--contracts 10000]`.

Everything is in a temporary folder (and on a PostgreSQL server of its own with `--database postgresql`) and gone afterwards.
The exit code is 1 when anything is not as it must be.
"""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack

from .servers import PostgreSQL


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--contracts", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--failing", type=float, default=0.05, help="share of deductions that do not simply succeed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql", "both"), default="both")
    args = parser.parse_args(words)
    wrong = 0
    for database in ("sqlite", "postgresql") if args.database == "both" else (args.database,):
        with ExitStack() as stack:
            found = _on(database, stack, args)
        print(f"{database}: {found['contracts']:,} contracts, {found['months']} months, {found['deductions']:,} deductions in "
              f"{found['seconds']:.0f} s ({found['deductions'] / found['seconds']:.0f}/s); the channel said {found['said']}; "
              f"contracts are {found['states']}; {found['returned']} deductions went back", flush=True)
        for line in found["wrong"]:
            print(f"  WRONG: {line}", flush=True)
        print("  no double, no gap, the ledger is the contracts' periods" if not found["wrong"] else "", flush=True)
        wrong += len(found["wrong"])
    return 1 if wrong else 0


def _on(database: str, stack: ExitStack, args: argparse.Namespace) -> dict:
    from engine import store
    from engine.base import logs
    from engine.config.live import live

    from . import months

    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="salewright-soak-"))
    os.environ |= {"SALEWRIGHT_DATA_DIR": folder, "SALEWRIGHT_SQLITE_SYNCHRONOUS": "OFF", "SALEWRIGHT_LOG_LEVEL": "ERROR"}
    os.environ.pop("SALEWRIGHT_DATABASE_URL", None)
    if database == "postgresql":
        server = PostgreSQL()
        stack.callback(server.stop)
        os.environ["SALEWRIGHT_DATABASE_URL"] = server.create("soak")
    logs.setup()
    store.open_all()
    store.migrate()
    stack.callback(lambda: (live.stop(), [db.close() for db in store.LOGICAL.values()]))
    months.open_shop()
    return months.live_through(args.contracts, args.months, args.failing, args.seed, lambda text: print(text, flush=True))


if __name__ == "__main__":
    sys.exit(main())
