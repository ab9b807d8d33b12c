"""A sandbox process and a listener for its notices; secrets made up once for all tests of this folder."""
from __future__ import annotations

from typing import Iterator

import pytest

from tests.support.processes import Processes

from .playing import Listener, Sandbox


@pytest.fixture(scope="session")
def made_up_secrets(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("secrets"))


@pytest.fixture(autouse=True)
def secrets_dir(made_up_secrets: str, data_dir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SALEWRIGHT_SECRETS_DIR", made_up_secrets)


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
