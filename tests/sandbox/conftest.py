"""A sandbox process and a listener for its notices."""
from __future__ import annotations

from typing import Iterator

import pytest

from tests.support.processes import Processes

from .playing import Listener, Sandbox


@pytest.fixture
def listener() -> Iterator[Listener]:
    running = Listener()
    yield running
    running.close()


@pytest.fixture
def sandbox(processes: Processes, listener: Listener) -> Sandbox:
    return Sandbox(processes, listener)


@pytest.fixture
def patient_sandbox(processes: Processes, listener: Listener) -> Sandbox:
    """Buyers pay by hand only."""
    return Sandbox(processes, listener, pay_after_s=-1)
