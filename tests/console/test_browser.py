"""The console in a real Chromium, served by its real process: what a person of the product staff does on a working day.

Screenshots of every page, in both languages and at two widths, are left in the test's temporary folder. Where there is no
Chromium this file is not collected, and the end of the run says so (conftest.py).
"""
from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from console import ui
from engine.base import settings
from engine.config import drafts, releases
from engine.deliver import work_orders
from tests.console import world as worlds
from tests.console.conftest import browser_path
from tests.support.processes import free_ports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SCENE = "scenes/aiqicha-app.yaml"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def address(sold, processes) -> str:
    """The console's own process over a day's trade."""
    port = free_ports(2)
    console = processes.run_py("console", env={"SALEWRIGHT_PORT": str(port), "SALEWRIGHT_SECRETS_DIR": str(settings.secrets_dir())})
    console.wait_healthy(port + 1)
    return f"http://127.0.0.1:{port + 1}"


class Reader:
    """One person's browser. What the page's scripts or its policy complain about is kept."""

    def __init__(self, chromium: Browser, address: str, width: int = 1280):
        self.page: Page = chromium.new_page(viewport={"width": width, "height": 900}, locale="en-GB")
        self.page.set_default_timeout(20_000)
        self.address, self.complaints = address, []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)

    def go(self, path: str) -> None:
        self.page.goto(f"{self.address}/console{path}")

    def enter(self, login: str = "admin") -> "Reader":
        self.go("/login/")
        self.page.fill("input[name=login]", login)
        self.page.fill("input[name=password]", worlds.PASSWORD)
        self.page.click(".door-form button")
        self.page.wait_for_url("**/console/")
        return self

    def confirm(self) -> None:
        """Say yes to the question on the page."""
        self.page.click("dialog[open] .ask-yes")

    def type_at(self, line: int, text: str) -> None:
        """Type at the end of a line, in the editor or in the text area that stands in its place."""
        if self.page.locator(".cm-content").count():
            self.page.locator(".cm-line").nth(line - 1).click()
            self.page.keyboard.press("End")
            self.page.keyboard.type(text)
        else:
            area = self.page.locator("textarea[name=text]")
            lines = area.input_value().split("\n")
            lines[line - 1] += text
            area.fill("\n".join(lines))


def line_of(text: str, start: str) -> int:
    return next(n for n, line in enumerate(text.split("\n"), 1) if line.startswith(start))


@pytest.mark.parametrize("bundle", [True, False], ids=["editor", "plain text area"])
def test_from_the_door_to_a_published_scene_and_an_order(sold, address, chromium, tmp_path: Path, bundle: bool):
    assert ui.has_asset("build/editor.js"), "the console's assets are not built: `make setup` builds them"
    reader = Reader(chromium, address)
    page, shots = reader.page, tmp_path / "shots"
    if not bundle:
        page.route(re.compile(r"/build/editor\.js"), lambda route: _gone(route))
    page.screenshot(path=shots / "0-door.png")
    reader.enter()

    # a scene is edited, with a mistake in it
    reader.go(f"/studio/file/{SCENE}")
    page.click(".head form.act button")
    page.wait_for_url("**/editor/**")
    assert page.locator(".cm-content").count() == bundle
    expect(page.locator("#verdict")).to_have_text("The whole draft is sound.")
    line = line_of(releases.files(1)[SCENE], "login:")
    reader.type_at(line, "x")
    expect(page.locator(".problem .place").first).to_have_text(re.compile(rf"{re.escape(SCENE)}:{line}:\d+"))
    expect(page.locator(".problem").first).to_contain_text("did you mean required")
    expect(page.locator(f'.files a[data-path="{SCENE}"] .count')).to_have_text("1")
    if bundle:
        expect(page.locator(".cm-lintRange-error")).to_have_text("requiredx")
        expect(page.locator(".cm-gutter-lint .cm-lint-marker-error")).to_have_count(1)
    page.screenshot(path=shots / "1-mistake.png")
    page.locator(".problem .place").first.click()              # a click leads there
    where = page.evaluate("() => document.activeElement.className + ' ' + (document.activeElement.selectionStart ?? '')")
    assert "cm-content" in where if bundle else int(where.split()[-1]) > 0

    # it is mended, saved, and published with a note
    page.keyboard.press("End")
    page.keyboard.press("Backspace")
    expect(page.locator("#verdict")).to_have_text("The whole draft is sound.")
    title = line_of(releases.files(1)[SCENE], "note:") if "\nnote:" in releases.files(1)[SCENE] else line
    reader.type_at(title, "\nnote: tried in a browser")
    expect(page.locator("#dirty")).to_have_text("Not saved yet")
    page.keyboard.press("Control+s")
    expect(page.locator("#notice")).to_have_text("Saved in the draft.")
    draft_id = drafts.all_drafts()[0]["id"]
    assert "note: tried in a browser" in drafts.file(draft_id, SCENE)
    page.click("text=Check and publish")
    expect(page.locator(".difference")).to_have_count(1)
    expect(page.locator(".cm-mergeView, .unified").first).to_be_visible()
    page.screenshot(path=shots / "2-draft.png", full_page=True)
    page.fill("textarea[name=note]", "tried in a browser")
    page.click("form[data-confirm] >> text=Publish")
    expect(page.locator("dialog[open] .ask-question")).to_contain_text("Publish this draft (files changed: 1)?")
    page.screenshot(path=shots / "3-question.png")
    page.click("dialog[open] >> text=Cancel")
    assert releases.live_no() == 1
    page.click("form[data-confirm] >> text=Publish")
    reader.confirm()
    page.wait_for_url("**/releases/2")
    expect(page.locator(".note-success")).to_have_text("Release 2 is live.")
    assert releases.live_no() == 2

    # an order is looked at, and one trace of it marked
    reader.go(f"/orders/?q={sold.orders['paid_twice']}")
    page.click("td .no")
    expect(page.locator("h1")).to_contain_text(sold.orders["paid_twice"])
    page.locator(".timeline .trace").first.click()
    assert page.locator(".timeline .lit").count() > 1
    shown = page.locator(".timeline li:visible").count()
    page.click(".chips >> text=Steps")
    assert page.locator(".timeline li:visible").count() < shown
    page.screenshot(path=shots / "4-order.png", full_page=True)
    assert len(list(shots.glob("*.png"))) == 5
    assert [text for text in reader.complaints if "build/editor.js" not in text and "ERR_FAILED" not in text] == []


