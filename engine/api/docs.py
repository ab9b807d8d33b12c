"""The docs page: the OpenAPI document for people. Made on the server, self-contained, in Chinese and English."""
from __future__ import annotations

import html
import re
from typing import Any, Mapping

from flask import Blueprint, Flask, Response, make_response, render_template

from ..base.errors import Refusal
from ..config.catalog import Catalog
from ..config.live import live
from . import openapi
from .endpoint import dump

_CSP = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'"
_ROOT = "#/components/schemas/"
_made: tuple[str, dict[str, Any]] = ("", {})


def register(app: Flask) -> None:
    pages = Blueprint("docs", __name__, template_folder="templates", static_folder="static", static_url_path="/docs/static")
    pages.add_url_rule("/v1/openapi.json", view_func=_document_page, endpoint="openapi")
    pages.add_url_rule("/docs", view_func=_docs_page, endpoint="page")
    app.register_blueprint(pages)


def current_document() -> dict[str, Any]:
    """The document of the live release, made once for each."""
    global _made
    catalog: Catalog | None
    try:
        catalog = live.catalog()
    except Refusal:
        catalog = None
    mark = f"{catalog.release_no}:{catalog.digest}" if catalog else "none"
    if _made[0] != mark:
        _made = (mark, openapi.document(catalog))
    return _made[1]


def _document_page() -> Response:
    return Response(dump(current_document()), headers={"Content-Type": "application/json", "Cache-Control": "no-cache"})


def _docs_page() -> Response:
    document = current_document()
    page = make_response(render_template(
        "docs.html", document=document, groups=_groups(document), forms=_forms(document), prose=_prose))
    page.headers["Content-Security-Policy"], page.headers["Cache-Control"] = _CSP, "no-cache"
    return page


# ── what the template walks ──────────────────────────────────────────────────────────────────────────────────────────

def _groups(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Operations by tag: [{tag, operations: [{method, path, …, fields, answers}]}]."""
    operations = [_operation(document, method, path, found) for path, methods in document["paths"].items()
                  for method, found in methods.items()]
    return [{"tag": tag, "operations": [o for o in operations if tag["name"] in o["tags"]]} for tag in document["tags"]]


def _operation(document: Mapping[str, Any], method: str, path: str, found: Mapping[str, Any]) -> dict[str, Any]:
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    answers = [{"status": status, "fields": _fields(document, answer["content"]["application/json"]["schema"])}
               for status, answer in found["responses"].items() if "application/json" in answer.get("content", {})]
    codes = [code for answer in found["responses"].values() for code in answer.get("x-codes", ())]
    return {**found, "method": method.upper(), "path": path, "fields": _fields(document, body["schema"]) if body else [],
            "example": body.get("example"), "answers": answers, "codes": codes,
            "who": [name for scheme in found["security"] for name in scheme], "per_scene": "example" in body}


def _forms(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each scene's own order form: [{id, title, fields}]."""
    schemas = document["components"]["schemas"]
    found = []
    for ref in schemas["OrderRequest"].get("discriminator", {}).get("mapping", {}).values():
        form = schemas[ref.removeprefix(_ROOT)]
        own = form["properties"]["fields"]
        pay = form["properties"]["pay"]
        found.append({"id": form["properties"]["scene"]["const"], "title": form["title"], "title_zh": form["x-title-zh"],
                      "fields": _fields(document, own), "skus": form["properties"]["items"]["items"]["properties"]["sku"]["enum"],
                      "channels": pay["properties"]["channel"]["enum"] if pay else []})
    return found


def _fields(document: Mapping[str, Any], schema: Any, depth: int = 0) -> list[dict[str, Any]]:
    """The fields of a schema, top down: [{depth, name, kind, required, en, zh, rule}]."""
    schema = _resolved(document, schema)
    schema = schema.get("x-common", schema)    # of the scenes' own forms
    if "array" in schema.get("type", ()):
        return _fields(document, schema["items"], depth)
    rows = []
    for name, sub in schema.get("properties", {}).items():
        sub = _resolved(document, sub)
        rows.append({"depth": depth, "name": name, "kind": _kind(document, sub), "required": name in schema.get("required", ()),
                     "en": sub.get("title", ""), "zh": sub.get("x-title-zh", ""), "rule": _rule(sub)})
        inner = next((s for s in sub.get("anyOf", ()) if s.get("type") != "null"), sub)
        if depth < 3 and not _is_title(inner):
            rows += _fields(document, inner, depth + 1)
    return rows


def _resolved(document: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    if isinstance(schema, Mapping) and "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].removeprefix(_ROOT)]
    return schema if isinstance(schema, Mapping) else {}


def _is_title(schema: Mapping[str, Any]) -> bool:
    return set(schema.get("properties", ())) == {"zh", "en"}


def _kind(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if _is_title(schema):
        return "{zh, en}"
    kind = schema.get("type", "object" if "anyOf" in schema else "any")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    words = ["list of " + _kind(document, _resolved(document, schema["items"])) if k == "array" else
             "time" if schema.get("format") == "date-time" and k == "string" else k for k in kinds]
    return " | ".join(words)


def _rule(schema: Mapping[str, Any]) -> str:
    found = []
    if "enum" in schema:
        words = [str(word) for word in schema["enum"]]
        found.append(" · ".join(words[:8]) + (" …" if len(words) > 8 else ""))
    if "default" in schema:
        found.append(f"default {dump(schema['default']).decode()}")
    if "pattern" in schema and "x-expected" in schema:
        found.append(schema["x-expected"])
    if schema.get("maximum", 0) and schema.get("type") == "integer" and schema["maximum"] < 10 ** 9:
        found.append(f"{schema.get('minimum', 0)}–{schema['maximum']}")
    return "; ".join(found)


def _prose(text: str) -> str:
    """The few marks our texts use (paragraphs, **strong**, `code`, *leaning*) as HTML."""
    escaped = html.escape(text, quote=False)
    for mark, tag in ((r"\*\*(.+?)\*\*", "strong"), (r"`(.+?)`", "code"), (r"\*(.+?)\*", "em")):
        escaped = re.sub(mark, rf"<{tag}>\1</{tag}>", escaped, flags=re.DOTALL)
    return "".join(f"<p>{part}</p>" for part in escaped.split("\n\n"))
