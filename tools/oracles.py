"""Installs what the tests' oracles need from npm into `tests/oracles/node_modules`, only when it has changed.

Node.js is the machine's own when it is new enough, and otherwise one that pip brings (`tools/assets.py` decides). Where
neither can be had the tests that ask npm's SDKs fail and say so; all else is as always.
"""
from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import assets

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "oracles"
STAMP = FOLDER / "node_modules" / ".stamp"
SOURCES = ("package.json", "package-lock.json")


def main() -> int:
    wanted = hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name in SOURCES)).hexdigest()
    if STAMP.exists() and STAMP.read_text().split("\n")[0] == wanted:
        return 0
    npm = assets.npm_command()
    if npm is None or not install(npm):
        assets.say("the tests' npm packages were NOT installed (why is above): tests that ask them will fail")
        return 0
    STAMP.write_text(f"{wanted}\n{node(npm)}\n")
    assets.say("test oracles: installed into tests/oracles/node_modules")
    return 0


def install(npm: tuple[list[str], dict[str, str]]) -> bool:
    command, env = npm
    arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    return subprocess.run([*command, *arguments], cwd=FOLDER, env=env).returncode == 0


def node(npm: tuple[list[str], dict[str, str]]) -> str:
    """The Node.js that belongs to this npm: `npm` of the machine has `node` beside it on PATH."""
    return npm[0][0] if len(npm[0]) > 1 else "node"


if __name__ == "__main__":
    sys.exit(main())
