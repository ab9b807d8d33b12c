"""What a person reads when everything runs."""
from __future__ import annotations

import json
import shlex
from types import SimpleNamespace

import pytest

from engine.cli import welcome

PORTS = {"api": 8700, "console": 8701, "sandbox": 8702}
ORDER = {"scene": "here", "items": [{"sku": "card/week", "quantity": 1}]}


def scene(id: str, login: str = "required", **changed):
    skus = {"card/trial": SimpleNamespace(key="card/trial", purchase_cap=1),
            "card/week": SimpleNamespace(key="card/week", purchase_cap=None)}
    return SimpleNamespace(**{"id": id, "login": login, "skus": skus, "channels": ("a",), "partner_id": None,
                              "fields_schema": {}, **changed})


def test_every_address_is_told():
    told = welcome.text("127.0.0.1", PORTS, None, None, None)
    assert all(f"http://127.0.0.1:{port}" in told for port in PORTS.values())
    assert "login" not in told and "curl" not in told


def test_the_first_login_is_shown_when_it_was_made_now():
    assert "admin / s3cret" in welcome.text("127.0.0.1", PORTS, ("admin", "s3cret"), None, None)


def as_shell_reads(lines: list[str]) -> list[list[str]]:
    """Each command as its words."""
    return [shlex.split(line) for line in "\n".join(lines).replace("\\\n", " ").splitlines()]


def test_the_command_is_what_a_shell_runs():
    [words] = as_shell_reads(welcome.commands("http://127.0.0.1:8700", "key-1", ORDER))
    assert words[:5] == ["curl", "-s", "-X", "POST", "http://127.0.0.1:8700/v1/orders"]
    assert "Authorization: Bearer key-1" in words and any(w.startswith("Idempotency-Key: $(date") for w in words)
    assert json.loads(words[words.index("-d") + 1]) == ORDER


def test_a_buyer_is_registered_first():
    register, place = as_shell_reads(welcome.commands("http://x", "key-1", {**ORDER, "buyer": {"id": "buyer-1"}}))
    assert register[3:5] == ["PUT", "http://x/v1/buyers/buyer-1"] and place[3:5] == ["POST", "http://x/v1/orders"]


def test_without_a_new_key_a_person_puts_in_his_own():
    assert '"Authorization: Bearer $KEY"' in "\n".join(welcome.commands("http://x", None, ORDER))
    assert "run.py keys create" in welcome.text("127.0.0.1", PORTS, None, None, ORDER)
    assert "run.py keys create" not in welcome.text("127.0.0.1", PORTS, None, "key-1", ORDER)


@pytest.mark.parametrize("scenes, expected", [
    ([scene("b"), scene("a")], {"scene": "a", "buyer": {"id": "buyer-1"}, "items": ORDER["items"]}),
    ([scene("a"), scene("z", "guest")], {"scene": "z", "items": ORDER["items"]}),
    ([scene("a", partner_id="p"), scene("b", channels=()), scene("c", skus={}),
      scene("d", fields_schema={"required": ["x"]})], None),
    ([], None),
])
def test_the_sample_order_is_one_the_scene_takes_as_it_is(scenes, expected):
    assert welcome.sample_order(scenes) == expected