def _gone(route: Route) -> None:
    route.abort()


def test_two_people_at_one_file_lose_nothing(sold, address, chromium):
    one, two = Reader(chromium, address).enter(), Reader(chromium, address).enter("editor")
    draft_id = drafts.create("ours", "admin")["id"]
    for reader in (one, two):
        reader.go(f"/editor/{draft_id}/{SCENE}")
    one.type_at(1, " # one")
    one.page.keyboard.press("Control+s")
    expect(one.page.locator("#notice")).to_have_text("Saved in the draft.")
    two.type_at(1, " # two")
    two.page.keyboard.press("Control+s")
    expect(two.page.locator("#notice")).to_contain_text("Somebody else has written this file")
    expect(two.page.locator(".editor-main > .diff")).to_contain_text("# one")
    assert two.page.locator("textarea[name=text]").input_value().startswith("id: aiqicha-app # two")
    two.page.keyboard.press("Control+s")
    expect(two.page.locator("#notice")).to_have_text("Saved in the draft.")
    assert drafts.file(draft_id, SCENE).startswith("id: aiqicha-app # two")


def test_unsaved_text_outlives_the_page_and_the_session(sold, address, chromium):
    reader = Reader(chromium, address).enter()
    draft_id = drafts.create("mine", "admin")["id"]
    reader.go(f"/editor/{draft_id}/{SCENE}")
    reader.type_at(1, " # not lost")
    expect(reader.page.locator("#dirty")).to_have_text("Not saved yet")
    reader.page.context.clear_cookies()        # the session is over
    reader.page.keyboard.press("Control+s")
    expect(reader.page.locator("#notice")).to_be_visible()
    assert "# not lost" in reader.page.locator("textarea[name=text]").input_value()
    reader.page.on("dialog", lambda dialog: dialog.accept())
    reader.enter()
    reader.go(f"/editor/{draft_id}/{SCENE}")
    expect(reader.page.locator("#notice")).to_contain_text("unsaved text")
    assert "# not lost" in reader.page.locator("textarea[name=text]").input_value()


PAGES = ("/", "/orders/", "/contracts/", "/partners/", "/partners/bank-mall", "/partners/bank-mall/statement", "/charges/", "/payments/", "/refunds/", "/alljobs/",
         "/studio/", f"/studio/file/{SCENE}", "/drafts/", "/drafts/{draft}",
         f"/editor/{{draft}}/{SCENE}", "/releases/", "/releases/1", "/releases/diff?from=1&to=2", "/work/", "/work/{work}", "/jobs/",
         "/users/", "/users/new", "/users/1", "/trail/", "/account/", "/orders/NOPE", "/orders/?q=nothing")


@pytest.mark.parametrize("lang, width", [("zh", 1280), ("en", 1600), ("en", 1024)])
def test_every_page_fits_and_complains_of_nothing(sold, address, chromium, tmp_path: Path, lang: str, width: int):
    worlds.publish({**releases.files(1), SCENE: releases.files(1)[SCENE] + "# more\n"}, "a remark")
    draft_id = drafts.create("ours", "admin")["id"]
    drafts.write_file(draft_id, SCENE, releases.files(2)[SCENE].replace("use: alipay-app", "use: alipay-appp", 1), 1)
    work = next(w for w in work_orders.of_order(sold.orders["fulfilling"]))["no"]
    reader = Reader(chromium, address, width).enter()
    reader.page.click(f".langs button[value={lang}]")
    expect(reader.page.locator(".frame")).to_have_attribute("lang", "zh-CN" if lang == "zh" else "en")
    paths = [path.format(draft=draft_id, work=work) for path in PAGES] + [f"/orders/{no}" for no in sold.orders.values()]
    for n, path in enumerate(paths):
        reader.go(path)
        name = re.sub(r"\W+", "-", path).strip("-") or "home"
        reader.page.screenshot(path=tmp_path / "shots" / f"{n:02}-{name}.png", full_page=True)
        wide = reader.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px too wide at {width}"
    assert [text for text in reader.complaints if "404" not in text] == []
