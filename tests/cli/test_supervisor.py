"""The supervisor over real processes: it starts, watches, restarts and stops them, and leaves nothing behind."""
from __future__ import annotations

import http.client
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from engine.cli import roles
from engine.cli.process import ports
from tests.support.processes import LOOPBACK, Process, free_ports, is_running, status_of
from tests.support.waiting import wait_until

HERE = Path(__file__).parent
TINY = [sys.executable, str(HERE / "tiny_server.py")]


def part(name: str, port: int, *flags: str, **more) -> dict:
    return {"name": name, "command": [*TINY, str(port), *flags], "port": port, **more}


@pytest.fixture
def supervise(processes):
    def run(*parts: dict, timeout_s: float = 20.0) -> Process:
        return processes.python(str(HERE / "supervise.py"), json.dumps(parts), str(timeout_s))
    return run


def pid_behind(port: int) -> int:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    connection.request("GET", "/healthz")
    return int(connection.getresponse().read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_come_up_and_a_signal_stops_all_cleanly(supervise, number):
    one, two = free_ports(), free_ports()
    started = supervise(part("one", one), part("number-two", two), {"name": "quiet", "command": ["sleep", "60"]})
    started.wait_for("(?m)^UP$")
    pids = [pid_behind(one), pid_behind(two)]
    started.send(number)
    assert started.wait(15) == 0
    assert not any(is_running(pid) for pid in pids)
    assert ports.is_free(LOOPBACK, one) and ports.is_free(LOOPBACK, two)


def test_every_line_carries_the_name_of_who_wrote_it(supervise):
    port = free_ports()
    started = supervise(part("short", port), {"name": "much-longer", "command": ["sh", "-c", "echo hello; sleep 60"]})
    started.wait_for("(?m)^UP$")
    started.wait_for(r"(?m)^short       \| process \d+ begins$")
    started.wait_for(r"(?m)^much-longer \| hello$")


def test_what_dies_is_started_again_with_a_longer_pause_each_time(supervise):
    port = free_ports()
    started = supervise(part("api", port))
    started.wait_for("(?m)^UP$")
    for pause in ("0.5", "1"):
        wait_until(lambda: status_of(port) == 200, "an answer")
        killed = pid_behind(port)
        os.kill(killed, signal.SIGKILL)
        started.wait_for(rf"api \| ended with signal SIGKILL after [\d.]+ s; starting it again in {pause} s")
    wait_until(lambda: status_of(port) == 200, "an answer after the second death")
    assert len(re.findall(r"process \d+ begins", started.output())) == 3


def test_a_dead_server_leaves_no_worker_on_its_port(supervise):
    port = free_ports()
    started = supervise(part("api", port, "--through-worker"))
    started.wait_for("(?m)^UP$")
    worker = pid_behind(port)
    server = int(re.search(r"process (\d+) begins", started.output())[1])
    assert server != worker
    os.kill(server, signal.SIGKILL)
    started.wait_for("starting it again")
    wait_until(lambda: not is_running(worker), "the old worker's end")
    wait_until(lambda: status_of(port) == 200 and pid_behind(port) != worker, "a new worker's answer")


@pytest.fixture
def wsgi_part(monkeypatch):
    """The API's own server command, as `serve` runs it, around an application of two lines."""
    port = free_ports()
    monkeypatch.setenv("SALEWRIGHT_PORT", str(port))
    api = next(role for role in roles.TABLE if role.name == "api")
    return {"name": "api", "command": [*api.command()[:-1], "tests.cli.tiny_wsgi:app"], "port": port}


def test_the_real_server_is_restarted_whole_and_stops_quickly(supervise, wsgi_part):
    port = wsgi_part["port"]
    started = supervise(wsgi_part)
    started.wait_for("(?m)^UP$")
    worker = pid_behind(port)
    os.kill(parent_of(worker), signal.SIGKILL)
    started.wait_for("ended with signal SIGKILL")
    wait_until(lambda: not is_running(worker), "the old worker's end")
    wait_until(lambda: status_of(port) == 200, "an answer of the new server")
    began = time.monotonic()
    started.send(signal.SIGINT)
    assert started.wait(20) == 0
    assert time.monotonic() - began < 10 and "killed" not in started.output()
    assert ports.is_free(LOOPBACK, port)


def test_the_real_server_brings_its_own_worker_back(supervise, wsgi_part):
    port = wsgi_part["port"]
    started = supervise(wsgi_part)
    started.wait_for("(?m)^UP$")
    worker = pid_behind(port)
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: status_of(port) == 200 and pid_behind(port) != worker, "another worker")
    assert "ended with" not in started.output()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_what_can_not_start_ends_everything_with_its_last_words(supervise):
    good = free_ports()
    started = supervise(part("good", good), part("bad", free_ports(), "--die", "7"))
    assert started.wait(20) == 1
    assert re.search(r"bad does not start; it wrote last:\n    cannot go on", started.output())
    assert "bad  | ended with exit code 7" in started.output()
    assert ports.is_free(LOOPBACK, good)


def test_what_stays_silent_is_named(supervise):
    started = supervise(part("ill", free_ports(), "--status", "503"), timeout_s=1.5)
    assert started.wait(20) == 1
    assert "ill did not answer within 1.5 s" in started.output()


def test_a_deaf_child_is_killed_when_its_time_is_over(supervise):
    port = free_ports()
    started = supervise(part("deaf", port, "--deaf", stop_s=1.0))
    started.wait_for("(?m)^UP$")
    pid = pid_behind(port)
    started.send(signal.SIGINT)
    assert started.wait(10) == 0
    assert "deaf | did not stop in time: killed" in started.output()
    assert not is_running(pid)


def test_a_second_signal_waits_for_nobody(supervise):
    port = free_ports()
    started = supervise(part("deaf", port, "--deaf", stop_s=60.0))
    started.wait_for("(?m)^UP$")
    started.send(signal.SIGINT)
    time.sleep(0.3)
    assert started.popen.poll() is None
    started.send(signal.SIGINT)
    assert started.wait(5) == 0


def test_a_stop_while_starting_is_a_clean_stop(supervise):
    port = free_ports()
    started = supervise(part("ill", port, "--status", "503"))
    started.wait_for("begins")
    started.send(signal.SIGTERM)
    assert started.wait(10) == 0


def test_children_end_with_a_supervisor_that_was_killed(supervise):
    port = free_ports()
    started = supervise(part("api", port))
    started.wait_for("(?m)^UP$")
    pid = pid_behind(port)
    started.kill9()
    wait_until(lambda: not is_running(pid), "the orphan's end")
    assert ports.is_free(LOOPBACK, port)
