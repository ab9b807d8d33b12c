"""A partner in reverse: signs its requests so that its own `verify:` block believes them. For shared secrets; a partner with
a key pair keeps the private half to itself."""
from __future__ import annotations

from typing import Any, Mapping

from engine.base import settings
from engine.wire import crypto
from engine.wire.casts import Setting
from engine.wire.compile_signing import compile_checks
from engine.wire.draft import Draft
from engine.wire.model import Message
from engine.wire.scope import VERIFY, Scope
from engine.wire.secrets import Places, SecretBox
from engine.wire.signing import Check

from . import signing


class _Signer:
    """What `signing` needs of a side, for a verify block that stands alone."""

    def __init__(self, spec: Mapping[str, Any]):
        self.checks = compile_checks(Draft.of(spec), spec, VERIFY, ())
        self.box = SecretBox(spec.get("secrets", {}), Places())
        self.setting = Setting("CNY", spec.get("zone") or settings.timezone())
        self._constants = {name: str(value) for name, value in spec.get("constants", {}).items()}

    def scope(self) -> Scope:
        return Scope(self.setting, self.box, self._constants)

    def signing_key(self, check: Check) -> tuple[str, Any]:
        needs, pair = crypto.DIGESTS[check.digest].needs, crypto.DIGESTS[check.digest].pair
        return "", check.secret if needs == "none" else \
            self.box.private_key(check.secret, pair) if needs == "private_key" else self.box.bytes(check.secret)


def signed_request(spec: Mapping[str, Any], method: str, path: str, body: Mapping[str, Any] | None = None,
                   forged: bool = False) -> tuple[bytes, dict[str, str]]:
    """(body, headers) of a request in the first way `spec` (a partner's `verify:`) accepts; `forged` spoils the signature."""
    signer = _Signer(spec)
    message = Message(method=method, path=path, tree=dict(body) if body is not None else {})
    said = signing.said(signer, signer.checks, message, spec.get("body", "json") if body is not None else None, forged)
    return said.body, dict(said.headers)
