"""One writer over all threads of all processes, and a dead one keeps nobody out."""
from __future__ import annotations

import os
import threading
import time

import pytest

from engine import store
from engine.store.gate import Gate
from engine.trade.orders import PurchaseCount
from tests.support.together import at_once, errors

WRITER = "tests/store/writers.py"


def pieces():
    return store.one(PurchaseCount, buyer_id="b")["pieces"]


@pytest.fixture
def counter(database):
    store.insert(PurchaseCount, {"buyer_id": "b", "cap_key": "k", "pieces": 0})


def test_no_update_is_lost_among_processes(counter, processes):
    others = [processes.python(WRITER, "add", "60") for _ in range(2)]
    for _ in range(60):
        with store.transaction():
            row = store.one(PurchaseCount, buyer_id="b", lock=True)
            store.update(PurchaseCount, {"pieces": row["pieces"] + 1}, buyer_id="b")
    assert [p.wait() for p in others] == [0, 0], [p.output() for p in others]
    assert pieces() == 180


def test_a_killed_writer_keeps_nobody_out(counter, processes):
    """SIGKILL inside a transaction: what it wrote is gone, and the next writer is let in at once."""
    holder = processes.python(WRITER, "hold")
    holder.wait_for("held")
    let_in = threading.Event()

    def write(n):
        with store.transaction():
            store.update(PurchaseCount, {}, add={"pieces": 1}, buyer_id="b")
            let_in.set()

    def kill(n):
        time.sleep(0.3)
        assert not let_in.is_set()
        holder.kill9()
    assert not errors(at_once(lambda do: do(0), [write, kill]))
    assert pieces() == 1


def test_readers_never_wait_for_the_writer(counter, processes):
    holder = processes.python(WRITER, "hold")
    holder.wait_for("held")
    assert pieces() == 0


def test_two_gates_of_one_file_exclude_each_other(tmp_path):
    """A database opened a second time in the same process."""
    one, two = Gate(str(tmp_path / "a.db")), Gate(str(tmp_path / "a.db"))
    inside, order = threading.Event(), []

    def first(n):
        with one:
            inside.set()
            time.sleep(0.2)
            order.append("first")

    def second(n):
        inside.wait(10)
        with two:
            order.append("second")
    assert not errors(at_once(lambda do: do(0), [first, second])) and order == ["first", "second"]


def test_an_error_inside_opens_the_gate(tmp_path):
    gate = Gate(str(tmp_path / "a.db"))
    with pytest.raises(ZeroDivisionError):
        with gate:
            raise ZeroDivisionError
    with gate:
        pass


def test_a_gate_that_can_not_be_made_locks_nobody(tmp_path):
    gate = Gate(str(tmp_path / "nowhere" / "a.db"))
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            gate.__enter__()


def test_a_gate_that_is_closed_leaves_no_file_open(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        gate = Gate(str(tmp_path / "a.db"))
        with gate:
            pass
        gate.close()
        gate.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_opening_a_database_anew_leaves_no_gate_open(sqlite_database):
    with store.transaction():
        pass
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        store.open_all()
        with store.transaction():
            pass
    assert len(os.listdir("/proc/self/fd")) <= before
