"""The catalogue's commands, over the real checker and a real database: a folder is checked, published, compared,
rolled back and written out again."""
from __future__ import annotations

from pathlib import Path

import pytest

from engine import store
from engine.cli import door
from engine.config import releases
from tests.support.catalogue import SMALL, write

DEARER = {**SMALL, "products/card.yaml": SMALL["products/card.yaml"].replace("9.90", "12.00"),
          "scenes/shop-h5.yaml": SMALL["scenes/shop-h5.yaml"].replace("9.90", "12.00")}


@pytest.fixture
def run(capsys):
    """A command line → (exit code, what it printed, what it complained)."""
    def run_(*arguments: str) -> tuple[int, str, str]:
        code = door.enter(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err
    return run_


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write(tmp_path / "small")


@pytest.fixture
def published(database, run, tmp_path):
    """Two releases: the small catalogue, and one with a dearer card."""
    for number, files in enumerate((SMALL, DEARER), 1):
        folder = write(tmp_path / f"release-{number}", files)
        assert run("publish", str(folder), "-m", f"第 {number} 版", "--author", "Lin")[:2] == (0, f"release {number} is live\n")


def test_a_sound_folder_is_counted_and_needs_no_database(run, small):
    code, out, err = run("check", str(small))
    assert code == 0 and "scenes 1" in out and "examples 1" in out
    assert "rule sets are evaluated by" in err


def test_every_error_is_printed_with_its_place(run, tmp_path):
    folder = write(tmp_path / "bad", {**SMALL, "scenes/shop-h5.yaml": SMALL["scenes/shop-h5.yaml"].replace(
        "line: shop", "line: shoppe"), "merchants/own.yaml": "id: own\nkind: [\n"})
    code, out, err = run("check", str(folder))
    assert code == 1
    assert any(line.startswith("scenes/shop-h5.yaml:3:7: ") and "shop" in line for line in out.splitlines())
    assert any(line.startswith("merchants/own.yaml:") for line in out.splitlines())
    assert err.splitlines()[-1] == f"{len(out.splitlines())} errors"


def test_a_wrong_example_stops_a_release(database, run, tmp_path):
    folder = write(tmp_path / "bad", {**SMALL, "products/card.yaml": DEARER["products/card.yaml"]})
    code, out, err = run("publish", str(folder), "-m", "dearer")
    assert code == 1 and out == ""
    assert "scenes/shop-h5.yaml:12:" in err
    assert err.splitlines()[-1] == "check_failed: the catalogue has 1 error; nothing was published"
    assert releases.live_no() == 0


@pytest.mark.parametrize("name, content", [("scenes/left-out.yml", b"id: x"), ("scenes/gbk.yaml", "id: 中".encode("gbk"))])
def test_a_file_that_would_be_lost_stops_a_release(database, run, small, name, content):
    (small / name).write_bytes(content)
    code, _, err = run("publish", str(small), "-m", "x")
    assert code == 1 and name in err and releases.live_no() == 0


@pytest.mark.parametrize("command", [("check",), ("publish", "-m", "x")])
def test_a_folder_without_a_catalogue_is_no_empty_catalogue(sqlite_database, run, tmp_path, command):
    code, _, err = run(*command, str(tmp_path))
    assert code == 1 and err.startswith("not_found: there is no catalogue in")


def test_nothing_changed_is_said(published, run, tmp_path):
    code, _, err = run("publish", str(tmp_path / "release-2"), "-m", "again")
    assert (code, err) == (1, "nothing_changed: The catalogue is the same as the live release.\n")


def test_releases_are_listed_with_who_and_why(published, run):
    code, out, _ = run("releases")
    first, second = out.splitlines()
    assert code == 0 and first.startswith("*     2 ") and "Lin" in first and "第 2 版" in first
    assert second.startswith("      1 ")
    assert len(run("releases", "-n", "1")[1].splitlines()) == 1


def test_diff_shows_lines_or_names(published, run):
    code, out, err = run("diff", "1")
    assert code == 0 and "-  week: {title: {zh: 周卡, en: Week}, price: 9.90}" in out and err == "2 changed\n"
    assert run("diff", "2", "1", "--summary")[1] == "M products/card.yaml\nM scenes/shop-h5.yaml\n"
    assert run("diff", "1", "1")[1:] == ("", "no difference\n")
    assert run("diff", "7")[0] == 1


def test_rollback_and_what_is_live_then(published, run):
    assert run("rollback", "1")[:2] == (0, "release 1 is live again\n")
    assert releases.live_no() == 1
    assert run("rollback", "9", "-m", "x")[2] == "release_unknown: there is no release 9\n"


def test_what_is_exported_is_what_was_published(published, run, tmp_path):
    out = tmp_path / "out"
    assert run("export", "2", str(out))[0] == 0 and run("export", "1", str(tmp_path / "old"))[0] == 0
    for folder, files in ((out, DEARER), (tmp_path / "old", SMALL)):
        assert {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.yaml")} == files
    assert run("publish", str(tmp_path / "old"), "-m", "back")[0] == 0


@pytest.mark.parametrize("command", [("diff", "1"), ("export", "1", "somewhere")])
def test_without_a_release_there_is_nothing_live(sqlite_database, run, command):
    assert run(*command)[0] == 1


@pytest.mark.parametrize("command", [("releases",), ("rollback", "1", "-m", "x"), ("ledger", "verify")])
def test_databases_behind_this_code_are_named(sqlite_database, run, monkeypatch, command):
    monkeypatch.setattr(store, "pending", lambda: ["trade/0009_future"])
    code, _, err = run(*command)
    assert code == 1 and "the databases lack trade/0009_future: run `run.py migrate` first" in err
