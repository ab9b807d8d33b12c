"""What is made ready before anything serves is made once, and left alone afterwards."""
from __future__ import annotations

import pytest

from engine.base.errors import Code, Refusal
from engine.cli import ready
from engine.config import releases
from tests.support.catalogue import SMALL, write


def test_the_samples_are_published_when_nothing_ever_was(database, tmp_path, capsys):
    folder = write(tmp_path / "samples")
    assert ready.publish_samples(folder) == 1
    assert "release 1" in capsys.readouterr().err
    assert ready.publish_samples(folder) is None and releases.live_no() == 1


def test_samples_that_were_changed_later_do_not_replace_what_is_live(sqlite_database, tmp_path):
    ready.publish_samples(write(tmp_path / "samples"))
    write(tmp_path / "samples", {"merchants/own.yaml": SMALL["merchants/own.yaml"] + "# newer\n"})
    assert ready.publish_samples(tmp_path / "samples") is None and releases.files(1) == SMALL


def test_of_two_first_starts_one_publishes(sqlite_database, tmp_path, monkeypatch):
    folder = write(tmp_path / "samples")
    ready.publish_samples(folder)
    answers = iter([0])                        # the other start looked before the first one published
    monkeypatch.setattr(releases, "live_no", lambda: next(answers, 1))
    write(folder, {"merchants/own.yaml": SMALL["merchants/own.yaml"] + "# mine\n"})
    assert ready.publish_samples(folder) is None


def test_broken_samples_stop_the_start(sqlite_database, tmp_path):
    folder = write(tmp_path / "samples", {**SMALL, "merchants/own.yaml": "id: own\n"})
    with pytest.raises(Refusal) as caught:
        ready.publish_samples(folder)
    assert caught.value.code is Code.CHECK_FAILED and releases.live_no() == 0


def test_a_room_that_is_not_there_provides_nothing(monkeypatch):
    monkeypatch.setitem(ready.PROVIDERS, "login", ("no.such.room", "first_login"))
    assert ready.provide("login") is None


def test_a_room_that_is_there_is_asked(monkeypatch):
    monkeypatch.setitem(ready.PROVIDERS, "login", ("tests.cli.serve_tiny_room", "first_login"))
    assert ready.provide("login") == ("admin", "s3cret")


def test_the_live_catalogue_is_the_one_in_force(sqlite_database, tmp_path):
    ready.publish_samples(write(tmp_path / "samples"))
    catalog = ready.live_catalog()
    assert catalog.release_no == 1 and set(catalog.scenes) == {"shop-h5"}
