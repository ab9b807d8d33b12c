"""Who gets in, who stays out, and what is written down about it."""
from __future__ import annotations

import re

import pytest

from console import access
from console.access import roles, sessions, throttle, users
from console.access.tables import Audit, ConsoleKey, ConsoleSession, ConsoleUser
from console.app import create_app
from console.security import shared_key
from engine import store
from engine.base import clock
from tests.console.world import PASSWORD


@pytest.fixture
def people(bare):
    """The console with its users, and a client nobody has logged in with."""
    return bare.app.test_client()


def token_of(page) -> str:
    return re.search(r'name="csrf_token" value="([^"]+)"', page.get_data(as_text=True))[1]


def log_in(client, login="admin", password=PASSWORD, next=""):
    token = token_of(client.get("/console/login/"))
    return client.post("/console/login/", data={"login": login, "password": password, "csrf_token": token, "next": next})


def trail(action):
    return store.many(Audit, action=action, order_by="id")


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_right_password_opens_and_is_written_down(people):
    answer = log_in(people)
    assert answer.status_code == 302 and answer.location == "/console/"
    assert people.get("/console/").status_code == 200
    assert [(e["login"], e["outcome"]) for e in trail("login")] == [("admin", "done")]
    assert users.by_login("admin")["last_login_at_ms"] is not None


@pytest.mark.parametrize("login, password", [("admin", "wrong"), ("nobody", PASSWORD), ("admin", ""), ("", "")])
def test_a_wrong_login_and_a_wrong_password_look_the_same(people, login, password):
    answer = log_in(people, login, password)
    assert answer.status_code == 401 and "wrong_password" in answer.get_data(as_text=True)
    assert people.get("/console/").status_code == 302


def test_a_login_name_is_taken_in_any_case(people):
    assert log_in(people, " Admin ").status_code == 302


def test_a_switched_off_user_stays_out(people):
    row = users.by_login("viewer")
    users.change(row["id"], row["version"], actor="admin", active=False)
    assert log_in(people, "viewer").status_code == 401


def test_guessing_is_slowed_down_and_then_forgiven(people):
    clock.set_to(clock.now_ms())
    for _try in range(throttle.FREE["login"] + 1):
        assert log_in(people, "viewer", "guess").status_code == 401
    blocked = log_in(people, "viewer")
    assert blocked.status_code == 429 and "too_many_tries" in blocked.get_data(as_text=True)
    clock.advance(throttle.WAIT_FIRST_S + 1)
    assert log_in(people, "viewer", "guess").status_code == 401
    clock.advance(throttle.WAIT_FIRST_S + 1)                   # the second wait is twice as long
    assert log_in(people, "viewer").status_code == 429
    clock.advance(throttle.WAIT_FIRST_S)
    assert log_in(people, "viewer").status_code == 302
    assert throttle.wait_s("viewer", "") == 0


def test_one_address_that_tries_many_names_is_slowed_down(people):
    clock.set_to(clock.now_ms())
    for n in range(throttle.FREE["address"] + 1):
        throttle.failed(f"name-{n}", "10.0.0.9")
    assert throttle.wait_s("another", "10.0.0.9") > 0 and throttle.wait_s("another", "10.0.0.8") == 0
    throttle.succeeded("another", "10.0.0.9")
    assert throttle.wait_s("another", "10.0.0.9") > 0          # one good account does not cover bad tries


def test_waits_double_up_to_a_limit_and_are_forgotten(people):
    clock.set_to(clock.now_ms())
    waits = []
    for _try in range(throttle.FREE["login"] + 12):
        throttle.failed("viewer", "a")
        waits.append(throttle.wait_s("viewer", "b"))
    assert waits[:5] == [0, 0, 0, 0, 15] and waits[5:8] == [30, 60, 120] and waits[-1] == throttle.WAIT_MAX_S
    clock.advance(throttle.FORGET_S + 1)
    throttle.failed("viewer", "a")
    assert throttle.wait_s("viewer", "b") == 0


@pytest.mark.parametrize("target, goes", [
    ("/console/orders/?state=paid", "/console/orders/?state=paid"), ("https://evil.example/", "/console/"),
    ("//evil.example/console/", "/console/"), ("/console/\\evil", "/console/"), ("javascript:alert(1)", "/console/"),
    ("/elsewhere", "/console/"), ("/console/\r\nX: y", "/console/")])
