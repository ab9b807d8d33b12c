"""The interface under its real server, as a process: what only the server's own way of passing requests on can break."""
from __future__ import annotations

import http.client
import json
import signal
import socket
import uuid

import pytest

from engine.api import auth, keys
from engine.api.asked import BODY_MAX
from engine.base import clock
from tests.support.processes import LOOPBACK, free_ports


@pytest.fixture
def served(lite, processes, gateway):
    """(key, port) of `run.py api` over this test's shop."""
    port = free_ports()
    env = {"SALEWRIGHT_PORT": str(port), "SALEWRIGHT_SANDBOX_URL": gateway.url, "SALEWRIGHT_API_THREADS": "4"}
    process = processes.run_py("api", env=env)
    process.wait_healthy(port, "/readyz")
    yield lite.key, port, process


def ask(port, method, path, body=b"", headers=None, chunked=False):
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=20)
    try:
        connection.request(method, path, iter([body[n:n + 50_000] for n in range(0, len(body), 50_000)]) if chunked else body,
                           headers or {}, encode_chunked=chunked)
        reply = connection.getresponse()
        return reply.status, dict(reply.headers), json.loads(reply.read())
    finally:
        connection.close()


def signed(key, method, path, body=b"", read_as=None):
    key_id, _, secret = key.partition(".")
    stamp, nonce = str(clock.now_ms() // 1000), uuid.uuid4().hex
    text = auth.text_to_sign(method, read_as or path, stamp, nonce, body)
    return {"Salewright-Key": key_id, "Salewright-Timestamp": stamp, "Salewright-Nonce": nonce,
            "Salewright-Signature": auth.signature(secret, text), **({"Content-Type": "application/json"} if body else {})}


def test_it_serves_signed_requests_and_bodies_of_every_kind(served):
    key, port, process = served
    body = json.dumps({"scene": "filings-pc", "items": [{"sku": "filing/standard"}], "contact": {"name": "林" * 100}}).encode()
    for chunked in (False, True):
        once = {"Idempotency-Key": uuid.uuid4().hex, **({"Transfer-Encoding": "chunked"} if chunked else {})}
        status, headers, answer = ask(port, "POST", "/v1/orders", body, {**signed(key, "POST", "/v1/orders", body), **once}, chunked)
        assert status == 201 and answer["state"] == "awaiting_payment" and headers["traceparent"]
    # An address is signed as it reads, a query as it is sent.
    path, reads = "/v1/buyers/b%3A1%40x", "/v1/buyers/b:1@x"
    assert ask(port, "PUT", path, b"{}", signed(key, "PUT", path, b"{}", reads))[0] == 201
    path = "/v1/orders?buyer=b%3A1%40x&limit=3"
    assert ask(port, "GET", path, headers=signed(key, "GET", path))[0] == 200


def test_it_refuses_what_is_too_large_announced_or_not(served):
    key, port, process = served
    head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": "k"}
    # So little more that all of it is on its way before the answer: who is cut off while sending may not hear it.
    status, headers, answer = ask(port, "POST", "/v1/orders", b" " * (BODY_MAX + 10_000), {**head, "Transfer-Encoding": "chunked"}, True)
    assert (status, answer["code"]) == (413, "body_too_large") and headers["content-type"] == "application/problem+json"
    with socket.create_connection((LOOPBACK, port), timeout=20) as line:
        line.sendall(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key.encode() +
                     b"\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: 999999999\r\n\r\n")
        assert b" 413 " in line.recv(4096)     # before a byte of it was sent


def test_it_tells_loopback_from_elsewhere_and_wrong_methods(served):
    key, port, process = served
    assert ask(port, "GET", "/v1/scenes", headers={"Authorization": f"Bearer {key}"})[0] == 200
    far = {"Authorization": f"Bearer {key}", "X-Forwarded-For": "203.0.113.7"}
    assert ask(port, "GET", "/v1/scenes", headers=far)[2]["code"] == "unauthenticated"
    assert ask(port, "TRACE", "/v1/scenes")[0] in (400, 405)
    status, headers, answer = ask(port, "DELETE", "/v1/scenes")
    assert (status, answer["code"]) == (405, "method_not_allowed")


def test_it_ends_when_told(served):
    key, port, process = served
    assert keys.find(key.partition(".")[0])
    process.send(signal.SIGTERM)
    assert process.wait(20) in (0, -signal.SIGTERM) and "Traceback" not in process.output()
