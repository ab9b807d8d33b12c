"""Transactions: all or nothing, one at a time where there is one writer, and alive again after the server was not."""
from __future__ import annotations

import threading
from contextlib import nullcontext

import peewee
import pytest

from engine import store
from engine.base import crash
from engine.base.errors import Code, Refusal
from engine.config.releases import FileText
from engine.trade.buyers import Buyer
from engine.trade.orders import OrderDetail, PurchaseCount
from tests.support.together import at_once, errors


def count(buyer="b", key="k", pieces=0):
    return {"buyer_id": buyer, "cap_key": key, "pieces": pieces}


def detail(order="o", kind="k", body=None):
    return {"order_no": order, "kind": kind, "body": body or {}, "at_ms": 1}


def add(n=1, key="k"):
    store.update(PurchaseCount, {}, add={"pieces": n}, buyer_id="b", cap_key=key)


def pieces(key="k"):
    return store.one(PurchaseCount, cap_key=key)["pieces"]


# ── one transaction ──────────────────────────────────────────────────────────────────────────────────────────────────

def test_what_is_written_is_there_after_the_commit(database):
    with store.transaction():
        store.insert(PurchaseCount, count())
        assert store.in_transaction()
    assert not store.in_transaction() and len(store.many(PurchaseCount)) == 1


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_error_undoes_all_of_it_and_comes_out(database, error):
    with pytest.raises(error):
        with store.transaction() as tx:
            store.insert(PurchaseCount, count())
            tx.later(OrderDetail, detail())
            tx.after_commit(lambda: pytest.fail("there was no commit"))
            raise error
    assert not store.in_transaction() and store.many(PurchaseCount) == store.many(OrderDetail) == []
    with store.transaction():                  # and the next one is as good as new
        store.insert(PurchaseCount, count())
    assert len(store.many(PurchaseCount)) == 1


def test_one_inside_another_is_the_same_one(database):
    store.counts.reset()
    with pytest.raises(ZeroDivisionError):
        with store.transaction() as outer:
            with store.transaction() as inner:
                assert inner is outer is store.current()
                store.insert(PurchaseCount, count())
            assert store.in_transaction()
            raise ZeroDivisionError
    assert store.many(PurchaseCount) == [] and store.counts.commits == 0


def test_none_spans_two_databases(database):
    with pytest.raises(RuntimeError, match="a content transaction is open: none spans two databases"):
        with store.transaction(store.content):
            store.insert(FileText, {"digest": "d", "text": "t"})
            with store.transaction():
                pass
    assert store.many(FileText) == [] and not store.in_transaction()
    with store.transaction():
        pass


def test_what_needs_a_transaction_says_so(database):
    with pytest.raises(RuntimeError, match="no transaction is open"):
        store.current()


def test_each_thread_has_its_own(database):
    with store.transaction():
        assert at_once(lambda n: store.in_transaction(), [1]) == [False]


# ── later ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_what_is_left_for_later_is_written_in_one_statement_a_table(database):
    store.counts.reset(record=True)
    with store.transaction() as tx:
        for n in range(5):
            tx.later(OrderDetail, detail(body={"n": n}))
            tx.later(PurchaseCount, count(key=f"k{n}"))
        assert store.many(OrderDetail) == [] and len(tx.staged(OrderDetail)) == 5
    inserts = [sql for sql in store.counts.log if sql.startswith("INSERT")]
    assert len(inserts) == 2 and store.counts.commits == 1
    assert [d["body"]["n"] for d in store.many(OrderDetail, order_by="id")] == [0, 1, 2, 3, 4]
    assert len(store.many(PurchaseCount)) == 5


def test_who_must_read_it_earlier_flushes(database):
    with store.transaction() as tx:
        tx.later(OrderDetail, detail())
        tx.flush()
        assert len(store.many(OrderDetail)) == 1 and tx.staged(OrderDetail) == []
        tx.later(OrderDetail, detail())
    assert len(store.many(OrderDetail)) == 2


