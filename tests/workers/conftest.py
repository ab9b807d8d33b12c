"""The shop of the interface's tests, and a queue of each test's own."""
from __future__ import annotations

from typing import Iterator

import pytest

from engine.workers import queue
from tests.api.conftest import api, gateway, lite  # noqa: F401  fixtures


@pytest.fixture(autouse=True)
def own_queue(data_dir) -> Iterator[None]:
    data_dir.mkdir(parents=True, exist_ok=True)
    task = queue.task                          # a test may put something else in its place
    task.cache_clear()
    yield
    queue.connect(lambda: None)
    task.cache_clear()
