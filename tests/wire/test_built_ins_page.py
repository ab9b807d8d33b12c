"""docs/channel-built-ins.md: its pieces of YAML are right by schema and compiler, and the tests it names are there."""
from __future__ import annotations

import re

import pytest

from engine.config import shape
from engine.config.reader import read_text
from engine.wire import check_channel

from .making import ROOT, plain

PAGE = (ROOT / "docs" / "channel-built-ins.md").read_text("utf-8")
PIECES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.split("\n")[1].strip())
def test_a_piece_is_right_in_a_channel_file(piece):
    source, problems = read_text(piece, "piece.yaml")
    assert source and problems == []
    doc = {name: part for name, part in plain(verify="none").items() if name != "notices"}
    doc = {**doc, **{part: {**doc[part], **value} if part in ("secrets", "operations") else value
                     for part, value in source.data.items()}}
    assert shape.faults("channels", doc) == [] and check_channel(doc) == []


def test_the_tests_it_names_are_there():
    named = re.findall(r"\[(tests/[^\]]+)\]", PAGE)
    assert len(PIECES) == 4 and len(named) >= 5
    assert [name for name in named if not (ROOT / name).is_file()] == []
