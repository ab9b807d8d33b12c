"""Every text of the console that is shown to people, as its sources say them."""
from __future__ import annotations

from pathlib import Path

from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

from engine.base.errors import Code
from engine.trade.coupons import REASONS

CONSOLE = Path(__file__).resolve().parents[2] / "console"
KEYWORDS = {"_": None, "_l": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


def own_texts() -> dict[str, str]:
    """text → where it stands first."""
    found: dict[str, str] = {}
    for path in sorted(CONSOLE.rglob("*.py")):
        if "node_modules" not in path.parts:
            with path.open("rb") as file:
                _add(found, path, extract_python(file, KEYWORDS, [], {}))
    for path in sorted((CONSOLE / "templates").rglob("*.html")):
        with path.open("rb") as file:
            _add(found, path, babel_extract(file, list(KEYWORDS), [], {"newstyle_gettext": "true", "trimmed": "false"}))
    return found


def engine_texts() -> set[str]:
    """Sentences of the engine's that the console shows in the reader's language."""
    return {code.sentence for code in Code} | {sentence for sentence in REASONS.values()}


def _add(found: dict[str, str], path: Path, messages) -> None:
    for line, _function, message, _comments in messages:
        text = message[0] if isinstance(message, tuple) else message      # the rest are the values that go into it
        if text:
            found.setdefault(text, f"{path.relative_to(CONSOLE)}:{line}")
