"""`run.py channel new`: whatever is chosen, the file passes the checks and is driven through everything it declares."""
from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from engine.cli import door
from engine.cli.channels import asking
from engine.cli.channels.dialects import DIALECTS
from engine.cli.channels.imagined import imagine
from engine.cli.channels.starting import ROLES
from engine.config.reader import read_text
from engine.wire import run_example

BASE = ["--base", "https://api.acme.example"]


def new(folder: Path, *arguments: str) -> int:
    return door.enter(["channel", "new", *arguments, "--folder", str(folder)])


@pytest.mark.parametrize("role, signs, money", [*product(ROLES, DIALECTS, ["yuan"]), ("pay", "md5-after", "fen")])
def test_what_is_written_passes_the_checks_and_gets_examples(tmp_path: Path, capsys, role, signs, money):
    assert new(tmp_path, "acme-pay", "--role", role, "--signs", signs, "--money", money, *BASE) == 0, capsys.readouterr().err
    path = tmp_path / "channels" / "acme-pay.yaml"
    assert "it passes the checks" in capsys.readouterr().out and "# ←" in path.read_text()
    assert door.enter(["check", str(tmp_path)]) == 0
    made = imagine(read_text(path.read_bytes(), path.name)[0].data)
    assert made.gaps == [] and len(made.examples) > 3
    assert [line for example in made.examples for line in run_example(made.doc, example)] == []


def test_fewer_operations(tmp_path: Path):
    assert new(tmp_path, "acme-pay", "--role", "pay", "--signs", "bearer", "--operations", "pay, refund", *BASE) == 0
    doc = read_text((tmp_path / "channels" / "acme-pay.yaml").read_bytes(), "x")[0].data
    assert list(doc["operations"]) == ["pay", "refund"] and list(doc["notices"]) == ["paid", "refunded"]


def test_like_another(tmp_path: Path, capsys):
    new(tmp_path, "acme-pay", "--role", "pay", "--signs", "md5-after", *BASE)
    assert new(tmp_path, "acme-app", "--like", "acme-pay") == 0
    assert "like: acme-pay" in (tmp_path / "channels" / "acme-app.yaml").read_text()
    assert door.enter(["check", str(tmp_path)]) == 0
    assert new(tmp_path, "acme-web", "--like", "acme-pya") == 1
    assert "did you mean 'acme-pay'" in capsys.readouterr().err


@pytest.mark.parametrize("arguments, told", [
    (["acme", "--role", "pay", "--signs", "md5-after"], "say --base (nobody can be asked here)"),
    (["acme", *BASE, "--role", "pay"], "say --signs (nobody can be asked here): How does it sign?: md5-after, md5-around"),
    ([*BASE, "--role", "pay", "--signs", "md5-after"], "say id (nobody"),
    (["acme", *BASE, "--role", "pays", "--signs", "md5-after"], "--role: 'pays' is none of pay, message, upstream; did you mean 'pay'?"),
    (["acme", *BASE, "--role", "pay", "--signs", "md5-atfer"], "did you mean 'md5-after'?"),
    (["acme", *BASE, "--role", "message", "--signs", "bearer", "--operations", "pay"], "--operations: 'pay' is none of send"),
    (["acme", *BASE, "--role", "pay", "--signs", "bearer", "--operations", ""], "--operations: at least one of"),
    (["Acme", *BASE, "--role", "pay", "--signs", "bearer"], "small letters and digits"),
    (["acme", "--base", "api.acme.example", "--role", "pay", "--signs", "bearer"], "is no address: write https://host"),
    (["held", *BASE, "--role", "pay", "--signs", "bearer"], "is there already"),
])
def test_a_slip_is_told_and_nothing_is_written(tmp_path: Path, capsys, arguments, told):
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "held.yaml").write_text("id: held\n")
    assert new(tmp_path, *arguments) == 1
    assert told in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "channels").iterdir()] == ["held.yaml"]


def test_a_terminal_is_asked(tmp_path: Path, capsys, monkeypatch):
    answers = iter(["acme-sms", "2", "https://sms.acme.example", "bearer", ""])
    monkeypatch.setattr(asking.sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert new(tmp_path) == 0
    said = capsys.readouterr().out
    assert "2  message" in said and "1  md5-after" in said
    assert "role: message" in (tmp_path / "channels" / "acme-sms.yaml").read_text()
