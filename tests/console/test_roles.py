"""What each role may do, deed by deed; and what a person of one business line sees of the others: nothing."""
from __future__ import annotations

import html
import re

import pytest

from console import access
from console.access import scope
from console.access.roles import ROLES
from console.access.tables import Audit
from engine import store
from engine.config import drafts, releases
from engine.deliver import work_orders
from engine.flow.outbox import Outbox
from tests.console import world as worlds
from tests.console.world import PASSWORD

# Every deed of the console: ability → a POST, with the words it needs. `{…}` are filled below.
DEEDS = {
    "order.act": [("/orders/{awaiting}/close", {}), ("/orders/{awaiting}/ask", {}), ("/orders/{failed_flow}/retry", {"flow": "paid"}),
                  ("/jobs/retry", {"run": "{failed_flow}/paid"})],
    "contract.act": [("/contracts/C0/retry", {}), ("/contracts/C0/terminate", {"reason": "because"}),
                     ("/contracts/C0/price", {"price": "5.00"})],
    "job.replay": [("/jobs/{job}/replay", {}), ("/jobs/replay", {"task": "message.resend"})],
    "work.do": [("/work/{work}/take", {}), ("/work/{work}/finish", {"note": "done"})],
    "pool.top_up": [("/partners/bank-mall/top-up", {"amount": "5.00", "key": "R-1"})],
    "charge.return": [("/partners/bank-mall/charges/BM20261121001/return", {"reason": "wrong number"})],
    "draft.write": [("/studio/edit", {"path": "coupons/newcomer-5.yaml"}), ("/drafts/new", {}), ("/drafts/{draft}/carry", {}),
                    ("/drafts/{draft}/discard", {}), ("/editor/{draft}/new", {"copy": "scenes/aiqicha-app.yaml", "id": "x"}),
                    ("/editor/{draft}/delete", {"path": "coupons/newcomer-5.yaml", "version": "1"}),
                    ("/editor/{draft}/scenes/aiqicha-app.yaml", {"text": "id: x", "version": "1", "seen": ""}),
                    ("/editor/{draft}/check", {})],
    "release.publish": [("/drafts/{draft}/publish", {"note": "because"}), ("/releases/1/rollback", {"reason": "because"})],
    "user.manage": [("/users/new", {"login": "newbie"}), ("/users/{user}", {"name": "x", "version": "1"}), ("/users/{user}/password", {})],
}
PAGES = {"user.manage": ["/users/", "/users/new", "/users/{user}"], "audit.see": ["/trail/", "/trail/export.csv"],
         "draft.write": ["/editor/{draft}/scenes/aiqicha-app.yaml"]}


def filled(world, text):
    work = next(w for w in work_orders.of_order(world.orders["fulfilling"]) if w["state"] == "open")
    names = {**world.orders, "work": work["no"], "job": store.one(Outbox, task="message.resend")["id"],
             "draft": drafts.all_drafts()[0]["id"], "user": access.users.by_login("viewer")["id"]}
    return text.format(**names)


def counts():
    """How many rows each table holds, but for the console's own book-keeping."""
    return {table.__name__: store.query(db, f'SELECT COUNT(*) FROM "{table._meta.table_name}"')[0][0]
            for db in store.LOGICAL.values() for table in store.tables(db) if not table.__name__.startswith(("Console", "Audit"))}


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_does_what_it_may_and_nothing_else(sold, visit, role):
    drafts.create("a draft", "somebody")
    visitor = visit(sold, "admin") if role == "admin" else visit(sold, role)
    if role == "admin":                        # the first admin has every role; here only the one counts
        row = access.users.by_login("admin")
        access.users.change(row["id"], row["version"], actor="somebody", roles=["admin"])
    before = counts()
    for ability, deeds in DEEDS.items():
        if ability in ROLES[role].abilities:
            continue
        for path, form in deeds:
            visitor.post(filled(sold, path), status=403, **{k: filled(sold, v) for k, v in form.items()})
    assert counts() == before and store.many(Audit) == []
    for ability, paths in PAGES.items():
        for path in paths:
            visitor.get(filled(sold, path), status=200 if ability in ROLES[role].abilities else 403)


