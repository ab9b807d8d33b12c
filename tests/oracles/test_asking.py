"""The runner that asks npm's SDKs: values come back as JSON, and what an SDK throws as an error of its own words."""
from __future__ import annotations

import pytest

from .conftest import NpmError


def test_a_method_of_an_object_answers(npm):
    assert npm("tenpay", "_getSign", {"b": "2", "a": "1"}, "MD5",
               new=[{"appid": "wx1", "mchid": "1", "partnerKey": "K"}]) == "B41AB19144A0A94A02D36EFEF0782AA5"


def test_what_is_thrown_comes_back(npm):
    with pytest.raises(NpmError, match="appid"):
        npm("tenpay", "x", new=[{}])
    assert npm("node:path", "join", "a", "b") == "a/b", "and the process goes on"
