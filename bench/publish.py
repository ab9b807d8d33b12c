"""`python -m bench.publish SCENES`: check, compile and publish a catalogue of so many scenes more beside a running API, and see
when the API serves it. Prints one line of JSON; times are seconds, the check is this process's first.
"""
from __future__ import annotations

import json
import sys
import time
from typing import Any

from engine import startup, store
from engine.config import releases
from engine.config.check import check
from engine.config.live import node_reports

from .generate_catalogue import generate

LIVE_S = 60.0


def main(scenes: int) -> dict[str, Any]:
    files = generate(scenes)
    words = startup.vocabulary()
    began = time.perf_counter()
    assert check(files, words, examples=False).catalog is not None
    checked_s = time.perf_counter() - began
    began = time.perf_counter()
    examples = check(files, words).counts["examples"]
    with_examples_s = time.perf_counter() - began
    store.open_all()
    path = max(path for path in files if path.startswith("scenes/"))
    changed = {**files, path: files[path].replace("title: {zh: ", "title: {zh: 新", 1)}
    began = time.perf_counter()
    no = releases.publish(changed, "one title changed", "bench", words)
    published_s = time.perf_counter() - began
    wait_served(no)
    return {"check_and_compile_s": checked_s, "with_examples_s": with_examples_s, "examples": examples, "files": len(files),
            "publish_s": published_s, "publish_to_live_s": time.perf_counter() - began}


def wait_served(no: int) -> None:
    """Until every process that reports serves this release."""
    until = time.monotonic() + LIVE_S
    while not all(report["serving_no"] == no for report in node_reports() if report["role"] == "api"):
        if time.monotonic() > until:
            raise TimeoutError(f"release {no} is not served: {node_reports()}")
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
