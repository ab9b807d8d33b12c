"""Strict YAML → plain data that remembers where every value was written.

Catalogue files are read as JSON would be, in YAML's clothes: `true`, `false`, `null`, whole numbers and decimals are
what they look like, and everything else is text (`on`, `NO`, `1:30`, `010` and dates too). A decimal keeps its written
digits (`9.90` is `Decimal("9.90")`). What YAML would quietly bend is refused: a key written twice, a key that is not
text, merge keys, tags, a second document. Anchors and aliases are fine within the caps below.

Errors are values. Nothing here raises for what a file says: each function returns what it could read and a list of
`Problem`s, each with file, line and column. Any problem means the file must not be used.
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Iterable

import yaml

from .problems import Fault, Problem, nearest_word, shown

# A folder at the catalogue's top is a kind; its name is the kind's name.
KINDS = ("scenes", "channels", "product_types", "products", "coupons", "lines", "merchants", "partners", "messages")

SIZE_MAX = 256 * 1024          # bytes of one file
DEPTH_MAX = 32                 # mappings and lists inside one another
NODES_MAX = 20_000             # values of one file, aliases written out
ALIASES_MAX = 200
DIGITS_MAX = 18                # a longer number is an identifier and belongs in quotes

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)     # libyaml where it is there; only its events are used
_INT = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+\Z")
_WORDS = {"true": True, "false": False, "null": None, "": None}
# YAML takes U+0085, U+2028, U+2029 and a lone return for line breaks, no editor shows them: text would silently change.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
                        "|\r(?!\n)")
_BACKUP = re.compile(r"\..*|.*~|#.*#|.*\.(?:bak|orig|sw[a-p]|tmp)", re.DOTALL)
_COLON = "a colon and a space begin a value, and here none can begin: quote the text, or mend the indentation"
_TOO_DEEP = f"more than {DEPTH_MAX} mappings and lists inside one another"
_HINTS = {                     # the parser's sentence (libyaml's, PyYAML's own) → what a person should do about it
    "mapping values are not allowed in this context": _COLON,
    "mapping values are not allowed here": _COLON,
    "found character that cannot start any token":
        "a value can't begin with this character: quote the text",
    "could not find expected ':'": "a key without its colon: write `key: value`",
    "did not find expected key": "this line does not line up with the keys above it: mend the indentation",
    "did not find expected '-' indicator": "this line does not line up with the list above it: mend the indentation",
    "did not find expected ',' or ']'": "a list in brackets is not closed: a comma or `]` is missing",
    "did not find expected ',' or '}'": "a mapping in braces is not closed: a comma or `}` is missing",
    "found unexpected end of stream": "a quote is not closed",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file as read. `data` is plain (dict, list, str, int, Decimal, bool, None); aliases share, so don't change it.

    `positions` is (line, column, parts) from 0; parts: {key: (line, column, positions)} or [positions] or None.
    """
    path: str
    data: Any
    positions: tuple

    def place(self, path: Iterable, key: bool = False) -> tuple[int, int]:
        """(line, column), from 1, of the value at a path, or of its key with `key`.

        A path that isn't there gives its nearest parent that is: a missing key is reported at the mapping missing it.
        """
        spot = at = self.positions
        for part in path:
            parts = at[2]
            if isinstance(parts, dict) and part in parts:
                spot = parts[part]
                at = spot[2]
            elif isinstance(parts, list) and type(part) is int and 0 <= part < len(parts):
                spot = at = parts[part]
            else:
                return at[0] + 1, at[1] + 1
        where = spot if key else at
        return where[0] + 1, where[1] + 1

    def problem(self, fault: Fault) -> Problem:
        line, column = self.place(fault.path, fault.at_key)
        return Problem(self.path, line, column, fault.rule, fault.message, fault.found, fault.expected, fault.nearest)


class _Stop(Exception):
    """Reading can't go on; the problem is the last one."""

    def __init__(self, problem: Problem):
        self.problem = problem


