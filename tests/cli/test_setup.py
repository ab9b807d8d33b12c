"""`make setup` on machines that are not like this one: which Python is taken, what is said when none fits, and that a
missing compiler stops nobody. Projects are made up and packages are local files: no network is asked."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.processes import ROOT

# What stands in for a Python: a version, and whether `import venv, ensurepip` works.
FAKE = """#!/bin/sh
case "$1" in --version) echo "Python {version}"; exit 0;; esac
case "$2" in
    *version_info*) [ {fits} = yes ];;
    *ensurepip*) [ {has_pip} = yes ];;
    *) exit 0;;
esac
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with this project's tools and nothing else."""
    shutil.copytree(ROOT / "tools", tmp_path / "project" / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "project"


def choose(project: Path, **pythons: tuple[str, bool, bool]) -> subprocess.CompletedProcess[str]:
    """Run tools/python.sh where only these Pythons are on the PATH: name=(version, fits, has venv and pip)."""
    folder = project.parent / "bin"
    folder.mkdir()
    for tool in ("dirname", "sh"):
        (folder / tool).symlink_to(shutil.which(tool))
    for name, (version, fits, has_pip) in pythons.items():
        fake = folder / name.replace("_", ".")
        fake.write_text(FAKE.format(version=version, fits="yes" if fits else "no", has_pip="yes" if has_pip else "no"))
        fake.chmod(0o755)
    return subprocess.run(["sh", "tools/python.sh"], cwd=project, env={"PATH": str(folder)}, capture_output=True,
                          text=True)


@pytest.mark.parametrize("pythons, expected", [
    ({"python3": ("3.11.7", True, True)}, "python3"),
    ({"python3": ("3.13.1", True, True), "python3_12": ("3.12.1", True, True)}, "python3.12"),
    ({"python3": ("3.9.2", False, True), "python3_11": ("3.11.2", True, True)}, "python3.11"),
    ({"python3_13": ("3.13.0", True, True)}, "python3.13"),
])
def test_the_best_python_is_taken(project, pythons, expected):
    done = choose(project, **pythons)
    assert (done.returncode, Path(done.stdout.strip()).name) == (0, expected)


@pytest.mark.parametrize("pythons, said", [
    ({"python3": ("3.9.2", False, True)}, "python3: Python 3.9.2 (too old)"),
    ({"python3": ("3.11.2", False, False)}, "python3: Python 3.11.2 (its venv or ensurepip module is missing)"),
    ({}, "no python3 at all"),
])
def test_what_is_missing_is_said(project, pythons, said):
    done = choose(project, **pythons)
    assert done.returncode == 1 and done.stdout == ""
    assert said in done.stderr and "python3-venv" in done.stderr


def wheel(folder: Path, name: str, module: str) -> str:
    """A package of one module as a file that pip installs without asking anyone."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{name} @ {path.as_uri()}"


def set_up(project: Path, *extras: str) -> subprocess.CompletedProcess[str]:
    base = Path(sys.base_prefix) / "bin" / "python3"
    own = project / ".venv" / "bin" / "python"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run([str(own if own.exists() else base), "tools/setup.py", *extras], cwd=project, env=env,
                          capture_output=True, text=True)


def imports(project: Path, module: str) -> bool:
    python = project / ".venv" / "bin" / "python"
    return subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0


@pytest.mark.slow
def test_set_up_from_nothing_then_again_then_with_more(project, tmp_path):
    pyproject = (f'[project]\nname = "x"\ndependencies = ["{wheel(tmp_path, "first", "first_one")}"]\n'
                 f'[project.optional-dependencies]\ntest = ["{wheel(tmp_path, "second", "second_one")}"]\n'
                 f'rules = ["durable-rules @ {(tmp_path / "can-not-be-built.whl").as_uri()}"]\n')
    (project / "pyproject.toml").write_text(pyproject)

    first = set_up(project)
    assert first.returncode == 0, first.stderr
    assert imports(project, "first_one") and not imports(project, "second_one")
    assert "durable-rules is not used here: it could not be built" in first.stderr
    assert "rule sets: conditions of our own (fallback)" in first.stderr

    again = set_up(project)
    assert again.returncode == 0
    assert "installing" not in again.stderr and "durable-rules is not used here" in again.stderr

    with_tests = set_up(project, "test")
    assert with_tests.returncode == 0 and "installing 2 packages" in with_tests.stderr
    assert imports(project, "second_one")

    (project / "pyproject.toml").write_text(pyproject.replace("first-1.0", "gone-1.0"))
    broken = set_up(project)
    assert broken.returncode == 1 and "pip could not install them" in broken.stderr
