"""Sandbox or live: where a channel is called, and where its secrets come from."""
from __future__ import annotations

import stat
import threading

import pytest

from engine.base import settings
from engine.wire import load, made_up, sandboxed
from engine.wire.model import WireError
from engine.wire.secrets import SecretBox

from .making import facts, plain

SECRETS = {"key": {"env": "TEST_KEY", "as": "private_key"}, "theirs": {"file": "theirs.pem", "as": "public_key"},
           "ring": {"env": "TEST_RING", "as": "keyring"}, "words": {"file": "words", "as": "keyring"},
           "text": {"env": "TEST_TEXT"}, "hex": {"env": "TEST_HEX", "as": "hex"}, "b64": {"env": "TEST_B64", "as": "base64"}}
DOC = {"id": "made-up", "secrets": SECRETS, "verify": [{"rsa_sha256": {"keyring": "ring", "by": "header.K"}},
                                                       {"hmac_sha256": {"keyring": "words"}}]}


@pytest.mark.parametrize("written, spoken", [
    ("https://api.example", "{settings.sandbox_url}/c"),
    ("https://api.example/v3/x", "{settings.sandbox_url}/c/v3/x"),
    ("https://{prefix}-live.example:8443/checkout/{version}", "{settings.sandbox_url}/c/checkout/{version}"),
    ("{settings.their_base}", "{settings.sandbox_url}/c"),
    ("{settings.their_base}/v1", "{settings.sandbox_url}/c/v1"),
    ("{settings.sandbox_url}/own/x", "{settings.sandbox_url}/own/x"),
])
def test_where_a_channel_is_called(written, spoken):
    assert sandboxed.document({"id": "c", "base": written})["base"] == spoken


@pytest.mark.parametrize("written, spoken", [
    ("https://pages.example/agree?{body}", "{settings.sandbox_url}/c/agree?{body}"),
    ("{answer.url}", "{answer.url}"), ("{url}", "{url}"), ("app://start?{body}", "app://start?{body}")])
def test_an_address_the_file_gives_to_the_buyer(written, spoken):
    doc = sandboxed.document({"id": "c", "operations": {"sign": {"client": {"redirect": written}}}})
    assert doc["operations"]["sign"]["client"]["redirect"] == spoken


def test_certificates_are_not_asked_for():
    assert "tls" not in sandboxed.document({"id": "c", "tls": {"certificate": "cert"}})


def test_the_setting_decides(monkeypatch):
    doc = plain(id="switch", base="https://api.example/v1")

    def base() -> str:
        return load(doc).operations["pay"].plan.base.text(load(doc).scope(facts()))
    assert base() == "https://gateway.example/switch/v1"
    monkeypatch.setenv("SALEWRIGHT_CHANNELS", "live")
    assert base() == "https://api.example/v1"
    with pytest.raises(WireError, match="not there"):
        load(doc).box.text("token")
    monkeypatch.setenv("SALEWRIGHT_CHANNELS", "playground")
    with pytest.raises(WireError, match="write sandbox or live"):
        load(doc)


def test_the_halves_belong_together():
    ours, theirs = (SecretBox(SECRETS, source(DOC)) for source in (sandboxed.OurHalves, sandboxed.TheirHalves))
    public, = theirs.candidates("key", None)
    assert ours.private_key("key").public_key().public_numbers() == public.public_numbers()
    public, = ours.candidates("theirs", None)
    private = theirs.private_key("theirs")
    assert private.public_key().public_numbers() == public.public_numbers()
    assert next(ours.candidates("ring", made_up.KEY_ID)).public_numbers() == public.public_numbers()
    assert next(ours.candidates("words", None)) == next(theirs.candidates("words", made_up.KEY_ID))
    for name, length in {"text": 32, "hex": 32, "b64": 32}.items():
        assert len(ours.bytes(name)) == length and ours.bytes(name) == theirs.bytes(name)


def test_a_secret_in_its_place_is_taken(monkeypatch):
    monkeypatch.setenv("TEST_TEXT", "from outside")
    for source in (sandboxed.OurHalves(DOC), sandboxed.TheirHalves(DOC)):
        assert source.read("text", SECRETS["text"]) == "from outside"
    private = made_up.ours("another", "key", "private_key")
    monkeypatch.setenv("TEST_KEY", private)
    assert sandboxed.TheirHalves(DOC).read("key", SECRETS["key"]) == made_up.public_of(private).strip() + "\n"
    (settings.secrets_dir() / "theirs.pem").write_text(made_up.public_of(private))
    with pytest.raises(WireError, match="nobody but the provider"):
        sandboxed.TheirHalves(DOC).read("theirs", SECRETS["theirs"])


def test_two_channels_share_no_text():
    assert made_up.ours("one", "text", "text") != made_up.ours("two", "text", "text")


def test_nobody_else_reads_them():
    for name, reference in SECRETS.items():
        sandboxed.OurHalves(DOC).read(name, reference)
        sandboxed.TheirHalves(DOC).read(name, {**reference})
    folder = settings.secrets_dir()
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_several_at_once_agree():
    found = []
    threads = [threading.Thread(target=lambda: found.append(made_up.ours("c", "key", "private_key"))) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len(found) == 4 and len(set(found)) == 1
    assert not [path for path in settings.secrets_dir().rglob(".*")], "no draft is left behind"
