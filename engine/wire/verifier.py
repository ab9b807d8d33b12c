"""Authenticating the requests of others (partners): a `verify:` block that stands alone, in a channel's words."""
from __future__ import annotations

import hashlib
from typing import Any, Callable, Mapping

from ..base import clock, settings
from . import casts, signing
from .casts import Setting
from .compile_signing import compile_checks
from .draft import Draft, Path
from .model import IncomingRequest, NoticeRejected, Unverified, Verified
from .opening import read_message
from .scope import VERIFY, Scope
from .secrets import SecretBox, SecretSource


def check_verify(spec: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a stand-alone `verify:` block that brings its own `secrets:` and `constants:`."""
    draft = Draft.of(spec)
    for name, reference in spec.get("secrets", {}).items():
        if "fetch" in reference or "linked" in reference:
            draft.problem(("secrets", name), "only a channel's keyrings are fetched: keep this one in a place of ours")
    compile_checks(draft, spec, VERIFY, ())
    return draft.problems


def compile_verifier(spec: Mapping[str, Any], secrets: SecretSource) -> Callable[[IncomingRequest], Verified]:
    """A function that authenticates a request, or raises NoticeRejected with the code `Unverified` names.

    `spec` is a `verify:` block with `secrets:` (and `constants:`, `zone:`) of its own; `body:` is how its body is read.
    """
    draft = Draft.of(spec)
    checks = compile_checks(draft, spec, VERIFY, ())
    draft.raise_problems("verify")
    box = SecretBox(spec.get("secrets", {}), secrets)
    constants = {k: str(v) for k, v in spec.get("constants", {}).items()}
    setting = Setting("CNY", spec.get("zone") or settings.timezone())
    kind, within_s = spec.get("body", "json"), checks[0].fresh.within_s if checks[0].fresh else None

    def run(request: IncomingRequest) -> Verified:
        scope = Scope(setting, box, constants)
        scope.message = read_message(request, kind, needed=bool(checks[0].canonical.pairs))
        try:
            text, _ = signing.verify(checks, scope, clock.now_ms())
        except Unverified as error:
            raise NoticeRejected(error.reason, error.code) from None
        return Verified(hashlib.sha256(casts.as_bytes(text)).hexdigest(), within_s)
    return run
