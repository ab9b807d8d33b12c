"""`make bench`: what a sale costs here, against a floor written by hand. One phase after another, each bounded.

    sales      floor and engine take turns: SQLite and PostgreSQL, 1 and 16 clients, with and without the engine's worker
    cost       statements and commits of an order, and where its time goes (one thread, in one process)
    scenes     check and compile 2,000 scenes, publish to live, and the order rate beside the sample catalogue
    stored     the order rate with a million orders stored beside an installation with none
    renewals   contracts that fall due in the same minute: found by index, announced and deducted by one thread

Everything is on loopback and in a temporary folder, and is gone afterwards. Figures go to the terminal, and as JSON to the
file that BENCH_OUT names.
"""
from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import psycopg

from . import report
from .rounds import Generator, Side, ratio, take_turns
from .servers import ROOT, Engine, Floor, PostgreSQL

DRAIN_S = 30.0                                 # the worker's time to catch up after a round
PATTERN_ORDERS = 200
BYTES_PER_STORED_ORDER = 12_000                # with room to spare
SNAPSHOT = {"facts": {f"fact.{n:02d}": "x" * 20 for n in range(30)}, "lines": [{"n": n, "title": "y" * 40} for n in range(5)]}


@dataclass(frozen=True)
class Plan:
    """How much is measured. A round is sized to last about `round_s`."""
    rounds: int = 7
    round_s: float = 1.5
    clients: tuple[int, ...] = (1, 16)
    buyers: int = 500
    scenes: int = 2000
    stored: int = 1_000_000
    profiled: int = 300
    contracts: int = 2000                      # that fall due at once, beside so many that do not:
    contracts_stored: int = 200_000


QUICK = Plan(rounds=2, round_s=0.5, buyers=100, scenes=500, stored=20_000, profiled=60, contracts=200,
             contracts_stored=20_000)
PHASES = ("sales", "cost", "scenes", "stored", "renewals")


class Bench:
    """One run: its folder, its load generator, and what it has found."""

    def __init__(self, plan: Plan, stack: ExitStack):
        self.plan, self._stack = plan, stack
        self.folder = Path(tempfile.mkdtemp(prefix="salewright-bench-"))
        stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.generator = Generator()
        stack.callback(self.generator.stop)

    def engine(self, stack: ExitStack, name: str, url: str = "", scenes: int = 0) -> Engine:
        engine = Engine(self.folder / name, url, scenes, self.plan.buyers)
        stack.callback(engine.stop)
        return engine

    def floor(self, stack: ExitStack, name: str, url: str) -> Floor:
        floor = Floor(self.folder / name, url).start()
        stack.callback(floor.stop)
        return floor

    def turns(self, *sides: Side) -> None:
        take_turns(self.generator, list(sides), self.plan.rounds, self.plan.round_s)

    # the phases

    def sales(self) -> list[dict[str, Any]]:
        found = []
        for database in ("sqlite", "postgresql"):
            with ExitStack() as stack:
                server = None
                if database == "postgresql":
                    server = PostgreSQL()
                    stack.callback(server.stop)
                floor_url = server.create("floor") if server else f"sqlite:///{self.folder}/floor/floor.db"
                engine = self.engine(stack, f"engine-{database}", server.create("engine") if server else "")
                floor = self.floor(stack, "floor", floor_url)
                engine.start("api")
                for clients in self.plan.clients:
                    found.append({"database": database, "clients": clients, **self._compare(floor, engine, clients)})
                    report.say_sale(found[-1])
        return found

    def _compare(self, floor: Floor, engine: Engine, clients: int) -> dict[str, Any]:
        """First with the worker at work, which leaves no backlog; then without."""
        for role in ("sandbox", "worker"):
            engine.start(role)
        working = Side("engine with worker", engine, engine_opening(engine, clients), after=lambda: wait_drained(engine))
        beside = Side("floor beside it", floor, floor_opening(engine, floor, clients))
        self.turns(beside, working)
        worker_rss = engine.rss_bytes("worker")
        for role in ("worker", "sandbox"):
            engine.stop(role)
        alone, below = (Side("engine", engine, engine_opening(engine, clients)),
                        Side("floor", floor, floor_opening(engine, floor, clients)))
        self.turns(below, alone)
        return {"floor": below.figures(), "engine": alone.figures(), "ratio": ratio(alone, below),
                "engine_with_worker": working.figures() | {"worker_rss_bytes": worker_rss},
                "ratio_with_worker": ratio(working, beside)}

    def cost(self) -> dict[str, Any]:
        with ExitStack() as stack:
            engine = self.engine(stack, "engine-cost").start("sandbox")
            found = engine.ask("bench.breakdown", str(self.plan.profiled))
        report.say_cost(found)
        return found

    def scenes(self) -> dict[str, Any]:
        with ExitStack() as stack:
            few, many = self.engine(stack, "few-scenes"), self.engine(stack, "many-scenes", scenes=self.plan.scenes)
            few.start("api")
            began = time.monotonic()
            many.start("api")
            found = {"scenes": many.facts["scenes"], "sample": few.facts["scenes"], "start_s": time.monotonic() - began,
                     **many.ask("bench.publish", str(self.plan.scenes))}
            clients = max(self.plan.clients)
            sides = [Side(name, engine, engine_opening(engine, clients)) for name, engine in (("few", few), ("many", many))]
            self.turns(*sides)
            found |= {"clients": clients, "few": sides[0].figures(), "many": sides[1].figures(), "ratio": ratio(sides[1], sides[0])}
        report.say_scenes(found)
        return found

    def stored(self) -> dict[str, Any]:
        with ExitStack() as stack:
            none, many = self.engine(stack, "none-stored"), self.engine(stack, "many-stored")
            many.start("api")
            self._sell(many, PATTERN_ORDERS)
            many.stop("api")
            room = shutil.disk_usage(self.folder).free // BYTES_PER_STORED_ORDER
            filled = many.ask("bench.fill", str(min(self.plan.stored, room)), timeout_s=600)
            none.start("api")
            many.start("api")
            clients = max(self.plan.clients)
            sides = [Side(name, engine, engine_opening(engine, clients)) for name, engine in (("none", none), ("many", many))]
            self.turns(*sides)
            found = {**filled, "wanted": self.plan.stored, "clients": clients, "none": sides[0].figures(),
                     "many": sides[1].figures(), "ratio": ratio(sides[1], sides[0])}
        report.say_stored(found)
        return found

    def renewals(self) -> dict[str, Any]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SALEWRIGHT_")}
        done = subprocess.run([sys.executable, "-m", "bench.renewals", str(self.plan.contracts), str(self.plan.contracts_stored)],
                              cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=600, check=True, env=clean)
        found = json.loads(done.stdout.splitlines()[-1])
        report.say_renewals(found)
        return found

    def _sell(self, engine: Engine, orders: int) -> None:
        """So many orders, paid."""
        self.generator.tell(do="open", name="pattern", **engine_opening(engine, 4))
        self.generator.tell(do="round", name="pattern", orders=orders)
        self.generator.tell(do="round", name="pattern", orders=0)
        self.generator.tell(do="close", name="pattern")