def test_the_login_leads_nowhere_else(people, target, goes):
    assert log_in(people, next=target).location == goes


def test_a_page_that_was_wanted_is_shown_after_the_login(people):
    answer = people.get("/console/orders/?state=paid")
    assert answer.status_code == 302 and "next=/console/orders/?state%3Dpaid" in answer.location


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def session_of(client):
    with client.session_transaction(base_url="http://localhost/console/") as session:
        return dict(session)


def test_the_session_is_new_after_a_login(people):
    people.get("/console/login/")
    before = session_of(people)
    log_in(people)
    after = session_of(people)
    assert after["token"] and after.get("csrf_token") != before["csrf_token"]
    first = after["token"]
    people.get("/console/")                    # the page gives the cookie a new form key
    people.post("/console/login/leave", data={"csrf_token": token_of(people.get("/console/"))})
    log_in(people)
    assert session_of(people)["token"] != first and sessions.user_of(first) is None


def test_the_table_holds_no_token(people):
    log_in(people)
    assert session_of(people)["token"] not in str(store.many(ConsoleSession))


def test_logging_out_ends_the_session_for_good(people):
    log_in(people)
    cookie = session_of(people)
    people.post("/console/login/leave", data={"csrf_token": token_of(people.get("/console/"))})
    assert people.get("/console/").status_code == 302
    with people.session_transaction(base_url="http://localhost/console/") as session:
        session.update(cookie)                 # the old cookie, kept by somebody
    assert people.get("/console/").status_code == 302


def test_an_idle_session_ends(people):
    clock.set_to(clock.now_ms())
    log_in(people)
    for _hour in range(4):
        clock.advance(sessions.IDLE_S - 1)
        assert people.get("/console/").status_code == 200
    clock.advance(sessions.IDLE_S + 61)
    assert people.get("/console/").status_code == 302


