"""Tokens: fetched once, kept while they last, fetched again when refused, and never shown."""
from __future__ import annotations

import base64
import json
import threading
import time

import pytest

from engine.wire import operate
from engine.wire.compile import compile_channel
from engine.wire.secrets import Given

from .making import ROOT, channel_file, facts
from .misbehaving import says, serving


class Platform:
    """Answers token requests with t1, t2, … and orders with 201, or with 401 while it refuses a token."""

    def __init__(self, server, expires_in: int = 3600):
        self.server, self.expires_in = server, expires_in
        self.tokens, self.refuses = 0, set()
        server.then(self._script)
        self._script.__func__.keeps_open = True

    def _script(self, connection):
        request = self.server.requests[-1]
        if request.startswith(b"POST /v1/oauth2/token"):
            self.tokens += 1
            body, status = {"access_token": f"token-{self.tokens}", "expires_in": self.expires_in}, "200 OK"
        else:
            token = request.split(b"Bearer ")[1].split(b"\r\n")[0].decode()
            refused = token in self.refuses
            made = {"id": "O1", "status": "CREATED", "links": [{}, {"rel": "payer-action", "href": "https://pay.example"}]}
            body, status = ({}, "401 No") if refused else (made, "201 Created")
        says(json.dumps(body).encode(), status)(connection)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def paypal(server):
    """The channel that ships, at another address."""
    doc = {**channel_file(ROOT / "channels" / "paypal.yaml"), "base": server.url}
    return compile_channel(doc, Given({"client_id": "id-1", "client_secret": "secret-1"}))


def pay(ch, server):
    return operate(ch, "pay", facts(client__return_url="https://shop.example", payment__currency="USD"), timeout_s=2)


def test_a_token_is_fetched_once(server):
    platform, ch = Platform(server), paypal(server)
    outcomes = [pay(ch, server) for _ in range(3)]
    assert platform.tokens == 1 and [o.state for o in outcomes] == ["pending"] * 3
    assert outcomes[0].client == {"redirect": "https://pay.example"} and outcomes[0].fields["channel_no"] == "O1"
    head = server.requests[0].decode().lower()
    assert f"basic {base64.b64encode(b'id-1:secret-1').decode()}".lower() in head
    assert server.requests[0].endswith(b"grant_type=client_credentials")
    assert json.loads(server.requests[1].partition(b"\r\n\r\n")[2])["purchase_units"][0]["amount"]["value"] == "9.90"
    shown = json.dumps([dict(o.exchange) for o in outcomes])
    assert "token-1" not in shown and "secret-1" not in shown


def test_many_threads_share_one_fetch(server):
    platform, ch = Platform(server), paypal(server)
    threads = [threading.Thread(target=pay, args=(ch, server)) for _ in range(6)]
    [t.start() for t in threads]
    [t.join(5) for t in threads]
    assert platform.tokens == 1


def test_a_token_runs_out(server):
    platform, ch = Platform(server, expires_in=1), paypal(server)
    pay(ch, server)
    time.sleep(0.95)                       # nine tenths of its second are over
    pay(ch, server)
    assert platform.tokens == 2


def test_a_refused_token_is_fetched_again_once(server):
    platform, ch = Platform(server), paypal(server)
    platform.refuses = {"token-1"}
    assert pay(ch, server).state == "pending" and platform.tokens == 2
    platform.refuses = {f"token-{n}" for n in range(9)}
    assert pay(ch, server).status == 401 and platform.tokens == 3, "one more try, not a loop"


@pytest.mark.parametrize("body, status", [
    (b"{}", "200 OK"), (b"no", "200 OK"), (b'{"access_token":"x","expires_in":"soon"}', "200 OK"),
    (b'{"access_token":"x","expires_in":9}', "403 No"),
])
def test_no_token_is_a_failure_before_anything_is_sent(server, body, status):
    server.then(says(body, status))
    outcome = pay(paypal(server), server)
    assert (outcome.state, outcome.sent) == ("failed", False) and "no token" in outcome.reason
