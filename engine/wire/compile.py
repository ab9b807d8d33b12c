"""A channel document → a Channel of closures, once. The same pass finds every problem JSON Schema can't see.

`check_channel(doc)` returns the problems; `compile_channel(doc, secrets)` raises WireError when there are any. The
document is plain data that already passed `channel.json`. Its blocks are compiled in `compile_operations` (which asks
`compile_requests`), `compile_notices` and `compile_signing`.
"""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock, settings
from .casts import Setting
from .channel import Channel
from .compile_keyrings import attach, compile_rings
from .compile_notices import compile_event
from .compile_operations import compile_operation
from .compile_requests import compile_auth
from .draft import Draft, Path
from .model import WireError
from .secrets import SecretBox, SecretSource
from .vocabulary import BUILTINS


def check_channel(doc: Mapping[str, Any]) -> list[tuple[Path, str]]:
    """What is wrong with a document beyond its schema: (path into the document, sentence), [] when it is right."""
    draft = Draft.of(doc)
    _compile(draft, doc, _Nowhere())
    return draft.problems


def compile_channel(doc: Mapping[str, Any], secrets: SecretSource) -> Channel:
    """WireError names every problem. Secrets are read when they are first used, not here."""
    draft = Draft.of(doc)
    channel = _compile(draft, doc, secrets)
    draft.raise_problems(doc.get("id", "?"))
    return channel


class _Nowhere:
    def read(self, name: str, reference: Mapping[str, str]) -> str:
        raise WireError(f"the secret {name!r} is not read while checking")


def _compile(draft: Draft, doc: Mapping[str, Any], secrets: SecretSource) -> Channel:
    _check_names(draft, doc)
    rings = compile_rings(draft, doc)
    channel = Channel(
        id=doc.get("id", ""), role=doc.get("role", ""),
        setting=Setting(doc.get("currency", "CNY"), _zone(draft, doc)),
        constants={k: str(v) for k, v in doc.get("constants", {}).items()},
        box=SecretBox(doc.get("secrets", {}), secrets),
        operations={name: compile_operation(draft, doc, name, spec) for name, spec in doc.get("operations", {}).items()},
        events={name: compile_event(draft, doc, name, spec) for name, spec in doc.get("notices", {}).items()},
        auth=compile_auth(draft, doc), tls=_tls(draft, doc))
    attach(channel, rings)
    return channel


def _check_names(draft: Draft, doc: Mapping[str, Any]) -> None:
    taken = set(BUILTINS) if "auth" in doc else set(BUILTINS) - {"token"}
    for part in ("constants", "secrets"):
        for name in doc.get(part, {}):
            if name in taken:
                draft.problem((part, name), f"{name!r} is a built-in name: choose another")
            elif part == "constants" and name in draft.secrets:
                draft.problem((part, name), f"{name!r} is also a secret")


def _zone(draft: Draft, doc: Mapping[str, Any]) -> str:
    name = doc.get("zone") or settings.timezone()
    try:
        clock.zone(name)
    except (KeyError, ValueError, OSError):      # what ZoneInfo raises for a name there isn't, or that is no name
        draft.problem(("zone",), f"there is no zone {name!r}; write a name such as Asia/Shanghai")
        return "UTC"
    return name


def _tls(draft: Draft, doc: Mapping[str, Any]) -> Mapping[str, str]:
    named = doc.get("tls", {})
    files = {}
    for part, name in named.items():
        reference = draft.secrets.get(name)
        if reference is None or "file" not in reference:
            draft.problem(("tls", part), f"{name!r} is not a secret kept in a file")
        else:
            files[part] = reference["file"]
    return files
