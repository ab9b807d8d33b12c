"""The channel files that ship, compiled with keys of the tests, for the oracles to be held against."""
from __future__ import annotations

from functools import cache
from typing import Any, Mapping
from urllib.parse import parse_qsl, urlsplit

from engine.config import likeness
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.model import NoticeRejected, Request
from engine.wire.notices import answer, read as read_notice
from engine.wire.secrets import Given
from tests.wire.making import AT_MS, ROOT, incoming, read


@cache
def documents() -> dict[str, Mapping[str, Any]]:
    return likeness.merged_all({path.stem: read(path) for path in sorted((ROOT / "channels").glob("*.yaml"))})


def channel(channel_id: str, secrets: Mapping[str, Any], /, **changes: Any) -> Channel:
    return compile_channel({**documents()[channel_id], **changes}, Given(secrets))


def fields_of(request: Request) -> dict[str, str]:
    """All that a request says in its query and, as a form, in its body."""
    said = f"{urlsplit(request.url).query}&{request.body.decode()}"
    return dict(parse_qsl(said, keep_blank_values=True))


def heard(ch: Channel, event: str, body: str | bytes, headers: Mapping[str, str] | None = None, at_ms: int = AT_MS,
          **more: Any) -> list[Any]:
    return read_notice(ch, event, incoming(body, headers, **more), at_ms)


def refused(ch: Channel, event: str, *args: Any, **more: Any) -> str:
    """The code of the refusal; "" when it is taken."""
    try:
        heard(ch, event, *args, **more)
    except NoticeRejected as error:
        return error.code
    return ""


def said(ch: Channel, event: str, verdict: str) -> tuple[int, bytes]:
    """Status and body of our answer to the sender."""
    status, _, body = answer(ch, event, verdict, "not believed")
    return status, body
