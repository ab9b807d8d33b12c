"""API keys from the command line: what is printed is a key that works, until it is revoked."""
from __future__ import annotations

import pytest

from engine.api import keys
from engine.cli import door


@pytest.fixture
def run(database, capsys):
    def run_(*arguments: str) -> tuple[int, str]:
        code = door.enter(["keys", *arguments])
        return code, capsys.readouterr().out
    return run_


def test_a_key_is_made_listed_and_revoked(run):
    code, printed = run("create", "web shop", "--scope", "sell", "--scope", "support", "--scene", "shop-*")
    key_id, _, secret = printed.strip().partition(".")
    assert code == 0 and len(secret) >= 32
    [made] = keys.everything()
    assert (made["id"], made["name"], made["scopes"], made["scenes"]) == (key_id, "web shop", ["sell", "support"], ["shop-*"])
    assert secret not in run("list")[1] and "in force" in run("list")[1] and "web shop" in run("list")[1]
    assert run("revoke", key_id) == (0, f"{key_id} works no longer\n")
    assert run("revoke", key_id) == (0, f"{key_id} was revoked before\n")
    assert "revoked 20" in run("list")[1]


def test_by_default_a_key_sells_everywhere_and_does_nothing_else(run):
    run("create", "shop")
    assert (keys.everything()[0]["scopes"], keys.everything()[0]["scenes"]) == (["sell"], ["*"])


@pytest.mark.parametrize("arguments", [("create", "x", "--scope", "everything"), ("revoke", "sk_000000000000")])
def test_what_can_not_be_is_refused(run, arguments):
    assert run(*arguments)[0] == 1 and keys.everything() == []
