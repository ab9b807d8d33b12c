"""Compiled channels of the live release. Channels are live, not pinned: a mended channel helps old orders too."""
from __future__ import annotations

from typing import Any

from .. import wire
from ..base import settings
from ..base.errors import Code, Refusal
from ..config.live import live


def get(channel_id: str):
    """The compiled channel; CHANNEL_NOT_ALLOWED when the live release has none of that name."""
    document = live.catalog().channels.get(channel_id)
    if document is None:
        raise Refusal(Code.CHANNEL_NOT_ALLOWED, f"there is no channel {channel_id!r}", [{"path": "channel", "found": channel_id}])
    return wire.load(document)


def common_facts(channel_id: str) -> dict[str, Any]:
    """What every channel file may refer to besides an operation's own facts. Notices arrive at `{notice_url}/<event>`."""
    return {"notice_url": f"{settings.public_url()}/v1/notices/{channel_id}", "settings.sandbox_url": settings.sandbox_url(),
            "settings.public_url": settings.public_url()}
