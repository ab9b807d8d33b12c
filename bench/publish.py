"""`python -m bench.publish SCENES`: check, compile and publish a catalogue of so many scenes more beside a running API, and see
when the API serves it. Prints one line of JSON; times are seconds.

The two checks are each a new process's first. Releases differ in one scene's title: the first is published by a process that
has checked nothing yet (`first_…`), as a command is; then several by one that has, as the studio has (medians of them).
"""
from __future__ import annotations

import json
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from engine import startup, store
from engine.config import releases
from engine.config.check import check
from engine.config.live import node_reports

from .generate_catalogue import generate

LIVE_S = 60.0
PUBLISHES = 5


def main(scenes: int) -> dict[str, Any]:
    files = generate(scenes)
    checked_s, _ = in_a_new_process(files, False)
    with_examples_s, examples = in_a_new_process(files, True)
    store.open_all()
    first, *others = [published(retitled(files, number)) for number in range(PUBLISHES + 1)]
    return {"check_and_compile_s": checked_s, "with_examples_s": with_examples_s, "examples": examples, "files": len(files),
            "first_publish_s": first[0], "first_publish_to_live_s": first[1],
            "publish_s": statistics.median(each[0] for each in others),
            "publish_to_live_s": statistics.median(each[1] for each in others),
            "publish_to_live_worst_s": max(each[1] for each in others)}


def in_a_new_process(files: dict[str, str], examples: bool) -> tuple[float, int]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(checked, files, examples).result()


def checked(files: dict[str, str], examples: bool) -> tuple[float, int]:
    """(seconds, examples run)."""
    words = startup.vocabulary()
    began = time.perf_counter()
    result = check(files, words, examples)
    assert result.catalog is not None
    return time.perf_counter() - began, result.counts["examples"]


def retitled(files: dict[str, str], number: int) -> dict[str, str]:
    path = max(path for path in files if path.startswith("scenes/"))
    return {**files, path: files[path].replace("title: {zh: ", f"title: {{zh: 新{number}", 1)}


def published(files: dict[str, str]) -> tuple[float, float]:
    """Seconds until it is published, and until every API serves it."""
    words = startup.vocabulary()
    began = time.perf_counter()
    no = releases.publish(files, "one title changed", "bench", words)
    took = time.perf_counter() - began
    wait_served(no)
    return took, time.perf_counter() - began


def wait_served(no: int) -> None:
    """Until every process that reports serves this release."""
    until = time.monotonic() + LIVE_S
    while not all(report["serving_no"] == no for report in node_reports() if report["role"] == "api"):
        if time.monotonic() > until:
            raise TimeoutError(f"release {no} is not served: {node_reports()}")
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
