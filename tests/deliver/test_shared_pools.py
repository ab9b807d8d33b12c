"""One pool of two partners: one balance, one floor, one warning, whoever draws; each sees its own entries."""
from __future__ import annotations

import csv
import io

import pytest

from engine import charge, startup, store
from engine.base import clock
from engine.base.errors import Code
from engine.config import check_partners
from engine.config.check import check
from engine.deliver import pools, statements
from engine.deliver.messages import Message
from engine.ledger import postings
from engine.returning import return_charge
from tests.support.partner_files import TOLD
from tests.support.selling import put_live, refused, shop
from tests.support.shop_files import FILES
from tests.support.together import at_once, errors

__all__ = ["shop"]

MONTH = [{"sku": "card/month", "quantity": 1}]
TODAY = "2026-11-20"
OF_THE_VAULT = "pool: {id: vault, floor: 10.00, low_water: 50.00}"
BANK = TOLD["partners/bank.yaml"].replace("pool: {floor: 10.00, low_water: 50.00}", OF_THE_VAULT)
BRANCH = BANK.replace("id: bank\n", "id: branch\n").replace("en: Bank", "en: Branch").replace("银行", "分行")
SHARED = {**TOLD, "partners/bank.yaml": BANK, "partners/branch.yaml": BRANCH.replace("13700000000", "13700000009")}


@pytest.fixture
def two(shop):
    put_live(2, SHARED)
    return shop, shop.partner("bank"), shop.partner("branch")


def draw(shop, partner, no, buyer=None):
    return charge.charge_registered(partner, no, "gift", MONTH, buyer or shop.buyer())


def warned():
    return sorted((m["recipient"], m["text"]) for m in store.many(Message, template="low"))


def vault():
    pool = pools.find("vault")
    return tuple(pool[word] for word in ("balance", "topped_up", "drawn", "returned"))


def test_both_draw_from_one_balance(two):
    shop, bank, branch = two
    pools.top_up(bank, 100_00, "T-1")
    draw(shop, bank, "A"), draw(shop, branch, "A"), draw(shop, branch, "B")     # each has order numbers of its own
    assert vault() == (16_00, 100_00, 84_00, 0)
    for partner in (bank, branch):
        with refused(Code.POOL_EXHAUSTED, "has 600 above its floor"):
            draw(shop, partner, "C")
    assert pools.find("bank") is None and pools.find("branch") is None
    assert postings.balance("partner_pool:vault", "CNY") == -16_00
    assert [(e["partner_id"], e["kind"], e["balance_after"]) for e in store.many(pools.PoolLog, order_by="id")] == [
        ("bank", "top_up", 100_00), ("bank", "draw", 72_00), ("branch", "draw", 44_00), ("branch", "draw", 16_00)]


def test_either_may_top_it_up_and_a_receipt_counts_once(two):
    _, bank, branch = two
    pools.top_up(bank, 100_00, "T-1"), pools.top_up(branch, 100_00, "T-1"), pools.top_up(branch, 50_00, "T-2")
    assert vault()[:2] == (150_00, 150_00)
    assert [(e["partner_id"], e["ref"]) for e in store.many(pools.PoolLog, order_by="id")] == [("bank", "T-1"), ("branch", "T-2")]


def test_the_first_top_ups_at_once_by_either(two):
    _, *both = two
    results = at_once(lambda n: pools.top_up(both[n % 2], 10, f"T{n % 8 // 2}"), range(16))
    assert not errors(results) and vault()[0] == 40


def test_of_many_at_once_by_either_one_crosses_the_mark_and_none_the_floor(two):
    shop, *both = two
    pools.top_up(both[0], 10_00 + 6 * 28_00 + 27_99, "T-1")
    crowd = [shop.buyer() for _ in range(14)]
    results = at_once(lambda n: draw(shop, both[n % 2], f"A-{n}", crowd[n]), range(14))
    assert len(errors(results)) == 8 and {e.code for e in errors(results)} == {Code.POOL_EXHAUSTED}
    assert vault() == (37_99, 205_99, 6 * 28_00, 0)
    assert warned() == [("13700000000", "银行余额37.99，低于50.00"), ("13700000009", "分行余额37.99，低于50.00")]
    draws = [e["balance_after"] for e in store.many(pools.PoolLog, kind="draw", order_by="id")]
    assert draws == [205_99 - n * 28_00 for n in range(1, 7)]


def test_a_contact_that_both_name_is_told_once(shop):
    put_live(2, {**SHARED, "partners/branch.yaml": BRANCH})
    pools.top_up(shop.partner("bank"), 70_00, "T-1")
    draw(shop, shop.partner("branch"), "A")
    assert warned() == [("13700000000", "银行余额42.00，低于50.00")]


def test_charges_and_returns_at_once_by_either(two):
    shop, *both = two
    pools.top_up(both[0], 10_00 + 4 * 28_00, "T-1")
    for n in range(4):
        draw(shop, both[n % 2], f"A-{n}")
    crowd = [shop.buyer() for _ in range(4)]
    work = [lambda n=n: return_charge(both[n % 2], f"A-{n}", "back") for n in range(4)] + [
        lambda n=n: draw(shop, both[n % 2], f"B-{n}", crowd[n]) for n in range(4)]
    results = at_once(lambda one: one(), work)
    sold = sum(not isinstance(r, Exception) for r in results[4:])
    assert not errors(results[:4]) and {e.code for e in errors(results)} <= {Code.POOL_EXHAUSTED}
    assert vault() == (10_00 + (4 - sold) * 28_00, 10_00 + 4 * 28_00, (4 + sold) * 28_00, 4 * 28_00)


