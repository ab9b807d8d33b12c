"""Makes `.venv` fit `pyproject.toml`, and does nothing when it already does. Standard library only: it runs first.

    tools/setup.py [EXTRA …]      the project's dependencies, the rule engine if it can be built, the extras named

A stamp in `.venv` holds the hash of what was asked for, so that a second run takes a moment and no network.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
RULES_NEWEST = (3, 12)


def main(extras: list[str]) -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    make_environment()
    wanted = list(project["dependencies"])
    for extra in extras:
        wanted += project["optional-dependencies"][extra]
    name = "-".join(["base", *extras])
    if not stamped(name, wanted):
        say(f"installing {len(wanted)} packages into .venv (once; a minute or so) …")
        if pip(wanted) != 0:
            say("pip could not install them: what it said is above. Nothing else was changed; run `make setup` again.")
            return 1
        stamp(name, wanted)
    rules = project["optional-dependencies"]["rules"]
    say(f"ready: Python {version_text()} in .venv; rule sets: {rule_engine(rules)}")
    return 0


def make_environment() -> None:
    if inside():
        return
    if not PYTHON.exists() or not works(PYTHON):
        say(f"making .venv with Python {version_text()} …")
        venv.EnvBuilder(with_pip=True, clear=VENV.exists(), symlinks=True).create(VENV)


def inside() -> bool:
    return Path(sys.prefix).resolve() == VENV.resolve()


def works(python: Path) -> bool:
    probe = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([str(python), "-c", probe], capture_output=True).returncode == 0


def pip(requirements: list[str], log: Path | None = None) -> int:
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
    command += requirements
    if log is None:
        return subprocess.run(command).returncode
    with log.open("wb") as out:
        return subprocess.run(command, stdout=out, stderr=subprocess.STDOUT).returncode


def rule_engine(requirements: list[str]) -> str:
    """Tries to have durable-rules; says loudly what takes its place where it can't be had. Never fails the set-up."""
    if stamped("rules", requirements, *build_tools()):
        outcome = stamp_path("rules").read_text().splitlines()[1]
    else:
        outcome = install_rules(requirements)
        stamp("rules", requirements, *build_tools(), note=outcome)
    if outcome != "durable-rules":
        say("=" * 100)
        say(f"durable-rules is not used here: {outcome}.")
        say("The engine's own conditions evaluate rule sets instead: same answers. `run.py check` says so too.")
        say("=" * 100)
        return "conditions of our own (fallback)"
    return outcome


def install_rules(requirements: list[str]) -> str:
    if python_version() > RULES_NEWEST:
        return f"it knows Python up to {dotted(RULES_NEWEST)}, and this is {dotted(python_version())}"
    if not has_rules():
        log = VENV / "durable-rules.log"
        if pip(requirements, log) != 0:
            lacking = "" if build_tools() else ": this machine has no C compiler (cc or gcc)"
            return f"it could not be built{lacking}; the build's output is in .venv/{log.name}"
    return "durable-rules" if has_rules() else "it was installed but can't be imported"


def has_rules() -> bool:
    return subprocess.run([str(PYTHON), "-c", "import durable.lang"], capture_output=True).returncode == 0


def build_tools() -> tuple[str, ...]:
    """What a compiler's arrival would change: part of the stamp, so that a build is tried again then."""
    return tuple(name for name in ("cc", "gcc", "clang") if shutil.which(name))


def python_version() -> tuple[int, int]:
    text = subprocess.run([str(PYTHON), "-c", "import sys; print(*sys.version_info[:2])"],
                          capture_output=True, text=True, check=True).stdout
    major, minor = text.split()
    return int(major), int(minor)


def version_text() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def stamp_path(name: str) -> Path:
    return VENV / f"salewright-{name}.stamp"


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr((os.path.realpath(PYTHON), parts)).encode()).hexdigest()


def stamped(name: str, *parts: object) -> bool:
    path = stamp_path(name)
    return path.exists() and path.read_text().split("\n")[0] == _digest(*parts)


def stamp(name: str, *parts: object, note: str = "") -> None:
    stamp_path(name).write_text(f"{_digest(*parts)}\n{note}\n")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
