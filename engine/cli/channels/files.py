"""A channel file as its author sees it: text, data with places, and where in it something stands."""
from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, NamedTuple

from ...base.errors import Code, Refusal
from ...config import likeness, shape
from ...config.problems import Fault, Problem, nearest_word
from ...config.reader import Source, read_text
from ...config.releases import as_detail
from ...wire import check_channel


class ChannelFile(NamedTuple):
    """`written` answers for places; of a file that is `like:` another, `doc` is the whole channel, `own` what this one says,
    and `base` the other's document."""
    path: Path
    text: str
    written: likeness.Written
    own: dict[str, Any]
    doc: Mapping[str, Any]
    base: Mapping[str, Any] | None

    def problem(self, path: tuple, message: str, rule: str = "channel", at_key: bool = True) -> Problem:
        return self.written.problem(Fault(path, rule, message, at_key=at_key))

    def writes(self, path: tuple) -> bool:
        """Whether this file itself says what lies at a path, and not the one it is like."""
        node: Any = self.own
        for step in path:
            if not (step in node if isinstance(node, dict) else isinstance(node, list) and int(step) < len(node)):
                return False
            node = node[step]
        return True


def read(named: str, folder: Path) -> ChannelFile:
    """The file of a path, or of a channel's id in the catalogue `folder`. Refusal NOT_FOUND when there is none,
    CHECK_FAILED with every place when it can't be read."""
    path = _found(named, folder)
    source = _source(path)
    if not likeness.is_like(source.data):
        return ChannelFile(path, path.read_text(encoding="utf-8"), source, source.data, source.data, None)
    others = {other.stem: _source(other).data for other in path.parent.glob("*.yaml") if other != path}
    fault = likeness.fault_of(path.stem, source.data, others, others)
    if fault:
        raise _refused([source.problem(fault)])
    base = _source(path.with_name(f"{source.data['like']}.yaml"))
    doc, faults = likeness.merged(base.data, source.data)
    if faults:
        raise _refused([source.problem(fault) for fault in faults])
    return ChannelFile(path, path.read_text(encoding="utf-8"), likeness.Alike(source, base, doc), source.data, doc, base.data)


def read_right(named: str, folder: Path) -> ChannelFile:
    """The same, when schema and compiler find nothing wrong with it; its examples may still fail."""
    file = read(named, folder)
    protocol = {name: value for name, value in file.doc.items() if name != "examples"}
    problems = [file.written.problem(fault) for fault in shape.faults("channels", protocol)]
    problems = problems or [file.problem(path, message) for path, message in check_channel(file.doc)]
    if problems:
        raise _refused(problems)
    return file


def _refused(problems: list[Problem]) -> Refusal:
    return Refusal(Code.CHECK_FAILED, "mend the file at these places, then try again", [as_detail(p) for p in problems])


def _source(path: Path) -> Source:
    source, problems = read_text(path.read_bytes(), str(path))
    if source is None or problems:
        raise _refused(problems)
    if not isinstance(source.data, dict):
        raise _refused([Problem(str(path), 1, 1, "shape", "a channel file is made of keys with values")])
    return source


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
