"""The OpenAPI document: valid, complete, made from the live catalogue; and the interface keeps to it under fuzzing."""
from __future__ import annotations

import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import content_type_conformance, not_a_server_error, response_schema_conformance, status_code_conformance
from schemathesis.specs.openapi.checks import negative_data_rejection

from engine import startup
from engine.api import docs, openapi
from engine.api.endpoint import ENDPOINTS
from engine.api.schema import NAMED
from engine.base.errors import Code
from engine.config import releases
from engine.config.live import live
from tests.api.shop import FILES


@pytest.fixture
def document(lite):
    return lite.get("/v1/openapi.json", key="").json


def test_the_document_is_valid_and_has_every_endpoint(document):
    schemathesis.openapi.from_dict(document).validate()
    for name, schema in document["components"]["schemas"].items():
        Draft202012Validator.check_schema(schema)
    listed = {o["operationId"]: (m.upper(), path) for path, ms in document["paths"].items() for m, o in ms.items()}
    assert listed == {e.name: (e.method, e.path) for e in ENDPOINTS.values()}
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"] and operation["x-title-zh"] and operation["summary"]
            assert {t for t in operation["tags"]} <= {t["name"] for t in document["tags"]}


def test_references_lead_somewhere(document):
    text = str(document)
    names = set(re.findall(r"#/components/schemas/([\w.-]+)", text))
    assert names <= document["components"]["schemas"].keys()
    assert NAMED.keys() <= document["components"]["schemas"].keys()
    assert {c["code"] for c in document["x-codes"]} == {c.code for c in Code}


def test_every_title_has_both_languages(document):
    def titled(node):
        if isinstance(node, dict):
            if isinstance(node.get("title"), str) and ("type" in node or "properties" in node):
                yield node
            for inner in node.values():
                yield from titled(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from titled(inner)
    nodes = list(titled(document["components"]))
    assert len(nodes) > 200 and all(re.search(r"[\u4e00-\u9fffA-Z]", n.get("x-title-zh", "")) for n in nodes)


def test_each_scene_has_its_own_form(document):
    schemas = document["components"]["schemas"]
    order = schemas["OrderRequest"]
    assert order["discriminator"]["propertyName"] == "scene"
    assert set(order["discriminator"]["mapping"]) == {"cards-app", "cards-page", "cards-shop", "filings-pc"}
    page = schemas["OrderRequest.cards-page"]
    assert page["properties"]["scene"]["const"] == "cards-page"
    assert page["properties"]["fields"]["properties"]["campaign"]["pattern"] and page["properties"]["fields"]["required"] == ["campaign"]
    assert page["properties"]["pay"]["properties"]["channel"]["enum"] == ["till", "desk"]
    assert page["properties"]["external"] is False and schemas["OrderRequest.cards-shop"]["properties"]["pay"] is False
    assert "external" in schemas["OrderRequest.cards-shop"]["required"]


def test_a_new_scene_is_in_the_document_as_soon_as_it_is_live(lite):
    text = FILES["scenes/filings-pc.yaml"].replace("filings-pc", "filings-h5").replace("terminal: pc", "terminal: h5")
    releases.publish({**FILES, "scenes/filings-h5.yaml": text}, "one more", "Lin", startup.vocabulary())
    live.look()
    document = lite.get("/v1/openapi.json", key="").json
    assert "OrderRequest.filings-h5" in document["components"]["schemas"] and document["info"]["x-release"] == 2
    assert "filings-h5" in lite.get("/docs", key="").raw.decode()


def test_the_sample_order_is_one_that_is_taken(lite, document):
    example = document["paths"]["/v1/orders"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert lite.post("/v1/orders", example, once="k").status == 201


def test_without_a_release_there_is_still_a_document():
    document = openapi.document(None)
    schemathesis.openapi.from_dict(document).validate()
    assert "oneOf" not in document["components"]["schemas"]["OrderRequest"]
    assert docs._forms(document) == []


def test_the_docs_page_is_whole_and_brings_everything_itself(lite):
    page = lite.get("/docs", key="")
    text = page.raw.decode()
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)
    assert not re.search(r"<script(?! src)|style=|onclick=", text)
    for endpoint in ENDPOINTS.values():
        assert f'id="{endpoint.name}"' in text and endpoint.title["zh"] in text
    for code in Code:
        assert f'id="{code.code}"' in text
    for name, kind in (("docs.css", "text/css"), ("docs.js", "javascript")):
        assert kind in lite.get(f"/docs/static/{name}", key="").headers["Content-Type"]


# ── the interface keeps to its word ──────────────────────────────────────────────────────────────────────────────────

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
          negative_data_rejection)
EXAMPLES = 12                                  # of each operation and mode: bounded, and the same at each run


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
def test_whatever_is_asked_the_answer_is_in_the_document(lite, mode, monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_BEARER_AUTH", "always")             # its requests come from nowhere
    lite.buyer("buyer-1")
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", lite.app)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == len(ENDPOINTS)
    answers = {o.definition.raw["operationId"]: _fuzz(o, mode, {"Authorization": f"Bearer {lite.key}"}) for o in operations}
    assert sum(map(len, answers.values())) > 150 and {name for name, statuses in answers.items() if not statuses} <= {
        "scenes.list", "operating.healthz", "operating.readyz", "operating.metrics"}
    if mode is GenerationMode.POSITIVE:
        assert {200, 201} <= {status for statuses in answers.values() for status in statuses}


def _fuzz(operation, mode, headers):
    statuses = []

    @settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None,
              derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        assume("Authorization" not in (case.headers or {}))            # what is wrong in it would be put right by ours
        response = case.call(headers=headers)
        case.validate_response(response, checks=list(CHECKS))
        statuses.append(response.status_code)
    try:
        run()
    except Unsatisfiable:                      # nothing can be wrong with a request that takes nothing
        assert mode is GenerationMode.NEGATIVE
    return statuses
