"""The files of one catalogue while they are checked: by kind and id, with what was found wrong so far.

A file that can't be read, or whose shape is wrong, is *broken*: it still counts as being there, so that nobody is told
of it a second time by everything that refers to it.
"""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping

from . import likeness
from .kept import Pass
from .problems import Fault, Problem, nearest_word, shown
from .reader import KINDS, Source, read_folder, read_text

Files = Mapping[str, str]                      # "scenes/x.yaml" → text


@dataclass(frozen=True, slots=True)
class Known:
    """A text that was read before. Its places take more room than what it says, and only a fault asks for them."""
    path: str
    text: str
    data: Any

    def problem(self, fault: Fault) -> Problem:
        return read_text(self.text, self.path)[0].problem(fault)


class Shelf:
    """`data(kind, id)` is a sound document, or None. Problems are errors; notes are worth knowing and stop nothing.

    `made(function, *arguments)` is what the function gives, kept from earlier checks; see `kept.py`.
    """

    def __init__(self, kept: Pass) -> None:
        self.made = kept.made
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self._sources: dict[str, dict[str, Source | Known | likeness.Alike]] = {kind: {} for kind in KINDS}
        self._broken: set[tuple[str, str]] = set()
        self._files: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}     # kind → id → path, broken ones too

    def put(self, kind: str, path: str, source: Source | Known | None, problems: Iterable[Problem]) -> None:
        id = path.rsplit("/", 1)[-1].removesuffix(".yaml")
        problems = list(problems)
        self.problems += problems
        self._files[kind][id] = path
        if source is not None:
            self._sources[kind][id] = source
        if source is None or problems:
            self._broken.add((kind, id))

    # what is there

    def ids(self, kind: str) -> Iterable[str]:
        """Ids of a kind, of broken files too."""
        return self._files[kind]

    def sound(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(id, document) of every file of a kind that is not broken, in order."""
        for id, source in self._sources[kind].items():
            if (kind, id) not in self._broken:
                yield id, source.data

    def data(self, kind: str, id: Any) -> Mapping[str, Any] | None:
        if not isinstance(id, str) or (kind, id) in self._broken or id not in self._sources[kind]:
            return None
        return self._sources[kind][id].data

    def raw(self, kind: str) -> Iterator[tuple[str, Any]]:
        """(id, data) of every file that could be read, whatever it says. A file that is like another comes after it, and
        not at all if the other was found broken meanwhile."""
        for id, source in sorted(self._sources[kind].items(), key=lambda pair: isinstance(pair[1], likeness.Alike)):
            if isinstance(source, likeness.Alike) and (kind, source.own.data["like"]) in self._broken:
                self.set_broken(kind, id)
            if (kind, id) not in self._broken:
                yield id, source.data

    def has(self, kind: str, id: str) -> bool:
        return id in self._files[kind]

    def all_sound(self, kind: str) -> bool:
        """Whether every file of a kind could be looked into: only then can one say that nothing names a thing."""
        return not any(broken == kind for broken, _ in self._broken)

    def counts(self) -> dict[str, int]:
        return {kind: len(files) for kind, files in self._files.items()}

    # what is wrong

    def add(self, kind: str, id: str, fault: Fault) -> None:
        self.problems.append(self._sources[kind][id].problem(fault))

    def add_all(self, kind: str, id: str, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.add(kind, id, fault)

    def note(self, kind: str, id: str, fault: Fault) -> None:
        self.notes.append(self._sources[kind][id].problem(fault))

    def set_broken(self, kind: str, id: str) -> None:
        self._broken.add((kind, id))

    # channels that are like others

    def merge_likes(self) -> None:
        """Each channel that is like another becomes the whole it stands for; it is broken when the other one is."""
        written = dict(self._sources["channels"])
        there = {id: source.data for id, source in written.items()}
        for id, source in written.items():
            if likeness.is_like(source.data) and ("channels", id) not in self._broken:
                self._merge_like(id, source, there)

    def _merge_like(self, id: str, own: Source | Known, there: Mapping[str, Any]) -> None:
        fault = likeness.fault_of(id, own.data, there, self.ids("channels"))
        if fault is not None:
            self.add("channels", id, fault)
        base = self._sources["channels"].get(own.data["like"]) if fault is None else None
        if base is None or ("channels", own.data["like"]) in self._broken or not isinstance(base.data, Mapping):
            self.set_broken("channels", id)
            return
        data, faults = self.made(likeness.merged, base.data, own.data)
        self.add_all("channels", id, faults)
        self._sources["channels"][id] = likeness.Alike(own, base, data)
        if faults:
            self.set_broken("channels", id)


def documents(folder: Path | str) -> dict[str, str]:
    """{path: text} of the catalogue's files below a folder: what `publish` takes.

    OSError or UnicodeDecodeError when one can't be read as text.
    """
    sources, problems = read_folder(folder)
    paths = {path for of_kind in sources.values() for path in of_kind}
    paths |= {problem.file for problem in problems if problem.file.endswith(".yaml")}
    return {path: (Path(folder) / path).read_bytes().decode() for path in sorted(paths)}


def read(catalogue: Path | str | Files, kept: Pass) -> Shelf:
    """A folder, or {path: text}, onto a shelf; every file that can't be read is a problem on it."""
    shelf = Shelf(kept)
    if isinstance(catalogue, Mapping):
        for path in sorted(catalogue):
            _put_text(shelf, path, catalogue[path])
    else:
        _put_folder(shelf, catalogue)
    shelf.merge_likes()
    return shelf


def _put_folder(shelf: Shelf, catalogue: Path | str) -> None:
    sources, problems = read_folder(catalogue)
    of_file: dict[str, list[Problem]] = {}
    for problem in problems:
        of_file.setdefault(problem.file, []).append(problem)
    for kind, found in sources.items():
        unreadable = {path for path in of_file if path.startswith(f"{kind}/") and path.endswith(".yaml")}
        for path in sorted({*found, *unreadable}):
            shelf.put(kind, path, found.get(path), of_file.pop(path, ()))
    shelf.problems += [problem for rest in of_file.values() for problem in rest]      # files that are no YAML at all


def _put_text(shelf: Shelf, path: str, text: str) -> None:
    kind, _, name = path.partition("/")
    if kind not in KINDS:
        shelf.problems.append(Problem(path, 1, 1, "folder", "a file of the catalogue lies in the folder of its kind",
                                      shown(kind), "one of " + ", ".join(KINDS), nearest_word(kind, KINDS)))
    elif "/" in name or not name.endswith(".yaml"):
        shelf.problems.append(Problem(path, 1, 1, "extension", "a file of the catalogue is named KIND/ID.yaml"))
    elif (data := shelf.made(_sound, text)) is not None:
        shelf.put(kind, path, Known(path, text, data), ())
    else:
        shelf.put(kind, path, *read_text(text, path))


def _sound(text: str) -> Any:
    """What a text says; None when anything is wrong with it."""
    source, problems = read_text(text, "")
    return None if source is None or problems else source.data
