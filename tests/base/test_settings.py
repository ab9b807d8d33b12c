"""Settings: from the environment, from one table."""
from __future__ import annotations

import pytest

from engine.base import settings


def test_defaults_and_the_environment(monkeypatch, data_dir):
    assert settings.get("PORT") == "8700" and settings.get_int("PORT") == 8700
    monkeypatch.setenv("SALEWRIGHT_PORT", "9000")
    assert settings.get_int("PORT") == 9000
    assert settings.public_url() == "http://127.0.0.1:9000" and settings.sandbox_url() == "http://127.0.0.1:9002"
    monkeypatch.setenv("SALEWRIGHT_PUBLIC_URL", "https://shop.example")
    assert settings.public_url() == "https://shop.example"
    assert settings.data_dir() == data_dir and settings.secrets_dir() == data_dir / "secrets"


def test_what_is_no_number_is_said(monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_PORT", "many")
    with pytest.raises(SystemExit, match="SALEWRIGHT_PORT='many' is not a whole number"):
        settings.get_int("PORT")


def test_an_unknown_setting_is_an_error():
    with pytest.raises(KeyError):
        settings.get("COLOUR")


def test_every_setting_says_what_it_is():
    names = [s.name for s in settings.TABLE]
    assert len(set(names)) == len(names) and all(len(s.about) > 10 for s in settings.TABLE)
