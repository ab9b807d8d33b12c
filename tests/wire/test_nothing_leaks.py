"""Nothing that must stay secret is in what the wire room logs or hands to others, whichever channel file it speaks.

Every operation of every channel file that ships is run against a server that sends back all it got, and every notice is
received in a wrong way; then the logs, in both of their formats and at their most talkative, are searched.
"""
from __future__ import annotations

import base64
import io
import json
import logging
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote, quote_plus, urlsplit

import pytest

from engine import wire
from engine.base import clock
from engine.base.logs import JsonLines, TextLines
from engine.wire.compile import compile_channel
from engine.wire.model import NoticeRejected, WireError
from engine.wire.secrets import Given

from .authority import Serving, serving
from .making import OURS, ROOT, THEIRS, channel_file, incoming

FILES = sorted((ROOT / "channels").glob("*.yaml"))
TOKEN = "hush-token-5b0c2f"
PEOPLE = {"buyer.phone": "13812345678", "buyer.name": "王小明明", "message.to": "13912345678", "message.text": "hush 您的验证码 778899",
          "client.openid": "hush-openid-77", "upstream.account": "13712345678"}


@pytest.fixture(scope="module")
def echo() -> Iterator[Serving]:
    def answers(request: Any) -> tuple[int, dict[str, str], bytes]:
        body = request.rfile.read(int(request.headers.get("content-length") or 0)).decode("utf-8", "replace")
        said = {"access_token": TOKEN, "expires_in": 300, "echo": f"{request.path}\n{request.headers}\n{body}"}
        return 200, {}, json.dumps(said, ensure_ascii=False).encode()
    with serving(answers) as running:
        yield running


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    out, root = io.StringIO(), logging.getLogger()
    handlers = [logging.StreamHandler(out) for _ in range(2)]
    handlers[0].setFormatter(JsonLines())
    handlers[1].setFormatter(TextLines())
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)
    yield out
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


def made_up(doc: dict[str, Any]) -> dict[str, Any]:
    """A secret of each kind that the file asks for, each unlike any other text."""
    values: dict[str, Any] = {}
    for i, (name, reference) in enumerate(doc.get("secrets", {}).items()):
        kind = reference.get("as", "text")
        values[name] = {"private_key": OURS["private_key"], "public_key": THEIRS["public_key"],
                        "keyring": {"hush-1": THEIRS["public_key"]}, "hex": f"{i:02x}" * 32,
                        "base64": base64.b64encode(bytes([i + 1]) * 32).decode(), "text": f"hush{i:02d}/+ {name}"[:32].ljust(32, "x")}[kind]
    return values


def spellings(secret: str) -> set[str]:
    raw = secret.encode()
    return {secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), base64.b64encode(raw).decode(),
            json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1]}


def facts_of(doc: dict[str, Any], operation: str) -> dict[str, Any]:
    examples = [example["given"] for example in doc.get("examples", ()) if example["given"].get("operation") == operation]
    return {**(examples[0].get("facts", {}) if examples else {}), **PEOPLE}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_is_logged_or_handed_on(path: Path, echo: Serving, logged: io.StringIO):
    doc = channel_file(path)
    secrets = made_up(doc)
    base = f"http://{echo.address}{urlsplit(doc.get('base', '')).path if '{' not in doc.get('base', '') else ''}"
    ch = compile_channel({**doc, "base": base, "timeout": "5s", "tls": {}} | ({} if "base" in doc else {"base": ""}), Given(secrets))
    told = [repr(ch), repr(ch.box)]
    for name in ch.operations:
        try:
            outcome = wire.operate(ch, name, {**facts_of(doc, name), "settings.sandbox_url": base})
        except WireError as error:          # an answer nobody signs, over http
            told.append(str(error))
        else:
            told += [json.dumps(dict(outcome.exchange), ensure_ascii=False), outcome.reason]
    for name in ch.events:
        for body in ("{}", "a=1", "<xml/>", json.dumps({"sign": "x", **{f"f{i}": v for i, v in enumerate(secrets.values())}})):
            with pytest.raises(NoticeRejected) as refused:
                wire.receive(ch, name, incoming(body, {"authorization": "hush-header", "x-sign": "x"}))
            told.append(refused.value.reason)
    everything = logged.getvalue() + "\n".join(told)
    assert ch.id in logged.getvalue(), "it was logged at all"
    hush = [value for value in secrets.values() if isinstance(value, str) and "-----" not in value] + [TOKEN] * ("auth" in doc)
    for secret in hush:
        for spelt in spellings(secret):
            assert spelt not in everything, f"{spelt} in {_around(everything, spelt)}"
    for value in PEOPLE.values():
        assert value not in everything, _around(everything, value)
    assert "PRIVATE KEY" not in everything and clock.now_ms()


def _around(text: str, part: str) -> str:
    at = text.index(part)
    return text[max(0, at - 120):at + 120]
