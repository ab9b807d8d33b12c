"""docs/write-a-channel.md, word by word: its files are written, its commands run, and what they print is what the page says.

Blocks: ```console holds commands after `$ ` and their output; ```yaml PATH and ```text PATH are files; ```edit PATH replaces
what stands before `=>` by what stands after it. Seconds are not compared.

`python -m tests.cli.test_write_a_channel` writes the outputs of the page anew.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.source import ROOT

PAGE = ROOT / "docs" / "write-a-channel.md"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Reader:
    """Somebody who follows the page in an empty folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SALEWRIGHT_")}
        self.env["SALEWRIGHT_DATA_DIR"] = str(folder / "var")

    def follow(self, kind: str, path: str, text: str) -> str:
        """Does what a block says; returns the block's text with what really came."""
        if kind == "console":
            return self._commands(text)
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if kind == "edit":
            old, _, new = text.partition("=>\n")
            held = target.read_text()
            assert held.count(old.rstrip("\n")) == 1, f"{old!r} does not stand there once"
            target.write_text(held.replace(old.rstrip("\n"), new.rstrip("\n")))
        else:
            target.write_text(text)
        return text

    def _commands(self, text: str) -> str:
        out = []
        for line in (line for line in text.splitlines() if line.startswith("$ ")):
            out.append(line)
            command = line[2:]
            if command.startswith("export "):
                self.env.update(pair.split("=", 1) for pair in command.split()[1:])
                continue
            real = command.replace("python run.py", f"{sys.executable} {ROOT / 'run.py'}")
            done = subprocess.run(real, shell=True, cwd=self.folder, env=self.env, text=True, timeout=300,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            out += [line.rstrip() for line in done.stdout.splitlines() if not line.startswith("rule sets are evaluated")]
        return "\n".join(out) + "\n"


def plain(text: str) -> list[str]:
    return [re.sub(r" +\d+\.\d s ", " N s ", line) for line in text.splitlines()]


@pytest.mark.slow
def test_the_page_is_true(tmp_path: Path):
    reader = Reader(tmp_path)
    for kind, path, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        assert plain(reader.follow(kind, path, text)) == plain(text)


def rewrite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder))
        page = _BLOCK.sub(lambda m: f"```{m[1]}{f' {m[2]}' if m[2] else ''}\n{reader.follow(m[1], m[2] or '', m[3])}```",
                          PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    rewrite()
