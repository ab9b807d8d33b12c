"""Coupons: which apply, what they take off, why the others do not; and no cap is ever passed."""
from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import sale, store
from engine.base import clock
from engine.base.errors import Code
from engine.config.catalog import Benefit
from engine.trade import coupons, quotes
from engine.trade.coupons import REASONS, CouponBuyerUsage, CouponHold, CouponUsage
from tests.support.selling import put_live, refused, shop
from tests.support.together import at_once, errors
from tests.trade.coupons import ITEMS, NOW, TAGS, again, coupon, facts, priced, scene, some_coupons

__all__ = ["shop"]


def applied(of, items, tags=(), buyer="b1", wanted=None, excluded={}, now=NOW):
    price = priced(of, items)
    taken = coupons.apply(price, of, facts(of, price, list(tags)), now, buyer, wanted, excluded)
    return price, taken


def outcome(of, items, **more):
    """(what is to be paid, {coupon: amount}, {coupon: why not})"""
    price, taken = applied(of, items, **more)
    return price.payable_minor, {c.id: amount for c, amount in taken}, {n["id"]: n["reason"] for n in price.not_applied}


# ── what a benefit takes off ─────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("benefit, off", [
    (Benefit("amount", 500), 500), (Benefit("amount", 99_999), 4000), (Benefit("percent", Decimal(20)), 800),
    (Benefit("percent", Decimal(20), 300), 300),
    (Benefit("percent", Decimal(100)), 4000), (Benefit("percent", Decimal("12.5")), 500),
    (Benefit("percent", Decimal("0.0125")), 1),
    (Benefit("price", 100), 3900), (Benefit("price", 0), 4000), (Benefit("price", 100, 1000), 1000)])
def test_a_benefit(benefit, off):
    assert outcome(scene(coupon("c", benefit)), {"a/2": 1}) == (4000 - off, {"c": off}, {})


@pytest.mark.parametrize("benefit",
                         [Benefit("price", 4000), Benefit("price", 5000), Benefit("percent", Decimal("0.01"))])
def test_what_takes_nothing_off_does_not_apply(benefit):
    assert outcome(scene(coupon("c", benefit)), {"a/2": 1}) == (4000, {}, {"c": "no_benefit"})


def test_a_fixed_price_is_for_each_piece():
    assert outcome(scene(coupon("c", Benefit("price", 1000))), {"a/2": 3})[0] == 3000


def test_what_is_taken_off_is_shared_by_the_lines_it_is_for():
    price, _ = applied(scene(coupon("c", Benefit("amount", 1000), product_scope=frozenset({"a/2", "b"}))),
                       {"a/1": 1, "a/2": 1, "b/1": 3})
    assert [(line["sku"], line["discount_minor"]) for line in price.lines] == [("a/1", 0), ("a/2", 286), ("b/1", 714)]
    assert price.discounts[0]["shares"] == {"2": 286, "3": 714}


def test_a_second_coupon_sees_what_the_first_left():
    of = scene(coupon("first", Benefit("amount", 3000), priority=1), coupon("half", Benefit("percent", Decimal(50))))
    assert outcome(of, {"a/2": 1}) == (500, {"first": 3000, "half": 500}, {})


# ── why one does not apply ───────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("values, reason, sentence", [
    ({"product_scope": frozenset({"b"})}, "not_in_scope", "It does not cover what is bought."),
    ({"valid_from_ms": NOW + 1}, "not_started", "It is not valid yet."),
    ({"valid_until_ms": NOW}, "expired", "It is no longer valid."),
    ({"threshold_minor": 4001}, "below_threshold",
     "The eligible goods do not reach its threshold: 0.01 CNY are missing."),
    ({"when": {"has": {"buyer.tags": "fresh"}}}, "not_eligible", None)])
def test_why_not(values, reason, sentence):
    price, taken = applied(scene(coupon("c", **values)), {"a/2": 1})
    assert taken == [] and [n["reason"] for n in price.not_applied] == [reason]
    assert price.not_applied[0]["sentence"] == sentence \
        or (sentence is None and "buyer.tags" in price.not_applied[0]["sentence"])


@pytest.mark.parametrize("values",
                         [{"valid_from_ms": NOW}, {"valid_until_ms": NOW + 1}, {"threshold_minor": 4000},
                          {"product_scope": frozenset({"a"})},
                                    {"product_scope": frozenset({"a/2"})}, {"cap_per_buyer": 1}])
def test_at_the_edge_it_applies(values):
    assert outcome(scene(coupon("c", **values)), {"a/2": 1}) == (3900, {"c": 100}, {})


def test_a_limit_for_each_buyer_needs_a_buyer():
    assert outcome(scene(coupon("c", cap_per_buyer=1)), {"a/2": 1}, buyer="")[2] == {"c": "login_required"}


