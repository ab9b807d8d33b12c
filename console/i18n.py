"""Two languages, complete: English in the code, Chinese in `translations/zh.po`, read as it is (nothing compiled that could
be older than it)."""
from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Mapping

from babel import support
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask, g, request, session
from flask_babel import Babel, Domain, get_locale
from werkzeug.utils import cached_property

PO_FILE = Path(__file__).parent / "translations" / "zh.po"
# Our names → locales of Flask-Admin's and WTForms' own translations.
LOCALES = {"zh": "zh_Hans_CN", "en": "en"}
NAMES = {"zh": "中文", "en": "English"}
DEFAULT = "zh"


@lru_cache(maxsize=None)
def _chinese() -> support.Translations:
    compiled = io.BytesIO()
    with PO_FILE.open("rb") as file:
        write_mo(compiled, read_po(file, locale="zh"))
    compiled.seek(0)
    return support.Translations(compiled)


class _Words(Domain):
    def get_translations(self) -> support.NullTranslations:
        return _chinese() if lang() == "zh" else support.NullTranslations()


class _Babel(Babel):
    @cached_property
    def domain_instance(self) -> Domain:
        return _Words()


def install(app: Flask) -> None:
    _Babel(app, default_locale=LOCALES[DEFAULT], locale_selector=lambda: LOCALES[chosen()])


def chosen() -> str:
    """The language of this request: the user's own, the one picked on the login page, or what the browser prefers."""
    person = g.get("person")
    if person is not None:
        return person.lang
    if session.get("lang") in LOCALES:
        return session["lang"]
    return request.accept_languages.best_match(list(LOCALES), default=DEFAULT)


def lang() -> str:
    """zh or en; en outside a request."""
    locale = get_locale()
    return "zh" if locale is not None and locale.language == "zh" else "en"


def title(titles: Mapping[str, str] | None, otherwise: str = "") -> str:
    """The text of `{"zh": …, "en": …}` in this request's language."""
    if not titles:
        return otherwise
    return titles.get(lang()) or titles.get("zh") or titles.get("en") or otherwise
