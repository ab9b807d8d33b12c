"""Who asks: signed requests, bearer keys, scopes, revocation; a table of what may be wrong with a signature."""
from __future__ import annotations

import pytest

from engine import store
from engine.api import auth, keys, nonces
from engine.base import clock
from engine.base.errors import Code, Refusal
from tests.support.together import at_once


def test_a_signed_request_is_taken(api):
    assert api.signed("GET", "/v1/scenes").status == 200
    assert api.signed("GET", "/v1/orders?buyer=b1&limit=3").status == 200
    assert api.signed("PUT", "/v1/buyers/b:1@x", {"name": "林"}).status == 201


def test_what_is_signed_to_the_byte():
    """Known values, so that clients in other languages can be held against them."""
    text = auth.text_to_sign("POST", "/v1/orders?x=1", "1795262400", "nonce-0001", b'{"scene":"a"}')
    assert text == (b"POST\n/v1/orders?x=1\n1795262400\nnonce-0001\n"
                    b"cd6af1190e7fead1a04a0d6b0d19084e5af503b37479be13ca3e68281e6d1cac")
    assert auth.signature("secret", text) == "e69e5fe70f4d0a57ca98ccdf4bcbf918667d214eca6716e7b07703d98fa43aa1"


FORGED = [
    # (what is changed after signing, code)
    ({"Salewright-Signature": "0" * 64}, "signature_invalid"),
    ({"Salewright-Signature": ""}, "signature_invalid"),
    ({"Salewright-Nonce": "another-nonce"}, "signature_invalid"),
    ({"Salewright-Nonce": "short"}, "unauthenticated"),
    ({"Salewright-Nonce": ""}, "unauthenticated"),
    ({"Salewright-Nonce": "x" * 65}, "unauthenticated"),
    ({"Salewright-Timestamp": "1"}, "signature_invalid"),
    ({"Salewright-Timestamp": ""}, "unauthenticated"),
    ({"Salewright-Timestamp": "now"}, "unauthenticated"),
    ({"Salewright-Timestamp": "-5"}, "unauthenticated"),
    ({"Salewright-Key": "sk_000000000000"}, "unauthenticated"),
    ({"Salewright-Key": "sk_'; DROP TABLE"}, "unauthenticated"),
]


@pytest.mark.parametrize("changed, code", FORGED)
def test_a_forged_request_is_refused(lite, changed, code):
    reply = lite.signed("GET", "/v1/scenes", headers=changed)
    assert (reply.status, reply["code"]) == (401, code)
    assert "Bearer" in reply.headers["WWW-Authenticate"]


def test_a_changed_body_or_address_is_refused(lite):
    seen = {}
    original = lite.ask

    def catch(method, path, body=None, **more):
        seen.update(more["headers"])
        return original(method, path, body, **more)
    lite.ask = catch
    lite.signed("PUT", "/v1/buyers/b1", {"name": "a"})
    lite.ask = original
    fresh = {**seen, "Salewright-Nonce": seen["Salewright-Nonce"]}
    assert lite.ask("PUT", "/v1/buyers/b1", key="", raw=b'{"name": "b"}', headers=fresh)["code"] == "signature_invalid"
    assert lite.ask("PUT", "/v1/buyers/b2", key="", raw=b'{"name": "a"}', headers=fresh)["code"] == "signature_invalid"
    assert lite.ask("PUT", "/v1/buyers/b1", key="", raw=b'{"name": "a"}', headers=fresh)["code"] == "signature_replayed"


@pytest.mark.parametrize("off_s, code", [(0, None), (-299, None), (299, None), (-302, "clock_skew"), (302, "clock_skew")])
def test_an_old_or_early_signature_is_refused(lite, off_s, code):
    clock.set_to(1_795_262_400_000)
    reply = lite.signed("GET", "/v1/scenes", at_s=1_795_262_400 + off_s)
    assert reply.status == 200 if code is None else reply["code"] == code


def test_a_nonce_is_taken_once_even_by_twins(api):
    stamp = clock.now_ms() // 1000
    replies = at_once(lambda n: api.signed("GET", "/v1/scenes", nonce="the-same-nonce", at_s=stamp), range(6))
    assert sorted(r.status for r in replies) == [200] + [401] * 5
    assert {r["code"] for r in replies if r.status == 401} == {"signature_replayed"}
    other = keys.create("other", ["sell"])
    assert api.signed("GET", "/v1/scenes", nonce="the-same-nonce", key=other).status == 200


def test_nonces_are_forgotten_when_their_time_is_over(lite, monkeypatch):
    monkeypatch.setattr(nonces, "_clean_at", 0.0)
    clock.set_to(1_795_262_400_000)
    assert nonces.first_time("sk_1", "early-nonce")
    clock.advance(nonces.KEPT_S + 1)
    assert nonces.first_time("sk_1", "late-nonce")
    monkeypatch.setattr(nonces, "_clean_at", 0.0)
    assert nonces.first_time("sk_1", "later-nonce")
    assert {row["nonce"] for row in store.many(nonces.SeenNonce)} == {"late-nonce", "later-nonce"}
    assert nonces.KEPT_S > 2 * auth.SKEW_S