def test_the_condition_is_about_the_goods_it_is_for():
    of = scene(coupon("c", when={"gte": {"subtotal": "50.00"}}, product_scope=frozenset({"a"})))
    assert outcome(of, {"a/2": 1, "c/1": 1})[2] == {"c": "not_eligible"} and outcome(of, {"a/2": 2})[1] == {"c": 100}


def test_one_of_a_group():
    of = scene(coupon("one", priority=2, group="g"), coupon("two", priority=1, group="g"), coupon("three", group="h"))
    assert outcome(of, {"a/2": 1})[1:] == ({"one": 100, "three": 100}, {"two": "group_taken"})


@pytest.mark.parametrize("first, second, reason",
                         [(True, True, None), (True, False, "not_combinable"), (False, True, "not_combinable"),
                          (False, False, "not_combinable")])
def test_two_stand_beside_each_other_when_both_allow_it(first, second, reason):
    of = scene(coupon("one", priority=1, combines=first), coupon("two", combines=second))
    assert outcome(of, {"a/2": 1})[2] == ({"two": reason} if reason else {})


def test_a_choice_of_coupons():
    of = scene(coupon("one"), coupon("two"))
    assert outcome(of, {"a/2": 1}, wanted=["two"])[1:] == ({"two": 100}, {"one": "not_chosen"})
    assert outcome(of, {"a/2": 1}, wanted=[])[1:] == ({}, {"one": "not_chosen", "two": "not_chosen"})
    assert outcome(of, {"a/2": 1}, excluded={"one": "cap_reached"})[1:] == ({"two": 100}, {"one": "cap_reached"})
    with refused(Code.COUPON_UNKNOWN, "gold"):
        applied(of, {"a/2": 1}, wanted=["one", "gold"])


def test_every_reason_has_a_sentence():
    assert all(sentence[0].isupper() for sentence in REASONS.values())


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────

@given(some_coupons(), ITEMS, TAGS, st.sampled_from(["", "b1"]))
def test_whatever_applies_adds_up(some, items, tags, buyer):
    of = scene(*some)
    price, taken = applied(of, items, tags, buyer)
    assert price.payable_minor >= 0 and all(line["payable_minor"] >= 0 for line in price.lines)
    assert all(line["list_minor"] - line["discount_minor"] == line["payable_minor"] for line in price.lines)
    assert price.subtotal_minor - price.payable_minor == sum(d["amount_minor"] for d in price.discounts) == \
        sum(a for _, a in taken)
    assert all(d["amount_minor"] == sum(d["shares"].values()) > 0 for d in price.discounts)
    assert all(share >= 0 for d in price.discounts for share in d["shares"].values())
    groups = [c.group for c, _ in taken]
    assert len(set(groups)) == len(groups)
    assert len(taken) < 2 or all(c.combines for c, _ in taken)
    assert sorted([c.id for c, _ in taken] + [n["id"] for n in price.not_applied]) == sorted(c.id for c in some)
    assert {n["reason"] for n in price.not_applied} <= set(REASONS)


@given(some_coupons(), some_coupons("x", 3), ITEMS, TAGS)
def test_a_coupon_that_can_not_apply_changes_nothing(some, more, items, tags):
    idle = [again(c, valid_until_ms=NOW) if n % 2 else again(c, product_scope=frozenset({"nothing"}))
            for n, c in enumerate(more)]
    price, taken = applied(scene(*some), items, tags)
    other, still = applied(scene(*some, *idle), items, tags)
    assert [(c.id, a) for c, a in taken] == [(c.id, a) for c, a in still]
    assert (price.lines, price.discounts) == (other.lines, other.discounts)
    assert [n for n in other.not_applied if not n["id"].startswith("x")] == price.not_applied


@given(some_coupons(), ITEMS, TAGS)
def test_the_same_facts_give_the_same_price(some, items, tags):
    assert applied(scene(*some), items, tags)[0].result() == applied(scene(*reversed(some)), items, tags)[0].result()


@given(some_coupons(), ITEMS, TAGS)
def test_choosing_what_applied_applies_the_same(some, items, tags):
    price, taken = applied(scene(*some), items, tags)
    again_price, again_taken = applied(scene(*some), items, tags, wanted=[c.id for c, _ in taken])
    assert [c.id for c, _ in again_taken] == [c.id for c, _ in taken]
    assert again_price.payable_minor == price.payable_minor


# ── holding ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def holding(taken, buyer="b1", quote="Q1", order=None):
    with store.transaction():
        return coupons.hold(quote, order, buyer, "CNY", taken)


def usage(table=CouponUsage):
    return {row["coupon_id"]: row["used"] for row in store.many(table)}