def test_after_a_broken_rule_among_the_staged_the_same_statements_go_on(database):
    """Statements are prepared when they were asked often enough: a pipeline that fails meanwhile must not leave the
    connection believing in one that the server never saw."""
    for n in range(120):
        broken = n % 3 == 0
        with pytest.raises(peewee.IntegrityError) if broken else nullcontext():
            with store.transaction() as tx:
                for _ in range(1 + n // 12):
                    tx.later(OrderDetail, detail())
                tx.later(PurchaseCount, count(key=f"k{n}"))
                if broken:
                    tx.later(PurchaseCount, count(key=f"k{n}"))
    assert len(store.many(PurchaseCount)) == 80


def test_a_broken_rule_among_the_staged_undoes_all(database):
    """Whatever the order in which tables are written, it is the broken rule that comes out."""
    for tables in ((PurchaseCount, OrderDetail), (OrderDetail, PurchaseCount), (PurchaseCount,)):
        with pytest.raises(peewee.IntegrityError):
            with store.transaction() as tx:
                for table in tables:
                    if table is PurchaseCount:
                        tx.later(table, count())
                        tx.later(table, count())
                    elif table is OrderDetail:
                        tx.later(table, detail())
        assert store.many(PurchaseCount) == store.many(OrderDetail) == []
    with store.transaction() as tx:
        tx.later(PurchaseCount, count())


def test_a_row_unlike_the_others_of_its_table_is_an_error(database):
    """Rows of one statement have the same columns: one too many would be lost without a word."""
    for odd in ({**count("c"), "more": 1}, {"buyer_id": "c", "cap_key": "k"}):
        with pytest.raises((ValueError, KeyError)):
            with store.transaction() as tx:
                tx.later(PurchaseCount, count())
                tx.later(PurchaseCount, odd)
        assert store.many(PurchaseCount) == []


def test_what_follows_a_commit_follows_it_once_and_can_not_fail_it(database):
    told = []
    with store.transaction() as tx:
        tx.after_commit(lambda: told.append(len(at_once(lambda n: store.many(PurchaseCount), [1])[0])))
        tx.after_commit(lambda: 1 / 0)
        tx.after_commit(lambda: told.append("still"))
        store.insert(PurchaseCount, count())
        assert told == []
    assert told == [1, "still"]
    with store.transaction():
        pass
    assert told == [1, "still"]


def test_the_last_moment_before_the_commit(database, monkeypatch):
    seen = []
    monkeypatch.setattr(crash, "point", lambda name: seen.append((name, len(store.many(PurchaseCount)))))
    with store.transaction(crash_point="place.before_commit") as tx:
        tx.later(PurchaseCount, count())
    with store.transaction():
        pass
    assert seen == [("place.before_commit", 1)]


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_that_need_not_wait_for_the_disk(database, monkeypatch, durable):
    monkeypatch.setenv("SALEWRIGHT_SQLITE_SYNCHRONOUS", "FULL")
    store.open_all()
    with store.transaction(durable=durable):
        store.insert(PurchaseCount, count())
        if database.backend == "sqlite":
            assert store.query(store.trade, "PRAGMA synchronous") == [(2 if durable else 1,)]
        else:
            assert store.query(store.trade, "SHOW synchronous_commit") == [("off",)] or durable
    if database.backend == "sqlite":           # and the next one waits again
        assert store.query(store.trade, "PRAGMA synchronous") == [(2,)]
    assert len(store.many(PurchaseCount)) == 1


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────

def test_no_update_is_lost_among_threads(database):
    store.insert(PurchaseCount, count())

    def work(n):
        for _ in range(25):
            with store.transaction():
                row = store.one(PurchaseCount, buyer_id="b", lock=True)
                store.update(PurchaseCount, {"pieces": row["pieces"] + 1}, buyer_id="b")
    assert not errors(at_once(work, range(8))) and pieces() == 200


def test_a_deadlock_is_run_again(postgresql_database):
    """A real one: each holds a row and asks for the other's."""
    for key in ("x", "y"):
        store.insert(PurchaseCount, count(key=key))
    meet, tries = threading.Barrier(2), []

    def work(keys):
        tries.append(keys)
        with store.transaction():
            add(key=keys[0])
            if len(tries) <= 2:
                meet.wait(20)
            add(key=keys[1])
    results = at_once(lambda keys: store.retrying(lambda: work(keys)), [("x", "y"), ("y", "x")])
    assert not errors(results) and len(tries) == 3
    assert (pieces("x"), pieces("y")) == (2, 2)


def deadlock():
    error = peewee.OperationalError("deadlock detected")
    error.__cause__ = type("DeadlockDetected", (Exception,), {"sqlstate": "40P01"})()
    return error


def test_a_deadlock_that_will_not_end_is_an_answer(database):
    tries = []

    def work():
        tries.append(1)
        raise deadlock()
    with pytest.raises(Refusal) as caught:
        store.retrying(work)
    assert caught.value.code is Code.DATABASE_BUSY and len(tries) == 4


def test_only_the_outermost_runs_again(database):
    tries = []

    def work():
        tries.append(1)
        raise deadlock()
    with pytest.raises(peewee.OperationalError):
        with store.transaction():
            store.retrying(work)
    assert len(tries) == 1


@pytest.mark.parametrize("error", [ValueError("no"), peewee.IntegrityError("twice"), Refusal(Code.ORDER_STATE),
                                   peewee.OperationalError("no such table: x")], ids=lambda e: type(e).__name__)
def test_other_errors_come_out_at_once(database, error):
    tries = []

    def work():
        tries.append(1)
        raise error
    with pytest.raises(type(error)):
        store.retrying(work)
    assert len(tries) == 1


def test_a_lock_that_is_not_to_be_had_is_an_answer(postgresql_database, monkeypatch):
    store.insert(PurchaseCount, count())
    held, free = threading.Event(), threading.Event()

    def holder():
        with store.transaction():
            store.one(PurchaseCount, lock=True)
            held.set()
            free.wait(20)

    def other():
        held.wait(20)
        try:
            def work():
                with store.transaction():
                    store.trade.database.execute_sql("SET LOCAL lock_timeout = '50ms'")
                    store.one(PurchaseCount, lock=True)
            store.retrying(work)
        finally:
            free.set()
    result = at_once(lambda do: do(), [holder, other])[1]
    assert isinstance(result, Refusal) and result.code is Code.DATABASE_BUSY


# ── a server that goes away ──────────────────────────────────────────────────────────────────────────────────────────

def test_a_transaction_begun_after_the_connection_was_cut(postgresql_database):
    store.insert(PurchaseCount, count())
    postgresql_database.server.cut_connections(postgresql_database.name)
    with store.transaction():
        add()
    assert pieces() == 1


def test_a_connection_cut_within_a_transaction(postgresql_database):
    store.insert(PurchaseCount, count())
    with pytest.raises(peewee.OperationalError):
        with store.transaction() as tx:
            add()
            tx.later(OrderDetail, detail())
            postgresql_database.server.cut_connections(postgresql_database.name)
            add()
    assert not store.in_transaction()
    with store.transaction():
        add()
    assert pieces() == 1 and store.many(OrderDetail) == []


def test_a_connection_cut_before_the_commit(postgresql_database):
    store.insert(PurchaseCount, count())
    for staged in (0, 1, 2):
        with pytest.raises(peewee.OperationalError):
            with store.transaction() as tx:
                add()
                if staged:
                    tx.later(OrderDetail, detail())
                if staged > 1:
                    tx.later(Buyer, {"id": "x", "phone": "", "name": "", "tags": [], "orders_paid": 0,
                                     "created_at_ms": 0,
                                     "updated_at_ms": 0})
                postgresql_database.server.cut_connections(postgresql_database.name)
        with store.transaction():
            pass
    assert pieces() == 0 and store.many(OrderDetail) == []


def test_a_thread_that_only_reads_reads_again(postgresql_database):
    store.insert(PurchaseCount, count())
    for _ in range(2):
        postgresql_database.server.cut_connections(postgresql_database.name)
        assert pieces() == 0
        assert store.query(store.trade, "SELECT COUNT(*) FROM purchase_count") == [(1,)]


# ── counting ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_statements_and_commits_are_counted(database):
    store.counts.reset(record=True)
    with store.transaction() as tx:
        tx.later(PurchaseCount, count())
    store.many(PurchaseCount)
    assert [sql.split("(")[0].split("FROM")[0].strip() for sql in store.counts.log] == [
        'INSERT INTO "purchase_count"', 'SELECT "buyer_id", "cap_key", "pieces"']
    assert (store.counts.statements, store.counts.commits) == (2, 1)
    store.counts.reset()
    assert (store.counts.statements, store.counts.commits, store.counts.log) == (0, 0, None)


# ── reading of one moment ────────────────────────────────────────────────────────────────────────────────────────────

def test_a_snapshot_is_of_one_moment_and_keeps_nobody_waiting(database):
    store.insert(PurchaseCount, count())

    def write(n):
        with store.transaction():
            add()
        return pieces()
    with store.snapshot():
        assert pieces() == 0
        assert at_once(write, [1]) == [1]
        assert pieces() == 0
    assert pieces() == 1


def test_a_snapshot_inside_a_transaction_sees_what_it_sees(database):
    with store.transaction():
        store.insert(PurchaseCount, count())
        with store.snapshot():
            assert pieces() == 0
        add()
    assert pieces() == 1
