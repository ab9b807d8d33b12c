"""Keys that are fetched: handed out by the channel itself, or linked to by its messages. From real servers on loopback."""
from __future__ import annotations

import base64
import json
import logging
from typing import Any, Iterator

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from engine.base import clock, settings
from engine.config import shape
from engine.wire import check_channel, crypto, keyrings, receive, sending
from engine.wire.channel import Channel
from engine.wire.compile import compile_channel
from engine.wire.model import NoticeRejected, WireError
from engine.wire.secrets import Given, Places

from .authority import Authority, Serving, serving
from .making import OURS, THEIRS, incoming, plain, rsa, secrets

APIV3 = "k" * 32
PUBLIC = {name: load_pem_public_key(pair["public_key"].encode()) for name, pair in (("ours", OURS), ("theirs", THEIRS))}
VERIFY = {"text": "{header.X-Time}\n{body}\n", "rsa_sha256": {"keyring": "platform", "by": "header.X-Key"},
          "signature": "header.X-Sign", "fresh": {"at": "header.X-Time", "within": "300s"}}
FETCH = {"get": "/certificates", "each": "data", "id": "serial",
         "open": {"aes_gcm": {"key": "apiv3", "of": "sealed.text", "nonce": "sealed.nonce", "aad": "sealed.aad"}, "as": "text"}}