def test_all_are_held_or_none(database):
    capped, bought = coupon("capped", cap_total=1), coupon("bought", cap_per_buyer=1)
    budgeted = coupon("budgeted", budget_minor=150)
    assert holding([(capped, 100), (bought, 100), (budgeted, 100)]) is None
    assert usage() == {"capped": 1, "budgeted": 1} and usage(CouponBuyerUsage) == {"bought": 1} \
        and len(store.many(CouponHold)) == 3
    for gone, reason in ((capped, "cap_reached"), (bought, "buyer_cap_reached"), (budgeted, "budget_spent")):
        free = coupon("free", cap_total=5, cap_per_buyer=5)
        assert holding([(free, 100), (gone, 100)], quote="Q2") == (gone.id, reason)
        assert (usage().get("free", 0), usage(CouponBuyerUsage).get("free", 0)) == (0, 0)
    assert len(store.many(CouponHold)) == 3 and usage() | {"free": 0} == {"capped": 1, "budgeted": 1, "free": 0}


@pytest.mark.parametrize("limits, amount, reason", [
    ({"budget_minor": 99}, 100, "budget_spent"), ({"budget_minor": 100}, 100, None),
    ({"cap_total": 1, "budget_minor": 99}, 100, "budget_spent")])
def test_the_first_use_keeps_to_the_limit_too(database, limits, amount, reason):
    held = holding([(coupon("c", **limits), amount)])
    assert held == (("c", reason) if reason else None)


def test_a_buyers_limit_that_holds_when_the_total_does_not_is_given_back(database):
    both = coupon("c", cap_total=1, cap_per_buyer=1)
    assert holding([(both, 100)], buyer="b1") is None
    assert holding([(both, 100)], buyer="b2") == ("c", "cap_reached")
    assert {(r["buyer_id"], r["used"]) for r in store.many(CouponBuyerUsage)} == {("b1", 1), ("b2", 0)}


def test_a_limit_changed_by_a_release_holds_from_then_on(database):
    assert holding([(coupon("c", cap_total=5), 100)]) is None
    assert holding([(coupon("c", cap_total=1), 100)]) == ("c", "cap_reached")
    assert holding([(coupon("c", cap_total=2), 100)]) is None and store.one(CouponUsage)["cap_total"] == 2


def test_held_is_released_once_and_redeemed_is_not(database):
    c = coupon("c", cap_total=5, cap_per_buyer=5, budget_minor=1000)
    holding([(c, 100)], quote="Q1", order="O1")
    holding([(c, 100)], quote="Q2", order="O2")
    with store.transaction():
        assert coupons.redeem("O1") == 100 and coupons.redeem("O1") == 0
        assert coupons.release("closed", order_no="O1") == 0 and coupons.release("closed", order_no="O2") == 1
        assert coupons.release("closed", order_no="O2") == 0
    assert usage() == {"c": 1} and usage(CouponBuyerUsage) == {"c": 1} and store.one(CouponUsage)["used_minor"] == 100
    with store.transaction():
        assert coupons.give_back("O1", "refund") == 1 and coupons.give_back("O1", "refund") == 0
    assert usage() == {"c": 0} and sorted(h["state"] for h in store.many(CouponHold)) == ["released", "returned"]


def test_a_coupon_that_is_kept_after_a_refund_is_not_given_back(database):
    holding([(coupon("c", cap_total=5, on_refund="keep"), 100)], order="O1")
    with store.transaction():
        coupons.redeem("O1")
        assert coupons.give_back("O1", "refund") == 0
    assert usage() == {"c": 1}


def test_an_order_takes_over_what_its_quote_holds(database):
    holding([(coupon("a"), 1), (coupon("b"), 1)])
    with refused(Code.COUPON_GONE), store.transaction():
        coupons.adopt("Q1", "O1", 3)
    with store.transaction():
        coupons.adopt("Q1", "O1", 2)
    assert {h["order_no"] for h in store.many(CouponHold)} == {"O1"}


# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("limits, most", [({"cap_total": 5}, 5), ({"budget_minor": 799}, 7), ({"cap_per_buyer": 3}, 3),
                                          ({"cap_total": 9, "budget_minor": 450, "cap_per_buyer": 6}, 4)], ids=str)
def test_no_limit_is_passed_however_many_come_at_once(database, limits, most):
    c = coupon("c", **limits)
    results = at_once(lambda n: holding([(c, 100)], quote=f"Q{n}"), range(16))
    assert not errors(results) and results.count(None) == most == len(store.many(CouponHold))
    assert set(usage().values()) | set(usage(CouponBuyerUsage).values()) == {most}


