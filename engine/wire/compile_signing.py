"""`sign:` and `verify:` blocks → Signer and Check: what they cover, with which key, and that the cover is no sham.

A signature that covers itself, one that is placed nowhere, and a time that anyone could change are problems here.
"""
from __future__ import annotations

from typing import Any, Callable, Mapping

from ..base import clock
from . import casts, crypto
from .draft import Draft, Path
from .scope import VERIFY, Scope
from .signing import PARTS, Canonical, Check, Fresh, Pairs, Parts, Signer

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
        pair = crypto.DIGESTS[digest].pair
        return lambda scope: scope.box.private_key(reference, pair)
    if "{" in reference:                       # a key made of a secret: `{secret}&`
        template = draft.template(reference, frozenset(), (*path, digest))
        return lambda scope: casts.as_bytes(template.text(scope))
    draft.want_secret(reference, ("text", "hex", "base64"), (*path, digest))
    return lambda scope: scope.box.bytes(reference)


def checks_of(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> tuple[Check, ...]:
    """Of the operation or notice at `path`: its own `verify:`, or the channel's; () when nothing is verified."""
    verify = spec.get("verify", doc.get("verify"))
    if verify in (None, "none"):
        return ()
    if verify == "sealed":
        if path[0] != "notices":
            draft.problem((*path, "verify"), "only a notice can be proved by being sealed")
        return ()
    return compile_checks(draft, verify, VERIFY, (*path, "verify") if "verify" in spec else ("verify",))


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
        if "linked" in draft.secrets.get(secret, {}) and "by" not in reference:
            draft.problem((*path, digest), "say where the message names its certificate: `by:`")
        key_id = draft.name(reference["by"], allowed, (*path, digest, "by")) if "by" in reference else None
    elif digest != "hash":
        pair = crypto.DIGESTS[digest].pair
        draft.want_secret(secret, ("public_key",) if pair else ("text", "hex", "base64"), (*path, digest))
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
