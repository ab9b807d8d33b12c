"""How a scene is paid, compiled: each line of `pay.channels` becomes an offer, a channel by itself or a route.

    channels:
      - pay-page                                             # a channel
      - {use: pay-desk, when: {lte: {payable: 5000.00}}}     # a channel with a condition
      - route: pay-app                                       # a name of the scene's own: the engine chooses
        title: {zh: APP 支付, en: In-app payment}
        of: [{use: pay-app-east, weight: 70}, {use: pay-app-west, weight: 30}]
"""
from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterator, Mapping, NamedTuple

from .catalog import ChannelChoice, Offer
from .conditions import compile_closure, parse
from .facts import FactTable


class Written(NamedTuple):
    """One channel of a scene as written. `path` leads to its entry from the scene, `at` to the channel's id."""
    channel_id: str
    path: tuple[str | int, ...]
    at: tuple[str | int, ...]
    when: Any                                  # None: always
    weight: int
    route: str | None                          # of which it is a part


def written_choices(scene: Mapping[str, Any]) -> Iterator[Written]:
    """Every channel that a scene names, those of its routes in their place."""
    for number, entry in enumerate(scene.get("pay", {}).get("channels", ())):
        path = ("pay", "channels", number)
        if is_route(entry):
            for place, member in enumerate(entry["of"]):
                yield _written(member, (*path, "of", place), entry["route"])
        else:
            yield _written(entry, path, None)


def _written(entry: Any, path: tuple, route: str | None) -> Written:
    if isinstance(entry, str):
        return Written(entry, path, path, None, 0, route)
    return Written(entry["use"], path, (*path, "use"), entry.get("when"), entry.get("weight", 0), route)


def is_route(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "route" in entry


def offered_names(scene: Mapping[str, Any]) -> list[str]:
    """What a buyer may name to pay: ids of channels and names of routes, in order."""
    return [entry["route"] if is_route(entry) else entry if isinstance(entry, str) else entry["use"]
            for entry in scene.get("pay", {}).get("channels", ())]


def offers_of(entries: Any, titles: tuple[Mapping[str, str], ...], facts: FactTable, currency: str) -> tuple[Offer, ...]:
    """`titles`: those of the channels offered by themselves, in their order. `facts`: what conditions may ask about."""
    own_titles, offers = iter(titles), []
    for entry in entries:
        if is_route(entry):
            of = tuple(_choice(_written(member, (), entry["route"]), facts, currency) for member in entry["of"])
            offers.append(Offer(entry["route"], MappingProxyType(dict(entry["title"])), of, is_route=True))
        else:
            choice = _choice(_written(entry, (), None), facts, currency)
            offers.append(Offer(choice.channel_id, MappingProxyType(dict(next(own_titles))), (choice,)))
    return tuple(offers)


def _choice(written: Written, facts: FactTable, currency: str) -> ChannelChoice:
    when = None if written.when is None else compile_closure(parse(written.when, facts, (), currency)[0])
    return ChannelChoice(written.channel_id, when, written.weight)
