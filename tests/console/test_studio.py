"""The studio: drafts written side by side without losing a word, checked as they are typed, published, rolled back."""
from __future__ import annotations

import re

import pytest

from console import drafting
from console.access.tables import Audit
from console.access.users import by_login, change
from engine import store
from engine.config import drafts, releases
from engine.config.live import live, node_reports
from tests.console import world as worlds

SCENE = "scenes/aiqicha-app.yaml"


def begin(visitor, path=SCENE, **form) -> str:
    """Press "Edit" on a file; the draft's id."""
    answer = visitor.post("/studio/edit", path=path, **form)
    return re.search(r"/console/editor/(D\w+)/", answer.location)[1]


def url(draft_id, path=SCENE):
    return f"/editor/{draft_id}/{path}"


def seen(page) -> dict[str, str]:
    """What the editor's page remembers of the text it was made from."""
    return {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("version", "seen")}


def trail(action):
    return store.many(Audit, action=action, order_by="id")


def changed(draft_id, old, new, path=SCENE):
    text = drafts.file(draft_id, path)
    assert old in text
    drafts.write_file(draft_id, path, text.replace(old, new), drafts.get(draft_id)["version"])


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_catalogue_is_listed_by_kind_and_searched_by_any_word(bare, visit):
    visitor = visit(bare)
    page = visitor.get("/studio/")
    assert "Aiqicha membership in the app" in page and "scenes/" in page and page.count('class="col-title"') == len(releases.files(1))
    page = visitor.get("/studio/?q=wechat-app source page")
    assert re.findall(r"/console/studio/file/([^\"]+)\"", page) == [SCENE]
    assert "No file holds all of these words" in visitor.get("/studio/?q=nonsense-word")
    assert "coupons/" in visitor.get("/studio/?kind=coupons") and "scenes/aiqicha" not in visitor.get("/studio/?kind=coupons")
    assert "wechat-app" in visitor.get(f"/studio/file/{SCENE}")
    visitor.get("/studio/file/scenes/no-such.yaml", status=404)


def test_before_the_first_release_pages_say_what_to_do(sqlite_database, monkeypatch, visit):
    world = worlds.opened(monkeypatch)
    worlds.make_users()
    visitor = visit(world)
    for path in ("/", "/studio/", "/releases/"):
        assert "publish a catalogue first" in visitor.get(path)
    for path in ("/orders/", "/partners/", "/drafts/", "/work/", "/jobs/"):
        visitor.get(path)


# ── editing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_edit_begins_a_draft_and_goes_on_in_it(bare, visit):
    visitor = visit(bare)
    first = begin(visitor)
    assert begin(visitor, "coupons/newcomer-5.yaml") == first
    assert begin(visitor, fresh="1") != first
    assert begin(visit(bare, "editor")) != first               # everybody has his own
    assert drafts.get(first)["author"] == "admin" and len(trail("draft.create")) == 3