BEARER = [
    # (setting, peer, further headers, taken)
    ("loopback", "127.0.0.1", {}, True), ("loopback", "::1", {}, True), ("loopback", "127.8.8.8", {}, True),
    ("loopback", "10.0.0.7", {}, False), ("loopback", "", {}, False), ("loopback", "not an address", {}, False),
    ("loopback", "127.0.0.1", {"X-Forwarded-For": "203.0.113.7"}, False),
    ("loopback", "127.0.0.1", {"Forwarded": "for=203.0.113.7"}, False),
    ("always", "10.0.0.7", {}, True), ("never", "127.0.0.1", {}, False),
]


@pytest.mark.parametrize("setting, peer, headers, taken", BEARER)
def test_bearer_keys_are_taken_where_the_setting_allows(lite, monkeypatch, setting, peer, headers, taken):
    monkeypatch.setenv("SALEWRIGHT_BEARER_AUTH", setting)
    reply = lite.get("/v1/scenes", peer=peer, headers=headers)
    assert reply.status == 200 if taken else reply["code"] == "unauthenticated"
    assert lite.signed("GET", "/v1/scenes", peer=peer, headers=headers).status == 200


@pytest.mark.parametrize("token", ["", "sk_000000000000.x", "nonsense", "sk_", "."])
def test_a_wrong_bearer_key_is_refused(lite, token):
    reply = lite.get("/v1/scenes", key="", headers={"Authorization": f"Bearer {token}"})
    assert (reply.status, reply["code"]) == (401, "unauthenticated")
    assert lite.get("/v1/scenes", key=lite.key[:-1] + ("0" if lite.key[-1] != "0" else "1"))["code"] == "unauthenticated"
    assert lite.get("/v1/scenes", key="", headers={"Authorization": "Basic eDp5"})["code"] == "unauthenticated"


def test_a_key_may_do_what_its_scopes_say(lite):
    finance = keys.create("finance", ["finance"])
    assert lite.get("/v1/partners/mall/pool", key=finance).status == 200
    for method, path in (("GET", "/v1/scenes"), ("POST", "/v1/orders"), ("GET", "/v1/work-orders?queue=a")):
        reply = lite.ask(method, path, key=finance)
        assert (reply.status, reply["code"]) == (403, "forbidden")


def test_a_revoked_key_stops_within_its_cache_time(lite, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(keys.time, "monotonic", lambda: now[0])
    other = keys.create("other", ["sell"])
    assert lite.get("/v1/scenes", key=other).status == 200
    with store.transaction(store.system):                              # another process revokes it
        store.update(keys.ApiKey, {"revoked_at_ms": 1}, id=other.partition(".")[0])
    now[0] += 1.9
    assert lite.get("/v1/scenes", key=other).status == 200
    now[0] += 0.2
    assert lite.get("/v1/scenes", key=other)["code"] == "unauthenticated"


def test_keys_are_made_listed_and_revoked(api):
    text = keys.create(" shop ", ["sell", "sell"], ["cards-*", "filings-pc"], author="Lin")
    shown = next(k for k in keys.everything() if k["name"] == "shop")
    assert (shown["scopes"], shown["scenes"], shown["created_by"]) == (["sell"], ["cards-*", "filings-pc"], "Lin")
    assert "secret" not in shown and text.startswith(shown["id"] + ".") and len(text.partition(".")[2]) == 48
    assert (keys.revoke(shown["id"]), keys.revoke(shown["id"])) == (True, False)
    assert api.get("/v1/scenes", key=text)["code"] == "unauthenticated"
    with pytest.raises(Refusal) as missing:
        keys.revoke("sk_000000000000")
    assert missing.value.code is Code.NOT_FOUND


@pytest.mark.parametrize("name, scopes, scenes", [
    ("", ["sell"], ["*"]), ("x", [], ["*"]), ("x", ["buy"], ["*"]), ("x", ["sell"], []), ("x", ["sell"], ["a*b"]),
    ("x", ["sell"], ["a_b"]), ("x", ["sell"], ["%"])])
def test_a_key_that_makes_no_sense_is_refused(sqlite_database, name, scopes, scenes):
    with pytest.raises(Refusal) as refused:
        keys.create(name, scopes, scenes)
    assert refused.value.code is Code.BAD_REQUEST and store.many(keys.ApiKey) == []


def test_the_first_key_is_made_once(database):
    keys.forget()
    text = keys.first_key()
    assert text and keys.first_key() is None
    row = keys.find(text.partition(".")[0])
    assert row["scopes"] == sorted(keys.SCOPES) and row["scenes"] == ["*"]


def test_guessing_ids_costs_the_database_nothing_twice(sqlite_database):
    keys.forget()
    store.counts.reset()
    for _ in range(5):
        assert keys.find("sk_0123456789ab") is None and keys.find("guess") is None
    assert store.counts.statements == 1
