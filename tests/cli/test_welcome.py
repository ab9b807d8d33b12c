"""What a person reads when everything runs."""
from __future__ import annotations

import json
import re
import shlex
from types import SimpleNamespace

import pytest

from engine.cli import welcome

PORTS = {"api": 8700, "console": 8701, "sandbox": 8702}
ORDER = {"scene": "here", "items": [{"sku": "card/week", "quantity": 1}]}


def scene(id: str, login: str = "required", **changed):
    return SimpleNamespace(**{"id": id, "login": login, "skus": {"card/week": 1, "card/month": 1}, "channels": ("a",),
                              "partner_id": None, "fields_schema": {}, **changed})


def test_every_address_is_told():
    told = welcome.text("127.0.0.1", PORTS, None, None, None)
    assert all(f"http://127.0.0.1:{port}" in told for port in PORTS.values())
    assert "login" not in told and "curl" not in told


def test_the_first_login_is_shown_when_it_was_made_now():
    assert "admin / s3cret" in welcome.text("127.0.0.1", PORTS, ("admin", "s3cret"), None, None)


def test_the_curl_is_what_a_shell_runs():
    told = "\n".join(welcome.curl("http://127.0.0.1:8700", "key-1", ORDER))
    words = shlex.split(told.replace("\\\n", " "))
    assert words[:3] == ["curl", "-s", "http://127.0.0.1:8700/v1/orders"]
    assert "Authorization: Bearer key-1" in words
    assert json.loads(words[words.index("-d") + 1]) == ORDER
    assert re.search(r"Idempotency-Key: \$\(date", told)


def test_without_a_key_no_authorization_is_sent():
    assert "Authorization" not in "\n".join(welcome.curl("http://x", None, ORDER))


@pytest.mark.parametrize("scenes, expected", [
    ([scene("b"), scene("a")], {"scene": "a", "buyer": {"id": "buyer-1"}, "items": ORDER["items"]}),
    ([scene("a"), scene("z", "guest")], {"scene": "z", "items": ORDER["items"]}),
    ([scene("a", partner_id="p"), scene("b", channels=()), scene("c", skus={}),
      scene("d", fields_schema={"required": ["x"]})], None),
    ([], None),
])
def test_the_sample_order_is_one_the_scene_takes_as_it_is(scenes, expected):
    assert welcome.sample_order(scenes) == expected
