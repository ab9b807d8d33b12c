"""The one door: commands are found, refused clearly, and quick to start."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.base import settings
from engine.base.errors import Code, Refusal
from engine.cli import door
from tests.support.processes import ROOT, environment


def run_py(*arguments: str, python: str = sys.executable, script: Path = ROOT / "run.py",
           **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, str(script), *arguments], env=environment(env), capture_output=True, text=True)


def test_settings_shows_every_setting_and_marks_those_that_are_set(tmp_path):
    done = run_py("settings", SALEWRIGHT_PORT="9123", SALEWRIGHT_DATA_DIR=str(tmp_path))
    assert done.returncode == 0
    lines = {line[2:].split()[0]: line for line in done.stdout.splitlines()}
    assert set(lines) == {f"SALEWRIGHT_{setting.name}" for setting in settings.TABLE}
    assert lines["SALEWRIGHT_PORT"].startswith("* ") and "9123" in lines["SALEWRIGHT_PORT"]
    assert lines["SALEWRIGHT_HOST"].startswith("  ")


def test_settings_hides_passwords():
    done = run_py("settings", SALEWRIGHT_DATABASE_URL="postgresql://shop:hunter2@db/shop")
    assert "hunter2" not in done.stdout and "postgresql://shop:…@db/shop" in done.stdout


def test_a_command_imports_only_what_it_needs():
    look = "import sys; from engine.cli import door; door.enter(['settings']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", look], env=environment({}), capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert "engine.cli.settings" in loaded
    assert not loaded & {"peewee", "flask", "jsonschema", "yaml", "engine.store", "engine.config.check", "orjson"}


@pytest.mark.parametrize("arguments", [(), ("no-such-command",), ("rollback",), ("rollback", "seven", "-m", "x"),
                                       ("settings", "--what")])
def test_bad_usage_is_exit_2(arguments):
    done = run_py(*arguments)
    assert done.returncode == 2 and "usage: run.py" in done.stderr


def test_a_refusal_is_one_line_and_exit_1(monkeypatch, capsys):
    def refuse(args):
        raise Refusal(Code.RELEASE_UNKNOWN, "there is no release 7")

    monkeypatch.setattr("engine.cli.settings.show", refuse)
    assert door.enter(["settings"]) == 1
    assert capsys.readouterr().err == "release_unknown: there is no release 7\n"


@pytest.mark.parametrize("outcome, code", [(None, 0), (3, 3), (KeyboardInterrupt, 130)])
def test_what_a_command_answers_is_the_exit_code(monkeypatch, outcome, code):
    def run(args):
        if outcome is KeyboardInterrupt:
            raise KeyboardInterrupt
        return outcome

    monkeypatch.setattr("engine.cli.settings.show", run)
    assert door.enter(["settings"]) == code


def test_a_reader_that_leaves_early_is_no_failure():
    done = subprocess.run(f"{sys.executable} {ROOT / 'run.py'} settings | head -1; echo ${{PIPESTATUS[0]}}", shell=True,
                          executable="/bin/bash", env=environment({}), capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0" and done.stderr == ""


def test_any_python_goes_on_in_the_projects_own_environment(tmp_path):
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "own environment:" "$@"\n')
    own.chmod(0o755)
    script = tmp_path / "run.py"
    script.write_text((ROOT / "run.py").read_text())
    done = run_py("check", "folder", python=str(Path(sys.base_prefix) / "bin" / "python3"), script=script)
    assert done.stdout == f"own environment: {script} check folder\n"


def test_without_set_up_it_says_so(tmp_path):
    script = tmp_path / "run.py"
    script.write_text((ROOT / "run.py").read_text())
    done = run_py("settings", python=str(Path(sys.base_prefix) / "bin" / "python3"), script=script, PYTHONPATH="")
    assert done.returncode == 1 and "run `make setup` first" in done.stderr
