"""Contracts in the console: found, shown with their periods, deducted again, priced and ended."""
from __future__ import annotations

import re

import pytest

from console.access.tables import Audit
from console.app import create_app
from engine import repricing, store
from engine.pay import contracts
from tests.console import world as worlds
from tests.console.conftest import Visitor
from tests.support.contracting import Club, club, deducted, refused, small_club

__all__ = ["club", "small_club"]


class Desk:
    """The club's contracts in a console: one in force, one overdue, one that waits for its signature, one that is over."""

    def __init__(self, club: Club):
        self.club, self.made = club, {}
        for name in ("active", "overdue", "ended"):
            self.made[name] = club.signed()["no"]
        self.made["signing"] = club.ordered("pass/weekly")["no"]
        contracts_of = {no: name for name, no in self.made.items()}
        club.outside.answers["standing", "withhold"] = lambda facts: (
            refused if contracts_of.get(facts["contract.no"]) == "overdue" else deducted)(facts)
        from engine import signing
        signing.terminate(self.made["ended"], "no longer wanted")
        club.only = ("contract",)
        club.until("2026-12-21T12:00:00+08:00")
        worlds.make_users()
        self.world = worlds.World(create_app(), club.outside)

    def visit(self, login: str = "admin", lang: str = "en") -> Visitor:
        return Visitor(self.world, login, lang)


@pytest.fixture
def desk(club, monkeypatch) -> Desk:
    monkeypatch.setattr("console.access.users._hashed", worlds._hash_once)
    return Desk(club)


@pytest.fixture
def small_desk(small_club, monkeypatch) -> Desk:
    monkeypatch.setattr("console.access.users._hashed", worlds._hash_once)
    return Desk(small_club)


def found(page: str) -> list[str]:
    return re.findall(r'class="no" href="/console/contracts/(C\w+)"', page)


def trail(action):
    return store.many(Audit, action=action, order_by="id")


def test_the_list_finds_and_narrows(desk):
    visitor, made = desk.visit(), desk.made
    assert set(found(visitor.get("/contracts/"))) == set(made.values())
    active = contracts.find(made["active"])
    renewal = contracts.period(made["active"], 2)["order_no"]
    for query, wanted in {
            "state=overdue": {"overdue"}, "look=failed": {"overdue"}, "look=unknown": set(), "look=consent": set(),
            "look=due": {"overdue"}, "look=rubbish": set(made), "channel=standing": set(made), "line=club": set(made),
            f"q={active['no']}": {"active"}, f"q={active['channel_no']}": {"active"}, f"q={active['buyer_id']}": {"active"},
            f"q={active['order_no']}": {"active"}, f"q={renewal}": {"active"}, "q=nothing": set()}.items():
        assert set(found(visitor.get(f"/contracts/?{query}"))) == {made[name] for name in wanted}, query


@pytest.mark.parametrize("lang, words", [("en", ("Due in the next days", "Overdue", "In force", "Announced")),
                                         ("zh", ("近期应扣", "扣费失败，宽限中", "生效中"))])
def test_it_speaks_both_languages(small_desk, lang, words):
    visitor = small_desk.visit(lang=lang)
    pages = [visitor.get("/contracts/"), *(visitor.get(f"/contracts/{no}") for no in small_desk.made.values())]
    for page in pages:
        assert "%(" not in page and "{{" not in page and "LazyString" not in page and "Undefined" not in page
    for word in words[:2]:
        assert word in pages[0]


def test_the_calendar_counts_what_is_due(desk):
    page = desk.visit().get("/contracts/")
    days = re.findall(r"<td>(\d{4}-\d\d-\d\d)</td><td class=\"num\">(\d+)</td>", page)
    assert days == [("2026-12-20", "1")]       # the overdue one; the other's next is a month away


def test_a_contract_shows_its_periods_with_their_orders(desk):
    page = desk.visit().get(f"/contracts/{desk.made['active']}")
    for period in contracts.periods(desk.made["active"]):
        assert period["order_no"] in page
    assert "28.00" in page and "25.00" in page and "In force" in page
    overdue = desk.visit().get(f"/contracts/{desk.made['overdue']}")
    assert "not enough money" in overdue and "Deduct again now" in overdue
    ended = desk.visit().get(f"/contracts/{desk.made['ended']}")
    assert "no longer wanted" in ended and "End the contract" not in ended


def test_deduct_again_now(desk):
    visitor, no = desk.visit(), desk.made["overdue"]
    answer = visitor.post(f"/contracts/{no}/retry")
    assert "not deducted yet" in visitor.follow(answer) and contracts.find(no)["state"] == "overdue"
    desk.club.outside.answers["standing", "withhold"] = deducted
    assert "Period 2 is deducted" in visitor.follow(visitor.post(f"/contracts/{no}/retry"))
    assert contracts.find(no)["state"] == "active"
    assert [(e["object_id"], e["outcome"], e["after"]) for e in trail("contract.retry")] == [
        (no, "done", {"state": "overdue", "paid_n": 1}), (no, "done", {"state": "active", "paid_n": 2})]
    refused_page = visitor.follow(visitor.post(f"/contracts/{no}/retry"))
    assert "state" in refused_page and trail("contract.retry")[-1]["outcome"] == "refused"


def test_ended_after_a_question(desk):
    visitor, no = desk.visit(), desk.made["active"]
    assert contracts.find(no)["state"] == "active"
    visitor.post(f"/contracts/{no}/terminate")                         # without a reason
    asked = visitor.post(f"/contracts/{no}/terminate", status=200, confirmed=False, reason="asked by telephone")
    assert "be undone" in asked.get_data(as_text=True) and contracts.find(no)["state"] == "active"
    visitor.post(f"/contracts/{no}/terminate", reason="asked by telephone")
    row = contracts.find(no)
    assert (row["state"], row["reason"]) == ("ended", "asked by telephone")
    assert [(e["note"], e["after"]) for e in trail("contract.terminate")] == [("asked by telephone", {"state": "ended"})]


def test_a_price_is_proposed(desk):
    visitor, no = desk.visit(), desk.made["active"]
    visitor.post(f"/contracts/{no}/price", price="no price")
    assert contracts.find(no)["proposed"] is None
    page = visitor.follow(visitor.post(f"/contracts/{no}/price", price="31.00"))
    assert contracts.find(no)["proposed"]["price_minor"] == 3100 and "waits for consent" in page
    assert set(found(visitor.get("/contracts/?look=consent"))) == {no}
    repricing.consent(no, 3100)
    assert "31.00" in visitor.get(f"/contracts/{no}")


def test_who_may_not_act_sees_no_button_and_is_refused(small_desk):
    visitor, no = small_desk.visit("viewer"), small_desk.made["overdue"]
    page = visitor.get(f"/contracts/{no}")
    assert "Deduct again now" not in page and "End the contract" not in page and "Propose" not in page
    for deed in ("retry", "terminate", "price"):
        visitor.post(f"/contracts/{no}/{deed}", status=403, reason="x", price="1.00")


def test_another_lines_contract_is_not_there(small_desk):
    from console.access import create
    create("elsewhere", "Elsewhere", worlds.PASSWORD, ["support"], ["shop"], "en", "self")
    visitor, no = small_desk.visit("elsewhere"), small_desk.made["active"]
    assert found(visitor.get("/contracts/")) == []
    visitor.get(f"/contracts/{no}", status=404)
    before = contracts.find(no)
    visitor.post(f"/contracts/{no}/terminate", reason="mine?")
    assert contracts.find(no) == before
