"""Fixtures of the console's tests: a world to look at, and clients that are logged in."""
from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from engine import store
from engine.config.live import live
from tests.console import world as worlds
from tests.support.databases import close_all

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def browser_path() -> str | None:
    """A Chromium of this machine, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


# Without a Chromium the browser tests can't be run at all: they are left out, and the end of the run says so loudly.
collect_ignore = [] if browser_path() else ["test_browser.py"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not browser_path():
        terminalreporter.section("THE CONSOLE WAS NOT TRIED IN A BROWSER", sep="!", red=True)
        terminalreporter.line("tests/console/test_browser.py was left out: there is no Chromium on this machine. Install the "
                              "package `chromium` (Debian, Ubuntu: apt install chromium) and run the tests again.")


_kept: dict[str, tuple[Path, dict[str, str]]] = {}


def _again(name: str, build: Callable[..., worlds.World], monkeypatch, data_dir: Path, tmp_path_factory) -> worlds.World:
    """A world on SQLite: built once, then its database files are copied for each test."""
    if name in _kept:
        folder, orders = _kept[name]
        close_all()
        for file in data_dir.glob("*.db*"):
            file.unlink()
        for file in folder.glob("*.db"):
            shutil.copyfile(file, data_dir / file.name)
        store.open_all()
        world = worlds.opened(monkeypatch)
        world.orders.update(orders)
        return world
    world = build(monkeypatch)
    folder = tmp_path_factory.mktemp(name)
    for db in store.LOGICAL.values():
        db.database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(data_dir / f"{db.name}.db", folder / f"{db.name}.db")
    _kept[name] = folder, dict(world.orders)
    return world


@pytest.fixture
def bare(sqlite_database, data_dir, monkeypatch, tmp_path_factory) -> Iterator[worlds.World]:
    """The sample catalogue and users; nothing sold."""
    yield _again("bare", worlds.base, monkeypatch, data_dir, tmp_path_factory)
    live.stop()


@pytest.fixture
def sold(sqlite_database, data_dir, monkeypatch, tmp_path_factory) -> Iterator[worlds.World]:
    """A day's trade on SQLite, for what no server can change."""
    yield _again("sold", worlds.build, monkeypatch, data_dir, tmp_path_factory)
    live.stop()


@pytest.fixture
def traded(database, monkeypatch) -> Iterator[worlds.World]:
    """A day's trade, on each kind of database."""
    yield worlds.build(monkeypatch)
    live.stop()


class Visitor:
    """A logged-in browser without scripts: `get`, and `post` with the form's token, answering confirmations if told to."""

    def __init__(self, world: worlds.World, login: str = "admin", lang: str = "en"):
        self.client = world.client(login, lang)
        self._token = worlds.token(world.app)

    def get(self, where: str, status: int = 200) -> str:
        answer = self.client.get(f"/console{where}")
        assert answer.status_code == status, f"{where}: {answer.status} {answer.get_data(as_text=True)[-1500:]}"
        return answer.get_data(as_text=True)

    def post(self, where: str, status: int = 302, confirmed: bool = True, **form: Any) -> Any:
        answer = self.client.post(f"/console{where}", data={"csrf_token": self._token, **form,
                                                            **({"confirmed": "yes"} if confirmed else {})})
        assert answer.status_code == status, f"{where}: {answer.status} {answer.get_data(as_text=True)[-1500:]}"
        return answer

    def send(self, where: str, status: int = 200, **body: Any) -> dict[str, Any]:
        """JSON as the editor's script sends it."""
        answer = self.client.post(f"/console{where}", json=body, headers={"X-CSRFToken": self._token, "Accept": "application/json"})
        assert answer.status_code == status, f"{where}: {answer.status} {answer.get_data(as_text=True)[:1500]}"
        return answer.get_json()

    def follow(self, answer: Any) -> str:
        """The page a redirect leads to."""
        return self.client.get(answer.headers["Location"]).get_data(as_text=True)


@pytest.fixture
def visit() -> Callable[..., Visitor]:
    return Visitor
