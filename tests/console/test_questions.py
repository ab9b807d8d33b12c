"""What can't be undone, or moves money, is asked about first: by the page where scripts run, and by the console in any case."""
from __future__ import annotations

import re

import pytest

from console import access
from engine import store
from engine.config import drafts, releases
from engine.flow.outbox import Outbox
from tests.console.test_contracts import club, desk, small_club, small_desk
from tests.console.test_roles import counts

__all__ = ["club", "desk", "small_club", "small_desk"]

# where → what is posted there, and a word of the question.
DEEDS = {
    "/orders/{awaiting}/close": ({}, "Close order"), "/orders/{failed_flow}/retry": ({"flow": "paid"}, "After payment"),
    "/jobs/retry": ({"run": "{failed_flow}/paid"}, "After payment"), "/jobs/{job}/replay": ({}, "message.resend"),
    "/jobs/replay": ({"task": "message.resend"}, "(1)"),
    "/partners/bank-mall/top-up": ({"amount": "5.00", "key": "R-1"}, "5.00 CNY"),
    "/partners/bank-mall/charges/BM20261121001/return": ({"reason": "wrong number"}, "238.00 CNY"),
    "/drafts/{draft}/publish": ({"note": "because"}, "files changed: 1"), "/drafts/{draft}/discard": ({}, "had back"),
    "/editor/{draft}/delete": ({"path": "coupons/newcomer-5.yaml", "version": "2"}, "newcomer-5"),
    "/releases/1/rollback": ({"reason": "because"}, "Go back from release 2"),
    "/users/{user}": ({"name": "x", "version": "1", "active": "no", "roles": "viewer"}, "Switch viewer off"),
    "/users/{user}/password": ({}, "new password"),
}


@pytest.mark.parametrize("where", sorted(DEEDS))
def test_a_deed_asks_first_and_does_nothing_until_it_is_answered(sold, visit, where):
    files = releases.files(1)
    draft_id = drafts.create("ours", "admin")["id"]
    text = files["scenes/aiqicha-app.yaml"] + "# more\n"
    drafts.write_file(draft_id, "scenes/aiqicha-app.yaml", text, 1)
    if "rollback" in where:
        from tests.console import world as worlds
        worlds.publish({**files, "scenes/aiqicha-app.yaml": text}, "a remark")
    names = {**sold.orders, "draft": draft_id, "job": store.one(Outbox, task="message.resend")["id"],
             "user": access.users.by_login("viewer")["id"]}
    form, word = DEEDS[where]
    form = {name: value.format(**names) for name, value in form.items()}
    before = counts(), access.users.all_users(), store.query(store.trade, "SELECT SUM(attempts), COUNT(*) FROM outbox WHERE state = 'dead'")
    page = visit(sold).post(where.format(**names), status=200, confirmed=False, **form).get_data(as_text=True)
    after = counts(), access.users.all_users(), store.query(store.trade, "SELECT SUM(attempts), COUNT(*) FROM outbox WHERE state = 'dead'")
    question = re.search(r'<p class="lead">([^<]+)</p>', page)[1]
    assert word in question and 'name="confirmed" value="yes"' in page
    assert all(f'name="{name}" value="{value}"' in page for name, value in form.items())
    assert after == before


@pytest.mark.parametrize("deed, form, word", [
    ("retry", {}, "CNY for period 2"), ("terminate", {"reason": "asked to"}, "be undone"), ("price", {"price": "31"}, "31.00 CNY a piece")])
def test_deeds_on_contracts_ask_too(desk, deed, form, word):
    from engine.pay import contracts
    no = desk.made["overdue"]
    before = contracts.find(no), contracts.periods(no)
    page = desk.visit().post(f"/contracts/{no}/{deed}", status=200, confirmed=False, **form).get_data(as_text=True)
    assert word in page and (contracts.find(no), contracts.periods(no)) == before


@pytest.mark.parametrize("price", ["-1", "0", "0.00", "no price", "1e5", "9" * 40, "1.234", ""])
def test_a_price_that_is_none_is_refused(small_desk, price):
    from engine.pay import contracts
    visitor, no = small_desk.visit(), small_desk.made["active"]
    assert "is no amount" in visitor.follow(visitor.post(f"/contracts/{no}/price", price=price))
    assert contracts.find(no)["proposed"] is None and contracts.price_of(contracts.find(no), 2) == contracts.price_of(contracts.find(no), 3)


def test_switching_off_ends_the_sessions_and_on_again_needs_no_question(sold, visit):
    visitor, viewer = visit(sold), visit(sold, "viewer")
    viewer.get("/orders/")
    row = access.users.by_login("viewer")
    visitor.post(f"/users/{row['id']}", version=row["version"], name="V", roles="viewer", active="no")
    assert viewer.client.get("/console/orders/").status_code == 302
    row = access.users.by_login("viewer")
    visitor.post(f"/users/{row['id']}", confirmed=False, version=row["version"], name="V", roles="viewer", active="yes")
    assert access.users.by_login("viewer")["active"] and viewer.client.get("/console/orders/").status_code == 302
