"""No text of the console is left in one language, and every state, code and kind has its word."""
from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from console import words
from console.i18n import PO_FILE
from engine import store
from engine.config.reader import KINDS
from engine.config.template import FLOWS
from engine.flow import journal, outbox
from engine.steps import registry
from engine.wire.vocabulary import OPERATIONS
from tests.console.texts import CONSOLE, engine_texts, own_texts
from tests.console.world import sample_files

assert journal and outbox                      # their tables and states are looked at below
HOLES = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module")
def chinese() -> dict[str, str]:
    with PO_FILE.open("rb") as file:
        catalogue = read_po(file)
    return {(m.id[0] if isinstance(m.id, tuple) else m.id): (m.string[0] if isinstance(m.string, tuple) else m.string)
            for m in catalogue if m.id}


def test_every_text_is_there_in_chinese(chinese):
    missing = {text: where for text, where in own_texts().items() if not chinese.get(text)}
    assert missing == {}


def test_every_sentence_of_the_engine_is_there_in_chinese(chinese):
    assert {text for text in engine_texts() if not chinese.get(text)} == set()


def test_no_translation_is_left_of_a_text_that_is_gone(chinese):
    assert set(chinese) - set(own_texts()) - engine_texts() == set()


def test_translations_have_the_same_holes(chinese):
    assert {text: said for text, said in chinese.items() if set(HOLES.findall(text)) != set(HOLES.findall(said))} == {}


def test_nothing_is_marked_as_unsure():
    assert "fuzzy" not in PO_FILE.read_text(encoding="utf-8")


# Words that are the same in every language.
SAME = {"Salewright", "CSV", "PC", "API", "YAML"}


def literal_words(template: Path) -> list[str]:
    """What a template shows that goes through no translation: text between tags, and attributes that people read."""
    text = template.read_text(encoding="utf-8")
    text = re.sub(r"\{#.*?#\}", "", text, flags=re.DOTALL)
    shown = re.findall(r"(?:title|placeholder|aria-label|alt)=\"([^\"]*)\"", text)
    bare = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", text, flags=re.DOTALL)
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", bare, flags=re.DOTALL)
    bare = re.sub(r"<!--.*?-->", " ", re.sub(r"<[^>]*>", " ", bare))
    found = [re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", value, flags=re.DOTALL) for value in shown] + [bare]
    return [word for part in found for word in re.findall(r"[A-Za-z]{2,}|[\u4e00-\u9fff]+", part) if word not in SAME]


@pytest.mark.parametrize("template", sorted((CONSOLE / "templates").rglob("*.html")), ids=lambda path: path.name)
def test_templates_say_nothing_untranslated(template):
    assert literal_words(template) == []


def test_an_untranslated_word_is_seen(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<p title="Look here">{{ _("fine") }} Hello</p>')
    assert literal_words(page) == ["Look", "here", "Hello"]


def test_scripts_say_nothing_by_themselves():
    """What a script shows is handed to it by its page."""
    for name in ("console.js", "studio.js"):
        source = (CONSOLE / "static" / name).read_text(encoding="utf-8")
        code = re.sub(r"//[^\n]*", "", source)
        shown = re.findall(r"textContent = [\"'`]([^\"'`]*)[\"'`]", code)
        assert [text for text in shown if re.search(r"[A-Za-z]{2,}", re.sub(r"\$\{[^}]*\}", "", text).replace("ms", ""))] == []


@pytest.mark.parametrize("name", sorted(store.MACHINES))
def test_every_state_of_every_machine_has_a_word(name):
    assert list(words._STATES[name]) and set(words._STATES[name]) == set(store.MACHINES[name].moves)
    assert name in words.MACHINES


def test_every_kind_and_flow_has_a_word():
    assert set(words.KINDS) == set(KINDS) and set(words.FLOWS) == set(FLOWS)


def test_every_step_task_and_operation_has_a_word():
    assert set(words.STEPS) == set(registry.load()) and set(words.OPERATIONS) == set(OPERATIONS)
    handled = set(re.findall(r'@outbox\.handles\("([\w.]+)"\)', (CONSOLE.parent / "engine" / "workers" / "jobs.py").read_text()))
    assert handled and set(words.TASKS) == handled


def test_every_channels_role_and_notice_has_a_word():
    schema = json.loads((CONSOLE.parent / "engine/config/schemas/channel.json").read_text(encoding="utf-8"))
    assert set(words.CHANNEL_ROLES) == set(schema["properties"]["role"]["enum"])
    told = {event for text in sample_files().values() for block in re.findall(r"(?ms)^notices:\n(.*?)(?=^\w|\Z)", text)
            for event in re.findall(r"(?m)^  (\w+):", block)}
    assert told and told <= set(words.NOTICE_EVENTS)


def test_every_kind_of_posting_has_a_word():
    engine = CONSOLE.parent / "engine"
    kinds = {kind for path in engine.rglob("*.py") for kind in re.findall(r'\bpost\("(\w+)"', path.read_text(encoding="utf-8"))}
    assert kinds and kinds <= set(words.LEDGER_KINDS)


def test_every_deed_has_a_word():
    source = "".join(path.read_text(encoding="utf-8") for path in CONSOLE.rglob("*.py") if "node_modules" not in path.parts)
    deeds = re.findall(r'audit\.(?:deed|record)\("([\w.]+)", "(\w+)"', source)
    assert {action for action, _kind in deeds} == set(words.ACTIONS)
    assert {kind for _action, kind in deeds} == set(words.OBJECTS)
