"""Keyrings that are not kept in a place of ours: the channel hands its keys out, or a message names the address of its own
certificate. Both are data of the channel file:

    secrets:
      platform:                                     the channel hands out its keys, sealed with a secret we share
        as: keyring
        fetch: {get: /v3/certificates, each: data, id: serial_no, lasts: 12h,
                open: {aes_gcm: {key: apiv3, of: sealed.text, nonce: sealed.nonce, aad: sealed.data}, as: text}}
      certificates:                                 a key's id is the address of its certificate
        as: keyring
        linked: {hosts: [api.provider.example], name: messages.provider.example}

The contract. Keys are kept in memory, one keyring a channel and process, by their ids. `fetch`: asked for when there is none
yet, when they are older than `lasts`, and when a message names a key that is not among them, yet never twice within
`AGAIN_S`; the answer is believed when its parts open (or over TLS, where none are sealed) and when it is signed, as the
channel's `verify:` says, by a key among those it hands out. A certificate that has run out is no key. If asking fails, the
keys we have stay good. `linked`: only https, only hosts of the list, no redirect, `BYTES_MAX`; the certificate must be of the
name given, chain to an authority we trust (RFC 5280, as `cryptography.x509.verification` does it) and be in force.

Nothing is fetched inside a database transaction. A message whose key can't be had is refused as `key_unknown`: its sender
comes again.
"""
from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Mapping, Protocol
from urllib.parse import urlsplit

import certifi
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ..base import clock, turn
from . import casts, codecs, opening, paths, sending, signing
from .building import RequestPlan
from .channel import Channel
from .model import FactMissing, Message, Reply, Unreadable, Unverified, WireError
from .scope import Scope
from .secrets import SecretBox, SecretSource

AGAIN_S = 60.0                  # a stranger who names keys that don't exist must not make us ask all the time
FAILED_AGAIN_S = 5.0
LINKS_PER_MINUTE = 10
LINK_LASTS_S = 24 * 3600.0
KEYS_MAX = 64
BYTES_MAX = 64 * 1024
TIMEOUT_S = 4.0                 # a sender of notices waits for five seconds
_log = logging.getLogger("salewright.wire")


class Ring(Protocol):
    """keys(channel, key_id) → {key id: PEM}, the one that is named among them if it can be had. Unverified("key_unknown")."""

    def keys(self, ch: Channel, key_id: str | None) -> Mapping[str, str]: ...


@dataclass(slots=True)
class Handed:
    """`fetch:` keys that the channel hands out by an operation of its own."""
    name: str
    plan: RequestPlan
    each: tuple[str, ...]
    id: tuple[str, ...]
    open: Callable[[Any, Scope], Any]
    sealed: bool
    checks: tuple[signing.Check, ...]
    lasts_s: float
    lock: Any = field(default_factory=threading.Lock)
    kept: dict[str, str] = field(default_factory=dict)
    asked_at: float = float("-inf")
    good_until: float = float("-inf")

    def keys(self, ch: Channel, key_id: str | None) -> Mapping[str, str]:
        if self._lacks(key_id):
            with turn.given_back(), self.lock:
                if self._lacks(key_id):
                    self._ask(ch)
        if not self.kept:
            raise Unverified("key_unknown", "the channel's keys could not be fetched")
        return self.kept

    def _lacks(self, key_id: str | None) -> bool:
        now = time.monotonic()
        wanting = now >= self.good_until or key_id is not None and key_id not in self.kept
        return wanting and now - self.asked_at >= AGAIN_S

    def _ask(self, ch: Channel) -> None:
        sending.require_outside(f"{ch.id}: keys")
        self.asked_at = time.monotonic()
        scope = ch.scope(nonce=os.urandom(16).hex())
        try:
            self.kept = self._handed(ch, scope, sending.send(ch, self._request(ch, scope), TIMEOUT_S))
            self.good_until = time.monotonic() + self.lasts_s
            _log.info("keys fetched", extra={"channel": ch.id, "keyring": self.name, "keys": ", ".join(self.kept)})
        except (sending.NotSent, sending.NoAnswer, Unreadable, Unverified, FactMissing) as error:
            self.asked_at -= AGAIN_S - FAILED_AGAIN_S
            _log.warning("keys could not be fetched: %s", error, extra={"channel": ch.id, "keyring": self.name})

    def _request(self, ch: Channel, scope: Scope) -> Any:
        scope.names["operation"] = self.name
        request = self.plan.build(scope)
        address = urlsplit(request.url)
        if not self.sealed and address.scheme != "https" and not sending.is_local(address.hostname):
            raise WireError(f"{ch.id}: keys that are not sealed may come over https only")
        return request

    def _handed(self, ch: Channel, scope: Scope, reply: Reply) -> dict[str, str]:
        """The keys of an answer. Unreadable, Unverified."""
        if reply.status != 200:
            raise Unreadable(f"the channel answered with status {reply.status}")
        scope.message = Message(headers=dict(reply.headers), body=reply.body, status=reply.status,
                                tree=codecs.read_body("json", reply.body))
        found = {}
        for item in opening.items_of(scope.message.tree, self.each, ())[:KEYS_MAX]:
            pem = casts.as_text(self.open(item, scope))
            if in_force(pem):
                found[casts.as_text(paths.dig(item, self.id))] = pem
        if not found:
            raise Unreadable("the channel handed out no key that is in force")
        if self.checks:
            scope.box = SecretBox(ch.box.references, _With(self.name, found, ch.box.source))
            signing.verify(self.checks, scope, clock.now_ms())
        return found


