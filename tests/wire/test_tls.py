"""TLS: only whom we trust, by the right name, and with our certificate where it is asked for."""
from __future__ import annotations

import pytest

from engine.base import settings
from engine.wire.compile import compile_channel
from engine.wire.model import WireError
from engine.wire.operating import operate
from engine.wire.secrets import Given

from .authority import Authority, Serving
from .making import facts, plain


def answers(asks):
    def answer(request):
        request.rfile.read(int(request.headers["content-length"]))
        who = request.connection.getpeercert() if asks else None
        return 200, {}, b'{"code":"OK","qr":"%s"}' % (b"known" if who else b"anybody")
    return answer


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def serve(tmp_path, authority):
    running = []

    def start(address: str = "127.0.0.1", asks: bool = False) -> str:
        (tmp_path / "server.pem").write_text(authority.issue(address))
        (tmp_path / "ca.pem").write_text(authority.pem())
        server = Serving(answers(asks), tmp_path / "server.pem", tmp_path / "ca.pem" if asks else None)
        running.append(server)
        return f"https://{server.address}"
    yield start
    for server in running:
        server.close()


def pay(url, authority, tls, issuer=None):
    folder = settings.secrets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_text(authority.pem())
    (folder / "ours.pem").write_text((issuer or authority).issue("127.0.0.9"))
    operations = {"pay": {"post": "/pay", "json": {"no": "{payment.no}"}, "client": {"qr": "{answer.qr}"},
                          "judge": [{"http": 200, "then": "pending"}]}}
    doc = plain(sign="none", verify="none", notices={}, operations=operations, tls=tls,
                secrets={"authority": {"file": "ca.pem"}, "certificate": {"file": "ours.pem"}, "gone": {"file": "gone.pem"}})
    return operate(compile_channel(doc, Given({})), "pay", facts(settings__sandbox_url=url), timeout_s=3)


def test_an_authority_of_its_own(serve, authority):
    outcome = pay(serve(), authority, {"ca": "authority"})
    assert (outcome.state, outcome.client) == ("pending", {"qr": "anybody"})


def test_an_authority_nobody_trusts(serve, authority):
    outcome = pay(serve(), authority, {})
    assert (outcome.state, outcome.sent) == ("failed", False)


def test_a_certificate_for_another_address(serve, authority):
    outcome = pay(serve("127.0.0.2"), authority, {"ca": "authority"})
    assert (outcome.state, outcome.sent) == ("failed", False)


def test_our_certificate(serve, authority):
    url = serve(asks=True)
    assert pay(url, authority, {"ca": "authority", "certificate": "certificate"}).client == {"qr": "known"}
    refused = pay(url, authority, {"ca": "authority"})
    assert refused.state in ("failed", "unknown") and refused.client == {}


def test_our_certificate_is_read_again_when_it_changes(serve, authority):
    url, tls = serve(asks=True), {"ca": "authority", "certificate": "certificate"}
    assert pay(url, authority, tls).client == {"qr": "known"}
    stranger = Authority("stranger", number=2)
    assert pay(url, authority, tls, stranger).client == {}
    assert pay(url, authority, tls).client == {"qr": "known"}


def test_a_certificate_that_is_not_there(authority):
    with pytest.raises(WireError, match="put it into the file gone.pem of the secrets folder"):
        pay("https://127.0.0.1:1", authority, {"certificate": "gone"})
