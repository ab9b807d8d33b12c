"""The bench's own pieces, tiny: the floor writes what it says, the generator counts right, time is shared out exactly."""
from __future__ import annotations

import importlib
import sqlite3
import time
from contextlib import closing

import psycopg
import pytest

from bench import breakdown, report, run
from bench.floor import sales
from bench.rounds import Generator, Side, percentile, ratio, take_turns
from bench.servers import Floor
from bench.stopwatch import Stopwatch

SALE = {"scene": "scene", "sku": "product/sku", "buyer": "buyer-1", "price_minor": 1490, "snapshot": run.SNAPSHOT}
ROWS = {"floor_order": 1, "floor_line": 1, "floor_snapshot": 1, "floor_payment": 1, "floor_journal": 8, "floor_posting": 4,
        "floor_entitlement": 1, "floor_outbox": 2}


class Counted:
    """A floor database that notes its statements and commits."""

    def __init__(self, database):
        self._database, self.statements, self.commits = database, 0, 0

    def transaction(self, work):
        def noted(execute):
            def one(sql, values):
                self.statements += 1
                return execute(sql, values)
            return work(one)
        result = self._database.transaction(noted)
        self.commits += 1
        return result


@pytest.fixture(params=["sqlite", "postgresql"])
def floor_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'floor.db'}"
    server = request.getfixturevalue("postgresql_server")
    request.addfinalizer(lambda: server.drop("floor"))
    return server.create("floor")


def connect(url: str):
    return closing(sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url))


def test_a_floor_sale_is_13_statements_and_2_commits(floor_url):
    database = sales.open_database(floor_url)
    database.make_tables()
    counted = Counted(database)
    placed = sales.place(counted, SALE)
    notice = {**placed, "buyer": "buyer-1", "channel_no": "C1"}
    assert sales.paid(counted, notice)
    assert (counted.statements, counted.commits) == (13, 2)
    assert not sales.paid(database, notice)
    with connect(floor_url) as connection:
        def query(sql):
            return connection.execute(sql).fetchall()
        assert {table: query(f"SELECT COUNT(*) FROM {table}")[0][0] for table in ROWS} == ROWS
        assert query("SELECT state FROM floor_order") == [("completed",)]
        assert query("SELECT state, amount_minor FROM floor_payment") == [("succeeded", 1490)]
        assert query("SELECT SUM(amount_minor) FROM floor_posting") == [(0,)]
        assert 1300 <= len(query("SELECT body FROM floor_snapshot")[0][0]) <= 1700
    database.close()


def test_the_floor_is_as_durable_as_the_engine(tmp_path):
    database = sales.Sqlite(str(tmp_path / "floor.db"))
    assert database.durability() == ("wal", 2)             # 2: FULL
    database.close()


def test_sides_take_turns_and_nothing_is_lost(tmp_path):
    url = f"sqlite:///{tmp_path / 'floor.db'}"
    floor, generator = Floor(tmp_path / "floor", url).start(), Generator()
    try:
        opening = {"kind": "floor", "port": floor.port, "clients": 2, "sale": SALE, "buyers": ["buyer-1", "buyer-2"]}
        sides = [Side("one", floor, opening), Side("other", floor, opening)]
        take_turns(generator, sides, rounds=2, round_s=0.05)
        with pytest.raises(RuntimeError, match="KeyError|404|hung up|refused"):
            generator.tell(do="open", name="nobody", **{**opening, "port": 1})
        figures = [side.figures() for side in sides]
    finally:
        generator.stop()
        floor.stop()
    for side, found in zip(sides, figures):
        assert [len(r["latencies"]["place"]) for r in side.rounds] == [side.orders] * 2
        assert [r["noticed"] for r in side.rounds] == [side.orders] * 2
        assert 0 < found["p50_ms"] <= found["p99_ms"] <= found["worst_ms"] and found["rss_bytes"] > 10_000_000
        assert 0 < found["generator_share"] < 1 and found["cpu_ms_per_order"] > 0
    found = ratio(*sides)
    assert 0 < found["low"] <= found["median"] <= found["high"]
    with connect(url) as connection:
        orders, paid = connection.execute("SELECT COUNT(*), SUM(state = 'completed') FROM floor_order").fetchone()
    assert orders - paid == sum(side.orders for side in sides)     # the last round's notices were not sent
    assert "one" in report.table(report.HEAD, [report.row("one", figures[0])])


@pytest.mark.parametrize("percent, expected", [(50, 51_000), (99, 100_000), (0, 1_000)])
def test_percentiles(percent, expected):
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == expected


def test_time_is_shared_out_exactly():
    watched = {"naps": ("time:sleep",), "tables": ("bench.report:table",)}
    with Stopwatch(watched) as watch:
        began = time.perf_counter()
        for _ in range(3):
            time.sleep(0.01)
            report.table(["a"], [["b"]])
        watch.stop()
        took = time.perf_counter() - began
    assert sum(watch.seconds.values()) == pytest.approx(took, rel=0.05)
    assert watch.seconds["naps"] >= 0.03 and watch.calls == {"naps": 3, "tables": 3}
    assert not hasattr(report.table, "__wrapped__") and not hasattr(time.sleep, "__wrapped__")


def test_every_watched_place_is_there():
    for place in (place for places in breakdown.WATCHED.values() for place in places):
        module, _, dotted = place.partition(":")
        owner = importlib.import_module(module)
        *path, name = dotted.split(".")
        for step in path:
            owner = getattr(owner, step)
        assert name in vars(owner), place


def test_goals_are_missed_when_they_are():
    slow = {"database": "sqlite", "clients": 16, "ratio": {"median": 0.4}, "engine": {"kinds": {"quote": {"p99_ms": 20.0}, "order": {"p99_ms": 150.0}}}}
    found = report.goals({"sales": [slow], "cost": {"statements": 34, "worker_statements": 7, "commits": 5, "worker_commits": 4}, "stored": {"ratio": {"median": 0.5}},
                          "scenes": {"check_and_compile_s": 6.0, "ratio": {"median": 0.9}}})
    assert len(found) == 7 and not any(goal["met"] for goal in found)
    fine = {**slow, "ratio": {"median": 0.6}, "engine": {"kinds": {"order": {"p99_ms": 50.0}}}}
    assert all(goal["met"] for goal in report.goals({"sales": [fine], "cost": {"statements": 33, "worker_statements": 7, "commits": 4, "worker_commits": 4}}))
