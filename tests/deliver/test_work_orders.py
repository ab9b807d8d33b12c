"""Work orders: opened, taken, done, nested, cancelled with their order."""
from __future__ import annotations


from engine import store
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import work_orders
from tests.support.selling import refused
from tests.support.together import at_once, errors

TITLE = {"zh": "递交", "en": "File"}


def open_one(**more):
    with store.transaction():
        return work_orders.open_one("O1", "file", TITLE, "desk", **more)["no"]


def inside(work, *given):
    with store.transaction():
        return work(*given)


def test_a_work_order_is_opened(database):
    clock.set_to(1000)
    no = open_one(due_s=60, parent_no="W0")
    row = work_orders.find(no)
    assert (row["state"], row["due_at_ms"], row["parent_no"], row["blocking"], row["title"]) == \
        ("open", 61_000, "W0", True, TITLE)
    assert work_orders.of_order("O1") == [row]


def test_somebody_takes_it_and_does_it(database):
    no = open_one()
    taken = inside(work_orders.take, no, "wang")
    assert (taken["state"], taken["worker"]) == ("in_progress", "wang")
    assert inside(work_orders.take, no, "wang")["worker"] == "wang"
    row, finished = inside(work_orders.finish, no, "wang", {"file": "a.pdf"})
    assert finished and work_orders.find(no)["result"] == {"file": "a.pdf"}
    assert inside(work_orders.finish, no, "li", {})[1] is False and work_orders.find(no)["worker"] == "wang"


def test_what_somebody_has_taken_is_not_taken_by_another(database):
    no = open_one()
    inside(work_orders.take, no, "wang")
    with refused(Code.STATE_REFUSED):
        inside(work_orders.take, no, "li")
    assert work_orders.find(no)["worker"] == "wang"


def test_two_who_take_it_at_once(database):
    no = open_one()
    results = at_once(lambda who: inside(work_orders.take, no, who), ["wang", "li"] * 4)
    winner = work_orders.find(no)["worker"]
    assert all(r["worker"] == winner for r in results if isinstance(r, dict)) and len(errors(results)) == 4


def test_what_keeps_an_order_from_completing(database):
    one = open_one()
    open_one(blocking=False)
    with store.transaction():
        assert work_orders.unfinished("O1") == 1
        work_orders.open_one("O1", "late", TITLE, "desk")
        work_orders.open_one("O2", "other", TITLE, "desk")
        assert work_orders.unfinished("O1") == 2                   # with what is staged
        store.current().flush()
        assert work_orders.unfinished("O1") == 2
        work_orders.finish(one, "wang", {})
        assert work_orders.unfinished("O1") == 1


def test_an_order_that_ends_cancels_what_is_not_done(database):
    done, open_, taken = open_one(), open_one(), open_one()
    inside(work_orders.finish, done, "wang", {})
    inside(work_orders.take, taken, "wang")
    assert inside(work_orders.cancel_all, "O1", "order ends") == 2 \
        and inside(work_orders.cancel_all, "O1", "again") == 0
    assert [work_orders.find(no)["state"] for no in (done, open_, taken)] == ["done", "cancelled", "cancelled"]
    with refused(Code.STATE_REFUSED):
        inside(work_orders.finish, open_, "wang", {})


def test_a_work_order_nobody_knows(database):
    with refused(Code.WORK_ORDER_UNKNOWN):
        work_orders.find("W9")
