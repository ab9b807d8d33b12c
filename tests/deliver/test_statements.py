"""A partner's day: from opening to closing balance, in the business's zone, and the ledger says the same."""
from __future__ import annotations

import csv
import io

import pytest

from engine import charge
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import pools, statements
from engine.ledger import postings
from engine.returning import return_charge
from tests.support.selling import refused, shop

__all__ = ["shop"]

MONTH = [{"sku": "card/month", "quantity": 1}]
TODAY, TOMORROW, NEXT = "2026-11-20", "2026-11-21", "2026-11-22"       # the tests' noon is in Shanghai


def at(text):
    clock.set_to(clock.parse_rfc3339(text))


def charged(shop, partner, no):
    return charge.charge_registered(partner, no, "gift", MONTH, shop.buyer())


@pytest.mark.parametrize("id, filled, piece", [("bank", 200_00, 28_00), ("club", 9, 1), ("post", 9, 1)])
def test_days_follow_each_other_and_equal_the_postings(shop, id, filled, piece):
    partner = shop.partner(id, filled)
    charged(shop, partner, "A")
    at("2026-11-20T23:59:59.999+08:00")
    charged(shop, partner, "B")
    at("2026-11-21T00:00:00+08:00")            # the same day in UTC
    charged(shop, partner, "C")
    return_charge(partner, "A", "back")
    clock.advance(86_400 + 60)
    one, two, three = (statements.of_day(partner, day) for day in (TODAY, TOMORROW, NEXT))
    assert (one.opening, one.topped_up, one.drawn, one.returned) == (0, filled, 2 * piece, 0)
    assert (two.opening, two.topped_up, two.drawn, two.returned) == (one.closing, 0, piece, piece)
    assert two.closing == three.opening == three.closing == pools.find(id)["balance"] and three.entries == ()
    assert [(e["kind"], e["partner_order_no"]) for e in two.entries] == [("draw", "C"), ("return", "A")]
    assert [e["kind"] for e in one.entries] == ["top_up", "draw", "draw"] and one.entries[1]["items"] == "card/month*1"
    assert [s.final for s in (one, two, three)] == [True, True, False]
    if id == "bank":
        assert [s.posted_minor for s in (one, two)] == [s.closing - s.opening for s in (one, two)]
        assert sum(s.posted_minor for s in (one, two, three)) == -postings.balance("partner_pool:bank", "CNY")
    else:                                      # pieces and heads are owed in money
        assert sum(s.posted_minor for s in (one, two, three)) == -postings.balance(f"partner_receivable:{id}", "CNY")
        assert one.posted_minor == -sum(e["value_minor"] for e in one.entries) and one.posted_minor < 0 == two.posted_minor


def test_another_partners_entries_are_not_in_it(shop):
    bank, club = shop.partner("bank", 100_00), shop.partner("club", 5)
    charged(shop, bank, "A"), charged(shop, club, "A")
    assert [len(statements.of_day(p, TODAY).entries) for p in (bank, club)] == [2, 2]
    assert statements.of_day(shop.partner("post"), TODAY).entries == ()


@pytest.mark.parametrize("day", ["2026-11-21", "2026-13-01", "2026-02-30", "today", "20261120", "2026-11-20T00", "9999-12-31", "0001-01-01", "1969-12-31", ""])
def test_what_is_no_day_yet_or_ever_is_refused(shop, day):
    with refused(Code.BAD_REQUEST):
        statements.of_day(shop.partner("bank"), day)


def test_as_a_table(shop):
    bank = shop.partner("bank", 100_00)
    charged(shop, bank, "A")
    return_charge(bank, "A", "back")
    raw = statements.csv_of(statements.of_day(bank, TODAY))
    assert raw.startswith(b"\xef\xbb\xbf")
    head, *lines = csv.reader(io.StringIO(raw[3:].decode()))
    assert tuple(head) == statements.COLUMNS and {len(line) for line in lines} == {len(head)}
    assert [(line[1], line[6], line[7]) for line in lines] == [
        ("opening", "", "0.00"), ("top_up", "100.00", "100.00"), ("draw", "-28.00", "72.00"), ("return", "28.00", "100.00"),
        ("closing", "", "100.00")]
    assert lines[0][0] == "2026-11-20T00:00:00+08:00" and lines[2][3] == "A" and lines[2][5] == "card/month*1"


@pytest.mark.parametrize("text, safe", [("=1+1", "'=1+1"), ("-5", "'-5"), ("B-1", "B-1"), (None, ""), ("", "")])
def test_no_number_becomes_a_formula(text, safe):
    assert statements._plain(text) == safe
