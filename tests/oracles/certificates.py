"""Certificates as payment platforms have them: for messages, by serial number; nobody asks who issued them."""
from __future__ import annotations

from datetime import datetime, timezone
from typing import Mapping

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from tests.wire.making import THEIRS


def certificate(serial: str, pair: Mapping[str, str] = THEIRS) -> str:
    """In PEM, in force from 2018 until 2100, of the pair's public key; `serial` in hex."""
    key = serialization.load_pem_private_key(pair["private_key"].encode(), None)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Platform")])
    from_, until = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2018, 2100))
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(int(serial, 16)).not_valid_before(from_).not_valid_after(until).sign(key, hashes.SHA256()))
    return made.public_bytes(serialization.Encoding.PEM).decode()
