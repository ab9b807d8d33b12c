"""A catalogue's files as a list for people: what each is called, and the few words that tell it from its neighbours."""
from __future__ import annotations

from functools import lru_cache
from typing import Any, Iterable, Mapping

from engine.config.reader import KINDS, read_text

from .. import catalogue, words
from ..i18n import title


@lru_cache(maxsize=2000)
def _read(text: str) -> Mapping[str, Any]:
    source, _problems = read_text(text, "")
    return source.data if source is not None and isinstance(source.data, dict) else {}


def listed(files: Mapping[str, str], asked: str = "") -> dict[str, list[dict[str, Any]]]:
    """kind → [{path, id, title, about}], kinds in their order; only what holds the words asked for, anywhere in its text."""
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    wanted = asked.lower().split()
    for path, text in sorted(files.items()):
        kind, _slash, name = path.partition("/")
        if kind not in found or any(word not in text.lower() and word not in path.lower() for word in wanted):
            continue
        data = _read(text)
        id = name.removesuffix(".yaml")
        found[kind].append({"path": path, "id": id, "title": _title(data, id), "about": _about(kind, data)})
    return found


def _title(data: Mapping[str, Any], id: str) -> str:
    titles = data.get("title")
    return title(titles, id) if isinstance(titles, dict) else id


def _about(kind: str, data: Mapping[str, Any]) -> str:
    """A few words in the reader's language; whatever the file says, this never fails."""
    try:
        return _ABOUT[kind](data) if kind in _ABOUT else ""
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""


def _joined(parts: Iterable[Any]) -> str:
    return " · ".join(str(part) for part in parts if part not in (None, ""))


def _scene(data: Mapping[str, Any]) -> str:
    return _joined([catalogue.line_title(data["line"]), words.word(words.TERMINALS, data["terminal"]),
                    words.word(words.METHODS, data["method"])])


def _benefit(data: Mapping[str, Any]) -> str:
    said = [words.word(words.BENEFITS, name) % {"value": value} for name, value in data["benefit"].items()]
    return _joined([*said, data.get("currency", "CNY")])


def _channel(data: Mapping[str, Any]) -> str:
    return _joined([words.word(words.CHANNEL_ROLES, data.get("role", "")),
                    ", ".join(words.word(words.OPERATIONS, name) for name in data.get("operations", {}))])


_ABOUT = {
    "scenes": _scene,
    "products": lambda data: _joined([catalogue.type_title(data["type"]), ", ".join(
        f"{title(sku.get('title'), id)} {sku['price']}" for id, sku in data["skus"].items()), data.get("currency", "CNY")]),
    "coupons": _benefit,
    "channels": _channel,
    "lines": lambda data: ", ".join(words.word(words.FLOWS, flow) for flow in words.FLOWS if flow in data),
    "partners": lambda data: _joined([words.word(words.MODES, data["mode"]),
                                      ", ".join(map(catalogue.scene_title, data["scenes"]))]),
    "merchants": lambda data: words.word(words.MERCHANT_KINDS, data.get("kind", "")),
    "messages": lambda data: catalogue.channel_title(data.get("channel", "")),
    "product_types": lambda data: ", ".join(words.word(words.PARTS, part) for part in data.get("takes_part_in", [])),
}
