"""`python -m bench.prepare SCENES BUYERS`: make an installation ready for load, in the settings it is started with.

Prints one line of JSON: what a client must know to sell (scene, SKU, channel, price, key), as `servers.Engine.facts`.
"""
from __future__ import annotations

import json
import sys
from typing import Any, Mapping

from engine import startup, store, wire
from engine.cli.ready import make_ready
from engine.config import releases
from engine.config.catalog import Catalog, Scene, Sku
from engine.config.live import live
from engine.trade import buyers

from .generate_catalogue import generate

ROLE = "bench"


def main(scenes: int, count: int) -> dict[str, Any]:
    made = make_ready()
    startup.start(ROLE)
    if scenes:
        releases.publish(generate(scenes), f"{scenes} scenes more", ROLE, startup.vocabulary())
        live.look()
    with store.transaction():
        for n in range(count):
            buyers.put(f"buyer-{n:05d}", phone=f"138{n:08d}")
    facts = {**choose(live.catalog()), "key": made["api_key"], "buyers": [f"buyer-{n:05d}" for n in range(count)]}
    live.stop()
    return facts


def choose(catalog: Catalog) -> dict[str, Any]:
    """A plain sale: a known buyer buys in our own terminal what nobody counts, and pays with parameters that the channel
    signs without a call."""
    for scene in catalog.scenes.values():
        channel = scene.channels[0].id if scene.channels else None
        if (scene.login, scene.method) != ("required", "in_app") or scene.fields_schema.get("required") or channel is None:
            continue
        if wire.needs_call(wire.load(catalog.channels[channel]), "pay"):
            continue
        for sku in scene.skus.values():
            if sku.purchase_cap is None and sku.grants and not sku.extra:
                return _described(scene, sku, channel, catalog)
    raise LookupError("no scene of this catalogue suits the measurement")


def _described(scene: Scene, sku: Sku, channel: str, catalog: Catalog) -> dict[str, Any]:
    """`event`: the channel's notice of a payment."""
    file = catalog.channels[channel]
    event = next(name for name, notice in file["notices"].items() if "payment_no" in notice["take"])
    return {"scene": scene.id, "sku": sku.key, "channel": channel, "channel_file": _plain(file), "event": event,
            "price_minor": sku.price_minor, "currency": sku.currency, "scenes": len(catalog.scenes)}


def _plain(node: Any) -> Any:
    """Without the frozen wrapping of a compiled catalogue."""
    if isinstance(node, Mapping):
        return {name: _plain(value) for name, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, (list, tuple)) else node


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
