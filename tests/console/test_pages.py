"""Every page opens, for every kind of reader, in both languages, on both kinds of database."""
from __future__ import annotations

import re

import pytest

from console import ui
from console.access import users
from engine.config import drafts
from engine.deliver import work_orders
from tests.console import world as worlds

PAGES = ("/", "/orders/", "/contracts/", "/partners/", "/partners/bank-mall", "/partners/telecom-gift", 
         "/partners/bank-mall/statement", "/charges/", "/payments/", "/refunds/", "/alljobs/", "/studio/", "/studio/?q=vip&kind=products",
         "/studio/file/lines/aiqicha.yaml", "/drafts/", "/drafts/{draft}", "/studio/?draft={draft}", "/releases/", "/releases/1",
         "/releases/1/file/coupons/newcomer-5.yaml", "/releases/diff?from=1&to=1", "/work/", "/work/{work}", "/jobs/", "/account/",
         "/users/", "/users/new", "/users/1", "/trail/", "/trail/1", "/editor/{draft}/scenes/aiqicha-app.yaml")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_page_opens(traded, visit, lang):
    visitor = visit(traded, lang=lang)
    draft = drafts.create("尝试", "admin")["id"]
    work = work_orders.of_order(traded.orders["fulfilling"])[0]["no"]
    visitor.post("/drafts/new")                # something for the trail
    paths = [path.format(draft=draft, work=work) for path in PAGES] + [f"/orders/{no}" for no in traded.orders.values()]
    for path in paths:
        page = visitor.get(path)
        assert re.search(r"<h1>\s*\S", page), path
        assert "%(" not in page and "{{" not in page and "LazyString" not in page and "Undefined" not in page, path
        assert ("审计记录" if lang == "zh" else "Audit trail") in page, path


def test_the_language_is_kept_with_the_user(bare, visit):
    visitor = visit(bare)
    assert "Overview" in visitor.get("/")
    answer = visitor.post("/account/lang", lang="zh", back="/console/orders/?state=paid")
    assert answer.location == "/console/orders/?state=paid"
    assert "概览" in visitor.get("/")
    assert visitor.post("/account/lang", lang="tlh", back="https://evil.example/").location == "/console/"
    assert "概览" in visitor.get("/")


@pytest.mark.parametrize("accepts, word", [("zh-CN,zh;q=0.9", "登录名"), ("en-GB,en", "Login"), ("fr", "登录名"), ("", "登录名")])
def test_the_door_speaks_the_browsers_language(bare, accepts, word):
    page = bare.app.test_client().get("/console/login/", headers={"Accept-Language": accepts}).get_data(as_text=True)
    assert word in page


def test_the_first_admin_finds_his_browsers_language(bare):
    users.change(1, 1, actor="x", password_from="setup", lang="zh")
    client = bare.app.test_client()
    english = {"Accept-Language": "en-GB"}
    for _login in range(2):
        page = client.get("/console/login/", headers=english).get_data(as_text=True)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        client.post("/console/login/", headers=english, data={"login": "admin", "password": worlds.PASSWORD, "csrf_token": token})
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/console/account/").get_data(as_text=True))[1]
        assert users.by_login("admin")["lang"] == ("zh" if _login else "en")
        users.set_lang(1, "zh")                # a later login leaves his own choice alone
        client.post("/console/login/leave", data={"csrf_token": token})
        with client.session_transaction(base_url="http://localhost/console/") as session:
            session.pop("lang")


def test_the_door_remembers_a_choice(bare):
    client = bare.app.test_client()
    page = client.get("/console/login/", headers={"Accept-Language": "zh"}).get_data(as_text=True)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    client.post("/console/login/lang", data={"lang": "en", "csrf_token": token})
    page = client.get("/console/login/", headers={"Accept-Language": "zh"}).get_data(as_text=True)
    assert "Password" in page
    users.set_lang(1, "zh")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    client.post("/console/login/", data={"login": "admin", "password": worlds.PASSWORD, "csrf_token": token})
    assert users.by_login("admin")["lang"] == "en"             # and what was picked there stays his


def test_without_the_bundle_the_editor_is_a_text_area_with_its_errors(bare, visit, monkeypatch):
    monkeypatch.setitem(bare.app.jinja_env.globals, "has_asset", lambda path: False)
    draft = drafts.create("x", "admin")["id"]
    text = drafts.file(draft, "scenes/aiqicha-app.yaml").replace("use: alipay-app", "use: alipay-appp", 1)
    drafts.write_file(draft, "scenes/aiqicha-app.yaml", text, 1)
    page = visit(bare).get(f"/editor/{draft}/scenes/aiqicha-app.yaml")
    assert "build/editor.js" not in page and "<textarea" in page and "scenes/aiqicha-app.yaml:11:13" in page
    assert ui.has_asset("no-such-file.js") is False


def test_static_files_carry_their_version_and_come_from_here(bare, visit):
    page = visit(bare).get("/")
    links = re.findall(r'(?:href|src)="([^"]+\.(?:css|js|svg)[^"]*)"', page)
    assert links and all(link.startswith("/console/") and "v=" in link for link in links)
    for link in links:
        answer = bare.client().get(link)
        assert answer.status_code == 200 and "max-age" in answer.headers["Cache-Control"]
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