def test_saving_puts_the_text_into_the_draft(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    page = visitor.get(url(draft_id))
    text = drafts.file(draft_id, SCENE).replace("maxLength: 64", "maxLength: 32")
    page = visitor.follow(visitor.post(url(draft_id), text=text.replace("\n", "\r\n"), **seen(page)))
    assert "Saved in the draft" in page and drafts.file(draft_id, SCENE) == text
    assert "+  from_page: {type: string, maxLength: 32" in trail("draft.write")[0]["after"]["diff"]
    assert releases.live_no() == 1


def test_a_script_saves_again_and_again(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    at = seen(visitor.get(url(draft_id)))
    for n in range(3):
        at = visitor.send(url(draft_id), text=f"id: aiqicha-app # {n}", **at)
    assert drafts.file(draft_id, SCENE) == "id: aiqicha-app # 2\n"


def test_two_people_write_two_files_of_a_draft(bare, visit):
    one, two = visit(bare), visit(bare, "editor")
    draft_id = begin(one)
    mine, theirs = seen(one.get(url(draft_id))), seen(two.get(url(draft_id, "coupons/newcomer-5.yaml")))
    two.send(url(draft_id, "coupons/newcomer-5.yaml"), text="id: newcomer-5", **theirs)
    one.send(url(draft_id), text="id: aiqicha-app", **mine)
    assert drafts.file(draft_id, SCENE) == "id: aiqicha-app\n"
    assert drafts.file(draft_id, "coupons/newcomer-5.yaml") == "id: newcomer-5\n"


def test_a_stale_text_is_refused_and_comes_back_with_the_other(bare, visit):
    one, two = visit(bare), visit(bare, "editor", lang="zh")
    draft_id = begin(one)
    at_one, at_two = seen(one.get(url(draft_id))), seen(two.get(url(draft_id)))
    one.send(url(draft_id), text="id: theirs", **at_one)
    refused = two.send(url(draft_id), status=409, text="id: mine", **at_two)
    assert refused["code"] == "edit_conflict" and refused["stored"] == "id: theirs\n" and "他人修改" in refused["message"]
    answer = two.post(url(draft_id), status=409, text="id: mine", **at_two)            # the same without a script
    page = answer.get_data(as_text=True)
    assert "id: mine" in page and "id: theirs" in page and "edit_conflict" in page
    two.post(url(draft_id), text="id: mine", **seen(page))     # having seen both, the second one decides
    assert drafts.file(draft_id, SCENE) == "id: mine\n"
    assert [e["outcome"] for e in trail("draft.write")] == ["done", "refused", "refused", "done"]


def test_the_same_text_twice_is_no_conflict(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    at = seen(visitor.get(url(draft_id)))
    visitor.send(url(draft_id), text="id: x", **at)
    visitor.send(url(draft_id), text="id: x", **at)


def test_a_session_that_has_ended_loses_no_text(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    row = by_login("admin")
    change(row["id"], row["version"], actor="somebody", lang="zh")
    visitor.client.post("/console/login/leave", data={"csrf_token": visitor._token})
    answer = visitor.client.post(f"/console{url(draft_id)}", json={"text": "x"}, headers={"X-CSRFToken": visitor._token})
    assert answer.status_code in (400, 401) and answer.is_json and answer.get_json()["code"] in ("csrf", "unauthenticated")


def test_a_file_too_large_is_refused_and_kept_on_the_page(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    answer = visitor.send(url(draft_id), status=413, text="# " + "x" * 300_000, **seen(visitor.get(url(draft_id))))
    assert answer["code"] == "body_too_large"


def test_a_new_file_is_a_copy_under_its_own_name(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    answer = visitor.post(f"/editor/{draft_id}/new", copy=SCENE, id="aiqicha-kiosk")
    assert answer.location.endswith("/scenes/aiqicha-kiosk.yaml")
    text = drafts.file(draft_id, "scenes/aiqicha-kiosk.yaml")
    assert text.startswith("id: aiqicha-kiosk\n") and "wechat-app" in text
    for name, copy in (("aiqicha-kiosk", SCENE), ("Ünfit", SCENE), ("../x", SCENE), ("x", "nowhere/x.yaml")):
        before = drafts.files(draft_id)
        visitor.post(f"/editor/{draft_id}/new", copy=copy, id=name)
        assert drafts.files(draft_id) == before


def test_a_file_is_taken_out_after_a_question(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor, "coupons/newcomer-5.yaml")
    version = drafts.get(draft_id)["version"]
    question = visitor.post(f"/editor/{draft_id}/delete", status=200, confirmed=False, path="coupons/newcomer-5.yaml", version=version)
    assert "Take coupons/newcomer-5.yaml out" in question.get_data(as_text=True)
    visitor.post(f"/editor/{draft_id}/delete", path="coupons/newcomer-5.yaml", version=version)
    assert "coupons/newcomer-5.yaml" not in drafts.files(draft_id)
    assert "changed" in visitor.get(f"/drafts/{draft_id}") or "removed" in visitor.get(f"/drafts/{draft_id}")


# ── checking ─────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_what_is_typed_is_checked_in_its_place_and_saved_nowhere(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    text = drafts.file(draft_id, SCENE)
    sound = visitor.send(f"/editor/{draft_id}/check", path=SCENE, text=text)
    assert sound["problems"] == [] and sound["counts"]["examples"] > 50
    wrong = visitor.send(f"/editor/{draft_id}/check", path=SCENE, text=text.replace("use: alipay-app", "use: alipay-appp", 1))
    problem = wrong["problems"][0]
    line = text[:text.index("use: alipay-app")].count("\n") + 1
    assert (problem["file"], problem["line"], problem["column"]) == (SCENE, line, 13)
    assert problem["nearest"] == "alipay-app" and problem["rule_word"] == "dangling reference"
    assert drafts.file(draft_id, SCENE) == text


@pytest.mark.parametrize("old, new, place, rule", [
    ("line: aiqicha\n", "line: aiqicha\nlinee: x\n", "4:1", "未知的键"), ("login: required", "login: maybe", "6:8", "不在可选值内"),
    ("payable: 9.90", "payable: 9.80", "19:", "示例不通过"), ("terminal: app", "terminal: app: x", "4:14", "YAML 语法")])
def test_each_mistake_is_told_at_its_line_in_the_readers_words(bare, visit, old, new, place, rule):
    visitor = visit(bare, lang="zh")
    draft_id = begin(visitor)
    answer = visitor.send(f"/editor/{draft_id}/check", path=SCENE, text=drafts.file(draft_id, SCENE).replace(old, new, 1))
    told = [f"{p['line']}:{p['column']} {p['rule_word']}" for p in answer["problems"] if p["file"] == SCENE]
    assert any(text.startswith(place) and text.endswith(rule) for text in told), told


@pytest.mark.parametrize("old, new, en, zh, expected", [
    ("line: aiqicha\n", "line: aiqicha\nlinee: x\n", 'there is no key "linee" here', '此处没有键 "linee"', None),
    ("line: aiqicha\n", "line: aiqichaa\n", 'there is no business line "aiqichaa"', '没有名为 "aiqichaa" 的业务线', None),
    ("line: aiqicha\n", "line: 3\n", "line is a whole number", "line 写成了整数", "文本"),
    ("login: required", "login: maybe", "login can't be this", "login 不能取此值", "required 或 guest"),
    ("method: in_app\n", "", "method is missing", "缺少 method", None),
    ("maxLength: 64", "maxLength: 0", "maxLength is out of bounds", "maxLength 超出范围", "不小于 1"),
    ("terminal: app\n", "terminal: app\nterminal: pc\n", 'the key "terminal" is already in line 4', '键 "terminal" 在第 4 行已出现', None),
    ("payable: 9.90", "payable: 9.80", "the example “新人周卡减 5 元”: payable differs", "示例“新人周卡减 5 元”：payable 与预期不符", "9.80"),
    ("terminal: app", "terminal: app: x", "a colon and a space begin a value", "冒号加空格表示开始一个值", None)])
def test_what_is_wrong_is_said_in_the_readers_language(bare, visit, old, new, en, zh, expected):
    draft_id = begin(visit(bare))
    text = drafts.file(draft_id, SCENE).replace(old, new, 1)
    for lang, wanted in (("en", en), ("zh", zh)):
        told = [p for p in visit(bare, lang=lang).send(f"/editor/{draft_id}/check", path=SCENE, text=text)["problems"] if p["file"] == SCENE]
        assert any(p["message"].startswith(wanted) for p in told), told
        assert lang == "en" or expected is None or expected in [p["expected"] for p in told], told


def test_a_mistake_shows_in_other_files_too(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor, "channels/sandbox-app.yaml")
    text = drafts.file(draft_id, "channels/sandbox-app.yaml").replace("id: sandbox-app", "id: other-app", 1)
    answer = visitor.send(f"/editor/{draft_id}/check", path="channels/sandbox-app.yaml", text=text)
    assert {p["file"] for p in answer["problems"]} >= {"channels/sandbox-app.yaml"}


def test_a_changed_channels_own_examples_are_run(bare, visit, monkeypatch):
    visitor = visit(bare)
    draft_id = begin(visitor, "channels/sandbox-sms.yaml")
    text = drafts.file(draft_id, "channels/sandbox-sms.yaml")
    example = "examples:\n- {name: one, given: {operation: send, facts: {}}, then: {method: NOSUCH}}\n"
    answer = visitor.send(f"/editor/{draft_id}/check", path="channels/sandbox-sms.yaml", text=text + example)
    assert [p["rule"] for p in answer["problems"]] == ["example"]


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────

def test_publishing_asks_needs_a_note_and_makes_it_live(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    changed(draft_id, "APP 会员", "APP 会员（新）")
    assert "Say in a sentence" in visitor.follow(visitor.post(f"/drafts/{draft_id}/publish", note=""))
    question = visitor.post(f"/drafts/{draft_id}/publish", status=200, confirmed=False, note="rename it").get_data(as_text=True)
    assert "Publish this draft" in question and 'value="rename it"' in question and releases.live_no() == 1
    page = visitor.follow(visitor.post(f"/drafts/{draft_id}/publish", note="rename it"))
    assert "Release 2 is live." in page and "rename it" in page
    assert (releases.live_no(), live.catalog().release_no, live.catalog().scenes["aiqicha-app"].title["zh"]) == (
        2, 2, "爱企查 APP 会员（新）")
    assert releases.get(2)["author"] == "admin" and drafts.all_drafts() == []
    entry = trail("release.publish")[-1]
    assert (entry["before"], entry["after"]["release_no"], entry["after"]["files"]) == ({"release_no": 1}, 2, [SCENE])
    assert [(n["release_no"], n["verdict"]) for n in node_reports()] == [(2, "ack")]


def test_a_draft_with_problems_is_not_published(bare, visit):
    visitor = visit(bare, lang="zh")
    draft_id = begin(visitor)
    changed(draft_id, "use: alipay-app", "use: alipay-appp")
    page = visitor.get(f"/drafts/{draft_id}")
    assert f"{SCENE}:11:13" in page and re.search(r'<button class="btn btn-primary" disabled>', page)
    assert "配置有错误" in visitor.follow(visitor.post(f"/drafts/{draft_id}/publish", note="broken"))
    assert releases.live_no() == 1 and trail("release.publish")[-1]["code"] == "check_failed"


def test_another_release_of_the_same_file_is_a_conflict_that_can_be_carried_over(bare, visit):
    visitor = visit(bare)
    mine, theirs = begin(visitor), begin(visitor, fresh="1")
    changed(mine, "maxLength: 64", "maxLength: 32")
    changed(theirs, "APP 会员", "APP 会员（新）")
    visitor.post(f"/drafts/{theirs}/publish", note="theirs first")
    page = visitor.get(f"/drafts/{mine}")
    assert "changed the same files" in page and SCENE in page
    assert "edit_conflict" in visitor.follow(visitor.post(f"/drafts/{mine}/publish", note="mine"))
    assert visitor.send(f"/editor/{mine}/check", path=SCENE, text=drafts.file(mine, SCENE))["conflict"]
    page = visitor.follow(visitor.post(f"/drafts/{mine}/carry"))
    assert "on top of release 2" in page and len(drafts.all_drafts()) == 1
    fresh = drafts.all_drafts()[0]
    assert fresh["base_no"] == 2 and "maxLength: 32" in drafts.file(fresh["id"], SCENE)
    visitor.post(f"/drafts/{fresh['id']}/publish", note="mine after all")
    assert releases.live_no() == 3 and "maxLength: 32" in releases.files(3)[SCENE]


def test_releases_of_other_files_are_merged(bare, visit):
    visitor = visit(bare)
    mine, theirs = begin(visitor), begin(visitor, fresh="1")
    changed(mine, "maxLength: 64", "maxLength: 32")
    changed(theirs, "id: newcomer-5", "id: newcomer-5\nnote: touched", "coupons/newcomer-5.yaml")
    visitor.post(f"/drafts/{theirs}/publish", note="another file")
    visitor.post(f"/drafts/{mine}/publish", note="mine")
    files = releases.files(releases.live_no())
    assert releases.live_no() == 3 and "maxLength: 32" in files[SCENE] and "note: touched" in files["coupons/newcomer-5.yaml"]


def test_discarding_asks_first(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    assert "Discard the draft" in visitor.post(f"/drafts/{draft_id}/discard", status=200, confirmed=False).get_data(as_text=True)
    visitor.post(f"/drafts/{draft_id}/discard")
    assert drafts.all_drafts() == []
    visitor.get(f"/drafts/{draft_id}", status=404)


def test_an_author_without_the_role_does_not_publish(bare, visit):
    visitor = visit(bare, "editor")
    draft_id = begin(visitor)
    changed(draft_id, "APP 会员", "APP 会员（新）")
    assert "Publishing needs the role Publisher" in visitor.get(f"/drafts/{draft_id}")
    visitor.post(f"/drafts/{draft_id}/publish", status=403, note="me too")
    visit(bare, "publisher").post(f"/drafts/{draft_id}/publish", note="looked at it")
    assert releases.get(2)["author"] == "publisher" and trail("release.publish")[-1]["after"]["draft_author"] == "editor"


def test_rolling_back_needs_a_reason_and_an_answer(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    changed(draft_id, "APP 会员", "APP 会员（新）")
    visitor.post(f"/drafts/{draft_id}/publish", note="rename it")
    assert "Say in a sentence why" in visitor.follow(visitor.post("/releases/1/rollback", reason=""))
    question = visitor.post("/releases/1/rollback", status=200, confirmed=False, reason="it was wrong").get_data(as_text=True)
    assert "from release 2 to release 1" in question and releases.live_no() == 2
    assert "Release 1 is live again" in visitor.follow(visitor.post("/releases/1/rollback", reason="it was wrong"))
    assert (releases.live_no(), live.catalog().release_no) == (1, 1)
    page = visitor.follow(visitor.post("/releases/1/rollback", reason="once more"))
    assert "nothing_changed" in page
    visitor.post("/releases/99/rollback", reason="there is none")
    assert [(e["outcome"], e["note"]) for e in trail("release.rollback")] == [("done", "it was wrong"), ("refused", "once more")]


def test_releases_show_what_changed_between_any_two(bare, visit):
    visitor = visit(bare)
    draft_id = begin(visitor)
    changed(draft_id, "maxLength: 64", "maxLength: 32")
    visitor.post(f"/drafts/{draft_id}/publish", note="shorter pages")
    page = visitor.get("/releases/diff?from=1&to=2")
    assert "maxLength: 32" in page and page.count("<details class=\"sheet difference\"") == 1
    assert "These two are the same" in visitor.get("/releases/diff?from=2&to=2")
    visitor.get("/releases/diff?from=1&to=99", status=404)
    assert "maxLength: 64" in visitor.get(f"/releases/1/file/{SCENE}")
    assert "shorter pages" in visitor.get("/releases/") and "Serves it" in visitor.get("/releases/")
    visitor.get("/releases/99", status=404)


def test_a_node_that_refuses_a_release_is_shown(bare, visit, monkeypatch):
    live._report(1, "reject", "the compiler stumbled")
    page = visit(bare).get("/releases/")
    assert "Refused it" in page and "the compiler stumbled" in page
    assert "the compiler stumbled" in visit(bare).get("/")


# ── the parts ────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("sent, kept", [("a\r\nb", "a\nb\n"), ("a\rb\n", "a\nb\n"), ("", ""), ("a\n\n", "a\n\n"), ("a", "a\n")])
def test_texts_are_kept_with_plain_line_ends(sent, kept):
    assert drafting.tidy(sent) == kept


def test_a_text_that_is_not_there_has_no_digest():
    assert drafting.digest(None) == "" and drafting.digest("") != ""
