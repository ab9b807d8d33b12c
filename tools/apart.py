"""An environment of their own for SDKs that pin what this project has newer: `tests/oracles/.venv`, made only when what it
must hold has changed. Only tests ask them (`tests/oracles/apart.py`), each in a process of that environment.
"""
from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "oracles"
SOURCE = FOLDER / "apart.txt"
VENV = FOLDER / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "stamp"


def main() -> int:
    wanted = hashlib.sha256(SOURCE.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    say("installing the tests' SDKs that need an environment of their own …")
    venv.EnvBuilder(with_pip=True, clear=VENV.exists(), symlinks=True).create(VENV)
    command = [str(PYTHON), "-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check", "-r", str(SOURCE)]
    if subprocess.run(command).returncode != 0:
        say("they were NOT installed (pip said why above): tests that ask them will fail")
        return 0
    STAMP.write_text(wanted)
    say("test oracles: installed into tests/oracles/.venv")
    return 0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
