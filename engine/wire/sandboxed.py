"""Sandbox or live, by the setting CHANNELS. A channel file says the real address of its provider; in sandbox mode the
same file is spoken with the sandbox gateway instead.

    base      https://api.provider.example/v3  →  {settings.sandbox_url}/<channel id>/v3
    secrets   one that is not in its place is made up (`made_up.py`), the other half for the sandbox
    tls       nothing: the sandbox is not asked for certificates
"""
from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

from ..base import settings
from . import crypto, made_up
from .model import WireError
from .secrets import Places, SecretMissing, kept

_URL = "{settings.sandbox_url}"
_ORIGIN = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:\{[^}]*\}|[^/{])*")
_places = Places()


def is_on() -> bool:
    """WireError when the setting is neither of its two words."""
    word = settings.get("CHANNELS")
    if word not in ("sandbox", "live"):
        raise WireError(f"SALEWRIGHT_CHANNELS={word!r}: write sandbox or live")
    return word == "sandbox"


def document(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    """A channel document as it is spoken with the sandbox."""
    base = doc.get("base", "")
    changes: dict[str, Any] = {"base": _moved(base, doc["id"])} if base and not base.startswith(_URL) else {}
    operations = {name: _with_client_moved(spec, doc["id"]) for name, spec in doc.get("operations", {}).items()}
    if operations != doc.get("operations", {}):
        changes["operations"] = operations
    return {**{name: part for name, part in doc.items() if name != "tls"}, **changes} if changes or "tls" in doc else doc


def _with_client_moved(spec: Mapping[str, Any], channel_id: str) -> Mapping[str, Any]:
    """An address of the provider's that the file itself gives to the buyer's browser."""
    address = spec.get("client", {}).get("redirect", "")
    if not re.match(r"https?://", address):
        return spec
    return {**spec, "client": {**spec["client"], "redirect": _moved(address, channel_id)}}


def _moved(address: str, channel_id: str) -> str:
    return f"{_URL}/{channel_id}{_ORIGIN.sub('', address, count=1)}"


class OurHalves:
    """What the engine reads in sandbox mode: the real place first, then what was made up for this channel."""

    def __init__(self, doc: Mapping[str, Any]):
        self._id, self._pairs = doc["id"], key_pairs(doc)

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
        try:
            return _places.read(name, reference)
        except SecretMissing:
            return kept(made_up.ours(self._id, name, reference.get("as", "text"), self._pairs.get(name, "")), reference)


class TheirHalves:
    """What the sandbox reads: the other half of every key pair, and what both share."""

    def __init__(self, doc: Mapping[str, Any]):
        self._id, self._pairs = doc["id"], key_pairs(doc)

    def read(self, name: str, reference: Mapping[str, str]) -> str | Mapping[str, str]:
        kind = reference.get("as", "text")
        try:
            text = _places.read(name, reference)
        except SecretMissing:
            return kept(made_up.theirs(self._id, name, kind, self._pairs.get(name, "")), reference)
        if kind == "private_key":
            return made_up.public_of(text)  # type: ignore[arg-type]
        if kind == "public_key" or name in self._pairs:
            raise WireError(f"the provider's own key {name!r} is in its place: nobody but the provider can sign with it. "
                            "Take it away, or set SALEWRIGHT_CHANNELS=live")
        return text


def key_pairs(doc: Mapping[str, Any]) -> dict[str, str]:
    """Secret, or keyring → rsa · ec: of which kind its keys are, by the digests that sign or verify with it."""
    found = {}
    for node in _mappings(doc):
        for word, value in node.items():
            pair = crypto.DIGESTS[word].pair if word in crypto.DIGESTS else ""
            name = value.get("keyring") if isinstance(value, Mapping) else value
            if pair and isinstance(name, str):
                found[name] = pair
    return found


def _mappings(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _mappings(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _mappings(value)
