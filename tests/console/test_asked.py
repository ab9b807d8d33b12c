"""Whatever is asked of the console, by address, form or script, it answers; it never stumbles."""
from __future__ import annotations

import base64
import json

import pytest

from console.access import users
from engine import store
from engine.config import drafts
from engine.deliver.pools import PoolLog

BANK = "/partners/bank-mall"
HUGE = "9" * 20                                # more than a 64-bit number holds
LISTS = ("/orders/", "/contracts/", "/charges/", "/payments/", "/refunds/", "/work/", "/users/", "/trail/", "/alljobs/")
ODD = ("%00", "a%00b", "%F0%9F%98%80", "%FF", HUGE, "-1", "%27%20OR%201=1--", "%3Cscript%3E", "x" * 3000, "%E4%B8%AD",
       "%0d%0aX:y", "1e9", "")
DAYS = ("0001-01-01", "1969-12-31", "9999-12-31", "2026-02-30", "99999-01-01", "abc", "2026-11-28T00:00")


def cursor(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


CURSORS = ("%00", "!!!!", "====", "a", cursor(), cursor("n"), cursor("n", 1, 2), cursor("n", "x", "y"), cursor("n", 10 ** 30, 10 ** 30),
           cursor("n", True, False), cursor("n", None, None), cursor("n", 1.5, "a"), cursor("n", "\x00", "\x00"), cursor("p", {}, []))


def answered(visitor, where):
    answer = visitor.client.get(f"/console{where}")
    assert answer.status_code < 500, f"{where}: {answer.status}"
    return answer.status_code


@pytest.mark.parametrize("where", LISTS)
def test_lists_take_any_filter_cursor_and_day(traded, visit, where):
    visitor = visit(traded)
    names = ("q", "at", "state", "scene", "line", "channel", "partner", "look", "queue", "worker", "task", "action", "sort", "from", "to")
    asked = [f"{name}={odd}" for name in names for odd in ODD] + [f"from={day}&to={day}" for day in DAYS]
    asked += [f"at={at}&sort={sort}" for at in CURSORS for sort in ("newest", "oldest", "dearest", "due", "login")]
    for query in asked:
        answered(visitor, f"{where}?{query}")
    if where != "/users/":
        for query in [f"q={odd}" for odd in ODD] + [f"from={day}" for day in DAYS]:
            answered(visitor, f"{where}export.csv?{query}")


@pytest.mark.parametrize("where", [
    "/orders/{}", "/contracts/{}", "/work/{}", "/partners/{}", "/users/{}", "/trail/{}", "/releases/{}", "/releases/1/file/{}",
    "/studio/file/{}", "/studio/?draft={}", "/studio/?kind={}&q={}", "/drafts/{}", "/editor/{}", "/editor/x/{}", "/jobs/{}",
    "/releases/diff?from={}&to={}", "/partners/bank-mall/statement?day={}", "/partners/bank-mall/statement?as=csv&day={}",
    "/partners/bank-mall?amount={}&key={}"])
def test_pages_take_any_address(sold, visit, where):
    visitor = visit(sold)
    for odd in (*ODD, *DAYS, "..%2F..%2Fetc"):
        status = answered(visitor, where.replace("{}", odd))
        assert status in (200, 302, 308, 400, 404, 422), (where, odd, status)


@pytest.mark.parametrize("where, form, status", [
    ("/users/2", {"version": "abc"}, 409), ("/users/2", {"version": HUGE}, 409), (f"/users/{HUGE}/password", {}, 404),
    ("/users/new", {"login": "a\x00b"}, 400), (f"/jobs/{HUGE}/replay", {}, 404), ("/jobs/retry", {"run": ""}, 302),
    (f"/releases/{HUGE}/rollback", {"reason": "because"}, 404), ("/account/lang", {"lang": "zh", "back": "/console/\r\nX: y"}, 302),
    *((f"{BANK}/top-up", {"amount": amount, "key": "abc"}, 302) for amount in ("1e5", "NaN", "9" * 5000, "-5", "")),
    ("/partners/telecom-gift/top-up", {"amount": "²", "key": "abc"}, 302), (f"{BANK}/top-up", {"amount": "5", "key": "a\x00bc"}, 400),
    ("/studio/edit", {"path": "x", "draft": "nope"}, 302)])
def test_forms_take_anything(sold, visit, where, form, status):
    before = store.query(store.trade, f'SELECT COUNT(*) FROM "{PoolLog._meta.table_name}"')
    users_before = [{**row, "lang": ""} for row in users.all_users()]
    visit(sold).post(where, status=status, **form)
    assert store.query(store.trade, f'SELECT COUNT(*) FROM "{PoolLog._meta.table_name}"') == before
    assert [{**row, "lang": ""} for row in users.all_users()] == users_before


@pytest.mark.parametrize("body", ["[]", '"x"', "null", "{", "", '{"path": "scenes/a.yaml", "text": "\\u0000"}',
                                  '{"path": "x", "text": "\\ud800"}'])
def test_scripts_may_send_anything(sold, visit, body):
    visitor, draft_id = visit(sold), drafts.create("ours", "admin")["id"]
    for where in (f"/editor/{draft_id}/check", f"/editor/{draft_id}/scenes/new-one.yaml"):
        answer = visitor.client.post(f"/console{where}", data=body, headers={
            "Content-Type": "application/json", "Accept": "application/json", "X-CSRFToken": visitor._token})
        assert (answer.status_code, answer.get_json()["code"]) == (400, "bad_request")
    assert "scenes/new-one.yaml" not in drafts.files(draft_id)


@pytest.mark.parametrize("version", ["x", None, -1, 10 ** 30])
def test_a_version_that_is_none_is_a_stale_one(sold, visit, version):
    """Nothing is written over what stands in the draft by leaving out what was seen of it."""
    draft_id, path = drafts.create("ours", "admin")["id"], "scenes/aiqicha-app.yaml"
    before = drafts.file(draft_id, path)
    answer = visit(sold).send(f"/editor/{draft_id}/{path}", status=409, text="id: x\n", version=version, seen="")
    assert answer["code"] == "edit_conflict" and drafts.file(draft_id, path) == before


def test_a_large_file_of_chinese_text_is_saved_through_a_plain_form(bare, visit):
    visitor, draft_id, path = visit(bare), drafts.create("ours", "admin")["id"], "scenes/aiqicha-app.yaml"
    text = drafts.file(draft_id, path) + "# 大" + "客" * 250_000 + "\n"
    seen = visitor.get(f"/editor/{draft_id}/{path}").partition('name="seen" value="')[2][:32]
    visitor.post(f"/editor/{draft_id}/{path}", text=text, version="1", seen=seen)
    assert drafts.file(draft_id, path) == text