PAID = json.dumps({"id": "E1", "no": "P1", "fen": 990, "mchid": "M1", "state": "PAID"})


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(autouse=True)
def time_passes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Monotonic seconds that a test moves by hand; the rest of the program keeps the real ones."""
    class Now:
        at = 1000.0

        def monotonic(self) -> float:
            return self.at
    now = Now()
    monkeypatch.setattr(keyrings, "time", now)
    return now


def doc(platform: dict[str, Any], base: str = "https://gateway.example", **changes: Any) -> dict[str, Any]:
    return plain(base=base, verify=VERIFY, secrets={
        "key": {"file": "ours.pem", "as": "private_key"}, "token": {"file": "t"}, "apiv3": {"file": "a"},
        "ca": {"file": "ca.pem"}, "platform": {"as": "keyring", **platform}}, **changes)


def channel(document: dict[str, Any], **given: str) -> Channel:
    assert shape.faults("channels", document) == [] and check_channel(document) == []
    values = secrets(apiv3=APIV3, **given)
    del values["gateway"]
    return compile_channel(document, Given(values))


def told(key_id: str, pair: dict[str, str] = THEIRS) -> Any:
    at_s = clock.now_ms() // 1000
    return incoming(PAID, {"X-Time": str(at_s), "X-Sign": rsa(pair, f"{at_s}\n{PAID}\n"), "X-Key": key_id})


def refusal(ch: Channel, request: Any) -> str:
    with pytest.raises(NoticeRejected) as refused:
        receive(ch, "paid", request)
    return refused.value.code


# --- handed out

class Platform:
    """Hands out certificates, sealed, and signs the answer with one of them."""

    def __init__(self, authority: Authority):
        self.authority = authority
        self.keys: dict[str, tuple[str, dict[str, float]]] = {"S1": ("theirs", {})}
        self.signs_with, self.seals_with, self.status = ("S1", THEIRS), APIV3, 200

    def __call__(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        data = [{"serial": serial, "sealed": self._sealed(self.authority.certify(serial.lower(), PUBLIC[name], **valid))}
                for serial, (name, valid) in self.keys.items()]
        body, at_s = json.dumps({"data": data}), clock.now_ms() // 1000
        key_id, pair = self.signs_with
        return self.status, {"X-Time": str(at_s), "X-Key": key_id, "X-Sign": rsa(pair, f"{at_s}\n{body}\n")}, body.encode()

    def _sealed(self, text: str) -> dict[str, str]:
        sealed = crypto.seal("aes_gcm", self.seals_with.encode(), text.encode(), b"n" * 12, b"certificate")
        return {"text": base64.b64encode(sealed).decode(), "nonce": "n" * 12, "aad": "certificate"}


@pytest.fixture
def platform(authority: Authority) -> Platform:
    return Platform(authority)


@pytest.fixture
def server(platform: Platform) -> Iterator[Serving]:
    with serving(platform) as running:
        yield running


@pytest.fixture
def ch(server: Serving) -> Channel:
    return channel(doc({"fetch": FETCH}, f"http://{server.address}"))


def test_keys_are_fetched_once_and_kept(ch, server):
    for _ in range(3):
        assert receive(ch, "paid", told("S1"))
    assert server.seen == ["/certificates"]


def test_the_request_is_signed_like_any_other(ch, server, platform):
    seen = []
    server.answer_with(lambda request: seen.append(dict(request.headers)) or platform(request))
    receive(ch, "paid", told("S1"))
    headers, = seen
    text = f"GET\n/certificates\n{headers['x-time']}\n{headers['x-nonce']}\n\n"
    assert headers["x-sign"] == rsa(OURS, text)


def test_an_unknown_serial_makes_us_ask_but_not_all_the_time(ch, server, platform, time_passes):
    assert receive(ch, "paid", told("S1"))
    platform.keys["S2"] = ("ours", {})
    assert refusal(ch, told("S2", OURS)) == "key_unknown"                 # just asked: a stranger can't make us ask again
    time_passes.at += keyrings.AGAIN_S
    assert receive(ch, "paid", told("S2", OURS)) and receive(ch, "paid", told("S1"))
    for _ in range(5):
        assert refusal(ch, told("S9")) == "key_unknown"
    assert len(server.seen) == 2


def test_a_key_of_another_does_not_count(ch):
    assert refusal(ch, told("S1", OURS)) == "signature_invalid"


def test_old_keys_are_asked_for_again_and_kept_if_that_fails(ch, server, platform, time_passes):
    assert receive(ch, "paid", told("S1"))
    time_passes.at += 12 * 3600
    platform.status = 500
    assert receive(ch, "paid", told("S1"))
    time_passes.at += keyrings.FAILED_AGAIN_S
    platform.status, platform.keys, platform.signs_with = 200, {"S2": ("ours", {})}, ("S2", OURS)
    assert receive(ch, "paid", told("S2", OURS))
    assert refusal(ch, told("S1")) == "key_unknown", "the channel no longer hands it out"
    assert len(server.seen) == 3


@pytest.mark.parametrize("change", [
    {"status": 500}, {"seals_with": "x" * 32}, {"signs_with": ("S1", OURS)}, {"signs_with": ("S7", THEIRS)}, {"keys": {}},
    {"keys": {"S1": ("theirs", {"from_h": -3, "until_h": -2})}}, {"keys": {"S1": ("theirs", {"from_h": 1, "until_h": 2})}},
], ids=str)
def test_what_is_not_to_be_believed_gives_no_key(ch, platform, change, caplog):
    for name, value in change.items():
        setattr(platform, name, value)
    with caplog.at_level(logging.INFO):
        assert refusal(ch, told("S1")) == "key_unknown"
    assert any(r.msg.startswith("keys could not be fetched") and r.channel == "plain" for r in caplog.records)
    assert APIV3 not in caplog.text


def test_after_a_failure_it_is_tried_again_soon(ch, server, platform, time_passes):
    platform.status = 500
    assert refusal(ch, told("S1")) == refusal(ch, told("S1")) == "key_unknown"
    assert len(server.seen) == 1
    platform.status = 200
    time_passes.at += keyrings.FAILED_AGAIN_S
    assert receive(ch, "paid", told("S1"))


def test_nothing_is_fetched_inside_a_transaction(ch, server):
    sending.forbid_in(lambda: True)
    try:
        with pytest.raises(WireError, match="inside a database transaction"):
            receive(ch, "paid", told("S1"))
    finally:
        sending.forbid_in(lambda: False)
    assert server.seen == []
    assert receive(ch, "paid", told("S1"))


def test_keys_that_are_not_sealed_come_over_https_only():
    open_ = {"fetch": {**FETCH, "open": {"in": "pem"}}}
    with pytest.raises(WireError, match="https only"):
        receive(channel(doc(open_, "http://gateway.example")), "paid", told("S1"))


def test_a_keyring_in_a_place_of_ours_comes_first(server):
    values = {**secrets(apiv3=APIV3), "platform": {"S1": THEIRS["public_key"]}}
    assert receive(compile_channel(doc({"fetch": FETCH}, f"http://{server.address}"), Given(values)), "paid", told("S1"))
    assert server.seen == []


@pytest.mark.parametrize("change, said", [
    ({"get": "/certificates/{payment.no}"}, "there is no payment.no"), ({"open": {"aes_gcm": {
        "key": "api", "of": "x", "nonce": "n"}}}, "no secret 'api'"), ({"lasts": "soon"}, "duration"), ({"get": "x"}, "begins with /")])
def test_what_is_wrong_with_it_is_found_beforehand(change, said):
    assert any(said in message and path[:2] == ("secrets", "platform")
               for path, message in check_channel(doc({"fetch": {**FETCH, **change}})))


# --- linked

@pytest.fixture
def linked(tmp_path, authority) -> Iterator[tuple[Channel, Serving, str]]:
    folder = settings.secrets_dir()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_text(authority.pem())
    (tmp_path / "server.pem").write_text(authority.issue("127.0.0.1"))
    certificate = authority.certify("messages.provider.example", PUBLIC["theirs"])
    with serving(lambda request: (200, {}, certificate.encode()), tmp_path / "server.pem") as server:
        spec = {"hosts": [server.address], "name": "messages.provider.example", "ca": "ca"}
        yield channel(doc({"linked": spec}, tls={"ca": "ca"}), ca=authority.pem()), server, certificate


def test_the_certificate_that_a_message_names_is_fetched_once(linked):
    ch, server, _ = linked
    for _ in range(3):
        assert receive(ch, "paid", told(f"https://{server.address}/certs/1"))
    assert refusal(ch, told(f"https://{server.address}/certs/1", OURS)) == "signature_invalid"
    assert server.seen == ["/certs/1"]


@pytest.mark.parametrize("address", [
    "http://{host}/c", "https://evil.example/c", "https://{host}.evil.example/c", "https://evil.example/{host}", "//{host}/c",
    "https://me@{host}/c", "https://{host}@evil.example/c", "https://127.0.0.1/c", "https://{host}\\@evil.example/c",
    "https://{host} /c", "https://{host}/c\r\nX: y", "file:///etc/passwd", "ftp://{host}/c", "https://[/c", "S1", " ", "https://{host}/é",
])
def test_nothing_is_asked_of_any_other_host(linked, address):
    ch, server, _ = linked
    assert refusal(ch, told(address.replace("{host}", server.address))) in ("key_unknown", "signature_missing")
    assert server.seen == []


@pytest.mark.parametrize("answer", [
    (302, {"location": "https://127.0.0.1:1/other"}, b""), (404, {}, b""), (200, {}, b""), (200, {}, b"no certificate"),
    (200, {}, b"x" * (keyrings.BYTES_MAX + 1)), (200, {}, THEIRS["public_key"].encode())])
def test_an_answer_that_is_no_certificate(linked, answer):
    ch, server, _ = linked
    server.answer_with(lambda request: answer)
    assert refusal(ch, told(f"https://{server.address}/c")) == "key_unknown"
    assert server.seen == ["/c"]


def test_a_stranger_can_not_make_us_fetch_all_day(linked, time_passes):
    ch, server, certificate = linked
    server.answer_with(lambda request: (404, {}, b""))
    for number in range(2 * keyrings.LINKS_PER_MINUTE):
        assert refusal(ch, told(f"https://{server.address}/{number}")) == "key_unknown"
    assert len(server.seen) == keyrings.LINKS_PER_MINUTE
    time_passes.at += 60
    server.answer_with(lambda request: (200, {}, certificate.encode()))
    assert receive(ch, "paid", told(f"https://{server.address}/0"))


def test_a_linked_keyring_needs_to_be_told_the_address():
    document = doc({"linked": {"hosts": ["a.example"], "name": "b.example"}})
    document["verify"] = {**VERIFY, "rsa_sha256": {"keyring": "platform"}}
    assert any("`by:`" in message for _, message in check_channel(document))


NAME = "messages.provider.example"


def chains(authority: Authority) -> dict[str, tuple[str, bool]]:
    """PEM texts of certificates, and whether they are to be trusted."""
    below = Authority("below", authority, 1)
    stranger = Authority("stranger", number=2)
    key = PUBLIC["theirs"]
    return {
        "its own": (authority.certify(NAME, key), True),
        "by one below": (below.certify(NAME, key) + below.pem(), True),
        "by one below, whole": (below.certify(NAME, key) + below.pem() + authority.pem(), True),
        "one below left out": (below.certify(NAME, key), False),
        "another name": (authority.certify("other.example", key), False),
        "a name that ends so": (authority.certify(f"x.{NAME}", key), False),
        "a stranger's": (stranger.certify(NAME, key) + stranger.pem(), False),
        "run out": (authority.certify(NAME, key, from_h=-3, until_h=-2), False),
        "not yet in force": (authority.certify(NAME, key, from_h=1, until_h=2), False),
        "vouched for by one that may not": (
            _impostor(authority).certify(NAME, key) + authority.certify("impostor", _impostor(authority).key.public_key()), False),
        "the authority itself": (authority.pem(), False),
    }


def _impostor(authority: Authority) -> Authority:
    return Authority("impostor", authority, 3)


def test_whom_we_trust(authority):
    for what, (pem, good) in chains(authority).items():
        try:
            assert keyrings.trusted(pem.encode(), NAME, authority.pem()) in pem and good, what
        except keyrings.Unreadable:
            assert not good, what


def test_the_usual_authorities_do_not_know_ours(authority):
    with pytest.raises(keyrings.Unreadable):
        keyrings.trusted(authority.certify(NAME, PUBLIC["theirs"]).encode(), NAME, None)


def test_keys_in_a_file_come_first_and_others_are_fetched(server, tmp_path):
    """While a merchant changes over from certificates to a public key, messages are signed with either."""
    for name, text in {**{name: str(value) for name, value in secrets(apiv3=APIV3).items()}}.items():
        (tmp_path / {"key": "ours.pem", "token": "t", "apiv3": "a"}.get(name, name)).write_text(text)
    (tmp_path / "platform").mkdir()
    (tmp_path / "platform" / "PUB_KEY_ID_1.pem").write_text(OURS["public_key"])
    document = doc({"fetch": FETCH, "file": "platform"}, f"http://{server.address}")
    assert shape.faults("channels", document) == [] and check_channel(document) == []
    both = compile_channel(document, Places(tmp_path))
    assert receive(both, "paid", told("PUB_KEY_ID_1", OURS)) and server.seen == []
    assert receive(both, "paid", told("S1")) and server.seen == ["/certificates"]
    assert receive(both, "paid", told("PUB_KEY_ID_1", OURS))
    assert refusal(both, told("S9")) == "key_unknown"