@pytest.mark.parametrize("ability", sorted(DEEDS))
def test_whoever_may_is_let_through(sold, visit, ability):
    drafts.create("a draft", "somebody")
    role = next(name for name, role in ROLES.items() if ability in role.abilities)
    for path, form in DEEDS[ability]:
        visitor = visit(sold, role)
        answer = visitor.client.post("/console" + filled(sold, path), data={
            "csrf_token": visitor._token, **{k: filled(sold, v) for k, v in form.items()}})
        assert answer.status_code not in (403, 405, 500), (path, answer.status)
        if not drafts.all_drafts():
            drafts.create("a draft", "somebody")


def test_every_deed_is_tried_above(sold):
    """A new address that takes a POST must be put into the table."""
    drafts.create("a draft", "somebody")
    addresses = sold.app.url_map.bind("localhost")
    tried = {addresses.match("/console" + filled(sold, path), method="POST")[0] for deeds in DEEDS.values() for path, _form in deeds}
    everybody = {"login.index", "login.lang", "login.leave", "account.password", "account.others", "account.lang"}
    assert {rule.endpoint for rule in sold.app.url_map.iter_rules() if "POST" in rule.methods} == tried | everybody


# The pages on which deeds stand; those of contracts are tried with contracts (test_contracts.py).
SHOWN_ON = ("/", "/orders/", "/orders/{awaiting}", "/orders/{failed_flow}", "/orders/{charged}", "/contracts/", "/partners/",
            "/partners/bank-mall", "/charges/", "/payments/", "/refunds/", "/studio/", "/studio/file/scenes/aiqicha-app.yaml", "/studio/?draft={draft}", "/drafts/", "/drafts/{draft}",
            "/releases/", "/releases/1", "/releases/2", "/work/", "/work/{work}", "/jobs/", "/alljobs/")
OWN = {"login.leave", "account.lang"}          # stand on every page, for everybody


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_button_is_shown_to_whom_it_obeys(sold, visit, role):
    """Every form that a page offers may be sent by who sees it, and every deed is offered somewhere to who may do it."""
    files, path = releases.files(1), "scenes/aiqicha-app.yaml"
    worlds.publish({**files, path: files[path] + "# two\n"}, "a remark")
    draft = drafts.create("a draft", "somebody")["id"]
    drafts.write_file(draft, path, files[path] + "# three\n", 1)
    access.users.change(1, 1, actor="somebody", roles=["admin"])
    visitor, may = visit(sold, role), ROLES[role].abilities
    pages = [*SHOWN_ON, *(where for ability, places in PAGES.items() if ability in may for where in places if "export" not in where)]
    addresses, needs = sold.app.url_map.bind("localhost"), {}
    for ability, deeds in DEEDS.items():
        needs |= {addresses.match("/console" + filled(sold, where), method="POST")[0]: ability for where, _form in deeds}
    offered = set()
    for where in pages:
        page = visitor.get(filled(sold, where))
        own = "/console" + filled(sold, where).partition("?")[0]
        offered |= {addresses.match(html.unescape(to or own).partition("?")[0], method="POST")[0]
                    for to in re.findall(r'<form method="post"(?:[^>]*? action="([^"]*)")?', page)}
    assert {endpoint for endpoint in offered - OWN if needs[endpoint] not in may} == set()
    elsewhere = {endpoint for endpoint in needs if endpoint.startswith("contracts.")} | {
        "editor.check",                        # asked by the editor's script
        "drafts.carry", "jobs.replay_all"}     # offered when there is a conflict; more than one dead job
    assert {endpoint for endpoint, ability in needs.items() if ability in may} - elsewhere - offered == set()


def test_the_menu_shows_what_one_may(bare, visit):
    def menu(login):
        return set(re.findall(r'<a href="(/console/[^"]*)" class="', visit(bare, login).get("/")))
    assert "/console/users/" in menu("admin") and "/console/trail/" in menu("approver")
    assert menu("viewer") & {"/console/users/", "/console/trail/"} == set()


# ── business lines ───────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def agent(sold, visit):
    """Somebody of the trademark line, who may do everything there."""
    access.create("agent", "商标专员", PASSWORD, ["editor", "publisher", "support", "finance"], ["trademark-registration"], "en", "self")
    return visit(sold, "agent")


