"""The OpenAPI 3.1 document: made from the table of endpoints, their schemas, and the live catalogue.

Each scene has its own form of the quote and order requests, told apart by `scene`, so that a new scene's fields are in the
document as soon as it is live.
"""
from __future__ import annotations

import re
from typing import Any, Iterable, Mapping

from ..base.errors import Code
from ..config.catalog import Catalog, Scene
from . import problems, requests
from .endpoint import ENDPOINTS, SEGMENT, Endpoint
from .keys import SCOPES
from .schema import NAMED, Schema

TAGS = {
    "scenes": ("场景", "Scenes"), "quotes": ("预下单", "Quotes"), "orders": ("订单", "Orders"), "payments": ("支付", "Payments"),
    "contracts": ("签约", "Contracts"),
    "notices": ("渠道通知", "Notices"), "buyers": ("买家", "Buyers"), "entitlements": ("权益", "Entitlements"),
    "work_orders": ("工单", "Work orders"), "charges": ("直充", "Direct charges"), "pools": ("资金池", "Pools"),
    "operating": ("运维", "Operation")}
ABOUT = """One interface for every scene. Amounts are integers of minor units with their currency; times are RFC 3339.

**Keys.** Sign requests: `Salewright-Key`, `Salewright-Timestamp` (Unix seconds, at most 300 s off), `Salewright-Nonce` (new
each time) and `Salewright-Signature`, the hex HMAC-SHA256 with the key's secret over five lines joined by line feeds:
method, path with query, timestamp, nonce, hex SHA-256 of the body. On the engine's own machine `Authorization: Bearer
<id>.<secret>` will do. Partners sign as their agreement's file declares.

**Once.** A request with an `Idempotency-Key` is done once; sent again, it gets its first answer again (header
`Idempotent-Replayed: true`). The same key with another request is `idempotency_key_reused`. Refusals are not kept: they
changed nothing.

**Errors** are problem details (RFC 9457) with a stable `code`, the places that are wrong, a `trace_id`, and whether trying
again can help (`retryable`). **Lists** go on while `next` is not null: ask again with `cursor` = `next`."""
# The schemes a partner's file may declare differ; what they have in common is that the partner signs.
_SECURITY = {
    "signature": {"type": "apiKey", "in": "header", "name": "Salewright-Signature", "description": "See *Keys* above."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "`<id>.<secret>`, where the setting allows it."},
    "partner": {"type": "apiKey", "in": "header", "name": "X-Signature",
                "description": "The scheme that the partner's own file declares; the header's name may differ."}}
_WHO = {"key": [{"signature": []}, {"bearer": []}], "partner": [{"partner": []}],
        "either": [{"partner": []}, {"signature": []}, {"bearer": []}], "anyone": []}
_KEY_PARAMETER = {
    "name": "Idempotency-Key", "in": "header", "description": "A text of yours, new for each request; kept for 7 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 100, "pattern": "^[!-~]{1,100}$"}}
_PER_SCENE = {"OrderRequest": requests.ORDER, "QuoteRequest": requests.QUOTE}


def document(catalog: Catalog | None) -> dict[str, Any]:
    """The whole document. Without a live catalogue it is complete but for the scenes' own forms."""
    scenes = [s for s in catalog.scenes.values() if "pool" not in s.tenders] if catalog else []
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS.values():
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, scenes)
    return {
        "openapi": "3.1.0", "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {"title": "Salewright", "version": "1", "description": ABOUT, "license": {"name": "Proprietary"},
                 "x-release": catalog.release_no if catalog else 0, "x-scopes": SCOPES},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": en, "x-title-zh": zh} for name, (zh, en) in TAGS.items()],
        "paths": paths,
        "components": {"schemas": _schemas(scenes), "securitySchemes": _SECURITY},
        "x-codes": [{"code": c.code, "status": c.status, "retryable": c.retryable, "sentence": c.sentence} for c in Code]}


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────

def _operation(endpoint: Endpoint, scenes: list[Scene]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": endpoint.name, "tags": [endpoint.name.partition(".")[0]], "summary": endpoint.title["en"],
        "x-title-zh": endpoint.title["zh"], "description": endpoint.about, "security": _WHO[endpoint.who],
        "parameters": list(_parameters(endpoint)), "responses": _responses(endpoint)}
    if endpoint.scopes:
        found["x-scopes"] = list(endpoint.scopes)
    if endpoint.body is not None:
        content = {"schema": _referred(endpoint.body)}
        if any(endpoint.body is base for base in _PER_SCENE.values()) and (example := sample(scenes)):
            content["example"] = example
        found["requestBody"] = {"required": bool(endpoint.body.get("required")), "content": {"application/json": content}}
    return found


