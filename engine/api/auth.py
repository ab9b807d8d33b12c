"""Who asks: our clients by key (signed, or bearer where that is allowed), partners by the scheme their file declares.

A signed request carries `Salewright-Key`, `-Timestamp` (Unix seconds), `-Nonce` and `-Signature`: the hex HMAC-SHA256,
with the key's secret, over

    METHOD \\n path?query \\n timestamp \\n nonce \\n hex SHA-256 of the body

The path is signed as it reads (percent-encoding undone), the query as it is sent, without `?` when there is none.

A partner's request is not refused for being repeated byte by byte: its scheme need not have a nonce, and its entries are
idempotent by the partner's own number.
"""
from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from functools import lru_cache
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from .. import wire
from ..base import canon, clock, settings
from ..base.errors import Code, Refusal
from ..config.catalog import Partner
from ..config.live import live
from . import keys, nonces
from .asked import Asked

SKEW_S = 300
_NONCE = re.compile(r"[!-~]{8,64}\Z")
_UNVERIFIED = {"signature_missing": Code.UNAUTHENTICATED, "stale": Code.CLOCK_SKEW, "unreadable": Code.BAD_REQUEST}


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `scenes`: patterns of the scenes it may sell in; a partner's are those of its agreement."""
    id: str
    scopes: frozenset[str]
    scenes: tuple[str, ...]
    partner: Partner | None = None

    @property
    def sees_all(self) -> bool:
        return "*" in self.scenes

    def sees(self, scene_id: str) -> bool:
        return any(scene_id == p or (p[-1] == "*" and scene_id.startswith(p[:-1])) for p in self.scenes)

    def need(self, *scopes: str) -> None:
        """FORBIDDEN unless the key has one of these scopes."""
        if self.scopes.isdisjoint(scopes):
            raise Refusal(Code.FORBIDDEN, f"this key needs the scope {' or '.join(scopes)}", [
                {"path": "scope", "found": ", ".join(sorted(self.scopes)), "expected": " or ".join(scopes)}])

    def need_scene(self, scene_id: str) -> None:
        if not self.sees(scene_id):
            raise Refusal(Code.FORBIDDEN, f"this key may not sell in the scene {scene_id!r}",
                          [{"path": "scene", "found": scene_id, "expected": ", ".join(self.scenes)}])


# ── our own keys ─────────────────────────────────────────────────────────────────────────────────────────────────────

def by_key(asked: Asked) -> Client:
    """The client whose key came with the request. UNAUTHENTICATED, SIGNATURE_INVALID, SIGNATURE_REPLAYED, CLOCK_SKEW."""
    bearer = asked.header("authorization")
    if asked.header("salewright-key"):
        row = _signed(asked)
    elif bearer[:7].lower() == "bearer ":
        row = _borne(asked, bearer[7:].strip())
    else:
        raise Refusal(Code.UNAUTHENTICATED, "sign the request with a key (Salewright-Key …), or send Authorization: Bearer")
    return Client(row["id"], frozenset(row["scopes"]), tuple(row["scenes"]))


def carries_key(asked: Asked) -> bool:
    """Whether the request comes with one of our keys rather than a partner's scheme."""
    return bool(asked.header("salewright-key")) or asked.header("authorization")[:10].lower() == "bearer sk_"


def _known(key_id: str) -> dict[str, Any]:
    row = keys.find(key_id)
    if row is None:
        raise Refusal(Code.UNAUTHENTICATED, "there is no such key, or it was revoked")
    return row


def _borne(asked: Asked, token: str) -> dict[str, Any]:
    if not bearer_allowed(asked.peer, asked.header("x-forwarded-for") + asked.header("forwarded")):
        raise Refusal(Code.UNAUTHENTICATED, "bearer keys are not taken from there: sign the request")
    key_id, _, secret = token.partition(".")
    row = _known(key_id)
    if not hmac.compare_digest(row["secret"].encode(), secret.encode()):
        raise Refusal(Code.UNAUTHENTICATED, "there is no such key, or it was revoked")
    return row


def bearer_allowed(peer: str, forwarded_for: str) -> bool:
    """By the setting BEARER_AUTH. A request that a proxy passed on does not come from this machine, whoever the peer is."""
    rule = settings.get("BEARER_AUTH")
    return rule == "always" or (rule == "loopback" and not forwarded_for and is_loopback(peer))


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def text_to_sign(method: str, path_and_query: str, timestamp: str, nonce: str, body: bytes) -> bytes:
    return "\n".join((method, path_and_query, timestamp, nonce, hashlib.sha256(body).hexdigest())).encode()


def signature(secret: str, text: bytes) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def _signed(asked: Asked) -> dict[str, Any]:
    timestamp, nonce = asked.header("salewright-timestamp"), asked.header("salewright-nonce")
    given = asked.header("salewright-signature")
    row = _known(asked.header("salewright-key"))
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise Refusal(Code.UNAUTHENTICATED, "the timestamp is missing or not Unix seconds", [
            {"path": "Salewright-Timestamp", "found": timestamp, "expected": "Unix time in seconds"}])
    if not _NONCE.match(nonce):
        raise Refusal(Code.UNAUTHENTICATED, "the nonce is missing or not 8 to 64 visible characters", [
            {"path": "Salewright-Nonce", "found": nonce, "expected": "8 to 64 visible ASCII characters"}])
    wanted = signature(row["secret"], text_to_sign(asked.method, asked.path_and_query, timestamp, nonce, asked.body))
    if not hmac.compare_digest(wanted.encode(), given.lower().encode()):
        raise Refusal(Code.SIGNATURE_INVALID)
    now_s = clock.now_ms() // 1000
    if abs(now_s - int(timestamp)) > SKEW_S:
        raise Refusal(Code.CLOCK_SKEW, f"the request was signed at {timestamp}, it is {now_s} here (Unix seconds)", [
            {"path": "Salewright-Timestamp", "found": int(timestamp), "expected": f"{now_s} ± {SKEW_S}"}])
    if not nonces.first_time(row["id"], nonce):
        raise Refusal(Code.SIGNATURE_REPLAYED, "this nonce was used before: sign each request with a new one",
                      [{"path": "Salewright-Nonce", "found": nonce}])
    return row


# ── partners ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_secrets = wire.Places()
_verifiers: dict[str, Callable[[wire.IncomingRequest], wire.Verified]] = {}


def by_partner(asked: Asked, partner_id: str) -> Client:
    """The partner in the address, when its own scheme says that the request is its own."""
    partner = live.catalog().partners.get(partner_id)
    if partner is None:
        raise Refusal(Code.UNAUTHENTICATED, "there is no such partner, or the request is not its own")
    try:
        _verifier(partner.verify)(asked.incoming())
    except wire.NoticeRejected as rejected:
        raise Refusal(_UNVERIFIED.get(rejected.code, Code.SIGNATURE_INVALID), rejected.reason) from None
    return Client(f"partner:{partner.id}", frozenset(("partner",)), tuple(partner.scenes), partner)


def _verifier(spec: Mapping[str, Any]) -> Callable[[wire.IncomingRequest], wire.Verified]:
    key = canon.digest(wire_plain(spec))
    if key not in _verifiers:
        _verifiers[key] = wire.compile_verifier(spec, _secrets)
    return _verifiers[key]


def wire_plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {name: wire_plain(value) for name, value in node.items()}
    return [wire_plain(value) for value in node] if isinstance(node, (list, tuple)) else node