def test_a_statement_has_its_own_entries_and_the_common_balance(two):
    shop, bank, branch = two
    pools.top_up(bank, 200_00, "T-1")
    draw(shop, bank, "A"), draw(shop, branch, "X"), draw(shop, bank, "B")
    return_charge(branch, "X", "back")
    ours, theirs = (statements.of_day(p, TODAY) for p in (bank, branch))
    assert {ours.pool_id, theirs.pool_id} == {"vault"} and {s.closing for s in (ours, theirs)} == {vault()[0]} == {144_00}
    assert (ours.topped_up, ours.drawn, ours.returned, ours.others) == (200_00, 56_00, 0, 0)       # taken, and given back
    assert (theirs.topped_up, theirs.drawn, theirs.returned, theirs.others) == (0, 28_00, 28_00, 144_00)
    for said in (ours, theirs):
        assert said.opening + said.topped_up - said.drawn + said.returned + said.others == said.closing
    assert [(e["kind"], e["partner_order_no"], e["balance"]) for e in ours.entries] == [
        ("top_up", None, 200_00), ("draw", "A", 172_00), ("draw", "B", 116_00)]
    assert [(e["kind"], e["partner_order_no"], e["balance"]) for e in theirs.entries] == [("draw", "X", 144_00), ("return", "X", 144_00)]
    assert (ours.posted_minor, theirs.posted_minor) == (144_00, 0)
    assert ours.posted_minor + theirs.posted_minor == -postings.balance("partner_pool:vault", "CNY")
    lines = list(csv.reader(io.StringIO(statements.csv_of(theirs)[3:].decode())))
    assert [(line[1], line[6], line[7]) for line in lines[-2:]] == [("others", "144.00", "144.00"), ("closing", "", "144.00")]
    clock.advance(86_400)
    assert [statements.of_day(p, "2026-11-21").opening for p in (bank, branch)] == [144_00, 144_00]


def test_what_was_drawn_from_an_earlier_pool_goes_back_to_it(shop):
    bank = shop.partner("bank", 100_00)
    draw(shop, bank, "A")
    put_live(2, SHARED)
    bank = shop.partner("bank")
    with refused(Code.POOL_EXHAUSTED, "the pool vault"):
        draw(shop, bank, "B")
    pools.top_up(bank, 38_00, "T-9")
    draw(shop, bank, "C"), return_charge(bank, "A", "back")
    assert vault()[0] == 10_00 and pools.find("bank")["balance"] == 100_00


@pytest.mark.parametrize("bank, branch, said", [
    ("floor: 10, low_water: 50", "floor: 10.00, low_water: 50.0", None),           # the same, written otherwise
    ("floor: 10.00, low_water: 50.00", "floor: 10.00, low_water: 60.00", "another floor or low-water mark"),
    ("floor: 10.00, low_water: 50.00", "floor: 9.00, low_water: 50.00", "another floor or low-water mark")])
def test_who_shares_a_pool_agrees_on_it(bank, branch, said):
    files = {**FILES, **TOLD, **{f"partners/{id}.yaml": text.replace("floor: 10.00, low_water: 50.00", terms)
                                 for id, text, terms in (("bank", BANK, bank), ("branch", BRANCH, branch))}}
    problems = check(files, startup.vocabulary()).problems
    assert [said in str(p) for p in problems] == [True] if said else problems == []


@pytest.mark.parametrize("changed, code", [
    ({"mode: fund_pool": "mode: quantity_pool", "floor: 10.00, low_water: 50.00": "floor: 1, low_water: 5"}, Code.AGREEMENT_REFUSED)])
def test_a_pool_of_money_is_not_drawn_in_pieces(shop, changed, code):
    shop.partner("bank", 100_00)
    text = FILES["partners/bank.yaml"]
    for old, new in changed.items():
        text = text.replace(old, new)
    put_live(2, {"partners/bank.yaml": text})
    bank = shop.partner("bank")
    with refused(code, "holds money, the agreement of bank draws pieces"):
        draw(shop, bank, "A")
    with refused(code):
        pools.top_up(bank, 5, "T-2")
    assert pools.find("bank")["balance"] == 100_00


class World:
    """What products are priced in."""
    CURRENCIES = {"card/week": "CNY", "stamp/one": "USD"}

    def sku(self, key):
        return ({"currency": self.CURRENCIES[key]}, {}) if key in self.CURRENCIES else None


@pytest.mark.parametrize("mode, bank, branch, said", [
    ("fund_pool", ["card/week"], ["card/week"], []),
    ("fund_pool", ["card/week"], ["stamp/one"], ["bank draws from this pool in another currency"]),
    ("quantity_pool", ["card/week"], ["stamp/one"], [])])
def test_a_money_pool_has_one_currency(mode, bank, branch, said):
    both = {id: {"mode": mode, "prices": dict.fromkeys(prices, "1.00"), "pool": {"id": "vault", "floor": 0, "low_water": 5}}
            for id, prices in (("bank", bank), ("branch", branch))}
    assert [fault.message for _, fault in check_partners.check_shared_pools(World(), both)] == said


@pytest.mark.parametrize("mode, faults", [("fund_pool", 1), ("quantity_pool", 0)])
def test_one_agreement_draws_one_currency(mode, faults):
    partner = {"mode": mode, "prices": {"card/week": "1.00", "stamp/one": "2.00"}, "pool": {"floor": 0, "low_water": 5}}
    found = list(check_partners._check_pool(World(), partner))
    assert len(found) == faults and all(f.path == ("prices", "stamp/one") for f in found)
