"""The live catalogue as pages need it: titles by id, choices for filters, and no failure before the first release."""
from __future__ import annotations

from typing import Any, Mapping

from flask import g

from engine.base.errors import Code, Refusal
from engine.config.catalog import Catalog
from engine.config.live import live

from .i18n import title


def current() -> Catalog | None:
    """The live catalogue, or None before the first release."""
    try:
        return live.catalog()
    except Refusal as refusal:
        if refusal.code is not Code.NOT_READY:
            raise
        return None


def scenes() -> list[tuple[str, str]]:
    """(id, title) of the scenes of this person's lines, by title."""
    catalog = current()
    found = [(s.id, title(s.title, s.id)) for s in catalog.scenes.values() if g.person.sees_line(s.line_id)] if catalog else []
    return sorted(found, key=lambda pair: pair[1])


def lines() -> list[tuple[str, str]]:
    """(id, title) of this person's business lines."""
    catalog = current()
    return [(id, title(line.get("title"), id)) for id, line in catalog.lines.items() if g.person.sees_line(id)] if catalog else []


def channels(operation: str) -> list[tuple[str, str]]:
    """(id, title) of the channels that declare an operation, themselves or through the file they are alike."""
    catalog = current()
    return [(id, title(file.get("title"), id)) for id, file in catalog.channels.items()
            if operation in file.get("operations", {})] if catalog else []


def partners() -> list[tuple[str, str]]:
    """(id, title) of the live release's partners, by title."""
    catalog = current()
    return sorted(((id, title(partner.title, id)) for id, partner in catalog.partners.items()), key=lambda pair: pair[1]) \
        if catalog else []


def scene_title(scene_id: str) -> str:
    catalog = current()
    scene = catalog.scenes.get(scene_id) if catalog else None
    return title(scene.title, scene_id) if scene else scene_id


def line_title(line_id: str) -> str:
    catalog = current()
    return title(catalog.lines[line_id].get("title"), line_id) if catalog and line_id in catalog.lines else line_id


def channel_title(channel_id: str) -> str:
    catalog = current()
    document: Mapping[str, Any] = catalog.channels.get(channel_id, {}) if catalog else {}
    return title(document.get("title"), channel_id)


def merchant_title(merchant_id: str) -> str:
    catalog = current()
    return title(catalog.merchants[merchant_id].title, merchant_id) if catalog and merchant_id in catalog.merchants else merchant_id


def type_title(type_id: str) -> str:
    catalog = current()
    document: Mapping[str, Any] = catalog.product_types.get(type_id, {}) if catalog else {}
    return title(document.get("title"), type_id)


def partner_title(partner_id: str) -> str:
    catalog = current()
    return title(catalog.partners[partner_id].title, partner_id) if catalog and partner_id in catalog.partners else partner_id


def field_title(scene_id: str, name: str) -> str:
    """What a scene's own field is called, as the live catalogue has it."""
    catalog = current()
    scene = catalog.scenes.get(scene_id) if catalog else None
    declared = scene.fields_schema.get("properties", {}).get(name, {}) if scene else {}
    return title({"zh": declared.get("x-title-zh", ""), "en": declared.get("title", "")}, name)


def sku_title(sku_key: str) -> str:
    catalog = current()
    sku = catalog.skus.get(sku_key) if catalog else None
    return title(sku.title, sku_key) if sku else sku_key


def right_title(sku_key: str, right: str) -> str:
    """The title of a right as the live catalogue has it; its id when that is gone from it."""
    catalog = current()
    sku = catalog.skus.get(sku_key) if catalog else None
    grant = next((grant for grant in sku.grants if grant.right == right), None) if sku else None
    return title(grant.title, right) if grant else right
