"""Money: exact, in minor units, and a split that always adds up."""
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.base import money

AMOUNTS = st.integers(-10 ** 14, 10 ** 14)
CURRENCIES = st.sampled_from(["CNY", "USD", "JPY", "KWD", "XXX"])


@pytest.mark.parametrize("written, currency, minor", [
    ("9.90", "CNY", 990), ("9.9", "CNY", 990), ("9", "CNY", 900), ("0", "CNY", 0), ("0.01", "CNY", 1),
    ("-0.50", "CNY", -50),
    (9, "CNY", 900), (-9, "CNY", -900), (Decimal("9.90"), "CNY", 990), (" 1.50 ", "CNY", 150), ("1.500", "KWD", 1500),
    ("100", "JPY", 100), ("100.0", "JPY", 100), ("9.900", "CNY", 990),
    ("999999999999999.99", "CNY", 99_999_999_999_999_999),
    ("-0", "CNY", 0), ("0.06000", "CNY", 6), ("-9.900000", "CNY", -990), ("1.0000", "JPY", 1)])
def test_written_amounts(written, currency, minor):
    assert money.parse_major(written, currency) == minor


@pytest.mark.parametrize("written, currency", [
    (9.9, "CNY"), (True, "CNY"), ("", "CNY"), ("9,90", "CNY"), ("9.", "CNY"), (".9", "CNY"), ("+9", "CNY"),
    ("09", "CNY"), ("1e2", "CNY"),
    (Decimal("1E+2"), "CNY"), ("NaN", "CNY"), ("Infinity", "CNY"), ("9.999", "CNY"), ("0.001", "CNY"), ("1.5", "JPY"),
    ("1.0001", "KWD"),
    ("９.９", "CNY"), ("1 000", "CNY"), ("¥9", "CNY"), (None, "CNY"), ("1" * 16, "CNY"), ("--1", "CNY")])
def test_what_is_no_amount_is_refused(written, currency):
    with pytest.raises(money.MoneyError):
        money.parse_major(written, currency)


@pytest.mark.parametrize("minor, currency, written", [
    (990, "CNY", "9.90"), (5, "CNY", "0.05"), (-5, "CNY", "-0.05"), (-990, "CNY", "-9.90"), (0, "CNY", "0.00"),
    (7, "JPY", "7"), (990, "XOF", "990"), (990, "UGX", "990"), (1, "IQD", "0.001"),
    (-7, "JPY", "-7"), (1, "KWD", "0.001"), (12345, "KWD", "12.345")])
def test_how_amounts_are_written(minor, currency, written):
    assert money.format_major(minor, currency) == written


@given(AMOUNTS, CURRENCIES)
def test_what_is_written_is_read_again(minor, currency):
    assert money.parse_major(money.format_major(minor, currency), currency) == minor


@pytest.mark.parametrize("amount, percent, of_it", [
    (1000, 20, 200), (999, 50, 500), (1, 50, 1), (1, 49, 0), (3, 50, 2), (-1, 50, -1), (1005, "12.5", 126),
    (100, Decimal("33.3"), 33),
    (0, 20, 0), (29800, 20, 5960), (10 ** 15, "0.01", 10 ** 11)])
def test_a_percentage_is_rounded_half_up(amount, percent, of_it):
    assert money.percent_of(amount, percent) == of_it


@given(st.integers(0, 10 ** 12), st.integers(1, 100))
def test_a_percentage_is_never_more_than_all(amount, percent):
    assert 0 <= money.percent_of(amount, percent) <= amount


# ── split ────────────────────────────────────────────────────────────────────────────────────────────────────────────

WEIGHTS = st.lists(st.integers(0, 10 ** 12), min_size=1, max_size=12)


@pytest.mark.parametrize("amount, weights, shares", [
    (100, [1, 1, 1], [34, 33, 33]), (100, [1, 2], [33, 67]), (0, [1, 2], [0, 0]), (1, [1, 1], [1, 0]),
    (5, [0, 0], [5, 0]), (5, [0, 1], [0, 5]),
    (-100, [1, 1, 1], [-34, -33, -33]), (7, [10], [7]), (1000, [4000, 9999], [286, 714]),
    (2, [1, 1, 1, 1], [1, 1, 0, 0])])
def test_splits(amount, weights, shares):
    assert money.split(amount, weights) == shares


@given(AMOUNTS, WEIGHTS)
def test_a_split_adds_up(amount, weights):
    assert sum(money.split(amount, weights)) == amount


@given(AMOUNTS, WEIGHTS)
def test_each_share_is_within_one_of_its_part(amount, weights):
    total = sum(weights)
    for share, weight in zip(money.split(amount, weights), weights):
        if total:
            assert abs(share * total - amount * weight) < total


@given(st.integers(0, 10 ** 14), WEIGHTS)
def test_who_weighs_more_gets_no_less(amount, weights):
    shares = money.split(amount, weights)
    for i, (share, weight) in enumerate(zip(shares, weights)):
        for other, heavier in list(zip(shares, weights))[i + 1:]:
            assert share >= other if weight >= heavier else share <= other


@given(WEIGHTS.filter(any), st.data())
def test_no_share_is_more_than_its_weight_while_there_is_enough(weights, data):
    """What a discount takes off a line is never more than the line."""
    amount = data.draw(st.integers(0, sum(weights)))
    assert all(0 <= share <= weight for share, weight in zip(money.split(amount, weights), weights))


@given(AMOUNTS, WEIGHTS)
def test_a_negative_split_mirrors_a_positive_one(amount, weights):
    assert money.split(-amount, weights) == [-share for share in money.split(amount, weights)]


@given(st.integers(10 ** 28, 10 ** 30), st.lists(st.integers(10 ** 28, 10 ** 30), min_size=2, max_size=4))
def test_numbers_too_large_for_any_shop_split_as_well(amount, weights):
    shares = money.split(amount, weights)
    assert sum(shares) == amount
    assert all(abs(share * sum(weights) - amount * weight) < sum(weights) for share, weight in zip(shares, weights))


@pytest.mark.parametrize("weights", [[], [1, -1]])
def test_what_can_not_be_split(weights):
    with pytest.raises(money.MoneyError):
        money.split(10, weights)
