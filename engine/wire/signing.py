"""Signatures in both directions: the canonical text, the digest over it, where the signature stands, and its freshness.

One description serves both: `sign:` makes a signature over the message being built, `verify:` checks one over a message
that came. The canonical text is either a template (`text:`) or sorted pairs (`pairs:`). (`compile_signing.py` reads both
blocks.)
"""
from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable
from urllib.parse import quote, quote_plus

from . import casts, codecs, crypto, paths
from .model import Unreadable, Unverified
from .scope import Scope
from .templates import ABSENT, Hole, Template

PARTS = ("header", "query", "body", "client")       # where a signature may be placed
SORTS: Mapping[str, Callable[[tuple[str, str], str], Any]] = {
    "key": lambda pair, between: pair[0],
    "entry": lambda pair, between: pair[0] + between + pair[1],     # `a1=` sorts before `a=`
    "value": lambda pair, between: pair[1],
}
VALUES: Mapping[str, Callable[[str], str]] = {
    "plain": str, "url": lambda text: quote(text, safe=""), "form": quote_plus,
    "url_twice": lambda text: quote(quote(text, safe=""), safe="")}


@dataclass(frozen=True, slots=True)
class Pairs:
    """`pairs:` what is listed, what is left out, in which order, and how an entry is written."""
    of: Callable[[Scope], Any]
    source: str
    only: tuple[str, ...]
    leave: tuple[str, ...]
    sort: str
    ignore_case: bool
    keep_empty: bool
    value: str
    show: str
    join: str
    between: str
    before: Template
    after: Template
    extra: Mapping[str, Template]

    def includes(self, key: str) -> bool:
        return (not self.only or _listed(key, self.only)) and not _listed(key, self.leave)

    def text(self, scope: Scope) -> str:
        tree = self.of(scope)
        if not isinstance(tree, Mapping):
            raise Unreadable(f"{self.source} has no fields to list")
        pairs = [(key, casts.as_text(value)) for key, value in tree.items() if self.includes(key)]
        pairs += [(key, template.text(scope)) for key, template in self.extra.items()]
        pairs = [(key, VALUES[self.value](text)) for key, text in pairs if text or self.keep_empty]
        if self.sort != "none":
            order = SORTS[self.sort]
            fold = str.lower if self.ignore_case else str
            pairs.sort(key=lambda pair: order((fold(pair[0]), pair[1]), self.between))
        entries = [text if self.show == "values" else f"{key}{self.between}{text}" for key, text in pairs]
        return self.before.text(scope) + self.join.join(entries) + self.after.text(scope)


def _listed(key: str, names: tuple[str, ...]) -> bool:
    for name in names:
        if key == name or name[-1:] == "*" and key.startswith(name[:-1]):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Canonical:
    """The text a signature covers, and which parts of the message it covers."""
    text: Callable[[Scope], str]
    holes: frozenset[str]
    pairs: Pairs | None

    def covers(self, name: str) -> bool:
        """Whether changing a part (`header.X-Timestamp`, `body.ts`, `parts.t`) breaks the signature."""
        head, _, rest = name.partition(".")
        if name in self.holes or (head == "body" and "body" in self.holes) or \
                (head == "query" and "path_and_query" in self.holes):
            return True
        return self.pairs is not None and self.pairs.source == head and self.pairs.includes(rest.partition(".")[0])


@dataclass(frozen=True, slots=True)
class Signer:
    """`sign:`. `places`: part → {name: template}, filled once `{signature}` is known."""
    canonical: Canonical
    digest: str
    secret: str                              # name of the secret, or the hash's name for `hash:`
    key: Callable[[Scope], Any]
    encode: str
    places: Mapping[str, Mapping[str, Template]]

    def sign(self, scope: Scope) -> tuple[str, str]:
        """(canonical text, encoded signature); also sets `{signature}`."""
        text = self.canonical.text(scope)
        raw = crypto.sign(self.digest, self.key(scope), casts.as_bytes(text))
        scope.names["signature"] = codecs.encode_bytes(raw, self.encode)
        return text, scope.names["signature"]

    def placed(self, part: str, scope: Scope) -> dict[str, Any]:
        filled = {name: template.value(scope) for name, template in self.places.get(part, {}).items()}
        return {name: value for name, value in filled.items() if value is not ABSENT}