def test_a_session_ends_by_age_however_busy(people):
    clock.set_to(clock.now_ms())
    log_in(people)
    for _step in range(sessions.LIFE_S // 1800):
        clock.advance(1800)
        status = people.get("/console/").status_code
    clock.advance(1800)
    assert (status, people.get("/console/").status_code) == (200, 302)


def test_a_user_who_is_switched_off_is_out_at_once(people):
    log_in(people, "viewer")
    row = users.by_login("viewer")
    users.change(row["id"], row["version"], actor="admin", active=False)
    assert people.get("/console/").status_code == 302


def test_changing_the_password_ends_the_other_sessions(people, bare):
    log_in(people)
    other = bare.client("admin")
    assert other.get("/console/").status_code == 200
    token = token_of(people.get("/console/account/"))
    new = "another-horse-9"
    answer = people.post("/console/account/password", data={"csrf_token": token, "old": PASSWORD, "new": new, "again": new})
    assert answer.status_code == 302
    assert people.get("/console/").status_code == 200 and other.get("/console/").status_code == 302
    assert users.password_fits(users.by_login("admin"), new) and users.by_login("admin")["password_from"] == "self"


@pytest.mark.parametrize("old, new, again, said", [
    ("wrong", "another-horse-9", "another-horse-9", "present password is wrong"),
    (PASSWORD, "another-horse-9", "another-horse-8", "two new passwords differ"),
    (PASSWORD, "short", "short", "at least 10 characters"), (PASSWORD, "aaaaaaaaaaaa", "aaaaaaaaaaaa", "too few different"),
    (PASSWORD, "I-am-admin-1", "I-am-admin-1", "must not contain the login"), (PASSWORD, PASSWORD, PASSWORD, "is the present one")])
def test_a_password_that_will_not_do_is_refused(bare, visit, old, new, again, said):
    visitor = visit(bare)
    page = visitor.follow(visitor.post("/account/password", old=old, new=new, again=again))
    assert said in page and "bad_request" in page
    assert users.password_fits(users.by_login("admin"), PASSWORD)


def test_a_password_that_somebody_else_chose_must_be_changed_first(bare, visit):
    row = users.by_login("viewer")
    users.change(row["id"], row["version"], actor="admin", password=PASSWORD, password_from="admin")
    visitor = visit(bare, "viewer")
    for path in ("/console/", "/console/orders/", "/console/releases/"):
        assert visitor.client.get(path).location == "/console/account/"
    new = "another-horse-9"
    visitor.post("/account/password", old=PASSWORD, new=new, again=new)
    assert visitor.client.get("/console/orders/").status_code == 200


# ── forms, cookies, headers ──────────────────────────────────────────────────────────────────────────────────────────

def test_every_form_needs_its_token(bare):
    """Every address that takes a POST, asked without one: nothing is done anywhere."""
    client = bare.client()
    asked = 0
    for rule in bare.app.url_map.iter_rules():
        if "POST" in rule.methods:
            values = {name: "1" for name in rule.arguments}
            with bare.app.test_request_context():
                path = rule.build(values)[1]
            answer = client.post(path, data={"confirmed": "yes"})
            assert answer.status_code == 400 and "csrf" in answer.get_data(as_text=True), rule
            asked += 1
    assert asked > 20


def test_another_users_token_does_not_fit(bare, visit):
    page = bare.client("viewer")
    token = token_of(page.get("/console/account/"))
    other = bare.app.test_client()
    log_in(other)
    assert other.post("/console/account/others", data={"csrf_token": token}).status_code == 400


def test_headers_of_every_page(bare):
    answer = bare.client().get("/console/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    nonce = re.search(r"script-src 'nonce-([\w-]+)'", policy)[1]
    page = answer.get_data(as_text=True)
    scripts = re.findall(r"<script[^>]*>", page)
    assert scripts and all(f'nonce="{nonce}"' in tag for tag in scripts)
    assert not re.search(r"\son\w+=|javascript:|style=\"", page)
    assert (answer.headers["X-Frame-Options"], answer.headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    assert answer.headers["Cache-Control"] == "no-store"
    assert bare.client().get("/console/").headers["Content-Security-Policy"] != policy


def test_cookies_over_http_and_https(bare, monkeypatch):
    def cookie():
        client = bare.app.test_client()
        client.get("/console/login/")
        return log_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie() and "SameSite=Lax" in cookie() and "Secure" not in cookie()
    monkeypatch.setenv("SALEWRIGHT_CONSOLE_URL", "https://console.example")
    secure = bare.app.test_client().get("/console/login/")
    assert "Secure" in secure.headers["Set-Cookie"] and "Strict-Transport-Security" in secure.headers


def test_behind_a_proxy_the_one_who_asks_is_known(bare, monkeypatch):
    def address_of(app):
        client = app.test_client()
        page = client.get("/console/login/", headers={"X-Forwarded-For": "9.9.9.9, 10.1.2.3"})
        client.post("/console/login/", data={"login": "viewer", "password": "x", "csrf_token": token_of(page)},
                    headers={"X-Forwarded-For": "9.9.9.9, 10.1.2.3"})
        return trail("login")[-1]["address"]
    assert address_of(bare.app) == "127.0.0.1"                 # nobody is believed who asks directly
    monkeypatch.setenv("SALEWRIGHT_CONSOLE_URL", "http://console.example")
    assert address_of(create_app()) == "10.1.2.3"              # and of a proxy only its own word


def test_cookies_are_good_on_every_node(bare):
    assert shared_key() == shared_key() and len(store.many(ConsoleKey)) == 1
    other = create_app()
    assert other.secret_key == bare.app.secret_key


def test_nothing_is_open_but_the_door(bare):
    client = bare.app.test_client()
    opened = set()
    for rule in bare.app.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint.endswith("static"):
            continue
        with bare.app.test_request_context():
            path = rule.build({name: "1" for name in rule.arguments})[1]
        answer = client.get(path)
        if answer.status_code != 302 or "/console/login/" not in answer.location:
            opened.add((rule.endpoint, answer.status_code))
    assert opened == {("healthz", 200), ("login.index", 200), ("root", 302)}


# ── the first admin, users and roles ─────────────────────────────────────────────────────────────────────────────────

def test_the_first_admin_is_made_once(sqlite_database):
    login, password = access.ensure_first_admin()
    assert login == "admin" and len(password) == 16
    row = users.by_login("admin")
    assert set(row["roles"]) == set(roles.ROLES) and users.password_fits(row, password)
    assert access.ensure_first_admin() == ("admin", None) and access.first_login() is None
    assert len(users.all_users()) == 1


def test_set_up_tells_the_first_login_once(sqlite_database):
    login, password = access.first_login()
    assert users.password_fits(users.by_login(login), password) and access.first_login() is None


def test_an_administrator_makes_a_user_who_must_change_the_password(bare, visit):
    visitor = visit(bare)
    page = visitor.follow(visitor.post("/users/new", login="Wang.Wei", name="王伟", roles=["editor", "nonsense"], lang="zh"))
    password = re.search(r"The password of wang.wei is (\w+)\.", page)[1]
    row = users.by_login("wang.wei")
    assert (row["roles"], row["password_from"], row["lang"]) == (["editor"], "admin", "zh")
    assert users.password_fits(row, password)
    assert trail("user.create")[0]["after"]["login"] == "wang.wei" and password not in str(store.many(Audit))


def test_a_login_that_is_taken_or_odd_is_refused_with_what_was_typed(bare, visit):
    visitor = visit(bare)
    for login in ("viewer", "two words", "名字"):
        page = visitor.post("/users/new", status=409, login=login, name="Kept Name", roles=["finance"]).get_data(as_text=True)
        assert "Kept Name" in page and re.search(r'value="finance" checked', page)


def test_a_stale_change_is_refused_and_what_was_typed_is_kept(bare, visit):
    visitor, row = visit(bare), users.by_login("viewer")
    visitor.post(f"/users/{row['id']}", version=row["version"], name="First", roles=["viewer"])
    answer = visitor.post(f"/users/{row['id']}", status=409, version=row["version"], name="Second", roles=["viewer", "support"])
    page = answer.get_data(as_text=True)
    assert "edit_conflict" in page and 'value="Second"' in page and users.find(row["id"])["name"] == "First"
    fresh = re.search(r'name="version" value="(\d+)"', page)[1]
    visitor.post(f"/users/{row['id']}", version=fresh, name="Second", roles=["viewer", "support"])
    assert users.find(row["id"])["name"] == "Second"
    assert [e["outcome"] for e in trail("user.change")] == ["done", "refused", "done"]
    assert trail("user.change")[2]["before"]["name"] == "First" and trail("user.change")[2]["after"]["name"] == "Second"


def test_nobody_takes_the_admins_role_from_himself(bare, visit):
    visitor, row = visit(bare), users.by_login("admin")
    page = visitor.post(f"/users/{row['id']}", status=409, version=row["version"], name="x", roles=["viewer"]).get_data(as_text=True)
    assert "state_refused" in page and "admin" in users.find(row["id"])["roles"]


def test_one_administrator_is_always_left(bare):
    row = users.by_login("admin")
    with pytest.raises(Exception, match="an active administrator left"):
        users.change(row["id"], row["version"], actor="somebody", roles=["viewer"])


def test_a_reset_password_is_shown_once_and_ends_sessions(bare, visit):
    visitor, row = visit(bare), users.by_login("viewer")
    client = bare.client("viewer")
    page = visitor.follow(visitor.post(f"/users/{row['id']}/password"))
    password = re.search(r"The password of viewer is (\w+)\.", page)[1]
    assert client.get("/console/").status_code == 302
    assert users.password_fits(users.by_login("viewer"), password) and users.by_login("viewer")["password_from"] == "admin"
    assert password not in visitor.get(f"/users/{row['id']}")


def test_roles_add_up_and_unknown_ones_give_nothing():
    assert roles.abilities_of(["editor", "finance", "gone"]) == {"draft.write", "pool.top_up", "buyer.reveal", "charge.return"}
    assert roles.abilities_of([]) == frozenset()
    assert set().union(*(role.abilities for role in roles.ROLES.values())) == set(roles.ABILITIES)


def test_a_user_without_any_role_is_still_a_row(sqlite_database):
    row = users.create("empty", "", "correct-horse-7", [], [], "en", "self")
    assert (row["name"], users.person(row).abilities) == ("empty", frozenset())
    assert store.one(ConsoleUser, login="empty")["version"] == 1
