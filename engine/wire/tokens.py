"""Tokens that `auth:` fetches: kept for as long as they last, fetched once however many threads need one."""
from __future__ import annotations

import time
from typing import Callable

from . import casts, codecs, paths
from .channel import Auth
from .model import Message, Reply, Request, Unreadable
from .scope import Scope

_MARGIN = 0.9                   # a token is renewed when a tenth of its life is left


def token(auth: Auth, scope: Scope, send: Callable[[Request], Reply]) -> str:
    """The token, fetched when there is none or it runs out. Unreadable when the answer holds none; whatever `send`
    raises goes through."""
    kept = auth.kept
    with kept.lock:
        if time.monotonic() >= kept.until:
            reply = send(auth.plan.build(scope))
            if reply.status >= 300:
                raise Unreadable(f"the token was refused with status {reply.status}")
            tree = codecs.read_body("json", reply.body)
            kept.token = casts.as_text(paths.dig(tree, auth.token))
            kept.until = time.monotonic() + _MARGIN * _lasts_s(auth, tree, scope)
        return kept.token


def _lasts_s(auth: Auth, tree: object, scope: Scope) -> float:
    if isinstance(auth.lasts, float):
        return auth.lasts
    seconds = paths.dig(tree, auth.lasts)
    return float(casts.cast_named("int").read(seconds, scope.setting))  # type: ignore[union-attr, misc]


def refused(auth: Auth, reply: Reply) -> bool:
    """Whether the answer says that the token is no longer good; it is forgotten then, and one more try makes sense."""
    if auth.renew_when is None:
        return False
    try:
        tree = codecs.read_body("json", reply.body)
    except Unreadable:
        tree = {}
    if not auth.renew_when(Message(status=reply.status), tree):
        return False
    auth.kept.until = 0.0
    return True
