"""Refusals in the reader's language: the code's sentence, what was found and expected, and the code itself."""
from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from engine.base.errors import Code, Refusal

from .i18n import lang


class Said(Refusal):
    """A refusal of the console's own: its message is in the reader's language already."""


def sentence(code: Code) -> str:
    """The code's sentence; `translations/zh.po` has every one of them, and a test holds it to that."""
    return _(code.sentence)


def text(refusal: Refusal) -> str:
    """One paragraph, ending with the code in brackets."""
    return f"{plain(refusal)} [{refusal.code.code}]"


def plain(refusal: Refusal) -> str:
    """The same without its code."""
    if isinstance(refusal, Said) or lang() == "en":
        return refusal.message
    parts = [sentence(refusal.code), *(_detail(detail) for detail in refusal.details[:3] if "rule" not in detail)]
    return " ".join(part for part in parts if part)


def _detail(detail: dict[str, Any]) -> str:
    words = []
    if detail.get("path") not in (None, ""):
        words.append(str(detail["path"]))
    if detail.get("found") not in (None, ""):
        words.append(_("found %(found)s", found=detail["found"]))
    if detail.get("expected") not in (None, ""):
        words.append(_("expected %(expected)s", expected=detail["expected"]))
    return f"({'; '.join(words)})" if words else ""
