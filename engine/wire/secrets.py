"""Secrets by reference. A channel file says where a secret lies, never what it is; nothing here prints one.

A reference is `{env: NAME}` or `{file: name}` (below the secrets folder), with `as:` saying what it is: text (the
default), hex, base64, private_key (PEM), public_key (PEM key or certificate) or keyring. A keyring is a folder `name/`
of files `<key id>.pem`, or a JSON object {key id: text}: during a rotation more than one key is valid. A keyring may also be
fetched (`keyrings.py`); a place of ours that holds one comes first, and what it lacks is fetched.

Files are looked at again when they change, so that a rotated key takes effect without a restart.
"""
from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ..base import settings
from . import codecs
from .model import Unreadable, Unverified, WireError

KINDS = ("text", "hex", "base64", "private_key", "public_key", "keyring")


class SecretSource(Protocol):
    """read(name, reference) → the secret's text, or {key id: text} for a keyring. WireError when it is not there."""

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]: ...


class SecretMissing(WireError):
    """The secret is not in its place."""


def kept(text: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
    """A secret as its source gives it, from the text it is kept as: a keyring in one file is a JSON object."""
    return codecs.read_json(text) if reference.get("as") == "keyring" and text.lstrip()[:1] == "{" else text


class Places:
    """The real source: environment variables, and files in the secrets folder."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder
        self._files: dict[Path, tuple[tuple, str]] = {}

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
        if "env" in reference:
            text = os.environ.get(reference["env"], "")
            if not text:
                raise SecretMissing(f"the secret {name!r} is not there: set the environment variable {reference['env']}")
        elif "file" not in reference:
            raise SecretMissing(f"the keyring {name!r} is fetched, and not kept in a place of ours")
        else:
            path = self.path(reference["file"])
            if reference.get("as") == "keyring" and path.is_dir():
                entries = [entry for entry in sorted(path.iterdir()) if entry.is_file() and entry.name[0] != "."]
                return {entry.stem: self._file(entry, name) for entry in entries}
            text = self._file(path, name)
        return kept(text, reference)

    def path(self, file_name: str) -> Path:
        return _inside(self._folder or settings.secrets_dir(), file_name)

    def _file(self, path: Path, name: str) -> str:
        try:
            seen = os.stat(path)
            mark = (seen.st_mtime_ns, seen.st_size, seen.st_ino)
            if self._files.get(path, (None,))[0] != mark:
                self._files[path] = (mark, path.read_text().strip())
        except OSError:
            raise SecretMissing(f"the secret {name!r} is not there: put it into the file {path.name} of the secrets folder"
                                ) from None
        return self._files[path][1]


@lru_cache(maxsize=1024)
def _inside(folder: Path, file_name: str) -> Path:
    """Links are followed anew at each use (a mounted secret is rotated by switching one), so only the name is judged."""
    path = Path(os.path.normpath(folder / file_name))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise WireError(f"a secret's file must lie in the secrets folder: {file_name!r} does not")
    return path


class Given:
    """Values handed in by name: examples and tests."""

    def __init__(self, values: Mapping[str, str | Mapping[str, str]]):
        self._values = values

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
        if name not in self._values:
            raise SecretMissing(f"the secret {name!r} is not given")
        return self._values[name]

    def __repr__(self) -> str:
        return f"Given({', '.join(self._values)})"


class SecretBox:
    """A channel's secrets, typed. Parsed keys are kept by their text, so a key is parsed once."""

    def __init__(self, references: Mapping[str, Mapping[str, str]], source: SecretSource):
        self.references, self.source = references, source
        self._fetched: dict[str, Callable[[str | None], Mapping[str, str]]] = {}
        self._parsed: dict[tuple[str, str, str], Any] = {}
        self._seen: set[str] = set()

    def __repr__(self) -> str:
        return f"SecretBox({', '.join(self.references)})"

    def attach(self, name: str, fetch: Callable[[str | None], Mapping[str, str]]) -> None:
        """`fetch` gives the keys of a keyring that no place of ours holds; it is told the key's id that is wanted."""
        self._fetched[name] = fetch

    def kind(self, name: str) -> str:
        return self.references[name].get("as", "text")

    def text(self, name: str) -> str:
        value = self._read(name)
        if isinstance(value, str):
            self._seen.add(value)
            return value
        raise WireError(f"the secret {name!r} is a keyring where one text was expected")

    def bytes(self, name: str) -> bytes:
        return self._as_bytes(name, self.text(name))

    def private_key(self, name: str, pair: str = "rsa") -> Any:
        return self._parse(name, "private", pair, self.text(name))

    def candidates(self, name: str, key_id: str | None, pair: str = "rsa") -> Iterator[Any]:
        """The keys a signature may be verified with: the one named, or each of a keyring in turn.

        Unverified("key_unknown") when the keyring has no key of that name.
        """
        value = self._read(name, key_id)
        if isinstance(value, str):
            value = {key_id or "": value}
        if key_id is not None and key_id not in value and name in self._fetched and isinstance(self.source, Places):
            value = {**value, **self._fetched[name](key_id)}       # some keys lie here, others are handed out
        if key_id is not None and key_id not in value:
            raise Unverified("key_unknown", "the message names a key that is not in the keyring")
        for text in [value[key_id]] if key_id is not None else value.values():
            self._seen.add(text)
            pem = "-----BEGIN" in text
            yield self._parse(name, "public", pair, text) if pem else self._as_bytes(name, text)

    def known_texts(self) -> list[str]:
        """Every shared secret used so far (keys in PEM never travel), longest first: for masking."""
        return sorted((t for t in self._seen if t and "-----BEGIN" not in t), key=len, reverse=True)

    def _read(self, name: str, key_id: str | None = None) -> str | Mapping[str, str]:
        try:
            return self.source.read(name, self.references[name])
        except SecretMissing:
            if name not in self._fetched:
                raise
        return self._fetched[name](key_id)

    def _as_bytes(self, name: str, text: str) -> bytes:
        kind = self.kind(name)
        try:
            return codecs.decode_bytes(text, kind) if kind in ("hex", "base64") else text.encode()
        except Unreadable:
            raise WireError(f"the secret {name!r} is not {kind}") from None

    def _parse(self, name: str, half: str, pair: str, text: str) -> Any:
        if (half, pair, text) not in self._parsed:
            try:
                self._parsed[half, pair, text] = _load(half, pair, text.encode())
            except (ValueError, TypeError):
                kind = {"rsa": "an RSA", "ec": "an elliptic-curve"}[pair]
                raise WireError(f"the secret {name!r} is not {kind} {half} key in PEM") from None
        return self._parsed[half, pair, text]


_KINDS: Mapping[tuple[str, str], type] = {
    ("private", "rsa"): rsa.RSAPrivateKey, ("public", "rsa"): rsa.RSAPublicKey,
    ("private", "ec"): ec.EllipticCurvePrivateKey, ("public", "ec"): ec.EllipticCurvePublicKey}


@lru_cache(maxsize=64)                         # checking a private key costs 40 ms, and channels share keys
def _load(half: str, pair: str, pem: bytes) -> Any:
    if half == "private":
        key: Any = load_pem_private_key(pem, password=None)
    else:
        key = x509.load_pem_x509_certificate(pem).public_key() if b"CERTIFICATE" in pem else load_pem_public_key(pem)
    if not isinstance(key, _KINDS[half, pair]):
        raise ValueError("a key of another kind")
    return key
