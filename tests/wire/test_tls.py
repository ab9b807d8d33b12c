"""TLS: only whom we trust, by the right name, and with our certificate where it is asked for."""
from __future__ import annotations

import ipaddress
import ssl
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa as rsa_keys
from cryptography.x509.oid import NameOID

from engine.base import clock, settings
from engine.wire import sending
from engine.wire.compile import compile_channel
from engine.wire.operating import operate
from engine.wire.secrets import Given

from .making import facts, plain

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])


class Authority:
    def __init__(self):
        self.key = rsa_keys.generate_private_key(65537, 2048)
        self.certificate = self._sign(NAME, self.key.public_key(), x509.BasicConstraints(True, None))

    def _sign(self, subject, public_key, *extensions):
        now = clock.to_datetime(clock.now_ms())
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(NAME).public_key(public_key) \
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1)) \
            .not_valid_after(now + timedelta(hours=1))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self.key, hashes.SHA256())

    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, address: str) -> str:
        """Key and certificate for an address, in one PEM."""
        key = rsa_keys.generate_private_key(65537, 2048)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
        certificate = self._sign(subject, key.public_key(), names)
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                 serialization.NoEncryption()).decode() + \
            certificate.public_bytes(serialization.Encoding.PEM).decode()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        who = self.connection.getpeercert() if self.server.asks else None
        body = b'{"code":"OK","qr":"%s"}' % (b"known" if who else b"anybody")
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture
def serve(tmp_path, authority):
    running = []

    def start(address: str = "127.0.0.1", asks: bool = False) -> str:
        (tmp_path / "server.pem").write_text(authority.issue(address))
        (tmp_path / "ca.pem").write_text(authority.pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tmp_path / "ca.pem")
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.handle_error = lambda *args: None
        server.asks = asks
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        running.append((server, thread))
        return f"https://127.0.0.1:{server.server_port}"
    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join(5)


def pay(url, authority, tls):
    folder = settings.secrets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_text(authority.pem())
    (folder / "ours.pem").write_text(authority.issue("127.0.0.9"))
    sending._managers.clear()              # certificates are kept by name, and each test makes its own
    operations = {"pay": {"post": "/pay", "json": {"no": "{payment.no}"}, "client": {"qr": "{answer.qr}"},
                          "judge": [{"http": 200, "then": "pending"}]}}
    doc = plain(sign="none", verify="none", notices={}, operations=operations, tls=tls,
                secrets={"authority": {"file": "ca.pem"}, "certificate": {"file": "ours.pem"}})
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
