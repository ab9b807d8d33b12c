"""Secrets made up for channels that are played by the sandbox: both sides find them in the secrets folder.

    <secrets>/sandbox/<channel>/<secret>            what the engine reads
    <secrets>/sandbox/<channel>/<secret>.theirs     the other half of a key pair, for the sandbox

A file is made when either side first looks for it, and never again; of several processes at once the first one's counts.
What is made follows from the secret's `as:`, and of a key pair from the digests it is used with. All channels share two
pairs of each kind (making one of RSA takes 0.1 s): they keep nothing apart that is worth keeping apart.
"""
from __future__ import annotations

import base64
import os
import secrets
import string
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ..base import settings
from . import codecs

KEY_ID = "sandbox-1"                          # the one key of a made-up keyring
_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
_LETTERS = string.ascii_letters + string.digits


def ours(channel_id: str, name: str, kind: str, pair: str = "") -> str:
    """The engine's half of a secret, made if it is not there. `kind`: its `as:`; `pair`: of which kind its key pairs are."""
    return _held(_place(settings.secrets_dir(), channel_id, name), lambda: _make(kind, pair, "ours"))


def theirs(channel_id: str, name: str, kind: str, pair: str = "") -> str:
    """The sandbox's half; of a secret that both share, the same."""
    if kind in ("private_key", "public_key") or pair:
        return _held(_folder() / channel_id / f"{name}.theirs", lambda: _make(kind, pair, "theirs"))
    return ours(channel_id, name, kind)


def shared(path: Path) -> str:
    """A secret of 32 letters and digits in a file of that path, made if it is not there."""
    return _held(path, lambda: _text(32))


def public_of(private_pem: str) -> str:
    """The public half of a private key in PEM."""
    key = serialization.load_pem_private_key(private_pem.encode(), password=None)
    return key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _make(kind: str, pair: str, side: str) -> str:
    if kind == "private_key":                 # we sign with it, they verify
        return _pair("merchant", pair) if side == "ours" else public_of(_pair("merchant", pair))
    if kind == "public_key" or pair:
        text = _pair("gateway", pair) if side == "theirs" else public_of(_pair("gateway", pair))
        return codecs.write_json({KEY_ID: text}).decode() if kind == "keyring" else text
    if kind == "keyring":
        return codecs.write_json({KEY_ID: _text(32)}).decode()
    if kind == "hex":
        return secrets.token_hex(32)
    return base64.b64encode(os.urandom(32)).decode() if kind == "base64" else _text(32)


def _text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _pair(name: str, pair: str) -> str:
    return _held(_folder() / f"{name}{'-ec' if pair == 'ec' else ''}.pem", lambda: _private_pem(pair))


def _private_pem(pair: str) -> str:
    key: Any = ec.generate_private_key(ec.SECP256R1()) if pair == "ec" else rsa.generate_private_key(
        public_exponent=65537, key_size=2048)
    return key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption()).decode()


def _folder() -> Path:
    return settings.secrets_dir() / "sandbox"


@lru_cache(maxsize=2048)
def _place(secrets_dir: Path, channel_id: str, name: str) -> Path:
    return secrets_dir / "sandbox" / channel_id / name


def _held(path: Path, make) -> str:
    text = _read(path)
    if not text:
        _write_once(path, make())
        _read.cache_clear()
        text = _read(path)
    return text


@lru_cache(maxsize=2048)
def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


def _write_once(path: Path, text: str) -> None:
    """Whole or not at all, and never over a file that another process made meanwhile."""
    settings.data_dir()
    for folder in reversed([path.parent, *path.parent.parents]):
        folder.mkdir(exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