def engine_opening(engine: Engine, clients: int) -> dict[str, Any]:
    return {"kind": "engine", "port": engine.port, "clients": clients, "facts": engine.facts,
            "secrets": str(engine.folder / "secrets")}


def floor_opening(engine: Engine, floor: Floor, clients: int) -> dict[str, Any]:
    """The same buyers, SKU and price as the engine sells."""
    sale = {"scene": engine.facts["scene"], "sku": engine.facts["sku"], "price_minor": engine.facts["price_minor"],
            "snapshot": SNAPSHOT}
    return {"kind": "floor", "port": floor.port, "clients": clients, "sale": sale, "buyers": engine.facts["buyers"]}


def wait_drained(engine: Engine) -> float:
    """Until the worker has done what is due; how long that took, in seconds."""
    began = time.monotonic()
    while backlog(engine) and time.monotonic() - began < DRAIN_S:
        time.sleep(0.05)
    return time.monotonic() - began


def backlog(engine: Engine) -> int:
    """Jobs that are due and not done. A direct look into the engine's database, which nobody is asked for."""
    sql = f"SELECT COUNT(*) FROM outbox WHERE state = 'ready' AND due_at_ms <= {time.time_ns() // 1_000_000}"
    url = engine.env.get("SALEWRIGHT_DATABASE_URL")
    with closing(psycopg.connect(url) if url else sqlite3.connect(engine.folder / "trade.db")) as connection:
        return connection.execute(sql).fetchone()[0]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("phases", nargs="*", choices=[*PHASES, []], help=f"default: all of {', '.join(PHASES)}")
    parser.add_argument("--quick", action="store_true", help="less of everything, in under 90 s: for seeing that it runs")
    args = parser.parse_args(words)
    with ExitStack() as stack:
        bench = Bench(QUICK if args.quick else Plan(), stack)
        found: dict[str, Any] = {"machine": report.machine(bench.folder), "quick": args.quick}
        report.say_machine(found["machine"])
        for name in args.phases or PHASES:
            began = time.monotonic()
            phase: Callable[[], Any] = getattr(bench, name)
            found[name] = phase()
            found.setdefault("took_s", {})[name] = round(time.monotonic() - began, 1)
        found["goals"] = report.goals(found)
        report.say_goals(found)
    if out := os.environ.get("BENCH_OUT"):
        Path(out).write_text(json.dumps(found, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
