"""Which files the sandbox plays: a folder's or the live release's, followed while it runs."""
from __future__ import annotations

import pytest

from engine import startup
from engine.config import releases
from sandbox.files import Files, of_folder, of_live_release, sides_of
from tests.support.selling import FILES
from tests.support.waiting import wait_until

from .playing import ROOT

SMS = (ROOT / "channels" / "sandbox-sms.yaml").read_text()
URL = "http://127.0.0.1:1"


@pytest.fixture
def running():
    started = []

    def start(source):
        files = Files(source, URL)
        files.start()
        started.append(files)
        return files
    yield start
    for files in started:
        files.stop()


def test_a_folder_is_followed(tmp_path, running, caplog):
    (tmp_path / "sandbox-sms.yaml").write_text(SMS)
    files = running(of_folder(tmp_path))
    assert set(files.sides()) == {"sandbox-sms"}
    held = files.sides()["sandbox-sms"]
    (tmp_path / "text.yaml").write_text("id: text\nlike: sandbox-sms\n" + SMS[SMS.index("title:"):SMS.index("note:")])
    assert set(files.look_now()) == {"sandbox-sms", "text"} and files.sides()["sandbox-sms"] is held, "what did not change is kept"
    (tmp_path / "broken.yaml").write_text("id: [")
    (tmp_path / "bad.yaml").write_text(SMS.replace("id: sandbox-sms", "id: bad").replace("{message.no}", "{message.nothing}"))
    assert set(files.look_now()) == {"sandbox-sms", "text"}
    assert {"a channel file can't be read", "a channel file can't be played"} <= {record.message for record in caplog.records}


def test_a_release_is_followed(sqlite_database, running):
    """The channel that a release brings is known when it is first asked for."""
    releases.publish(FILES, "one", "tests", startup.vocabulary(), base_no=0)
    files = running(of_live_release(of_folder(ROOT / "channels")))
    assert set(files.sides()) == {path[9:-5] for path in FILES if path.startswith("channels/")}
    more = FILES["channels/wallet.yaml"].replace("id: wallet", "id: more")
    releases.publish({**FILES, "channels/more.yaml": more}, "two", "tests", startup.vocabulary(), base_no=1)
    assert "more" in files.look_now()
    releases.publish(FILES, "three", "tests", startup.vocabulary(), base_no=2)
    wait_until(lambda: "more" not in files.sides(), "the new release is in force")


def test_without_a_database_the_files_beside_the_code_are_played(running):
    assert "sandbox-sms" in running(of_live_release(of_folder(ROOT / "channels"))).sides()


def test_each_channel_once():
    assert set(sides_of({"sandbox-sms.yaml": SMS}, URL, {})) == {"sandbox-sms"}
