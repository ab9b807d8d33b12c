"""Trees of templates: what is left out, what a tree needs, JSON inside a text, sealed texts."""
from __future__ import annotations

import pytest

from engine.wire.model import Unreadable
from engine.wire.scope import BUILD
from engine.wire.trees import compile_tree

from .scopes import draft, scope


def test_needed_facts():
    making = draft()
    compile_tree(making, {"a": "{payment.no} {client.ip?}", "b": ["{payment.amount:fen}"], "c": {"$json": {"d": "{notice_url}"}},
                         "e": "{mchid}{settings.sandbox_url}{timestamp}"}, BUILD, ())
    assert making.needed == {"payment.no", "payment.amount", "notice_url", "settings.sandbox_url"}


@pytest.mark.parametrize("tree, expected", [
    ({"a": "{payment.no}", "b": {"c": "{client.openid?}"}, "d": [1, "{client.openid?}", True, None]},
     {"a": "P1", "d": [1, True, None]}),
    ({"a": {}}, {"a": {}}),
    ({"a": {"$words": "{payment.currency}", "USD": "U", "CNY": "C"}}, {"a": "C"}),
    ({"a": {"$words": "{payment.currency}", "USD": "U", "else": {"no": "{payment.no}"}}}, {"a": {"no": "P1"}}),
    ({"a": {"$words": "{upstream.quantity}", "2": 7}}, {"a": 7}),
    ({"a": {"$words": "{client.openid?}", "x": "y", "else": "z"}, "b": 1}, {"b": 1}),
    ({"a": {"$json": {"x": "{payment.amount:fen}", "y": "{client.openid?}", "z": "é"}}}, {"a": '{"x":990,"z":"é"}'}),
    ({"a": {"$seal": {"aes_ecb": "{token:md5}", "of": "x", "encode": "hex"}}}, None),
])
def test_trees(tree, expected):
    making = draft()
    made = compile_tree(making, tree, BUILD, ())(scope())
    assert making.problems == []
    assert made == expected or (expected is None and len(made["a"]) == 32)


@pytest.mark.parametrize("node, said", [
    ({"$words": "{payment.no}"}, "$words with its words"), ({"$words": ["{payment.no}"], "a": 1}, "$words with its words"),
    ({"$jsn": {}}, "only $json or $seal"),
    ({"$json": {}, "b": 1}, "only $json or $seal"),
    ({"$seal": {"of": "x"}}, "one cipher"),
    ({"$seal": {"aes_gcm": "token", "of": "x"}}, "one cipher"), ({"$seal": {"aes_ecb": "token"}}, "one cipher"),
    ({"$seal": {"aes_ecb": "tokn", "of": "x"}}, "did you mean 'token'"),
    ({"$seal": {"rsa_pkcs1": "token", "of": "x"}}, "public_key is needed"),
    ({"$seal": {"aes_ecb": "pem", "of": "x"}}, "is private_key here"),
])
def test_wrong_special_entries(node, said):
    making = draft()
    compile_tree(making, node, BUILD, ())
    assert any(said in message for _, message in making.problems), making.problems


def test_a_word_that_is_not_listed_can_not_be_said():
    made = compile_tree(draft(), {"$words": "{payment.currency}", "USD": "U"}, BUILD, ())
    with pytest.raises(Unreadable, match="payment.currency.*CNY"):
        made(scope())
