"""Signatures in both directions: the canonical text, the digest over it, where the signature stands, and its freshness.

One description serves both: `sign:` makes a signature over the message being built, `verify:` checks one over a message
that came. The canonical text is either a template (`text:`) or sorted pairs (`pairs:`).
"""
from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, Callable, Mapping
from urllib.parse import quote, quote_plus

from ..base import clock
from . import casts, codecs, crypto, paths
from .model import Unreadable, Unverified
from .templates import ABSENT, Draft, Hole, Path, Scope, Template

PARTS = ("header", "query", "body", "client")       # where a signature may be placed
SORTS: Mapping[str, Callable[[tuple[str, str], str], Any]] = {
    "key": lambda pair, between: pair[0],
    "entry": lambda pair, between: pair[0] + between + pair[1],     # `a1=` sorts before `a=`
    "value": lambda pair, between: pair[1],
}
VALUES: Mapping[str, Callable[[str], str]] = {
    "plain": str, "url": lambda text: quote(text, safe=""), "form": quote_plus}


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
    return any(key == name or (name.endswith("*") and key.startswith(name[:-1])) for name in names)


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
        keys = [self.secret] if self.digest == "hash" else scope.box.candidates(self.secret, key_id)
        for key in keys:
            for signature in signatures:
                if self._matches(key, data, signature):
                    return signature
        raise Unverified("signature_invalid", "the signature does not match the message")

    def _matches(self, key: Any, data: bytes, signature: str) -> bool:
        if crypto.DIGESTS[self.digest].needs == "private_key":
            try:
                return crypto.rsa_matches(self.digest, key, data, codecs.decode_bytes(signature, self.encode))
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


# --- compiling

_PAIRS_OF = {"body": "body", "query": "query", "headers": "header", "params": "params"}


def compile_canonical(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], own: tuple[str, ...], path: Path
                      ) -> Canonical:
    """`own`: names of the fields that carry the signature itself; they are never part of what is signed."""
    if "text" in spec:
        template = draft.template(spec["text"], allowed, (*path, "text"))
        return Canonical(template.text, frozenset(template.names), None)
    pairs = _compile_pairs(draft, spec.get("pairs") or {}, allowed, own, (*path, "pairs"))
    holes = pairs.before.names | pairs.after.names | {n for t in pairs.extra.values() for n in t.names}
    return Canonical(pairs.text, frozenset(holes), pairs)


def _compile_pairs(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], own: tuple[str, ...], path: Path
                   ) -> Pairs:
    of = spec.get("of", "body")
    return Pairs(
        of=_source(of), source=_PAIRS_OF.get(of, of), only=tuple(spec.get("only", ())),
        leave=(*spec.get("except", ()), *own), sort=spec.get("sort", "key"),
        ignore_case=spec.get("ignore_case", False), keep_empty=spec.get("empties", "drop") == "keep",
        value=spec.get("value", "plain"), show=spec.get("show", "pairs"),
        join=spec.get("join", "&"), between=spec.get("between", "="),
        before=draft.template(spec.get("before", ""), allowed, (*path, "before")),
        after=draft.template(spec.get("after", ""), allowed, (*path, "after")),
        extra={key: draft.template(value, allowed, (*path, "add", key)) for key, value in spec.get("add", {}).items()})


def _source(of: str) -> Callable[[Scope], Any]:
    return {"body": lambda s: s.message.tree, "query": lambda s: s.message.query,
            "headers": lambda s: s.message.headers, "params": lambda s: s.params}[of]


def compile_signer(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], place: frozenset[str], path: Path
                   ) -> Signer:
    places = {part: {name: draft.template(text, place, (*path, part, name)) for name, text in spec[part].items()}
              for part in PARTS if part in spec}
    if not any("signature" in t.names for named in places.values() for t in named.values()):
        draft.problem(path, "the signature is placed nowhere: write {signature} under header, query, body or client")
    own = tuple(name for part in places for name, t in places[part].items()
                if part != "header" and "signature" in t.names)
    canonical = compile_canonical(draft, spec, allowed, own, path)
    _forbid_circle(draft, canonical, places, path)
    digest, reference = _digest(draft, spec, path)
    return Signer(canonical, digest, reference, _signing_key(draft, digest, reference, path),
                  spec.get("encode", crypto.DIGESTS[digest].encode), places)