class _With:
    """A source of secrets in which one keyring is given."""

    def __init__(self, name: str, keys: Mapping[str, str], others: SecretSource):
        self._name, self._keys, self._others = name, keys, others

    def read(self, name: str, reference: Mapping[str, Any]) -> str | Mapping[str, str]:
        return self._keys if name == self._name else self._others.read(name, reference)


@dataclass(slots=True)
class Linked:
    """`linked:` certificates at the addresses that messages name."""
    name: str
    hosts: tuple[str, ...]
    subject: str
    ca: Callable[[Channel], str | None]
    lock: Any = field(default_factory=threading.Lock)
    kept: dict[str, tuple[str, float]] = field(default_factory=dict)     # address → (PEM, until)
    asked: deque = field(default_factory=lambda: deque(maxlen=LINKS_PER_MINUTE))

    def keys(self, ch: Channel, key_id: str | None) -> Mapping[str, str]:
        if key_id is None:
            raise Unverified("key_unknown", "the message names no certificate")
        if not self._good(key_id):
            self._require_allowed(key_id)
            with turn.given_back(), self.lock:
                if not self._good(key_id):
                    self._fetch(ch, key_id)
        return {key_id: self.kept[key_id][0]}

    def _good(self, address: str) -> bool:
        return time.monotonic() < self.kept.get(address, ("", 0.0))[1]

    def _require_allowed(self, address: str) -> None:
        """An address that a stranger wrote: nothing is asked of any host but those of the file."""
        try:
            parts = urlsplit(address)
            netloc, whole = parts.netloc, parts.scheme == "https" and address.isascii() and address.isprintable()
        except ValueError:
            netloc, whole = "", False
        if not whole or " " in address or netloc not in self.hosts:
            raise Unverified("key_unknown", "the certificate's address is not one that the channel file allows")

    def _fetch(self, ch: Channel, address: str) -> None:
        now = time.monotonic()
        if len(self.asked) == LINKS_PER_MINUTE and now - self.asked[0] < 60:
            raise Unverified("key_unknown", "too many certificates were asked for within a minute")
        self.asked.append(now)
        try:
            reply = sending.fetch(ch, address, TIMEOUT_S, BYTES_MAX)
            if reply.status != 200:
                raise Unreadable(f"its host answered with status {reply.status}")
            pem = trusted(reply.body, self.subject, self.ca(ch))
        except (sending.NotSent, sending.NoAnswer, Unreadable) as error:
            _log.warning("a certificate could not be had: %s", error, extra={"channel": ch.id, "keyring": self.name})
            raise Unverified("key_unknown", f"the certificate could not be had: {error}") from None
        if len(self.kept) >= KEYS_MAX:
            self.kept.clear()
        self.kept[address] = (pem, now + LINK_LASTS_S)
        _log.info("certificate fetched", extra={"channel": ch.id, "keyring": self.name})


# --- certificates

def in_force(pem: str) -> bool:
    """Whether a key may be used now; only a certificate can say that it may not. Unreadable when it is none of both."""
    if "-----BEGIN CERTIFICATE" not in pem:
        if "-----BEGIN PUBLIC KEY" not in pem:
            raise Unreadable("what was handed out is neither a certificate nor a public key in PEM")
        return True
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise Unreadable("what was handed out is no certificate") from None
    return certificate.not_valid_before_utc <= clock.to_datetime(clock.now_ms()) < certificate.not_valid_after_utc


def trusted(pem: bytes, subject: str, ca: str | None) -> str:
    """The first certificate of a PEM text, if it is `subject`'s and the others lead from it to an authority we trust."""
    try:
        first, *others = x509.load_pem_x509_certificates(pem)
        builder = PolicyBuilder().store(_authorities(ca)).time(clock.to_datetime(clock.now_ms()).replace(tzinfo=None))
        builder.build_server_verifier(x509.DNSName(subject)).verify(first, others)
    except (ValueError, VerificationError):
        raise Unreadable(f"what lies there is no certificate of {subject} that we trust") from None
    return first.public_bytes(Encoding.PEM).decode()


@lru_cache(maxsize=8)
def _authorities(pem: str | None) -> Store:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)     # old roots with odd serial numbers
        return Store(x509.load_pem_x509_certificates(pem.encode() if pem else Path(certifi.where()).read_bytes()))
