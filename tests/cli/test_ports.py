"""Who has a port, and which ones to take instead."""
from __future__ import annotations

import os
import socket

import pytest

from engine.cli.process import ports
from tests.support.processes import LOOPBACK, free_ports


@pytest.fixture
def listening():
    base = free_ports(3)
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind((LOOPBACK, base))
        server.listen()
        yield base


def test_a_port_that_is_listened_on_is_taken_even_when_it_may_be_shared(listening):
    assert not ports.is_free(LOOPBACK, listening)
    assert ports.is_free(LOOPBACK, listening + 1)


def test_a_port_is_free_again_right_after_its_connections_ended(listening):
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)       # as every server does
        server.bind((LOOPBACK, listening + 1))
        server.listen()
        client = socket.create_connection((LOOPBACK, listening + 1))
        accepted, _ = server.accept()
        accepted.close()                       # the server's side closes first: it stays in TIME_WAIT
        client.close()
    assert ports.is_free(LOOPBACK, listening + 1)


def test_the_holder_is_named_with_its_command(listening):
    told = ports.holder(listening)
    assert told.startswith(f"process {os.getpid()} (") and "python" in told


def test_nobody_is_named_for_a_free_port(listening):
    assert ports.holder(listening + 1) == "another process"


def test_the_next_base_has_every_offset_free(listening):
    with socket.socket() as other:
        other.bind((LOOPBACK, listening + 11))
        other.listen()
        base = ports.free_base(LOOPBACK, listening, (0, 1, 2))
    assert base is not None and base > listening + 10 and (base - listening) % 10 == 0
