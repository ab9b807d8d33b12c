from __future__ import annotations

import pytest

from tests.crash.machine import Machine


@pytest.fixture
def machine(database, processes, tmp_path) -> Machine:
    return Machine(processes, tmp_path)
