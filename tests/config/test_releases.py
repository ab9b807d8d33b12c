"""Releases are immutable, numbered, kept once per text; one is live; who changed that is on record."""
from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import store
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.config import releases
from tests.config.releasing import ONE, TWO, WORDS, install, publish


@pytest.fixture(autouse=True)
def checker(monkeypatch):
    return install(monkeypatch)


def refusal(code: Code):
    return pytest.raises(Refusal, match=f"^{code.code}:")


def test_before_the_first_release_nothing_is_live(database):
    assert releases.live_no() == 0 and releases.history() == [] and releases.live_changes() == []
    with refusal(Code.RELEASE_UNKNOWN):
        releases.files(1)


def test_a_published_release_is_live_and_exactly_what_was_given(database):
    clock.set_to(1_800_000_000_000)
    assert publish(ONE, note="开张", author="林") == 1
    assert releases.live_no() == 1 and releases.files(1) == ONE
    assert releases.history() == [{
        "no": 1, "digest": releases.digest_of(ONE), "note": "开张", "author": "林", "live": True, "parent_no": None,
        "created_at_ms": 1_800_000_000_000}]
    assert [(c["release_no"], c["from_no"], c["author"]) for c in releases.live_changes()] == [(1, 0, "林")]


def test_releases_are_numbered_and_know_their_parent(database):
    assert [publish(ONE), publish(TWO), publish(ONE)] == [1, 2, 3]
    assert [(r["no"], r["parent_no"], r["live"]) for r in releases.history()] == [
        (3, 2, True), (2, 1, False), (1, None, False)]
    assert releases.history(limit=1)[0]["no"] == 3
    assert releases.get(1)["digest"] == releases.get(3)["digest"] != releases.get(2)["digest"]


def test_each_text_is_kept_once(database):
    publish({**ONE, "scenes/b.yaml": ONE["scenes/a.yaml"]})
    publish(TWO)
    assert len(store.many(releases.FileText)) == 3
    assert releases.files(1) == {**ONE, "scenes/b.yaml": ONE["scenes/a.yaml"]}
    assert releases.files(2) == TWO


def test_what_is_live_already_is_not_published_again(database, checker):
    publish(ONE)
    with refusal(Code.NOTHING_CHANGED):
        publish(dict(reversed(ONE.items())))
    assert checker.calls == 1 and len(releases.history()) == 1


def test_errors_refuse_all_of_it_with_every_place(database):
    publish(ONE)
    with refusal(Code.CHECK_FAILED) as caught:
        publish({**TWO, "scenes/b.yaml": "BROKEN", "scenes/c.yaml": "BROKEN"})
    assert "2 errors" in caught.value.message
    assert [d["path"] for d in caught.value.details] == ["scenes/b.yaml:1:1", "scenes/c.yaml:1:1"]
    assert caught.value.details[0]["text"] == "scenes/b.yaml:1:1: [broken] it is broken"
    assert releases.live_no() == 1 and len(store.many(releases.FileText)) == 2


@pytest.mark.parametrize("path", [
    "a.yaml", "scenes/x/y.yaml", "scenes/../../etc.yaml", "scenes/.hidden.yaml", "scenes/a.yml", "other/a.yaml",
    "/scenes/a.yaml", "scenes\\a.yaml", "scenes/a\\b.yaml", "scenes/"])
def test_a_path_outside_the_kinds_is_refused(database, path):
    with refusal(Code.BAD_REQUEST):
        publish({**ONE, path: "id: x"})
    assert releases.live_no() == 0


def test_a_publisher_who_missed_a_release_is_told(database):
    publish(ONE)
    publish(TWO)
    with refusal(Code.EDIT_CONFLICT):
        publish({**ONE, "scenes/b.yaml": "id: b"}, base_no=1)
    assert publish({**TWO, "scenes/b.yaml": "id: b"}, base_no=2) == 3


def test_rollback_moves_the_pointer_and_makes_no_release(database):
    publish(ONE)
    publish(TWO)
    releases.rollback(1, "Wang", "the price was wrong", WORDS)
    assert releases.live_no() == 1 and len(releases.history()) == 2
    last = releases.live_changes()[0]
    assert (last["release_no"], last["from_no"], last["author"], last["note"]) == (1, 2, "Wang", "the price was wrong")


def test_rollback_to_where_one_is_or_to_nothing_is_refused(database):
    publish(ONE)
    with refusal(Code.NOTHING_CHANGED):
        releases.rollback(1, "Wang", "", WORDS)
    with refusal(Code.RELEASE_UNKNOWN):
        releases.rollback(9, "Wang", "", WORDS)


