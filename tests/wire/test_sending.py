"""Sending over a real connection: whatever goes wrong, we know soon, and know whether a byte may have left us."""
from __future__ import annotations

import socket
import time

import pytest

from engine.wire.model import WireError
from engine.wire.operating import operate

from .making import facts, pay, signed, the_channel
from .misbehaving import drips, resets, says, sends, serving

GOOD = b'{"code":"OK","no":"P1"}'


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.mark.parametrize("name, script", [
    ("closes at once", sends()),
    ("resets", resets),
    ("half a header", sends(b"HTTP/1.1 200 OK\r\nContent-Le")),
    ("half a body", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"code\"")),
    ("half a chunk", sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{\"code\"")),
    ("not HTTP", sends(b"hello there\r\n\r\n")),
    ("silence", lambda connection: time.sleep(1.5)),
    ("drips its header", drips(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 50, 0.1)),
    ("drips its body", drips(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500, 0.05)),
    ("too large", sends(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", *[b"x" * 100_000] * 30)),
    ("endless", sends(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 100_000] * 40)),
    ("5xx after the deed", sends(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nsorry")),
], ids=lambda v: v if isinstance(v, str) else "")
def test_no_understandable_answer_is_unknown_and_soon_known_to_be(server, name, script):
    server.then(script)
    started = time.monotonic()
    outcome = pay(server, timeout_s=0.8)
    assert (outcome.state, outcome.sent) == ("unknown", True), name
    assert outcome.client == {} and outcome.reason
    assert time.monotonic() - started < 3


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = operate(the_channel(), "pay", facts(settings__sandbox_url=f"http://127.0.0.1:{port}"))
    assert (outcome.state, outcome.sent, outcome.status) == ("failed", False, None)


def test_a_name_nobody_knows():
    outcome = operate(the_channel(), "pay", facts(settings__sandbox_url="https://no-such-host.invalid"))
    assert (outcome.state, outcome.sent) == ("failed", False)


def test_a_server_without_a_certificate_we_trust(server):
    outcome = operate(the_channel(), "pay", facts(settings__sandbox_url=f"https://127.0.0.1:{server.port}"))
    assert (outcome.state, outcome.sent) == ("failed", False)
    assert server.requests == []


def test_connections_are_used_again(server):
    server.then(says(GOOD, **signed(GOOD)))
    for _ in range(3):
        assert pay(server).state == "pending"
    assert len(server._threads) <= 2, "one thread accepts, one connection served all three calls"


def test_plain_http_needs_signed_answers():
    ch = the_channel(verify="none", notices={})
    with pytest.raises(WireError, match="https"):
        operate(ch, "pay", facts(settings__sandbox_url="http://gateway.example"))
