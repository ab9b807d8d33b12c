"""Examples: what a file says about itself, tried out. Other rooms price and sign; here their answers are compared."""
from __future__ import annotations

import logging
from typing import Any, Mapping

from ..base import clock, money
from .catalog import Catalog, Scene
from .problems import Fault, shown
from .shelf import Shelf
from .vocabulary import Vocabulary

_NOBODY = "nobody"
_log = logging.getLogger("salewright.check")


def run(shelf: Shelf, catalog: Catalog, vocabulary: Vocabulary) -> int:
    """Run every example of scenes and channels; differences become problems. Returns how many were run."""
    count = 0
    if vocabulary.run_scene_example is not None:
        for id, scene in shelf.sound("scenes"):
            for number, example in enumerate(scene.get("examples", ())):
                count += 1
                compiled = catalog.scenes[id]
                shelf.add_all("scenes", id, _try(catalog, compiled, scene, example, ("examples", number), vocabulary))
    if vocabulary.run_channel_example is not None:
        for id, channel in shelf.sound("channels"):
            for number, example in enumerate(channel.get("examples", ())):
                count += 1
                for difference in vocabulary.run_channel_example(channel, example):
                    told = f"{_called(example)}: {difference}"
                    shelf.add("channels", id, Fault(("examples", number), "example", told))
    return count


def _try(catalog: Catalog, compiled: Scene, scene: Mapping[str, Any], example: Mapping[str, Any], path: tuple,
         vocabulary: Vocabulary) -> list[Fault]:
    try:
        outcome = vocabulary.run_scene_example(catalog, compiled, given(example["given"], scene, compiled))
    except Exception as error:                 # our own mistake, but the file's author must learn where it shows
        _log.exception("an example of scene %s could not be run", compiled.id)
        return [Fault(path, "example", f"{_called(example)} could not be run: {error!r}")]
    return compare(outcome, example, compiled, path)


def given(written: Mapping[str, Any], scene: Mapping[str, Any], compiled: Scene) -> dict[str, Any]:
    """An example's `given` with everything said: what a runner takes.

    {items: [{sku, quantity}], buyer: None | {registered, tags, orders_paid, phone_known, bought: {sku: pieces}},
     fields: {}, coupons: None | [ids], partner_id: None | id, at_ms: int}
    """
    known = scene["login"] == "required" or scene["method"] == "direct_charge"
    buyer = written.get("buyer", {} if known else _NOBODY)
    return {
        "items": [{"sku": item, "quantity": 1} if isinstance(item, str) else dict(item) for item in written["items"]],
        "buyer": None if buyer == _NOBODY else {"registered": True, "tags": [], "orders_paid": 0, "phone_known": True,
                                                "bought": {}, **buyer},
        "fields": dict(written.get("fields", {})),
        "coupons": written.get("coupons"),
        "partner_id": written.get("partner", compiled.partner_id),
        "at_ms": clock.parse_rfc3339(written["at"]) if "at" in written else clock.now_ms(),
    }


def compare(outcome: Mapping[str, Any], example: Mapping[str, Any], scene: Scene, path: tuple) -> list[Fault]:
    """An outcome against an example's `then`, word by word.

    outcome: {refused: code, message} or {payable_minor, coupons: [ids], not_applied: {id: reason}, channels: [ids]}
    """
    name, then = _called(example), example["then"]
    if "refused" in outcome or "refused" in then:
        if outcome.get("refused") == then.get("refused"):
            return []
        found = f"refused: {outcome['refused']}" if "refused" in outcome else \
            f"payable {money.format_major(outcome['payable_minor'], scene.currency)}"
        more = f" ({outcome['message']})" if outcome.get("message") else ""
        expected = f"refused: {then['refused']}" if "refused" in then else "an answer"
        return [Fault((*path, "then"), "example", f"{name}: another answer{more}", found, expected, at_key=True)]
    return [Fault((*path, "then", word), "example", f"{name}: {word} differs", found=found, expected=expected)
            for word, found, expected in _differences(outcome, then, scene)]


def _differences(outcome: Mapping[str, Any], then: Mapping[str, Any], scene: Scene) -> list[tuple[str, str, str]]:
    differences = []
    if "payable" in then and outcome["payable_minor"] != money.parse_major(then["payable"], scene.currency):
        payable = money.format_major(outcome["payable_minor"], scene.currency)
        differences.append(("payable", payable, str(then["payable"])))
    if "coupons" in then and sorted(outcome["coupons"]) != sorted(then["coupons"]):
        differences.append(("coupons", shown(sorted(outcome["coupons"])), shown(sorted(then["coupons"]))))
    if "channels" in then and list(outcome["channels"]) != then["channels"]:
        differences.append(("channels", shown(list(outcome["channels"])), shown(then["channels"])))
    reasons = {id: outcome["not_applied"].get(id, "applied" if id in outcome["coupons"] else "not looked at")
               for id in then.get("not_applied", ())}
    if reasons != then.get("not_applied", {}):
        differences.append(("not_applied", shown(reasons), shown(then["not_applied"])))
    return differences


def _called(example: Mapping[str, Any]) -> str:
    return f"the example “{example['name']}”" if example.get("name") else "the example"
