"""Building the console's assets: only when a source has changed, and never at the price of everything else."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

NPM = """#!/bin/sh
echo "$@" >> ../npm.log
case "$*" in *build*) [ -e ../broken ] && exit 1; mkdir -p static/build; echo bundle > static/build/console.js;; esac
exit 0
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "assets.py", tmp_path / "tools")
    source = tmp_path / "console" / "assets" / "editor.js"
    source.parent.mkdir(parents=True)
    source.write_text("export {}")
    (tmp_path / "console" / "package.json").write_text("{}")
    return tmp_path


def build(project: Path, node: str = "v22.1.0") -> tuple[list[str], str]:
    """Run it with a Node.js of this version on the PATH; (what npm was asked since the last time, what was said)."""
    folder = project / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in (("node", f"#!/bin/sh\necho {node}\n"), ("npm", NPM)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    log = project / "npm.log"
    log.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "tools/assets.py"], cwd=project, env={"PATH": f"{folder}:/usr/bin:/bin"},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return log.read_text().splitlines() if log.exists() else [], done.stderr


def test_without_a_console_nothing_is_done(project):
    (project / "console" / "package.json").unlink()
    assert build(project) == ([], "")


def test_it_is_built_once_and_again_only_when_a_source_has_changed(project):
    asked, said = build(project)
    assert [line.split()[0] for line in asked] == ["install", "run"] and "built into" in said
    assert build(project) == ([], "")
    (project / "console" / "node_modules" / "x").mkdir(parents=True)
    (project / "console" / "node_modules" / "x" / "index.js").write_text("not ours")
    assert build(project) == ([], "")
    (project / "console" / "assets" / "editor.js").write_text("export { changed }")
    assert len(build(project)[0]) == 2


def test_with_a_lock_file_the_locked_versions_are_installed(project):
    (project / "console" / "package-lock.json").write_text("{}")
    assert build(project)[0][0].startswith("ci ")


def test_a_failed_build_is_loud_stops_nothing_and_is_tried_again(project):
    (project / "broken").touch()
    assert "were NOT built" in build(project)[1]
    (project / "broken").unlink()
    assert "built into" in build(project)[1]
    assert (project / "console" / "static" / "build" / "console.js").exists()