@dataclass(frozen=True, slots=True)
class Fresh:
    at: Hole
    cast: casts.Cast
    within_s: float


@dataclass(frozen=True, slots=True)
class Parts:
    """A header of several values, `t=1,v1=abc,v1=def`, taken apart into {"t": ["1"], "v1": ["abc", "def"]}."""
    of: Hole
    prefix: str
    split: str
    between: str

    def read(self, scope: Scope) -> dict[str, list[str]]:
        text = casts.as_text(self.of.get(scope))
        if not text.startswith(self.prefix):
            raise Unverified("signature_missing", f"{self.of.name} does not begin with {self.prefix.strip()!r}")
        found: dict[str, list[str]] = {}
        for piece in text[len(self.prefix):].split(self.split):
            name, mark, value = piece.strip().partition(self.between)
            if mark:
                found.setdefault(name, []).append(value.strip('"'))
        return found


@dataclass(frozen=True, slots=True)
class Check:
    """One way a message may be signed: the signature must match and the message must be fresh."""
    canonical: Canonical
    digest: str
    secret: str                              # name of the secret, or the hash's name for `hash:`
    key_id: Hole | None
    signature: Hole
    encode: str
    fresh: Fresh | None
    parts: Parts | None

    def run(self, scope: Scope, now_ms: int) -> tuple[str, str]:
        """(canonical text, signature that matched); Unverified otherwise."""
        try:
            scope.parts = self.parts.read(scope) if self.parts else {}
            signatures = self._signatures(scope)
            text = self.canonical.text(scope)
            key_id = casts.as_text(self.key_id.get(scope)) if self.key_id else None
        except paths.Missing as missing:
            raise Unverified("signature_missing", f"the message carries no signature we can check: {missing}") from None
        except Unreadable as error:
            raise Unverified("signature_invalid", f"the signed part can't be read: {error}") from None
        matched = self._match(scope, casts.as_bytes(text), key_id, signatures)
        self._check_fresh(scope, now_ms)
        return text, matched

    def _signatures(self, scope: Scope) -> list[str]:
        head, _, rest = self.signature.name.partition(".")
        if head == "parts":
            found = list(scope.parts.get(rest, []))
        else:
            found = [casts.as_text(self.signature.get(scope))]
        if not any(found):
            raise paths.Missing(f"{self.signature.name} is missing")
        return found

    def _match(self, scope: Scope, data: bytes, key_id: str | None, signatures: list[str]) -> str:
        pair = crypto.DIGESTS[self.digest].pair
        keys = [self.secret] if self.digest == "hash" else scope.box.candidates(self.secret, key_id, pair or "rsa")
        for key in keys:
            for signature in signatures:
                if self._matches(key, data, signature):
                    return signature
        raise Unverified("signature_invalid", "the signature does not match the message")

    def _matches(self, key: Any, data: bytes, signature: str) -> bool:
        if crypto.DIGESTS[self.digest].needs == "private_key":
            try:
                return crypto.matches(self.digest, key, data, codecs.decode_bytes(signature, self.encode))
            except Unreadable:
                return False
        expected = codecs.encode_bytes(crypto.sign(self.digest, key, data), self.encode)
        return hmac.compare_digest(expected.encode(), casts.as_bytes(signature))

    def _check_fresh(self, scope: Scope, now_ms: int) -> None:
        if self.fresh is None:
            return
        try:
            at_ms = self.fresh.cast.read(self.fresh.at.get(scope), scope.setting)  # type: ignore[misc]
        except Unreadable:
            raise Unverified("stale", f"{self.fresh.at.name} is not a time we can read") from None
        if abs(now_ms - at_ms) > self.fresh.within_s * 1000:
            raise Unverified("stale", f"the message is {abs(now_ms - at_ms) // 1000} s off our clock, "
                                      f"{self.fresh.within_s:g} s are allowed")


def verify(checks: tuple[Check, ...], scope: Scope, now_ms: int) -> tuple[str, str]:
    """Tries the ways a message may be signed, in order. Returns (canonical text, signature) of the one that holds."""
    refusal: Unverified | None = None
    for check in checks:
        try:
            return check.run(scope, now_ms)
        except Unverified as error:
            refusal = refusal if refusal and refusal.code != "signature_missing" else error
    assert refusal is not None
    raise refusal
