"""Channels in use: compiled once, by the content of their documents."""
from __future__ import annotations

from engine.wire import load
from engine.wire.secrets import Given

from .making import plain, secrets


def test_load_keeps_what_it_compiled():
    doc, again = plain(), plain()
    assert load(doc) is load(doc) is load(again)
    assert load(plain(constants={"mchid": "M2"})) is not load(doc)
    assert load(doc, Given(secrets())) is not load(doc)
