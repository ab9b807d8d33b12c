"""Small channel files, keys and messages for the tests of the wire room."""
from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, Mapping

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from engine.base import clock
from engine.config import likeness
from engine.config.reader import read_text
from engine.wire import testkeys
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.concluding import conclude
from engine.wire.model import IncomingRequest, Outcome, Reply, Request
from engine.wire.operating import operate, operation_of, prepare
from engine.wire.secrets import Given

AT_S = 1554208460
AT_MS = AT_S * 1000
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"
OURS, THEIRS = testkeys.PAIRS["ours"], testkeys.PAIRS["theirs"]
ROOT = Path(__file__).resolve().parents[2]
DIALECTS = Path(__file__).with_name("dialects")


def read(path: Path) -> dict[str, Any]:
    source, problems = read_text(path.read_bytes(), path.name)
    assert source is not None and not problems, problems
    return source.data


def channel_file(path: Path) -> dict[str, Any]:
    """A channel's document, complete: one that is like another with all that it takes from there."""
    own = read(path)
    if not likeness.is_like(own):
        return own
    doc, faults = likeness.merged(read(path.with_name(f"{own['like']}.yaml")), own)
    assert not faults, faults
    return dict(doc)


def dialect(name: str, secrets: Mapping[str, Any], **changes: Any) -> Channel:
    return compile_channel({**read(DIALECTS / f"{name}.yaml"), **changes}, Given(secrets))


def rsa(pair: Mapping[str, str], data: str) -> str:
    """SHA256withRSA in base64, made without the engine."""
    key = serialization.load_pem_private_key(pair["private_key"].encode(), None)
    return base64.b64encode(key.sign(data.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()


def plain(**changes: Any) -> dict[str, Any]:
    """A channel with one signed operation and one signed notice, both by RSA over headers."""
    return {
        "id": "plain", "title": {"zh": "测试", "en": "Test"}, "role": "pay", "currency": "CNY",
        "base": "{settings.sandbox_url}", "timeout": "2s", "constants": {"mchid": "M1"},
        "secrets": {"key": {"file": "ours.pem", "as": "private_key"}, "gateway": {"file": "theirs.pem", "as": "public_key"},
                    "token": {"file": "token.key"}},
        "sign": {"text": "{method}\n{path_and_query}\n{timestamp}\n{nonce}\n{body}\n", "rsa_sha256": "key",
                 "header": {"X-Time": "{timestamp}", "X-Nonce": "{nonce}", "X-Sign": "{signature}"}},
        "verify": {"text": "{header.X-Time}\n{body}\n", "rsa_sha256": "gateway", "signature": "header.X-Sign",
                   "fresh": {"at": "header.X-Time", "within": "300s"}},
        "judge": [{"http": "400..499", "then": "failed"}],
        "operations": {"pay": {
            "post": "/pay/{payment.no}", "json": {"no": "{payment.no}", "fen": "{payment.amount:fen}", "token": "{token}"},
            "judge": [{"http": 200, "eq": {"code": "OK"}, "then": "pending"}, {"http": 200, "exists": "state", "then": "as_taken"}],
            "take": {"payment_no": "no", "channel_no": "their_no", "amount": {"fen": "fen"}, "reason": "message",
                     "state": {"of": "state", "PAID": "succeeded", "else": "unknown"}},
            "client": {"qr": "{answer.qr?}"}}},
        "notices": {"paid": {
            "take": {"payment_no": "no", "amount": {"fen": "fen"}, "merchant": "mchid",
                     "state": {"of": "state", "PAID": "succeeded"}},
            "match": {"merchant": "{mchid}"}, "once_by": "body.id",
            "answer": {"success": {"json": {"code": "OK"}}, "failure": {"status": 500, "json": {"code": "{reason}"}}}}},
        **changes}


def secrets(**changes: Any) -> dict[str, Any]:
    return {"key": OURS["private_key"], "gateway": THEIRS["public_key"], "token": "hush-hush-token", **changes}


def facts(**changes: Any) -> dict[str, Any]:
    return {"payment.no": "P1", "payment.amount_minor": 990, "payment.currency": "CNY", "order.title": "周卡",
            "notice_url": "https://shop.example/n", "settings.sandbox_url": "https://gateway.example",
            **{name.replace("__", "."): value for name, value in changes.items()}}


def built(ch: Channel, operation: str, given: Mapping[str, Any], at_ms: int = AT_MS, nonce: str = NONCE) -> tuple[Request, Any]:
    """The request of an operation at a fixed moment, and the scope it was built in."""
    scope = ch.scope(given, at_ms, nonce)
    return prepare(ch, operation_of(ch, operation), scope), scope


def concluded(ch: Channel, operation: str, given: Mapping[str, Any], reply: Reply, at_ms: int = AT_MS) -> Any:
    request, scope = built(ch, operation, given)
    return conclude(ch, operation_of(ch, operation), scope, request, reply, at_ms)


def reply(body: bytes | str, status: int = 200, **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-").lower(): value for name, value in headers.items()},
                 body if isinstance(body, bytes) else body.encode())


def incoming(body: bytes | str = b"", headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None,
             query_text: str = "", method: str = "POST", path: str = "/n") -> IncomingRequest:
    return IncomingRequest(method, path, query or {}, {k.lower(): v for k, v in (headers or {}).items()},
                           body if isinstance(body, bytes) else body.encode(), query_text)


def the_channel(**changes: Any) -> Channel:
    return compile_channel(plain(**changes), Given(secrets()))


def signed(body: bytes, at_s: int | None = None, pair: Mapping[str, str] = THEIRS) -> dict[str, str]:
    """The headers of an answer of that channel."""
    at_s = clock.now_ms() // 1000 if at_s is None else at_s
    return {"X_Time": str(at_s), "X_Sign": rsa(pair, f"{at_s}\n{body.decode()}\n")}


def pay(server: Any, ch: Channel | None = None, timeout_s: float = 2.0, **more: Any) -> Outcome:
    """Over a real connection."""
    return operate(ch or the_channel(), "pay", facts(settings__sandbox_url=server.url, **more), timeout_s=timeout_s)
