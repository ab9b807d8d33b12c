"""`serve` as a person meets it: it looks before it starts, tells where to look, and stops cleanly."""
from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.process import ports
from tests.support.processes import LOOPBACK, ROOT, Process, environment, free_ports, status_of

TINY = str(Path(__file__).with_name("serve_tiny.py"))


@pytest.fixture
def serve(processes):
    def run(port: int, *flags: str) -> Process:
        return processes.python(TINY, " ".join(flags), env={"SALEWRIGHT_PORT": str(port)})
    return run


def test_it_makes_everything_ready_starts_it_says_where_and_stops(serve, data_dir):
    port = free_ports(3)
    started = serve(port)
    started.wait_for("Salewright is running")
    said = started.output()
    assert f"api      http://127.0.0.1:{port}\n" in said and f"console  http://127.0.0.1:{port + 1}\n" in said
    assert "admin / s3cret" in said and "gone" not in said
    assert status_of(port) == status_of(port + 1) == 200
    assert {"content.db", "trade.db", "system.db"} <= set(os.listdir(data_dir))
    started.send(signal.SIGINT)
    assert started.wait(15) == 0
    assert ports.is_free(LOOPBACK, port) and ports.is_free(LOOPBACK, port + 1)


def test_a_taken_port_is_told_before_anything_is_made(serve, data_dir):
    port = free_ports(3)
    with socket.socket() as other:
        other.bind((LOOPBACK, port + 1))
        other.listen()
        started = serve(port)
        assert started.wait(15) == 1
    said = started.output()
    assert f"port {port + 1} (console) is taken by process {os.getpid()} (" in said
    suggested = int(re.search(r"make run PORT=(\d+)", said)[1])
    assert suggested > port and all(ports.is_free(LOOPBACK, suggested + n) for n in (0, 1))
    assert not data_dir.exists()


def test_when_something_does_not_start_all_of_it_ends_and_the_login_is_not_lost(serve):
    port = free_ports(3)
    started = serve(port, "--die", "3")
    assert started.wait(30) == 1
    said = started.output()
    assert "api does not start; it wrote last:\n    cannot go on" in said and "admin / s3cret" in said
    assert ports.is_free(LOOPBACK, port + 1)


def test_a_role_by_itself_becomes_its_command(tmp_path):
    become = ("import sys; from types import SimpleNamespace; from engine.cli import roles;"
              "roles.become(SimpleNamespace(role=roles.Role('x', 'y', '', lambda: [sys.executable, '-c',"
              "'import engine, os; print(engine.__name__, os.getcwd())'])))")
    done = subprocess.run([sys.executable, "-c", become], cwd=tmp_path, env=environment({"PYTHONPATH": str(ROOT)}),
                          capture_output=True, text=True)
    assert done.stdout == f"engine {tmp_path}\n", done.stderr
