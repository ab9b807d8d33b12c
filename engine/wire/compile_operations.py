"""`operations:` → Operation: the request, how its answer is believed and judged, what is taken from it, and what the buyer's
terminal gets."""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock, settings
from . import mapping, opening
from .channel import Client, Operation
from .compile_requests import METHODS, compile_plan
from .compile_signing import checks_of, compile_signer
from .compile_statements import compile_file
from .draft import Draft, Path
from .mapping import Judge, Rule, Take
from .scope import CLIENT, CLIENT_SIGN, EXPECT, PLACE
from .trees import compile_tree
from .vocabulary import OPEN_FACTS, OPERATIONS

CLIENTS = ("qr", "redirect", "text", "params")


def compile_operation(draft: Draft, doc: Mapping[str, Any], name: str, spec: Mapping[str, Any]) -> Operation:
    path: Path = ("operations", name)
    if name not in OPERATIONS:
        draft.problem(path, f"there is no operation {name!r}: {', '.join(OPERATIONS)}")
    draft.needed = set()
    plan = compile_plan(draft, doc, spec, path)
    sends = any(word in spec for word in METHODS)
    client = _client(draft, spec["client"], (*path, "client")) if "client" in spec else None
    if not sends and client is None:
        draft.problem(path, "it neither calls the channel nor gives the client anything")
    needs = frozenset(name for name in draft.needed if not name.startswith(OPEN_FACTS))
    rules = mapping.compile_rules(draft, spec.get("judge"), (*path, "judge"))
    common = mapping.compile_rules(draft, doc.get("judge"), ("judge",)) if sends else ()
    take = mapping.compile_take(draft, {**doc.get("take", {}), **spec.get("take", {})}, (*path, "take"))
    _check_judged(draft, spec, take, rules + common, sends, path)
    return Operation(
        name=name, sends=sends, plan=plan, answer_kind=spec.get("answer", doc.get("answers", "json")),
        checks=checks_of(draft, doc, spec, path) if sends else (),
        unsigned_when=_unsigned(draft, doc, spec, path) if sends else None,
        open=opening.compile_open(draft, spec.get("open"), (*path, "open"), EXPECT), rules=rules + common, take=take,
        match=mapping.compile_match(draft, doc, spec, EXPECT, path), client=client,
        timeout_s=_timeout(draft, doc, spec, path), needs=needs,
        file=compile_file(draft, doc, spec, path) if name == "statement" else _no_file(draft, spec, path))


def _no_file(draft: Draft, spec: Mapping[str, Any], path: Path) -> None:
    if "file" in spec:
        draft.problem((*path, "file"), "only a statement is read as a file")


def _client(draft: Draft, spec: Mapping[str, Any], path: Path) -> Client | None:
    kinds = [word for word in CLIENTS if word in spec]
    if len(kinds) != 1:
        draft.problem(path, f"write one of {', '.join(CLIENTS)}")
        return None
    kind = kinds[0]
    signer = None
    if "sign" in spec:
        signer = compile_signer(draft, spec["sign"], CLIENT_SIGN, PLACE, (*path, "sign"))
        if kind != "params" or set(signer.places) != {"client"}:
            draft.problem((*path, "sign"), "a client's signature is placed under `client:`, among `params:`")
    return Client(kind, compile_tree(draft, spec[kind], CLIENT, (*path, kind)), signer)


def _check_judged(draft: Draft, spec: Mapping[str, Any], take: Take, rules: tuple[Rule, ...], sends: bool, path: Path
                  ) -> None:
    takes_state = any(field.kind == "state" for field in take.fields)
    if any(rule.then == mapping.STATE_AS_TAKEN for rule in rules) and sends and not takes_state \
            and mapping.STATE_AS_TAKEN in [line.get("then") for line in spec.get("judge", ())]:
        draft.problem((*path, "judge"), "`as_taken` needs `take: {state: …}`")
    if sends and not rules:
        draft.problem(path, "no `judge:` says what its answers mean")


def _unsigned(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Judge | None:
    verify = spec.get("verify", doc.get("verify"))
    if not isinstance(verify, Mapping) or "unsigned_when" not in verify:
        return None
    return mapping.compile_condition(draft, verify["unsigned_when"], (*path, "verify", "unsigned_when"))


def _timeout(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> float:
    text = spec.get("timeout", doc.get("timeout"))
    if text is None:
        return float(settings.get_int("CALL_TIMEOUT_S"))
    try:
        return clock.parse_duration_s(text)
    except ValueError as error:
        draft.problem((*path, "timeout"), str(error))
        return 1.0
