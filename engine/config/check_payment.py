"""How a scene is paid: its channels can be paid through in its currency, its routes lead to channels that stand for one
another.
"""
from __future__ import annotations

from typing import Any

from .check_conditions import checked, out_of_reach
from .check_references import check_role
from .compile_payment import Written, is_route, offered_names, written_choices
from .problems import Fault
from .world import Document, World

_NOTHING = "nothing"


def check_channels(world: World, id: str, scene: Document) -> list[Fault]:
    """The faults of a scene's `pay.channels`."""
    faults: list[Fault] = []
    seen: set[str] = set()
    for written in written_choices(scene):
        if written.channel_id in seen:
            faults.append(Fault(written.at, "repeated", f"the channel {written.channel_id} is already offered"))
        seen.add(written.channel_id)
        faults += _check_channel(world, id, written)
    for number, entry in enumerate(scene["pay"].get("channels", ())):
        if is_route(entry):
            faults += _check_route(world, scene, entry, ("pay", "channels", number))
    return [*faults, *_check_contracts(world, id, scene)]


def _check_contracts(world: World, id: str, scene: Document) -> list[Fault]:
    """Where a known buyer is sold what renews, a channel takes contracts: without one it would be sold for one period."""
    line = world.shelf.data("lines", scene["line"])
    found = [world.shelf.data("channels", written.channel_id) for written in written_choices(scene)]
    if scene["login"] != "required" or line is None or "renew" not in line or None in found or not found:
        return []
    renewing = [key for key in sorted(world.goods[id].keys) if _renews(world, key)]
    if not renewing or any("withhold" in channel["operations"] for channel in found):
        return []
    return [Fault(("pay", "channels"), "contract", f"{renewing[0]} renews, and no channel here takes contracts", at_key=True,
                  expected="a channel with an operation withhold")]


def _renews(world: World, key: str) -> bool:
    product, sku = world.sku(key) or ({}, {})
    type_ = world.shelf.data("product_types", sku.get("type", product.get("type", "")))
    return type_ is not None and "renew" in type_["takes_part_in"]


def _check_channel(world: World, id: str, written: Written) -> list[Fault]:
    faults: list[Fault] = []
    channel, currency = world.shelf.data("channels", written.channel_id) or {}, world.currency(id)
    if fault := check_role(world.shelf, written.channel_id, "pay", written.at):
        faults.append(fault)
    elif currency and channel.get("currency", currency) != currency:
        told = f"the channel {written.channel_id} does not take {currency}, in which this scene sells"
        faults.append(Fault(written.at, "currency", told, found=f"currency {channel['currency']}"))
    if written.when is not None:
        path, fields = (*written.path, "when"), world.scope_of_scene(id).fields
        condition = checked(world.shelf, written.when, path, "pay", fields, currency, faults)
        if out_of_reach(condition, [world.known[id]]):
            faults.append(Fault(path, "unreachable", "this can never hold here, so the channel would never be offered"))
    return faults


def _check_route(world: World, scene: Document, route: Document, path: tuple) -> list[Fault]:
    """Its name is its own, all its channels have a weight or none, and all give the buyer the same kind of thing."""
    faults, name, members = [], route["route"], [_member(entry) for entry in route["of"]]
    if world.shelf.has("channels", name):
        faults.append(Fault((*path, "route"), "name", f"{name} is a channel: a route needs a name of its own"))
    if offered_names(scene).index(name) < path[-1]:
        faults.append(Fault((*path, "route"), "repeated", f"{name} is already offered"))
    weighed = ["weight" in member for member in members]
    if any(weighed) and not all(weighed):
        place = weighed.index(False)
        told = f"{members[place]['use']} has no weight, and others of the route {name} have one"
        faults.append(Fault((*path, "of", place), "weights", told, expected="a weight for each channel, or for none"))
    first: tuple[str, str] | None = None
    for place, member in enumerate(members):
        channel = world.shelf.data("channels", member["use"])
        if channel is None or channel.get("role") != "pay":
            continue
        kind = _client_kind(channel)
        first = first or (member["use"], kind)
        if kind != first[1]:
            told = f"the channels of the route {name} give the buyer's terminal different things"
            faults.append(Fault((*path, "of", place), "client", told, f"{member['use']} gives {kind}",
                                f"{first[1]}, as {first[0]} does"))
    return faults


def _member(entry: Any) -> Document:
    return {"use": entry} if isinstance(entry, str) else entry


def _client_kind(channel: Document) -> str:
    """What a channel's pay operation gives: qr, redirect, text, or parameters by their names."""
    client = channel["operations"].get("pay", {}).get("client") or {}
    if "params" in client:
        return f"params {', '.join(sorted({*client['params'], *client.get('sign', {}).get('client', ())}))}"
    return next((word for word in client), _NOTHING)