def sample(scenes: list[Scene]) -> dict[str, Any] | None:
    """A request that one of these scenes takes as it is: one without a login and without demanded fields first."""
    fit = [s for s in scenes if s.skus and s.channels and not s.partner_id and not s.fields_schema.get("required")]
    if not fit:
        return None
    scene = min(fit, key=lambda s: (s.login != "guest", s.id))
    buyer = {} if scene.login == "guest" else {"buyer": {"id": "buyer-1"}}
    return {"scene": scene.id, **buyer, "items": [{"sku": next(iter(scene.skus)), "quantity": 1}]}


def _parameters(endpoint: Endpoint) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", endpoint.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": SEGMENT}}
    for name, schema in endpoint.query.items():
        shown = {k: v for k, v in schema.items() if k != "x-required"}
        yield {"name": name, "in": "query", "required": bool(schema.get("x-required")), "schema": shown}
    if endpoint.key:
        yield {**_KEY_PARAMETER, "required": endpoint.key == "required"}


def _responses(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, schema in endpoint.answers.items():
        content = {"application/json": {"schema": _referred(schema)}} if schema else {}
        found[str(status)] = {"description": "Done" if status < 202 else "Accepted, not done yet",
                              **({"content": content} if content else {})}
    by_status: dict[int, list[Code]] = {}
    for code in endpoint.all_refusals:
        by_status.setdefault(code.status, []).append(code)
    for status, codes in sorted(by_status.items()):
        found[str(status)] = {"description": " ".join(f"`{c.code}`: {c.sentence}" for c in codes),
                              "x-codes": [c.code for c in codes], "content": {
                                  problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    if endpoint.who == "anyone" and not endpoint.answers.get(200, True):
        found["default"] = {"description": "What the other side is to be told, in its own words"}
    return found


# ── schemas ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_NAMES = {id(schema): name for name, schema in NAMED.items()}


def _referred(node: Any, root: bool = True) -> Any:
    """A schema with every named one inside it, or itself, as a reference."""
    if isinstance(node, Mapping):
        if root and id(node) in _NAMES:
            return {"$ref": f"#/components/schemas/{_NAMES[id(node)]}"}
        return {key: _referred(value) for key, value in node.items()}
    return [_referred(value) for value in node] if isinstance(node, (list, tuple)) else node


def _schemas(scenes: list[Scene]) -> dict[str, Any]:
    found = {name: _referred(schema, root=False) for name, schema in NAMED.items()}
    for name, base in _PER_SCENE.items():
        if not scenes:
            continue
        mapping = {}
        for scene in scenes:
            mapping[scene.id] = f"#/components/schemas/{name}.{scene.id}"
            found[f"{name}.{scene.id}"] = _form(base, scene)
        found[name] = {"title": base["title"], "x-title-zh": base["x-title-zh"], "x-common": _referred(base, root=False),
                       "oneOf": [{"$ref": ref} for ref in mapping.values()],
                       "discriminator": {"propertyName": "scene", "mapping": mapping}}
    return found


def _form(base: Schema, scene: Scene) -> dict[str, Any]:
    """A request as one scene takes it: its own fields, SKUs and channels by name."""
    form = _referred(base, root=False)
    given = dict(form["properties"])
    given["scene"] = {**given["scene"], "const": scene.id}
    given["fields"] = {**given["fields"], **_plain(scene.fields_schema)}
    item = _referred(requests.ITEM, root=False)
    skus = {**item, "properties": {**item["properties"], "sku": {**item["properties"]["sku"], "enum": sorted(scene.skus)}}}
    given["items"] = {**given["items"], "items": skus}
    if "pay" in given:
        pay = dict(given["pay"], properties=dict(given["pay"]["properties"]))
        pay["properties"]["channel"] = {**pay["properties"]["channel"], "enum": [offer.id for offer in scene.channels]}
        given["pay"] = pay
    demanded = ["fields"] if scene.fields_schema.get("required") and "items" in base["required"] else []
    if "external" in given:
        demanded += ["external"] if "external" in scene.tenders else []
        given |= {"external": False} if "external" not in scene.tenders else {"pay": False}
    titles = {"title": f"{base['title']} ({scene.title['en']})", "x-title-zh": f"{base['x-title-zh']}（{scene.title['zh']}）"}
    return {**form, **titles, "properties": given, "required": [*base["required"], *demanded]}


def _plain(node: Any) -> Any:
    """Frozen mappings as plain dicts, for the JSON writer."""
    if isinstance(node, Mapping):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node
