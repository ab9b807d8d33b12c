"""What steps work on: one sale, first as a quote in the making, then as an order."""
from __future__ import annotations

from functools import lru_cache
from typing import Any, Mapping

from ..base import clock, settings
from ..config.catalog import Catalog, Partner, Scene, Sku, StepUse
from ..flow import journal
from ..trade import buyers, orders, pricing


_UNREAD = object()


class SaleContext:
    """The sale under way, inside one open transaction.

    subject_no   the quote's or order's number: the journal's key
    chosen       [(Sku, quantity)] of a quote; an order reads its snapshot's lines instead
    price        lines and discounts, in the making or as sold
    order        the order's locked row; None while there is none
    contact      {"phone", "name"} given with the order, for guests and messages
    """

    def __init__(self, subject_no: str, catalog: Catalog, scene: Scene, buyer_id: str, partner: Partner | None = None):
        self.subject_no, self.scene_id, self.release_no = subject_no, scene.id, catalog.release_no
        self.catalog, self.scene, self.partner = catalog, scene, partner
        self.buyer_id = buyer_id
        self.buyer_is_locked = False           # set once the buyer's row is this transaction's
        self.claim_token = ""                  # of a guest's order, while it is being placed
        self.first_time = True                 # False in a worker: what a step does may have been done, and undone
        self._buyer: Any = _UNREAD
        self.now_ms = clock.now_ms()
        self.chosen: list[tuple[Sku, int]] = []
        self.fields: Mapping[str, Any] = {}
        self.contact: Mapping[str, str] = {}
        self.lang = "zh"
        self.order: dict[str, Any] | None = None
        self.price = pricing.Price(scene.currency)
        self.base: dict[str, Any] = {}
        self.renewal: Mapping[str, Any] = {}   # {"contract", "n", "date"} of an order that renews
        self._facts: dict[str, Any] = {}
        self._facts_of: Any = None             # (price, base, the price's state) that `_facts` are of
        self.wanted_coupons: list[str] | None = None
        self.excluded: dict[str, str] = {}     # coupons that could not be held: id → reason
        self.taken: list[tuple[Any, int]] = []
        self.gone: tuple[str, str] | None = None
        self.own_journal: list[dict[str, Any]] | None = None
        self.held_before: Mapping[str, int] | None = None   # what the buyer holds by cap key, where no database is asked

    @property
    def buyer(self) -> dict[str, Any] | None:
        """The buyer's row, read when somebody asks; None for a guest and for a buyer we were not told of."""
        if self._buyer is _UNREAD:
            self._buyer = buyers.find(self.buyer_id)
        return self._buyer

    @buyer.setter
    def buyer(self, row: dict[str, Any] | None) -> None:
        self._buyer = row

    def count_paid(self) -> None:
        """One more paid order of the buyer; from here on its row is this transaction's, and is read anew."""
        if self.buyer_id:
            buyers.count_paid_order(self.buyer_id)
            self.buyer_is_locked, self._buyer = True, _UNREAD

    def lock_buyer(self) -> None:
        """Make the buyer's row this transaction's without changing it."""
        self.buyer, self.buyer_is_locked = buyers.find(self.buyer_id, lock=True), True

    def facts(self) -> dict[str, Any]:
        """Every declared fact of a sale, closed. Before anything is priced, goods count at their list price."""
        price, base, seen = self.price, self.base, self._facts_of
        state = (len(price.lines), len(price.discounts), price.payable_minor)
        if seen is None or seen[0] is not price or seen[1] is not base or seen[2] != state:
            if not price.lines and self.chosen:
                price = pricing.Price(self.scene.currency)
                pricing.list_price(price, self.chosen)
            self._facts, self._facts_of = {**base, **pricing.facts(price)}, (self.price, base, state)
        return self._facts

    def journal(self, flow: str, use: StepUse, state: str, **entry: Any) -> None:
        """A quote keeps its steps in its own row; an order's are journal rows."""
        if self.own_journal is not None:
            self.own_journal.append({"n": use.number, "step": use.name, "state": state, "result": entry.get("result")})
        else:
            journal.record(self.subject_no, flow, use, state, release_no=self.release_no, **entry)

    def pieces_held(self, cap_key: str) -> int:
        """Pieces the buyer holds or is buying of what a purchase cap counts."""
        return orders.purchased(self.buyer_id, cap_key) if self.held_before is None else self.held_before.get(cap_key, 0)

    @property
    def recipient(self) -> str:
        """Where a message to the buyer goes: the phone given with the order, else the buyer's own."""
        return self.contact.get("phone") or (self.buyer or {}).get("phone") or ""


def base_facts(scene: Scene, buyer_id: str, buyer: Mapping[str, Any] | None, contact: Mapping[str, str],
               fields: Mapping[str, Any], partner: Partner | None, now_ms: int) -> dict[str, Any]:
    """The facts that do not depend on the price: scene, buyer, partner, time, the scene's own fields."""
    return {"scene.id": scene.id, "scene.terminal": scene.terminal, "scene.method": scene.method, "scene.login": scene.login,
            "line.id": scene.line_id, "partner.id": partner.id if partner else "", "partner.mode": partner.mode if partner else "",
            **time_facts(now_ms), "channel.id": "", "payment.bank": "",
            **buyers.facts(buyer_id, buyer, contact.get("phone", "")), **_field_facts(scene, fields)}


def time_facts(now_ms: int) -> dict[str, Any]:
    """The facts of a moment, in the business's zone."""
    hour, weekday, date = _local(now_ms // 60_000, settings.timezone())
    return {"time.hour": hour, "time.weekday": weekday, "time.date": date}


@lru_cache(maxsize=64)
def _local(minute: int, zone_name: str) -> tuple[int, int, str]:
    """(hour, weekday, date) of a minute since the epoch in the business's zone."""
    local = clock.to_datetime(minute * 60_000).astimezone(clock.zone(zone_name))
    return local.hour, local.isoweekday(), local.strftime("%Y-%m-%d")


_EMPTY = {"string": "", "integer": 0, "boolean": False, "array": ()}


def _field_facts(scene: Scene, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {f"fields.{name}": fields.get(name, _EMPTY.get(schema.get("type"), ""))
            for name, schema in scene.fields_schema.get("properties", {}).items()
            if schema.get("type") in _EMPTY}
