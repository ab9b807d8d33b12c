"""`serve` with the real rooms: one command, and the order it proposes can be placed."""
from __future__ import annotations

import http.client
import json
import re
import shlex
import signal
import time
from urllib.parse import urlsplit

import pytest

from engine.cli.process import ports
from tests.support.processes import LOOPBACK, Process, free_ports, status_of


def proposed(said: str) -> list[list[str]]:
    """The commands it proposes, each as the words a shell would see."""
    text = said[said.index("Place an order"):].partition("\n")[2].replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line.strip().startswith("curl ")]


def run(command: list[str], key: str | None = None) -> tuple[int, dict]:
    """Do what a curl command says."""
    method, url = command[command.index("-X") + 1], urlsplit(command[command.index("-X") + 2])
    headers = dict(word.split(": ", 1) for flag, word in zip(command, command[1:]) if flag == "-H")
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(time.time_ns())                   # what its $(date …) gives
    if key:
        headers["Authorization"] = headers["Authorization"].replace("$KEY", key)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    connection.request(method, url.path, command[command.index("-d") + 1].encode(), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def stop(started: Process) -> None:
    started.send(signal.SIGINT)
    assert started.wait(30) == 0, started.output()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_one_command_on_an_empty_folder_and_the_order_it_proposes_is_placed(processes):
    port = free_ports(3)
    env = {"SALEWRIGHT_PORT": str(port)}
    first = processes.run_py("serve", env=env)
    first.wait_for("Salewright is running", 60)
    assert "migrated trade/0001" in first.output() and "published the sample catalogue" in first.output()
    assert re.search(r"First login of the console, shown this once: admin / \S{12,}", first.output())
    for command in proposed(first.output()):
        status, body = run(command)
        assert status in (200, 201), body
    assert body["state"] == "awaiting_payment"
    key = re.search(r"Bearer (sk_[^']+)'", first.output())[1]
    assert [status_of(port, "/docs"), status_of(port + 1), status_of(port + 2)] == [200] * 3
    stop(first)
    assert all(ports.is_free(LOOPBACK, port + n) for n in range(3))

    second = processes.run_py("serve", env=env)
    second.wait_for("Salewright is running", 60)
    assert "First login" not in second.output() and "published" not in second.output()
    assert run(proposed(second.output())[-1], key)[0] == 201
    stop(second)
