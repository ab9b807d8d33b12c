"""The keys of the sandbox and of its merchant: made once, kept in the secrets folder, read there by both processes."""
from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path
from typing import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from engine.base import settings

PAIRS = ("sandbox-merchant", "sandbox-gateway")            # <name>.pem private, <name>.pub.pem public
SHARED = ("sandbox-shared.key", "sandbox-notice.key")    # 32 characters each
KEYRING = ("sandbox-gateway.keys", "gateway-1", "sandbox-gateway.pub.pem")      # folder, key id, the key in it


def ensure(folder: Path | None = None) -> None:
    """Make what is missing; what is there stays. Several processes may do it at once: the first one's files count."""
    folder = _made(folder)
    for name in PAIRS:
        private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        if not private.exists():
            _write_once(private, _private_pem())
        if not public.exists():
            _write_once(public, _public_pem(private.read_bytes()))
    ensure_shared(SHARED, folder)
    ring, key_id, source = KEYRING
    (folder / ring).mkdir(exist_ok=True, mode=0o700)
    if not (folder / ring / f"{key_id}.pem").exists():
        _write_once(folder / ring / f"{key_id}.pem", (folder / source).read_bytes())


def ensure_shared(names: Iterable[str], folder: Path | None = None) -> None:
    """Make shared secrets of these file names, where they are missing."""
    folder = _made(folder)
    for name in names:
        if not (folder / name).exists():
            _write_once(folder / name, secrets.token_hex(16).encode())


def _made(folder: Path | None) -> Path:
    folder = folder or settings.secrets_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _write_once(path: Path, content: bytes) -> None:
    """Whole or not at all, and never over a file that another process made meanwhile."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _private_pem() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def _public_pem(private: bytes) -> bytes:
    key = serialization.load_pem_private_key(private, password=None)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
