"""Asks an SDK that can't be installed beside this project: one process of the environment that `tools/apart.py` makes.

`make setup-test` makes it. Where it could not, the tests that ask fail and say so.
"""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYTHON, STAMP = HERE / ".venv" / "bin" / "python", HERE / ".venv" / "stamp"


class Refused(Exception):
    """What the SDK said when it refused."""


class Apart:
    def __init__(self, script: str) -> None:
        assert STAMP.exists(), "the SDKs that need an environment of their own are not installed: `make setup-test` does it"
        self.process = subprocess.Popen([PYTHON, HERE / script], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, question: str, **given: Any) -> Any:
        """The answer as JSON; Refused for what the SDK raises."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"do": question, **given}) + "\n")
        said = json.loads(self.process.stdout.readline())
        if "error" in said:
            raise Refused(said["error"])
        return said["value"]

    def end(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