def test_orders_of_other_lines_are_not_there(sold, agent):
    shown = set(re.findall(r'class="no" href="/console/orders/(O\w+)"', agent.get("/orders/")))
    assert shown == {sold.orders["fulfilling"], sold.orders["failed_flow"]}
    assert "order_unknown" in agent.get(f"/orders/{sold.orders['completed']}", status=404)
    assert "Nothing fits" in agent.get(f"/orders/?q={sold.orders['completed']}")
    for deed in ("close", "ask", "retry"):
        assert agent.post(f"/orders/{sold.orders['awaiting']}/{deed}").status_code == 302
    assert store.one(store.StateLog, no=sold.orders["awaiting"], to_state="closed") is None
    exported = agent.client.get("/console/orders/export.csv").get_data(as_text=True)
    assert sold.orders["completed"] not in exported and sold.orders["fulfilling"] in exported


def test_nor_are_work_partners_and_jobs(sold, agent, visit):
    assert set(re.findall(r'href="/console/orders/(O\w+)"', agent.get("/work/"))) == {
        sold.orders["fulfilling"], sold.orders["failed_flow"]}
    assert "no partner for you to see" in agent.get("/partners/")
    agent.get("/partners/bank-mall", status=404)
    page = agent.get("/jobs/")
    assert "message.resend" not in page and sold.orders["failed_flow"] in page and "only users who see every line" in page
    home = agent.get("/")
    assert "Trademark registration" in home and "Aiqicha</td>" not in home
    access.create("other", "x", PASSWORD, ["support"], ["xunkebao"], "en", "self")
    other = visit(sold, "other")
    work = work_orders.of_order(sold.orders["fulfilling"])[0]
    assert "work_order_unknown" in other.get(f"/work/{work['no']}", status=404)
    assert "work_order_unknown" in other.get(other.post(f"/work/{work['no']}/take").location.removeprefix("/console"), status=404)
    assert work_orders.find(work["no"])["state"] == "open"


def test_files_of_other_lines_are_not_written(sold, agent):
    draft_id = drafts.create("mine", "agent")["id"]
    version = drafts.get(draft_id)["version"]
    own = drafts.file(draft_id, "scenes/trademark-pc.yaml")
    for path in ("scenes/aiqicha-app.yaml", "lines/aiqicha.yaml", "coupons/newcomer-5.yaml", "channels/sandbox-app.yaml"):
        text = drafts.file(draft_id, path)
        answer = agent.send(f"/editor/{draft_id}/{path}", status=403, text=text + "# x\n", version=version, seen="")
        assert answer["code"] == "forbidden" and drafts.file(draft_id, path) == text
    moved = own.replace("line: trademark-registration", "line: aiqicha")
    agent.send(f"/editor/{draft_id}/scenes/trademark-pc.yaml", status=403, text=moved, version=version, seen="")
    agent.send(f"/editor/{draft_id}/scenes/trademark-pc.yaml", text=own + "# mine\n", version=version, seen="")
    agent.post(f"/drafts/{draft_id}/publish", note="a remark")
    assert releases.live_no() == 2


def test_drafts_that_touch_other_lines_are_not_published(sold, agent):
    draft_id = drafts.create("theirs", "somebody")["id"]
    text = drafts.file(draft_id, "coupons/newcomer-5.yaml")
    drafts.write_file(draft_id, "coupons/newcomer-5.yaml", text + "# x\n", drafts.get(draft_id)["version"])
    assert "forbidden" in agent.follow(agent.post(f"/drafts/{draft_id}/publish", note="for them"))
    assert releases.live_no() == 1


@pytest.mark.parametrize("path, text, line", [
    ("lines/a.yaml", None, "a"), ("scenes/x.yaml", "line: b\n", "b"), ("scenes/x.yaml", "line: [", None), ("scenes/x.yaml", "- 1", None),
    ("scenes/x.yaml", "line: 3", None), ("scenes/x.yaml", None, None), ("coupons/c.yaml", "line: b", None)])
def test_the_line_of_a_file(path, text, line):
    assert scope.line_of(path, text) == line
