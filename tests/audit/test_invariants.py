"""A verifier that can't fail proves nothing: each invariant sees every way to break it, and no other does."""
from __future__ import annotations

from pathlib import Path

import yaml

from engine import store
from engine.audit import invariants
from engine.audit.invariants import INVARIANTS, verify, violations
from engine.trade.quotes import Quote
from tests.audit.healthy import Undone, execute, fill
from tests.support.selling import shop

__all__ = ["shop"]

CASES = yaml.safe_load((Path(__file__).parent / "breaks.yaml").read_text(encoding="utf-8"))
BREAKS = {name: (set(case["seen"]), case["do"]) for name, case in CASES["breaks"].items()}


def seen() -> set[int]:
    return {v.invariant for v in violations()}


def after(statements: list[str], made: dict[str, str]) -> set[int] | str:
    """The invariants that see what some statements do, which is then undone."""
    found: set[int] | str = "nothing was changed"
    try:
        with store.transaction():
            if all([execute(_filled(sql, made)) for sql in statements]):
                found = seen()
            raise Undone
    except Undone:
        return found


def _filled(sql: str, made: dict[str, str]) -> str:
    for name, no in {**CASES["where"], **made}.items():
        sql = sql.replace("{%s}" % name, no)
    return sql


def test_each_break_is_seen_by_its_invariant_and_by_no_other(shop):
    made = fill(shop)
    assert violations() == []
    wrong = {name: (f"seen by {found}", f"expected {expected}") for name, (expected, statements) in BREAKS.items()
             if (found := after(statements, made)) != expected}
    assert wrong == {}
    assert violations() == []                  # each was undone


def test_a_quote_that_was_changed_inside_is_seen(shop):
    made = fill(shop)
    quote = store.one(Quote, no=made["coupons.quote"])
    line = quote["result"]["lines"][0]
    changes = {
        "result": quote["result"] | {"payable_minor": 1}, "facts": quote["facts"] | {"buyer.tags": []}, "wanted": [],
        "excluded": {"last-ten": "cap_reached"}, "items": [*quote["items"], {"sku": "card/year", "quantity": 1}],
        "created_at_ms": None, "buyer_id": ""}
    expected = {name: {10} for name in changes} | {"created_at_ms": set()}
    found = {}
    for name, value in changes.items():
        try:
            with store.transaction():
                store.update(Quote, {name: quote["created_at_ms"] - 10 ** 12 if value is None else value},
                             no=quote["no"])
                found[name] = seen()
                raise Undone
        except Undone:
            pass
    assert found == expected and line["sku"] == "card/month"


def test_every_invariant_has_a_break():
    broken = set().union(*(expected for expected, _ in BREAKS.values()))
    assert broken == {invariant.number for invariant in INVARIANTS} == set(range(1, 12))
    alone = {number for expected, _ in BREAKS.values() if len(expected) == 1 for number in expected}
    assert alone == set(range(1, 12))          # each is seen alone somewhere


def test_every_invariant_says_what_it_holds():
    assert all(i.sentence.endswith(".") and not i.sentence[0].isdigit() for i in INVARIANTS)


def test_an_empty_database_is_in_order(shop):
    assert violations() == [] and [f.invariant.number for f in verify(only=(3, 7))] == [3, 7]


def test_a_violation_names_its_subject(shop):
    shop.broken = True
    made = fill(shop)
    execute(f"UPDATE payment_tender SET amount_minor = 1 WHERE payment_no = '{made['plain.payment']}'")
    [violation] = violations()
    assert (violation.invariant, violation.subject) == (2, made["plain.payment"])
    assert str(violation) == f"invariant 2: {made['plain.payment']}: its tenders add up to 1, its amount is 3333"


def test_only_so_many_are_told(shop):
    shop.broken = True
    fill(shop)
    execute("UPDATE payment_tender SET amount_minor = 1")
    [finding] = verify(only=(2,), at_most=3)
    assert len(finding.violations) == 3 and finding.took_s >= 0 and finding.invariant is INVARIANTS[1]


def test_more_orders_than_a_page(shop, monkeypatch):
    from engine.audit import money_checks, trade_checks
    made = fill(shop)
    monkeypatch.setattr(money_checks, "PAGE", 2)
    monkeypatch.setattr(trade_checks, "PAGE", 2)
    assert violations() == []
    for name in ("an entitlement is lost", "a digest is changed", "a quote's sum is changed"):
        assert after(BREAKS[name][1], made) == BREAKS[name][0]


def test_sales_that_go_on_meanwhile_look_like_no_violation(shop, monkeypatch):
    """Each invariant reads one moment: an order that is paid between two of its questions breaks nothing."""
    from engine import sale
    from tests.support.together import at_once, errors
    placed = sale.place("app", items=shop.items("card/month"), buyer_id=shop.buyer())
    attempt = sale.pay(placed["no"], "wallet")
    real, told = invariants.trade_checks.rows, []

    def rows(sql, *params):
        found = real(sql, *params)
        if not told and "state_log" in sql:    # in the middle of invariant 7 or 8
            told.append(1)
            assert not errors(at_once(lambda n: shop.notice(attempt), [1]))
        return found
    monkeypatch.setattr(invariants.trade_checks, "rows", rows)
    assert violations() == [] and told
