"""A route over HTTP: shown, quoted, paid by its name; the next channel in the same request; a repeat gives the same."""
from __future__ import annotations

import pytest

from engine.base import crash, settings
from tests.api.client import Api
from tests.api.shop import FILES, write_secrets

ROUTE = "{route: qr, title: {zh: 扫码, en: QR}, of: [desk, {use: bench, when: {gte: {payable: 10.00}}}]}"


@pytest.fixture
def api(database, gateway, monkeypatch) -> Api:
    """The shop with the route `qr` of two channels; `bench` is like `desk` in all but its address."""
    monkeypatch.setenv("SALEWRIGHT_SANDBOX_URL", gateway.url)
    monkeypatch.setenv("SALEWRIGHT_PUBLIC_URL", "http://api.example")
    write_secrets(settings.secrets_dir())
    desk, scene = FILES["channels/desk.yaml"], FILES["scenes/cards-app.yaml"]
    bench = desk.replace("id: desk", "id: bench").replace("/desk", "/bench")
    assert bench != desk and "channels: [till, desk]" in scene
    gateway.says("POST", "/desk/payments", (200, {"qr": "desk-qr"}))
    gateway.says("POST", "/bench/payments", (200, {"qr": "bench-qr"}))
    return Api({**FILES, "channels/bench.yaml": bench,
                "channels/desk.yaml": desk + "limits: {payment: {min: 1.00}, day: {count: 2}}\n",
                "scenes/cards-app.yaml": scene.replace("channels: [till, desk]", f"channels: [till, {ROUTE}]")})


def test_a_route_is_shown_with_what_it_leads_to(api):
    till, route = api.get("/v1/scenes/cards-app").json["channels"]
    assert route == {"id": "qr", "title": {"zh": "扫码", "en": "QR"}, "needs": [], "conditional": False,
                     "route": ["desk", "bench"]} and till["route"] is None
    api.buyer()
    quote = api.post("/v1/quotes", {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/week"}]}).json
    assert [(c["id"], c["needs"]) for c in quote["channels"]] == [("till", ["openid"]), ("qr", [])]
    form = api.get("/v1/openapi.json").json["components"]["schemas"]["OrderRequest.cards-app"]
    assert form["properties"]["pay"]["properties"]["channel"]["enum"] == ["till", "qr"]


def test_the_next_channel_in_the_same_request_and_the_same_answer_again(api, gateway):
    api.buyer()
    gateway.says("POST", "/desk/payments", (429, {"why": "busy"}))
    order = api.order()
    path, body = f"/v1/orders/{order['no']}/pay", {"channel": "qr"}
    first, again = (api.post(path, body, once="p1") for _ in range(2))
    assert (first.status, first["channel"], first["client"]) == (201, "bench", {"qr": "bench-qr"})
    assert again.replayed and again.json == first.json
    assert api.post(path, body, once="p2")["no"] == first["no"]
    shown = api.get(f"/v1/orders/{order['no']}").json
    assert {p["channel"]: p["state"] for p in shown["payments"]} == {"desk": "failed", "bench": "pending"}
    assert api.notice("bench", "paid", api.paid_notice(first.json)).status == 200
    assert api.get(f"/v1/orders/{order['no']}")["state"] == "completed"


def test_with_the_order(api, gateway):
    api.buyer()
    gateway.says("POST", "/desk/payments", (429, {"why": "busy"}))
    body = {"scene": "cards-app", "buyer": {"id": "b1"}, "items": [{"sku": "card/month"}], "pay": {"channel": "qr"}}
    first, again = (api.post("/v1/orders", body, once="o1") for _ in range(2))
    assert first["payment"]["channel"] == "bench" and first["payment"]["client"] == {"qr": "bench-qr"}
    assert again.replayed and again.json == first.json


def test_a_request_that_was_cut_off_between_two_channels_goes_on(api, gateway, monkeypatch):
    """The first channel said no, and the process died before it asked the second; the same request again ends well."""
    class Killed(BaseException):
        """The process is gone."""

    def die(name: str) -> None:
        if name == "pay.outcome_committed":
            raise Killed

    api.buyer()
    gateway.says("POST", "/desk/payments", (429, {"why": "busy"}))
    order = api.order()
    path, body = f"/v1/orders/{order['no']}/pay", {"channel": "qr"}
    with monkeypatch.context() as patch:
        patch.setattr(crash, "point", die)
        with pytest.raises(Killed):
            api.post(path, body, once="p1")
    assert [p["state"] for p in api.get(f"/v1/orders/{order['no']}")["payments"]] == ["failed"]
    reply = api.post(path, body, once="p1")
    assert (reply.status, reply["channel"], reply["client"]) == (201, "bench", {"qr": "bench-qr"})
    assert api.post(path, body, once="p1").json == reply.json


def test_a_full_channel_is_passed_and_by_its_name_refused(api, gateway):
    api.buyer()
    used = [api.post(f"/v1/orders/{api.order()['no']}/pay", {"channel": "qr"}, once=f"p{n}")["channel"] for n in range(3)]
    assert used == ["desk", "desk", "bench"]
    order = api.order("cards-page", buyer="", fields={"campaign": "a"})
    reply = api.post(f"/v1/orders/{order['no']}/pay", {"channel": "desk"}, once="q1")
    assert (reply.status, reply["code"]) == (409, "channel_limit_reached")
    assert reply["details"][0]["found"] == "desk"
