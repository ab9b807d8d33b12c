"""Channels in use: each document is compiled once, however often it is asked for; in sandbox mode, as `sandboxed` says."""
from __future__ import annotations

from typing import Any, Mapping

from ..base import canon
from . import sandboxed
from .channel import Channel
from .compile import compile_channel
from .secrets import Places, SecretSource

_places = Places()
_LOADED_MAX = 512
_loaded: dict[str, Channel] = {}                                  # by the document's content
_seen: dict[int, tuple[Mapping[str, Any], bool, Channel]] = {}    # by the document itself: it is asked for often


def load(doc: Mapping[str, Any], secrets: SecretSource | None = None) -> Channel:
    """The compiled channel of a document, kept by the document's content; in sandbox mode it leads to the sandbox. Secrets
    come from their real places unless given (a channel with given secrets is taken as it is written, and not kept)."""
    if secrets is not None:
        return compile_channel(doc, secrets)
    sandbox, seen = sandboxed.is_on(), _seen.get(id(doc))
    if seen is not None and seen[0] is doc and seen[1] is sandbox:
        return seen[2]
    key = canon.digest([sandbox, _plain(doc)])
    for kept in (_loaded, _seen):
        if len(kept) >= _LOADED_MAX:
            kept.clear()
    if key not in _loaded:
        _loaded[key] = compile_channel(sandboxed.document(doc), sandboxed.OurHalves(doc)) if sandbox \
            else compile_channel(doc, _places)
    _seen[id(doc)] = (doc, sandbox, _loaded[key])
    return _loaded[key]


def _plain(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node
