"""`notices:` → Event: how a call from outside is believed, read and named, and what we answer."""
from __future__ import annotations

import re
from typing import Any, Mapping

from . import mapping, opening, paths
from .building import RequestPlan
from .channel import Answer, Event
from .compile_requests import BODIES, check_places
from .compile_signing import checks_of, compile_signer
from .crypto import SHARED
from .draft import Draft, Path
from .scope import ACK, ACK_SIGN, NOTICE
from .trees import compile_tree

_ASKED = re.compile(r"\{asked\.[^}?]*[:}]")


def compile_event(draft: Draft, doc: Mapping[str, Any], name: str, spec: Mapping[str, Any]) -> Event:
    path: Path = ("notices", name)
    verify = spec.get("verify", doc.get("verify"))
    sealed = verify == "sealed"
    if verify in (None, "none"):
        draft.problem(path, "a notice must be verified: write `verify:`")
    if isinstance(verify, Mapping) and "unsigned_when" in verify and "verify" in spec:
        draft.problem((*path, "verify", "unsigned_when"), "a notice is never believed unsigned")
    take = mapping.compile_take(draft, spec.get("take", {}), (*path, "take"))
    match = mapping.compile_match(draft, doc, spec, frozenset(), path)
    for field in set(match) - {f.name for f in take.fields}:
        draft.problem((*path, "take"), f"{field!r} must match, so it must be taken")
    _check_amount(draft, {field.name: field for field in take.fields}, (*path, "take"))
    once = spec.get("once_by", [])
    names = [once] if isinstance(once, str) else list(once)
    if not names:
        draft.problem((*path, "once_by"), "say what names an event, so that a repeated delivery is known")
    if sealed:
        _check_sealed(draft, spec, take, set(match), names, path)
    split = (paths.split(spec["split"]), paths.split(spec.get("each", ""))) if "split" in spec else None
    return Event(
        name=name, body_kind=spec.get("body", "json"), split=split,
        checks=checks_of(draft, doc, spec, path), sealed=sealed,
        open=opening.compile_open(draft, spec.get("open"), (*path, "open")),
        when=mapping.compile_condition(draft, spec["when"], (*path, "when")) if "when" in spec else None,
        take=take, match=match,
        once_by=tuple(draft.name(n, NOTICE, (*path, "once_by")) for n in names),
        answers=_answers(draft, spec.get("answer", {}), (*path, "answer")))


def _check_amount(draft: Draft, taken: Mapping[str, mapping.Field], path: Path) -> None:
    """What says that a payment succeeded says how much was paid: it is held against what we asked for."""
    state = taken.get("state")
    may_succeed = state is not None and "succeeded" in (state.fixed, state.other, *(state.words or {}).values())
    if may_succeed and "payment_no" in taken and "refund_no" not in taken and "amount" not in taken:
        draft.problem(path, "take the amount: a payment that succeeded is held against what was asked for")


def _check_sealed(draft: Draft, spec: Mapping[str, Any], take: mapping.Take, matched: set[str], once: list[str], path: Path
                  ) -> None:
    """A sealed notice proves only what was sealed: nothing else of it may be taken, beside what must match what we know."""
    steps = spec.get("open", ())
    opened = [step for step in ([steps] if isinstance(steps, Mapping) else steps) if any(word in step for word in SHARED)]
    if not opened:
        draft.problem((*path, "verify"), f"`sealed` needs a step of `open:` that decrypts with a key we share: {', '.join(SHARED)}")
        return
    inside = paths.split(opened[-1].get("into", ""))
    for field in take.fields:
        proven = field.source == "fixed" or field.source == "document" and field.steps[:len(inside)] == inside
        if not proven and field.name not in matched:
            draft.problem((*path, "take", field.name), "the message is not signed: take only what was sealed")
    for name in once:
        head, _, rest = name.partition(".")
        if head != "notice" or paths.split(rest)[:len(inside)] != inside:
            draft.problem((*path, "once_by"), "the message is not signed: name the event by what was sealed")


def _answers(draft: Draft, spec: Mapping[str, Any], path: Path) -> Mapping[str, Answer]:
    made = {}
    for verdict, line in spec.items():
        made[verdict] = Answer(line.get("status", 200), _plan(draft, line, (*path, verdict)), "{asked." in str(line))
    for verdict in ("success", "failure"):
        if verdict not in made:
            draft.problem(path, f"say what we answer on {verdict}")
    return {"duplicate": made.get("success"), **made}


def _plan(draft: Draft, line: Mapping[str, Any], path: Path) -> RequestPlan:
    """An answer is made as a request is, and has no address."""
    if _ASKED.search(str({name: line[name] for name in line if name != "status"})):
        draft.problem(path, "what was asked may lack it: write {asked.…?}")
    kinds = [word for word in BODIES if word in line]
    if len(kinds) > 1:
        draft.problem(path, f"one of {' and '.join(kinds)} is enough")
    kind = kinds[0] if kinds else None
    signer = compile_signer(draft, line["sign"], ACK_SIGN, ACK | {"signature"}, (*path, "sign")) if "sign" in line else None
    check_places(draft, signer, kind, path)
    if signer and {"query", "client"} & set(signer.places):
        draft.problem((*path, "sign"), "an answer carries its signature in a header or in its body")
    empty = compile_tree(draft, {}, ACK, path)
    return RequestPlan(
        method="", base=draft.template("", ACK, path), path=None, query=empty,
        headers=compile_tree(draft, line.get("headers", {}), ACK, (*path, "headers")), body_kind=kind,
        body=compile_tree(draft, line[kind], ACK, (*path, kind)) if kind else empty,
        content_type="", signer=signer, extra_headers=empty)
