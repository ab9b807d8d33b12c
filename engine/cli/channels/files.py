"""A channel file as its author sees it: text, data with places, and where in it something stands."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Iterable, NamedTuple

from ...base.errors import Code, Refusal
from ...config import shape
from ...config.problems import nearest_word
from ...config.reader import Source, read_text
from ...config.releases import as_detail
from ...wire import check_channel


class ChannelFile(NamedTuple):
    path: Path
    text: str
    source: Source
    doc: dict[str, Any]

    def place(self, path: Iterable[Any]) -> str:
        """`channels/x.yaml:17:5`, the place of a path into the document (or of its nearest parent that is written here)."""
        line, column = self.source.place(path, key=True)
        return f"{self.path}:{line}:{column}"


def read(named: str, folder: Path) -> ChannelFile:
    """The file of a path, or of a channel's id in the catalogue `folder`. Refusal NOT_FOUND when there is none,
    CHECK_FAILED with every place when it can't be read."""
    path = _found(named, folder)
    raw = path.read_bytes()
    source, problems = read_text(raw, str(path))
    if source is None or problems:
        raise Refusal(Code.CHECK_FAILED, details=[as_detail(problem) for problem in problems])
    if not isinstance(source.data, dict):
        raise Refusal(Code.CHECK_FAILED, f"{path} is no channel file: it must be keys with values")
    return ChannelFile(path, raw.decode(), source, source.data)


def read_right(named: str, folder: Path) -> ChannelFile:
    """The same, when schema and compiler find nothing wrong with it; its examples may still fail."""
    file = read(named, folder)
    protocol = {name: value for name, value in file.doc.items() if name != "examples"}
    problems = [file.source.problem(fault) for fault in shape.faults("channels", protocol)]
    if problems:
        raise Refusal(Code.CHECK_FAILED, details=[as_detail(problem) for problem in problems])
    wrong = check_channel(file.doc)
    if wrong:
        raise Refusal(Code.CHECK_FAILED, details=[{"text": f"{file.place(path)}: {message}"} for path, message in wrong])
    return file


def _found(named: str, folder: Path) -> Path:
    path = Path(named)
    if path.suffix == ".yaml" or "/" in named:
        if not path.is_file():
            raise Refusal(Code.NOT_FOUND, f"there is no file {named}")
        return path
    path = folder / "channels" / f"{named}.yaml"
    if path.is_file():
        return path
    near = nearest_word(named, [other.stem for other in (folder / "channels").glob("*.yaml")])
    raise Refusal(Code.NOT_FOUND, f"there is no channel {named!r} in {folder / 'channels'}"
                                  + (f"; did you mean {near!r}?" if near else ""))
