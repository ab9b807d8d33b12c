"""A certificate authority of the tests' own, and https servers with its certificates."""
from __future__ import annotations

import contextlib
import ipaddress
import ssl
from datetime import timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from engine.base import clock

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


@lru_cache(maxsize=8)
def _key(number: int) -> rsa.RSAPrivateKey:
    """Making one takes 0.1 s, and these keep nothing."""
    return rsa.generate_private_key(65537, 2048)


class Authority:
    """`above`: the authority that vouches for this one; its own root otherwise."""

    def __init__(self, name: str = "test authority", above: Authority | None = None, number: int = 0):
        self.key, self.name, self.above = _key(number), _name(name), above
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (above or self).sign(
            self.name, self.key.public_key(), x509.BasicConstraints(True, None), usage)

    def sign(self, subject: x509.Name, public_key: Any, *extensions: x509.ExtensionType, from_h: float = -1, until_h: float = 1
             ) -> x509.Certificate:
        now = clock.to_datetime(clock.now_ms())
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public_key) \
            .serial_number(x509.random_serial_number()).not_valid_before(now + timedelta(hours=from_h)) \
            .not_valid_after(now + timedelta(hours=until_h)) \
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False) \
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        for extension in extensions:
            builder = builder.add_extension(extension, isinstance(extension, (x509.BasicConstraints, x509.KeyUsage)))
        return builder.sign(self.key, hashes.SHA256())

    def pem(self) -> str:
        return pem(self.certificate)

    def certify(self, address: str, public_key: Any, **valid: float) -> str:
        """The certificate of an IP address or a host name."""
        return pem(self.sign(_name(address), public_key, x509.SubjectAlternativeName([_general(address)]), **valid))

    def issue(self, address: str) -> str:
        """Key and certificate, in one PEM."""
        key = _key(7)
        return key.private_bytes(PEM, PKCS8, serialization.NoEncryption()).decode() + self.certify(address, key.public_key())


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(PEM).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


# --- servers

Answers = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        status, headers, body = self.server.answers(self)  # type: ignore[attr-defined]
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        """Quiet."""


class Serving:
    """`address`: host:port; `seen`: the paths asked for; `answers` may be changed while it runs."""

    def __init__(self, answers: Answers, pem_file: Path | None = None, asks_for: Path | None = None):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *args: None  # type: ignore[method-assign]
        self._server.answers, self._server.seen = answers, []  # type: ignore[attr-defined]
        if pem_file:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem_file)
            if asks_for:                   # a certificate of the caller's, by one of these authorities
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(asks_for)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def seen(self) -> list[str]:
        return self._server.seen  # type: ignore[attr-defined]

    def answer_with(self, answers: Answers) -> None:
        self._server.answers = answers  # type: ignore[attr-defined]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextlib.contextmanager
def serving(answers: Answers, pem_file: Path | None = None) -> Iterator[Serving]:
    server = Serving(answers, pem_file)
    try:
        yield server
    finally:
        server.close()
