"""Secrets: read from their places, typed, rotated without a restart, and never shown."""
from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from engine.base import settings
from engine.wire.model import Unverified, WireError
from engine.wire.secrets import Given, Places, SecretBox

from .making import OURS, THEIRS


def certificate(pair) -> str:
    key = serialization.load_pem_private_key(pair["private_key"].encode(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform")])
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7) \
        .not_valid_before(start).not_valid_after(start + timedelta(days=1)).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def box(reference, source=None, name="s"):
    return SecretBox({name: reference}, source or Places())


@pytest.fixture
def folder():
    made = settings.secrets_dir()
    made.mkdir(parents=True)
    return made


def test_environment(monkeypatch):
    monkeypatch.setenv("GATEWAY_SECRET", "abc")
    assert box({"env": "GATEWAY_SECRET"}).text("s") == "abc"
    monkeypatch.setenv("GATEWAY_SECRET", "")
    with pytest.raises(WireError, match="GATEWAY_SECRET"):
        box({"env": "GATEWAY_SECRET"}).text("s")


def test_files_take_effect_when_they_change(folder):
    held = box({"file": "a.key"})
    with pytest.raises(WireError, match="a.key"):
        held.text("s")
    (folder / "a.key").write_text("first\n")
    assert held.text("s") == "first"
    (folder / "a.key").write_text("second")
    assert held.bytes("s") == b"second"
    os.unlink(folder / "a.key")
    with pytest.raises(WireError):
        held.text("s")


@pytest.mark.parametrize("name", ["../outside.key", "/etc/hostname", "a/../../outside.key"])
def test_files_lie_in_the_folder(folder, name):
    (folder.parent / "outside.key").write_text("x")
    with pytest.raises(WireError, match="secrets folder"):
        box({"file": name}).text("s")


@pytest.mark.parametrize("kind, text, raw", [("text", "ab", b"ab"), ("hex", "00ff", b"\x00\xff"), ("base64", "AP8=", b"\x00\xff")])
def test_kinds_of_bytes(kind, text, raw):
    assert box({"file": "x", "as": kind}, Given({"s": text})).bytes("s") == raw


@pytest.mark.parametrize("kind, text", [("hex", "xyz"), ("base64", "***")])
def test_wrong_bytes(kind, text):
    with pytest.raises(WireError, match=f"is not {kind}"):
        box({"file": "x", "as": kind}, Given({"s": text})).bytes("s")


@pytest.mark.parametrize("text", [THEIRS["public_key"], certificate(THEIRS)], ids=["key", "certificate"])
def test_public_keys(text):
    key, = box({"file": "x", "as": "public_key"}, Given({"s": text})).candidates("s", None)
    assert key.public_numbers() == serialization.load_pem_public_key(THEIRS["public_key"].encode()).public_numbers()


def elliptic() -> str:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


@pytest.mark.parametrize("text", ["junk", OURS["public_key"], elliptic(), OURS["private_key"][:200]])
def test_not_a_private_key(text):
    with pytest.raises(WireError, match="RSA private key") as refused:
        box({"file": "x", "as": "private_key"}, Given({"s": text})).private_key("s")
    assert text[:40] not in str(refused.value)


def test_a_keyring_folder_while_keys_rotate(folder):
    ring = folder / "ring"
    ring.mkdir()
    (ring / "k1.pem").write_text(OURS["public_key"])
    held = box({"file": "ring", "as": "keyring"})
    assert len(list(held.candidates("s", "k1"))) == 1
    with pytest.raises(Unverified) as refused:
        list(held.candidates("s", "k2"))
    assert refused.value.code == "key_unknown"
    (ring / ".k2.pem.draft").write_text("half a k")
    (ring / "k2.pem").write_text(THEIRS["public_key"])
    assert len(list(held.candidates("s", "k2"))) == 1 and len(list(held.candidates("s", None))) == 2


def test_a_keyring_in_the_environment(monkeypatch):
    monkeypatch.setenv("RING", '{"a": "secret-a", "b": "secret-b"}')
    held = box({"env": "RING", "as": "keyring"})
    assert list(held.candidates("s", None)) == [b"secret-a", b"secret-b"]
    assert list(held.candidates("s", "b")) == [b"secret-b"]
    with pytest.raises(WireError, match="keyring"):
        held.text("s")


def test_secrets_are_not_shown_but_known_for_masking():
    source = Given({"s": "hush", "key": OURS["private_key"]})
    held = SecretBox({"s": {"file": "x"}, "key": {"file": "y", "as": "private_key"}}, source)
    assert held.known_texts() == []
    held.text("s"), held.private_key("key")
    assert held.known_texts() == ["hush"]
    assert "hush" not in repr(held) + repr(source) + repr({"box": held})
