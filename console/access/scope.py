"""Which catalogue files a user who is restricted to some business lines may change: those of his lines, and nothing shared."""
from __future__ import annotations

from typing import Iterable, Mapping

from flask_babel import gettext as _

from engine.base.errors import Code
from engine.config.reader import read_text

from ..refusals import Said
from .users import Person


def line_of(path: str, text: str | None) -> str | None:
    """The business line a file belongs to, or None when it is shared, or can't be read well enough to tell."""
    kind, _slash, name = path.partition("/")
    if kind == "lines":
        return name.removesuffix(".yaml")
    if kind != "scenes" or text is None:
        return None
    source, _problems = read_text(text, path)
    line = source.data.get("line") if source is not None and isinstance(source.data, dict) else None
    return line if isinstance(line, str) else None


def require(person: Person, path: str, *texts: str | None) -> None:
    """Refusal FORBIDDEN unless the file, before and after, belongs to one of the person's lines."""
    if not person.lines:
        return
    for text in texts:
        if text is not None and line_of(path, text) not in person.lines:
            raise Said(Code.FORBIDDEN, _("%(path)s is not a file of your business lines (%(lines)s).", path=path,
                                         lines=", ".join(sorted(person.lines))))


def require_all(person: Person, paths: Iterable[str], before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """The same of everything that a release would change."""
    for path in paths:
        require(person, path, before.get(path), after.get(path))
