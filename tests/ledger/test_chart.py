"""The chart of accounts."""
from __future__ import annotations

import re

import pytest

from engine.ledger import chart


@pytest.mark.parametrize("kind, owner, name",
                         [("suspense", "wallet", "suspense:wallet"), ("coupon_expense", "", "coupon_expense"),
                                               ("deferred_revenue", "a:b", "deferred_revenue:a:b")])
def test_an_accounts_name(kind, owner, name):
    assert chart.account(kind, owner) == name and chart.kind_of(name).name == kind


@pytest.mark.parametrize("kind, owner, error",
                         [("suspense", "", ValueError), ("coupon_expense", "x", ValueError), ("pocket", "x", KeyError)])
def test_what_is_no_account(kind, owner, error):
    with pytest.raises(error):
        chart.account(kind, owner)


@pytest.mark.parametrize("name", ["pocket", "pocket:x", "suspense", "coupon_expense:x", "", ":", "Suspense:x"])
def test_what_is_in_no_chart(name):
    assert chart.kind_of(name) is None


def test_every_kind_has_a_side_and_names():
    for name, kind in chart.KINDS.items():
        assert kind.name == name and re.fullmatch("[a-z_]+", name)
        assert kind.side in ("asset", "liability", "revenue", "expense") and kind.zh and kind.en
