"""The interface in this process, over a real database: `api` (SQLite and PostgreSQL), `lite` (SQLite, for what no server
can change)."""
from __future__ import annotations

from typing import Iterator

import pytest

from engine.base import settings
from tests.api.client import Api
from tests.api.shop import FILES, Gateway, write_secrets


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    yield server
    server.close()


def opened(monkeypatch: pytest.MonkeyPatch, gateway: Gateway) -> Api:
    """The shop of `shop.py`, live in this process, with the gateway as its channels' other side."""
    monkeypatch.setenv("SALEWRIGHT_SANDBOX_URL", gateway.url)
    monkeypatch.setenv("SALEWRIGHT_PUBLIC_URL", "http://api.example")
    write_secrets(settings.secrets_dir())
    return Api(FILES)


@pytest.fixture
def api(database, gateway, monkeypatch) -> Api:
    return opened(monkeypatch, gateway)


@pytest.fixture
def lite(sqlite_database, gateway, monkeypatch) -> Api:
    return opened(monkeypatch, gateway)