class _Composer:
    """libyaml's events of one document → data and positions. Recursion is bounded by DEPTH_MAX."""

    def __init__(self, text: str, name: str):
        self.name = name
        self.loader = _LOADER(text)
        self.problems: list[Problem] = []
        self.anchors: dict[str, tuple[Any, tuple, int, int]] = {}   # data, positions, values inside, depth below it
        self.nodes = self.aliases = self.deepest = 0

    def document(self) -> Source | None:
        """The first document; None when there is none. A second one is a problem."""
        get = self.loader.get_event
        get()                                                   # the stream's start
        event = get()
        if isinstance(event, yaml.StreamEndEvent):
            return None
        data, positions = self.value(get(), 0)
        get()                                                   # the document's end
        event = get()
        if not isinstance(event, yaml.StreamEndEvent):
            self.add(event, "documents", "a file holds one document: put what follows `---` into a file of its own")
        return Source(self.name, data, positions)

    def add(self, event: Any, rule: str, message: str, **more: Any) -> Problem:
        mark = event.start_mark
        problem = Problem(self.name, mark.line + 1, mark.column + 1, rule, message, **more)
        self.problems.append(problem)
        return problem

    def stop(self, event: Any, rule: str, message: str) -> None:
        raise _Stop(self.add(event, rule, message))

    def value(self, event: Any, depth: int) -> tuple[Any, tuple]:
        self.nodes += 1
        if self.nodes > NODES_MAX:
            self.stop(event, "size", f"the file has more than {NODES_MAX} values, aliases written out")
        kind, mark = event.__class__, event.start_mark
        if kind is yaml.AliasEvent:
            return self.alias(event, depth)
        if kind is yaml.ScalarEvent and event.anchor is None and event.tag is None:     # nearly all
            return self.scalar(event), (mark.line, mark.column, None)
        if event.tag is not None:
            self.add(event, "tag", "tags are not read: write the value as it is", found=shown(event.tag))
        before, deepest_before, self.deepest = self.nodes, self.deepest, depth
        if kind is yaml.ScalarEvent:
            data, parts = self.scalar(event), None
        elif kind is yaml.MappingStartEvent:
            data, parts = self.mapping(self.deeper(event, depth + 1))
        else:
            data, parts = self.sequence(self.deeper(event, depth + 1))
        positions = (mark.line, mark.column, parts)
        if event.anchor is not None:
            if event.anchor in self.anchors:
                self.add(event, "anchor", "an anchor of this name is set already", found=shown(event.anchor))
            self.anchors[event.anchor] = (data, positions, self.nodes - before, self.deepest - depth)
        self.deepest = max(self.deepest, deepest_before)
        return data, positions

    def deeper(self, event: Any, depth: int) -> int:
        if depth > DEPTH_MAX:
            self.stop(event, "depth", _TOO_DEEP)
        self.deepest = max(self.deepest, depth)
        return depth

    def alias(self, event: Any, depth: int) -> tuple[Any, tuple]:
        mark = event.start_mark
        if event.anchor not in self.anchors:
            self.add(event, "anchor", "no anchor of this name ends before its alias", found=shown(event.anchor),
                     nearest=nearest_word(event.anchor, self.anchors))
            return None, (mark.line, mark.column, None)
        self.aliases += 1
        if self.aliases > ALIASES_MAX:
            self.stop(event, "size", f"the file has more than {ALIASES_MAX} aliases")
        data, positions, size, below = self.anchors[event.anchor]
        self.nodes += size
        self.deeper(event, depth + below)
        return data, (mark.line, mark.column, positions[2])

    def scalar(self, event: Any) -> Any:
        text = event.value
        if not event.implicit[0]:                               # quoted, or a block: text as written
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] in "-0123456789":
            number = int if _INT.match(text) else Decimal if _DECIMAL.match(text) else None
            if number and sum(map(str.isdigit, text)) <= DIGITS_MAX:
                return number(text)
            if number:
                self.add(event, "number", f"a number of more than {DIGITS_MAX} digits: quote it if it is text",
                         found=shown(text))
        return text

    def sequence(self, depth: int) -> tuple[list, list]:
        data, parts = [], []
        get = self.loader.get_event
        while (event := get()).__class__ is not yaml.SequenceEndEvent:
            value, positions = self.value(event, depth)
            data.append(value)
            parts.append(positions)
        return data, parts

    def mapping(self, depth: int) -> tuple[dict, dict]:
        data: dict[str, Any] = {}
        parts: dict[str, tuple] = {}
        get = self.loader.get_event
        while (event := get()).__class__ is not yaml.MappingEndEvent:
            key = self.key(event, depth)
            value, positions = self.value(get(), depth)
            if key is None:
                continue
            if key in data:
                self.add(event, "duplicate-key", f"the key {shown(key)} is already in line {parts[key][0] + 1}")
                continue
            mark = event.start_mark
            data[key] = value
            parts[key] = (mark.line, mark.column, positions)
        return data, parts

    def key(self, event: Any, depth: int) -> str | None:
        """A key's text; None, and a problem, when it is no text."""
        if event.__class__ is not yaml.ScalarEvent:
            self.value(event, depth)                            # read over it
            self.add(event, "key", "a key must be written as text")
            return None
        if event.implicit[0] and event.value == "<<":
            self.add(event, "merge-key", "merge keys are not read: write the keys out, or alias the whole value")
            return None
        data, _ = self.value(event, depth)
        if not isinstance(data, str):
            self.add(event, "key", "a key must be text: put it in quotes", found=shown(data))
            return None
        return data


