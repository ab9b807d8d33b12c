"""Drafts: nobody's work is overwritten unseen, and what is published is what was live plus what was changed."""
from __future__ import annotations

import threading

import pytest

from engine import store
from engine.base.errors import Code, Refusal
from engine.config import drafts, releases
from tests.config.releasing import ONE, TWO, WORDS, install, publish
from tests.config.test_releases import refusal


@pytest.fixture(autouse=True)
def checker(monkeypatch):
    return install(monkeypatch)


@pytest.fixture
def draft(database) -> str:
    publish(ONE)
    return drafts.create("周末活动", "Lin")["id"]


def test_a_draft_begins_as_a_copy_of_what_is_live(draft):
    row = drafts.get(draft)
    assert (row["title"], row["author"], row["base_no"], row["version"]) == ("周末活动", "Lin", 1, 1)
    assert drafts.files(draft) == ONE and not drafts.diff(draft)
    assert [d["id"] for d in drafts.all_drafts()] == [draft]


def test_a_draft_may_begin_from_an_older_release_or_from_nothing(database):
    empty = drafts.create("first", "Lin")["id"]
    assert drafts.get(empty)["base_no"] == 0 and drafts.files(empty) == {}
    publish(ONE)
    publish(TWO)
    assert drafts.files(drafts.create("back", "Lin", base_no=1)["id"]) == ONE


def test_writing_and_deleting_are_seen_in_the_diff(draft):
    version = drafts.write_file(draft, "scenes/b.yaml", "id: b\n", 1)
    version = drafts.write_file(draft, "scenes/a.yaml", TWO["scenes/a.yaml"], version)
    version = drafts.delete_file(draft, "lines/l.yaml", version)
    assert version == drafts.get(draft)["version"] == 4
    assert drafts.file(draft, "scenes/b.yaml") == "id: b\n"
    found = drafts.diff(draft)
    assert (found.added, found.removed, found.changed) == (("scenes/b.yaml",), ("lines/l.yaml",), ("scenes/a.yaml",))
    assert releases.files(1) == ONE


def test_a_writer_who_missed_a_write_is_refused_and_nothing_is_written(draft):
    drafts.write_file(draft, "scenes/a.yaml", "one", 1)
    for stale in (lambda: drafts.write_file(draft, "scenes/a.yaml", "two", 1),
                  lambda: drafts.delete_file(draft, "scenes/a.yaml", 1)):
        with refusal(Code.EDIT_CONFLICT) as caught:
            stale()
        assert caught.value.details == [{"path": "version", "found": 1, "expected": 2}]
    assert drafts.file(draft, "scenes/a.yaml") == "one"


def test_of_two_writers_at_once_one_wins(draft):
    won, lost = [], []

    def work(text: str) -> None:
        try:
            won.append((drafts.write_file(draft, "scenes/a.yaml", text, 1), text))
        except Refusal as refused:
            lost.append(refused.code)
        finally:
            store.content.close()

    threads = [threading.Thread(target=work, args=(f"text {n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and lost == [Code.EDIT_CONFLICT] * 4
    assert (2, drafts.file(draft, "scenes/a.yaml")) == won[0]


@pytest.mark.parametrize("ask", [
    lambda draft: drafts.file(draft, "scenes/none.yaml"),
    lambda draft: drafts.delete_file(draft, "scenes/none.yaml", 1),
    lambda draft: drafts.files("D0"), lambda draft: drafts.get("D0"), lambda draft: drafts.discard("D0"),
    lambda draft: drafts.write_file("D0", "scenes/a.yaml", "x", 1), lambda draft: drafts.publish("D0", "", "", WORDS),
])
def test_what_is_not_there_is_refused(draft, ask):
    with refusal(Code.NOT_FOUND):
        ask(draft)
    assert drafts.get(draft)["version"] == 1


def test_a_path_outside_the_kinds_is_refused(draft):
    with refusal(Code.BAD_REQUEST):
        drafts.write_file(draft, "../run.py", "x", 1)


def test_the_merged_files_are_what_publishing_would_publish(draft):
    drafts.write_file(draft, "scenes/b.yaml", "BROKEN", 1)
    assert drafts.merged(draft) == {**ONE, "scenes/b.yaml": "BROKEN"}


def test_publishing_makes_a_release_and_ends_the_draft(draft):
    drafts.write_file(draft, "scenes/a.yaml", TWO["scenes/a.yaml"], 1)
    assert drafts.publish(draft, "weekend", "Wang", WORDS) == 2
    assert releases.files(2) == TWO and releases.get(2)["author"] == "Wang"
    assert drafts.all_drafts() == [] and store.many(drafts.DraftFile) == []


def test_what_went_live_meanwhile_is_kept(draft):
    drafts.write_file(draft, "scenes/b.yaml", "id: b", 1)
    publish({**TWO, "scenes/c.yaml": "id: c"})
    assert drafts.publish(draft, "", "Lin", WORDS) == 3
    assert releases.files(3) == {**TWO, "scenes/b.yaml": "id: b", "scenes/c.yaml": "id: c"}


@pytest.mark.parametrize("live", [{"lines/l.yaml": ONE["lines/l.yaml"]}, TWO], ids=["deleted there", "changed there"])
def test_a_file_that_both_changed_is_a_conflict(draft, live):
    drafts.write_file(draft, "scenes/a.yaml", "id: a # mine", 1)
    publish(live)
    with refusal(Code.EDIT_CONFLICT) as caught:
        drafts.publish(draft, "", "Lin", WORDS)
    assert caught.value.details == [{"path": "scenes/a.yaml"}]
    assert releases.live_no() == 2 and drafts.get(draft)["version"] == 2


def test_the_same_change_on_both_sides_is_none(draft):
    drafts.write_file(draft, "scenes/a.yaml", TWO["scenes/a.yaml"], 1)
    drafts.write_file(draft, "scenes/b.yaml", "id: b", 2)
    publish(TWO)
    assert releases.files(drafts.publish(draft, "", "Lin", WORDS)) == {**TWO, "scenes/b.yaml": "id: b"}


def test_a_draft_that_is_refused_lives_on(draft):
    with refusal(Code.NOTHING_CHANGED):
        drafts.publish(draft, "", "Lin", WORDS)
    drafts.write_file(draft, "scenes/b.yaml", "BROKEN", 1)
    with refusal(Code.CHECK_FAILED):
        drafts.publish(draft, "", "Lin", WORDS)
    assert drafts.file(draft, "scenes/b.yaml") == "BROKEN"


def test_discarding_forgets_its_files_and_no_others(draft):
    other = drafts.create("other", "Lin")["id"]
    drafts.discard(draft)
    assert [d["id"] for d in drafts.all_drafts()] == [other] and drafts.files(other) == ONE
