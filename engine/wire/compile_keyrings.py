"""Secrets that are fetched (`fetch:`, `linked:`) → rings, tied to the channel they belong to."""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock
from . import crypto, opening, paths
from .channel import Channel
from .compile_requests import METHODS, compile_plan
from .compile_signing import checks_of
from .draft import Draft, Path
from .keyrings import Handed, Linked, Ring
from .vocabulary import OPEN_FACTS


def compile_rings(draft: Draft, doc: Mapping[str, Any]) -> dict[str, Ring]:
    rings: dict[str, Ring] = {}
    for name, reference in doc.get("secrets", {}).items():
        path: Path = ("secrets", name)
        if ("fetch" in reference or "linked" in reference) and reference.get("as") != "keyring":
            draft.problem(path, "what is fetched is a keyring: write `as: keyring`")
        if "fetch" in reference:
            rings[name] = _handed(draft, doc, name, reference["fetch"], (*path, "fetch"))
        elif "linked" in reference:
            rings[name] = _linked(draft, name, reference["linked"], (*path, "linked"))
    return rings


def attach(channel: Channel, rings: Mapping[str, Ring]) -> None:
    for name, ring in rings.items():
        channel.box.attach(name, lambda key_id, ring=ring: ring.keys(channel, key_id))


def _handed(draft: Draft, doc: Mapping[str, Any], name: str, spec: Mapping[str, Any], path: Path) -> Handed:
    draft.needed = set()
    plan = compile_plan(draft, {**doc, "auth": {}}, spec, path)
    needed = sorted(fact for fact in draft.needed if not fact.startswith(OPEN_FACTS))
    if needed:
        draft.problem(path, f"keys are fetched for no order: there is no {', '.join(needed)}")
    if not any(word in spec for word in METHODS):
        draft.problem(path, "say which request hands out the keys")
    steps = spec.get("open", ())
    sealed = any(word in step for step in ([steps] if isinstance(steps, Mapping) else steps) for word in crypto.SHARED)
    lasts_s = 12 * 3600.0
    try:
        lasts_s = clock.parse_duration_s(spec.get("lasts", "12h"))
    except ValueError as error:
        draft.problem((*path, "lasts"), str(error))
    return Handed(name, plan, paths.split(spec.get("each", "")), paths.split(spec.get("id", "")),
                  opening.compile_open(draft, spec.get("open"), (*path, "open")), sealed, checks_of(draft, doc, spec, path),
                  lasts_s)


def _linked(draft: Draft, name: str, spec: Mapping[str, Any], path: Path) -> Linked:
    ca = spec.get("ca")
    if ca is not None:
        draft.want_secret(ca, ("text",), (*path, "ca"))
    return Linked(name, tuple(spec.get("hosts", ())), spec.get("name", ""), lambda ch: ch.box.text(ca) if ca else None)