def test_rollback_to_what_this_engine_no_longer_compiles_is_refused(database, monkeypatch):
    publish({**ONE, "scenes/old.yaml": "id: old-word"})
    publish(TWO)
    newer = install(monkeypatch)
    monkeypatch.setattr(releases, "check", lambda files, words: newer(
        {path: text.replace("old-word", "BROKEN") for path, text in files.items()}, words))
    with refusal(Code.CHECK_FAILED):
        releases.rollback(1, "Wang", "", WORDS)
    assert releases.live_no() == 2


@pytest.mark.parametrize("new, lists, summary", [
    (ONE, ((), (), ()), "no difference"),
    (TWO, ((), (), ("scenes/a.yaml",)), "1 changed"),
    ({**ONE, "scenes/b.yaml": "id: b\n"}, (("scenes/b.yaml",), (), ()), "1 added"),
    ({"lines/l.yaml": "id: l\n"}, ((), ("scenes/a.yaml",), ()), "1 removed"),
    ({"lines/l.yaml": "id: m\n", "scenes/b.yaml": ""}, (("scenes/b.yaml",), ("scenes/a.yaml",), ("lines/l.yaml",)),
     "1 changed, 1 added, 1 removed"),
])
def test_compare(new, lists, summary):
    found = releases.compare(ONE, new)
    assert (found.added, found.removed, found.changed) == lists
    assert found.summary == summary and bool(found) == (new != ONE)
    assert set(found.texts) == {path for paths in lists for path in paths}


def test_a_diff_is_unified_and_names_the_file(database):
    publish(ONE)
    publish({**TWO, "scenes/b.yaml": "id: b\n"})
    texts = releases.diff(1, 2).texts
    assert texts["scenes/a.yaml"] == "--- a/scenes/a.yaml\n+++ b/scenes/a.yaml\n@@ -1 +1,2 @@\n id: a\n+# 改\n"
    assert texts["scenes/b.yaml"].startswith("--- /dev/null\n+++ b/scenes/b.yaml\n")
    assert releases.diff(2, 1).texts["scenes/b.yaml"].startswith("--- a/scenes/b.yaml\n+++ /dev/null\n")


def test_export_leaves_exactly_the_release_and_touches_nothing_else(database, tmp_path):
    publish({**ONE, "scenes/crlf.yaml": "id: crlf\r\nnote: 说明\r\n"})
    folder = tmp_path / "checkout"
    (folder / "scenes").mkdir(parents=True)
    for there in ("scenes/gone.yaml", "scenes/notes.txt", "README.md"):
        (folder / there).write_text("mine")
    assert releases.export(1, folder) == 3
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        "scenes/a.yaml", "lines/l.yaml", "scenes/crlf.yaml", "scenes/notes.txt", "README.md"}
    assert (folder / "scenes/crlf.yaml").read_bytes() == "id: crlf\r\nnote: 说明\r\n".encode()


def test_publishers_at_once_get_numbers_of_their_own(database):
    publish(ONE)
    numbers, errors = [], []

    def work(n: int) -> None:
        try:
            numbers.append(publish({**ONE, "scenes/mine.yaml": f"id: mine # {n}"}, author=f"person-{n}"))
        except Exception as error:             # shown by the assertion below
            errors.append(error)
        finally:
            store.content.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and sorted(numbers) == [2, 3, 4, 5, 6, 7]
    assert releases.live_no() == 7
    assert [c["from_no"] for c in releases.live_changes()] == [6, 5, 4, 3, 2, 1, 0]
    for row in releases.history():
        assert row["digest"] == releases.digest_of(releases.files(row["no"]))


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
_catalogues = st.dictionaries(st.sampled_from([f"scenes/{name}.yaml" for name in "abcdef"]), _texts, min_size=1)


@given(st.lists(_catalogues, min_size=1, max_size=4))
def test_whatever_is_published_stays_what_it_was(sqlite_database, catalogues):
    published = {}
    for files in catalogues:
        if any(word in text for text in files.values() for word in ("BROKEN", "CRASH")):
            continue
        try:
            published[publish(files)] = files
        except Refusal as refused:
            assert refused.code is Code.NOTHING_CHANGED and releases.files(releases.live_no()) == files
    for no, files in published.items():
        assert releases.files(no) == files
        assert releases.get(no)["digest"] == releases.digest_of(files)
