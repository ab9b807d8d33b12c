"""Requests as an operation or `auth:` writes them → a RequestPlan; and the token of `auth:`.

What the channel says for all its requests (`base:`, `headers:`, `basic:`, `sign:`) stands behind what one of them says.
"""
from __future__ import annotations

from typing import Any, Mapping

from ..base import clock
from . import casts, mapping, paths
from .building import RequestPlan
from .channel import Auth, Kept
from .compile_signing import compile_signer
from .draft import Draft, Path
from .scope import BUILD, PLACE, SIGN, TOKEN, Scope
from .signing import Signer
from .templates import ABSENT, Template
from .trees import Tree, compile_tree

METHODS = ("get", "post", "put", "patch", "delete")
BODIES = ("json", "form", "form_brackets", "xml", "multipart", "text")


def compile_plan(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path, auth: bool = False,
                 allowed: frozenset[str] = BUILD) -> RequestPlan:
    """`auth`: the request fetches the token itself. `allowed`: what its query and body may name."""
    signer = None if auth else _signer(draft, doc, spec, path)
    lines = [word for word in (*METHODS, "link") if word in spec]
    bodies = [word for word in BODIES if word in spec]
    if len(lines) > 1 or len(bodies) > 1:
        draft.problem(path, f"one of {' and '.join(lines if len(lines) > 1 else bodies)} is enough")
    body = bodies[0] if bodies else None
    line = lines[0] if lines else None
    if line and "?" in spec[line]:
        draft.problem((*path, line), "write the query under `query:`")
    if line and not str(spec[line]).startswith("/"):
        draft.problem((*path, line), "a path begins with /")
    if body and line in ("get", "link"):
        draft.problem((*path, body), f"a {line} request has no body")
    if line and "base" not in doc:
        draft.problem(("base",), "the channel's address is missing")
    check_places(draft, signer, body, path)
    common = {} if auth else doc.get("headers", {})
    return RequestPlan(
        method="GET" if line == "link" else (line or "").upper(),
        base=draft.template(doc.get("base", ""), BUILD, ("base",)),
        path=draft.template(spec[line], BUILD, (*path, line)) if line else None,
        query=compile_tree(draft, spec.get("query", {}), allowed, (*path, "query")),
        headers=_headers(draft, {**common, **spec.get("headers", {})}, _basic(draft, doc, spec, path), path),
        body_kind=body,
        body=compile_tree(draft, spec[body], allowed, (*path, body)) if body else (lambda scope: None),
        content_type=spec.get("content_type", ""), signer=signer,
        extra_headers=compile_tree(draft, {} if auth or line in (None, "link") else doc.get("auth", {}).get("header", {}), TOKEN,
                                   ("auth", "header")))


def check_places(draft: Draft, signer: Signer | None, body: str | None, path: Path) -> None:
    """A signature among fields, or over them, needs a body that has some."""
    if signer is None:
        return
    if "body" in signer.places and body in (None, "text"):
        draft.problem(path, "the signature is placed in the body, and this request has no fields there")
    if "client" in signer.places:
        draft.problem(path, "only the `sign:` of `client:` places a signature there")
    if signer.canonical.pairs and signer.canonical.pairs.source == "body" and body in (None, "text"):
        draft.problem(path, "the signature covers the body's fields, and this request has none")


def _signer(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Signer | None:
    asks = any(word in spec for word in (*METHODS, "link", *BODIES))
    block = spec.get("sign", doc.get("sign") if asks else None)
    if block in (None, "none"):
        return None
    where = (*path, "sign") if "sign" in spec else ("sign",)
    return compile_signer(draft, block, SIGN, PLACE, where)


def _basic(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], path: Path) -> Template | None:
    basic = spec.get("basic", doc.get("basic"))
    if basic is None:
        return None
    return draft.template(f"{basic['user']}:{basic['password']}", BUILD, (*path, "basic"))


def _headers(draft: Draft, spec: Mapping[str, Any], basic: Template | None, path: Path) -> Tree:
    tree = compile_tree(draft, spec, BUILD, (*path, "headers"))
    if basic is None:
        return tree

    def with_basic(scope: Scope) -> Any:
        filled = tree(scope)
        word = casts.cast_named("base64").write(basic.text(scope), scope.setting)
        return {**({} if filled is ABSENT else filled), "authorization": f"Basic {word}"}
    return with_basic


def compile_auth(draft: Draft, doc: Mapping[str, Any]) -> Auth | None:
    spec, path = doc.get("auth"), ("auth",)
    if spec is None:
        return None
    plan = compile_plan(draft, doc, spec, path, auth=True)
    lasts = spec.get("lasts", "5m")
    try:
        lasts = clock.parse_duration_s(lasts)
    except ValueError:
        lasts = paths.split(lasts)
    renew = mapping.compile_condition(draft, spec["renew_when"], (*path, "renew_when")) \
        if "renew_when" in spec else None
    return Auth(plan, paths.split(spec.get("token", "")), lasts, renew, Kept())