def read_text(text: str | bytes, name: str) -> tuple[Source | None, list[Problem]]:
    """One YAML document → (source, problems). The source is None when the text could not be read to its end.

    `name` is the file's name in places. Never raises, whatever the text is.
    """
    decoded = _decode(text, name) if isinstance(text, bytes) else _inspect(text, name)
    if isinstance(decoded, Problem):
        return None, [decoded]
    composer = None
    try:
        composer = _Composer(decoded, name)
        source = composer.document()
    except _Stop:
        return None, composer.problems
    except yaml.YAMLError as error:
        return None, [*(composer.problems if composer else ()), _syntax_problem(error, decoded, name)]
    finally:
        if composer:
            composer.loader.dispose()
    if source is None or source.data is None:
        return None, [*composer.problems, Problem(name, 1, 1, "empty", "the file says nothing")]
    return source, composer.problems


def _decode(raw: bytes, name: str) -> str | Problem:
    if len(raw) > SIZE_MAX:
        return Problem(name, 1, 1, "size", f"the file is larger than {SIZE_MAX // 1024} KiB")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem(name, 1, 1, "encoding", "the file is UTF-16: save it as UTF-8")
    try:
        return _inspect(raw.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        before = raw[:error.start].decode("utf-8")
        line, column = _place_of(before, len(before))
        return Problem(name, line, column, "encoding", "the file is not UTF-8 (GBK?): save it as UTF-8",
                       found=f"byte 0x{raw[error.start]:02X}")


def _inspect(text: str, name: str) -> str | Problem:
    if len(text) > SIZE_MAX:
        return Problem(name, 1, 1, "size", f"the file is larger than {SIZE_MAX // 1024} KiB")
    if text.startswith("\ufeff"):
        return Problem(name, 1, 1, "bom", "the file begins with a byte order mark: save it as UTF-8 without one")
    if bad := _FORBIDDEN.search(text):
        return Problem(name, *_place_of(text, bad.start()), "character",
                       "an invisible character that YAML can't hold as it is", found=f"U+{ord(bad[0][0]):04X}")
    return text


def _place_of(text: str, offset: int) -> tuple[int, int]:
    return text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1


def _syntax_problem(error: yaml.YAMLError, text: str, name: str) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Problem(name, 1, 1, "syntax", str(error))
    lines = text.split("\n")
    line = lines[mark.line] if mark.line < len(lines) else ""
    indent = line[:len(line) - len(line.lstrip())]
    if "\t" in indent or line[mark.column:mark.column + 1] == "\t":
        column = line.index("\t") + 1
        return Problem(name, mark.line + 1, column, "tab", "a tab can't indent YAML: use spaces")
    problem = error.problem or str(error)
    if "nesting depth" in problem:             # libyaml reads ahead and has a limit of its own, far beyond ours
        return Problem(name, mark.line + 1, mark.column + 1, "depth", _TOO_DEEP)
    found = shown(line[mark.column]) if "cannot start" in problem and mark.column < len(line) else None
    return Problem(name, mark.line + 1, mark.column + 1, "syntax", _HINTS.get(problem, problem), found)


def read_folder(folder: Path | str, kinds: Iterable[str] = KINDS) -> tuple[dict[str, dict[str, Source]], list[Problem]]:
    """All files of a catalogue: ({kind: {path: source}}, problems), paths relative to `folder` with `/`, in order.

    Folders that are no kind are left alone, hidden and editor-backup files too; any other file than `*.yaml` inside a
    kind's folder is a problem, so that nothing is left out in silence. A kind without a folder is empty.
    """
    sources: dict[str, dict[str, Source]] = {}
    problems: list[Problem] = []
    for kind in kinds:
        of_kind = sources[kind] = {}
        directory = Path(folder) / kind
        if not directory.is_dir():
            continue
        for file in sorted(directory.iterdir()):
            if _BACKUP.fullmatch(file.name):
                continue
            name = f"{kind}/{file.name}"
            source, found = _read_file(file, name)
            problems += found
            if source is not None:
                of_kind[name] = source
    return sources, problems


def _read_file(file: Path, name: str) -> tuple[Source | None, list[Problem]]:
    if file.is_dir():
        return None, [Problem(name, 1, 1, "folder", "a folder inside a kind's folder is not read: move its files up")]
    if file.suffix != ".yaml":
        return None, [Problem(name, 1, 1, "extension", "catalogue files end in .yaml; this one would be left out")]
    try:
        with file.open("rb") as opened:
            raw = opened.read(SIZE_MAX + 1)
    except OSError as error:
        return None, [Problem(name, 1, 1, "unreadable", f"the file can't be read: {error.strerror or error}")]
    return read_text(raw, name)