def test_limits_held_and_freed_at_once_stay_true(database):
    c, d = coupon("c", cap_total=3, cap_per_buyer=2), coupon("d", cap_total=4, budget_minor=350)

    def work(n):
        for turn in range(6):
            quote = f"Q{n}.{turn}"
            taken = [(c, 100), (d, 100)] if n % 2 else [(d, 100), (c, 100)]
            if holding(taken, buyer=f"b{n % 3}", quote=quote) is None:
                with store.transaction():
                    coupons.release("test", quote_no=quote)
    assert not errors(at_once(work, range(8)))
    assert set(usage().values()) == {0} and set(usage(CouponBuyerUsage).values()) == {0}
    assert [(r["used_minor"]) for r in store.many(CouponUsage)] == [0, 0]


def test_holding_and_freeing_in_any_order_never_locks_up(postgresql_database):
    """Counters are always taken in the same order, so that no two wait for each other: nothing has to be run again."""
    several = [coupon(name, cap_total=100) for name in "abcd"]

    def work(n):
        for turn in range(12):
            quote = f"Q{n}.{turn}"
            holding([(c, 1) for c in (several if n % 2 else reversed(several))], quote=quote)
            with store.transaction():
                coupons.release("test", quote_no=quote)
    assert not errors(at_once(work, range(6)))
    assert set(usage().values()) == {0}


# ── through the story ────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_coupon_that_ran_out_between_price_and_hold_is_left_out(shop, monkeypatch):
    buyer = shop.buyer("crowd")
    real, stolen = coupons.hold, []

    def hold(quote_no, order_no, buyer_id, currency, taken):
        if not stolen:                         # somebody takes the last ones in this very moment
            stolen.extend(taken)
            return taken[0][0].id, "cap_reached"
        return real(quote_no, order_no, buyer_id, currency, taken)
    monkeypatch.setattr(coupons, "hold", hold)
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    assert quote["payable_minor"] == 4000 - 300 and quote["excluded"] == {"last-ten": "cap_reached"}
    assert {n["id"]: n["reason"] for n in quote["result"]["not_applied"]}["last-ten"] == "cap_reached"
    assert [s["step"] for s in quote["steps"]].count("hold_coupons") == 1
    placed = sale.place("app", quote_no=quote["no"], buyer_id=buyer)
    shop.notice(sale.pay(placed["no"], "wallet"))


def test_a_budget_is_spent_to_the_last_fen_and_no_further(shop):
    """20.00 at 3.00 each: six buyers, and the seventh's 3.00 do not fit into what is left."""
    crowd = [shop.buyer("crowd") for _ in range(16)]
    results = at_once(lambda buyer: sale.quote("app", shop.items("card/month"), buyer_id=buyer,
                                               wanted_coupons=["purse"]), crowd)
    assert not errors(results) and sum(q["payable_minor"] == 3700 for q in results) == 6
    assert store.one(CouponUsage, coupon_id="purse")["used_minor"] == 1800


def test_an_expired_quote_frees_what_it_held(shop):
    buyer = shop.buyer("fresh")
    quote = sale.quote("app", shop.items("card/week"), buyer_id=buyer)
    assert quote["payable_minor"] == 990
    assert sale.quote("app", shop.items("card/week"), buyer_id=buyer)["payable_minor"] == 1490
    clock.set_to(quote["expires_at_ms"] - 1)
    assert quotes.expire_due() == 0
    clock.advance(0.001)
    assert quotes.expire_due() == 2 and quotes.expire_due() == 0
    assert sale.quote("app", shop.items("card/week"), buyer_id=buyer)["payable_minor"] == 990
    with refused(Code.QUOTE_EXPIRED):
        sale.place("app", quote_no=quote["no"], buyer_id=buyer)


def test_a_quote_is_used_or_expired_but_never_both(shop):
    buyer = shop.buyer("fresh")
    quote = sale.quote("app", shop.items("card/week"), buyer_id=buyer)
    clock.set_to(quote["expires_at_ms"] - 1)
    late = []

    def use():
        return sale.place("app", quote_no=quote["no"], buyer_id=buyer)["state"]

    def expire():
        clock.set_to(quote["expires_at_ms"])
        late.append(quotes.expire_due())
    at_once(lambda do: do(), [use, expire, use, expire])
    [hold] = store.many(CouponHold)
    state = store.one(quotes.Quote, no=quote["no"])["state"]
    assert (state, hold["state"]) in (("adopted", "held"), ("expired", "released"))
    assert store.one(CouponBuyerUsage)["used"] == (1 if state == "adopted" else 0)


def test_a_release_that_ends_a_coupon_leaves_open_quotes_alone(shop):
    buyer = shop.buyer("crowd")
    quote = sale.quote("app", shop.items("card/month"), buyer_id=buyer)
    put_live(2, {"coupons/last-ten.yaml": None})
    assert sale.quote("app", shop.items("card/month"), buyer_id=buyer)["payable_minor"] == 3700
    assert sale.place("app", quote_no=quote["no"], buyer_id=buyer)["payable_minor"] == 2000