def _forbid_circle(draft: Draft, canonical: Canonical, places: Mapping[str, Any], path: Path) -> None:
    for part, hole in (("body", "body"), ("query", "path_and_query")):
        if part in places and hole in canonical.holes:
            draft.problem(path, f"{{{hole}}} can't be signed: the signature itself is placed in the {part}")


def _digest(draft: Draft, spec: Mapping[str, Any], path: Path) -> tuple[str, Any]:
    named = [word for word in crypto.DIGESTS if word in spec]
    if len(named) != 1:
        draft.problem(path, f"write exactly one of {', '.join(crypto.DIGESTS)}")
        return "hash", "md5"
    return named[0], spec[named[0]]


def _signing_key(draft: Draft, digest: str, reference: Any, path: Path) -> Callable[[Scope], Any]:
    needs = crypto.DIGESTS[digest].needs
    if needs == "none":
        return lambda scope: reference
    if needs == "private_key":
        draft.want_secret(reference, ("private_key",), (*path, digest))
        return lambda scope: scope.box.private_key(reference)
    draft.want_secret(reference, ("text", "hex", "base64"), (*path, digest))
    return lambda scope: scope.box.bytes(reference)


def compile_checks(draft: Draft, spec: Any, allowed: frozenset[str], path: Path) -> tuple[Check, ...]:
    """`verify:` one block, or a list tried in order."""
    if isinstance(spec, Mapping):
        return (_compile_check(draft, spec, allowed, path),)
    return tuple(_compile_check(draft, block, allowed, (*path, i)) for i, block in enumerate(spec))


def _compile_check(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Check:
    parts = _compile_parts(draft, spec.get("parts"), path)
    allowed = allowed if parts else allowed - {"parts."}
    signature = draft.name(spec.get("signature", ""), allowed, (*path, "signature"))
    own = (signature.name.partition(".")[2],) if signature.name.partition(".")[0] in ("body", "query") else ()
    canonical = compile_canonical(draft, spec, allowed, own, path)
    digest, reference = _digest(draft, spec, path)
    secret, key_id = reference, None
    if isinstance(reference, Mapping):
        secret = reference.get("keyring", "")
        draft.want_secret(secret, ("keyring",), (*path, digest, "keyring"))
        key_id = draft.name(reference["by"], allowed, (*path, digest, "by")) if "by" in reference else None
    elif digest != "hash":
        rsa = crypto.DIGESTS[digest].needs == "private_key"
        draft.want_secret(secret, ("public_key",) if rsa else ("text", "hex", "base64"), (*path, digest))
    fresh = _compile_fresh(draft, spec.get("fresh"), canonical, allowed, (*path, "fresh"))
    return Check(canonical, digest, secret, key_id, signature,
                 spec.get("encode", crypto.DIGESTS[digest].encode), fresh, parts)


def _compile_parts(draft: Draft, spec: Mapping[str, Any] | None, path: Path) -> Parts | None:
    if spec is None:
        return None
    of = draft.name(spec["of"], frozenset({"header.", "query."}), (*path, "parts", "of"))
    return Parts(of, spec.get("prefix", ""), spec.get("split", ","), spec.get("between", "="))


def _compile_fresh(draft: Draft, spec: Mapping[str, Any] | None, canonical: Canonical, allowed: frozenset[str],
                   path: Path) -> Fresh | None:
    if spec is None:
        return None
    at = draft.name(spec["at"], allowed, (*path, "at"))
    if not canonical.covers(at.name):
        draft.problem((*path, "at"),
                      f"{at.name} is not covered by the signature: anyone could make the message look fresh")
    word = spec.get("as", "unix")
    cast = casts.cast_named(word)
    if cast is None or cast.takes != "time":
        draft.problem((*path, "as"), f"{word!r} is not a way to write a time")
        cast = casts.cast_named("unix")
    try:
        within_s = clock.parse_duration_s(spec["within"])
    except ValueError as error:
        draft.problem((*path, "within"), str(error))
        within_s = 0.0
    return Fresh(at, cast, within_s)  # type: ignore[arg-type]
