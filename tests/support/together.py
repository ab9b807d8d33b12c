"""Doing something many times at once, in threads that start together and leave no connection behind."""
from __future__ import annotations

import threading
from typing import Any, Callable, Iterable

from engine import store


def at_once(work: Callable[[Any], Any], given: Iterable[Any]) -> list[Any]:
    """`work(item)` for each item, a thread each, all let go at the same moment; their results in order.

    What a thread raised stands in its place: a test that expects no error looks for none. A thread that does not end
    within a minute fails the test.
    """
    items = list(given)
    results: list[Any] = [None] * len(items)
    gate = threading.Barrier(len(items))

    def run(n: int) -> None:
        try:
            gate.wait()
            results[n] = work(items[n])
        except Exception as error:
            results[n] = error
        finally:
            for db in store.LOGICAL.values():
                db.close()

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(len(items))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "a thread is stuck"
    return results


def errors(results: Iterable[Any]) -> list[Exception]:
    return [result for result in results if isinstance(result, Exception)]
