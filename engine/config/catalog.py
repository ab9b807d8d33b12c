"""The compiled catalogue: frozen objects and closures. A request reads these and never touches YAML, JSON Schema or disk.

`compile.py` builds them from checked documents; `releases.py` keeps and serves them. Amounts are minor units, times are
ms since the epoch (UTC), spans are seconds. A *fact* is one entry of a flat dict with dotted names
(`{"buyer.tags": ["member"], "subtotal": 1490}`); see `facts.py` for all of them.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Callable, Mapping

from ..base.errors import Code, Refusal

Facts = Mapping[str, Any]
Condition = Callable[[Facts], bool]
Title = Mapping[str, str]                      # {"zh": …, "en": …}
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a failed step is tried in all, and the wait between: doubling from `wait_min_s` up to `wait_max_s`."""
    attempts: int = 1
    wait_min_s: float = 1.0
    wait_max_s: float = 60.0


@dataclass(frozen=True, slots=True)
class StepUse:
    """One step as placed in a flow. `number` counts through the whole flow and is the journal's key."""
    number: int
    hook: str                                  # "deliver"
    name: str                                  # "grant_entitlements"
    params: Mapping[str, Any] = field(default_factory=lambda: NOTHING)  # the file's `with:`, checked by the step
    when: Condition | None = None
    retry: Retry = Retry()
    timeout_s: float | None = None
    undo: str | None = None                    # the step that compensates this one
    may_fail: bool = False                     # its final failure does not stop the flow


@dataclass(frozen=True, slots=True)
class Flow:
    """The steps of one flow of one scene (line's pipeline with the scene's overrides), in order of hooks."""
    name: str                                  # quote · place · paid · renew · fulfil …
    steps: tuple[StepUse, ...] = ()

    def hook(self, name: str) -> tuple[StepUse, ...]:
        return tuple(s for s in self.steps if s.hook == name)


@dataclass(frozen=True, slots=True)
class Grant:
    """An entitlement a SKU gives for each piece bought. `quota` None: unlimited within its period."""
    right: str
    title: Title
    count: int                                 # of calendar units
    unit: str                                  # day | week | month | quarter | year
    quota: int | None = None


@dataclass(frozen=True, slots=True)
class Sku:
    """What is actually bought: `key` = "product/sku"."""
    key: str
    product_id: str
    sku_id: str
    title: Title
    type_id: str                               # product type
    merchant_id: str
    currency: str
    price_minor: int
    grants: tuple[Grant, ...] = ()
    quantity_max: int = 1                      # pieces in one order
    purchase_cap: int | None = None            # pieces one buyer may hold over all orders (oversell)
    cap_key: str = ""                          # what the cap counts: product or SKU
    deliver_parts: frozenset[str] = frozenset()  # flows its type takes part in: deliver, renew, ship …
    invoice_item: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: NOTHING)  # its type's fields: minor, s, (count, unit) …


@dataclass(frozen=True, slots=True)
class Benefit:
    """kind amount: `value` minor off · percent: `value` % off (Decimal as text in the file) · price: pay `value` minor a
    piece · each may be limited by `at_most_minor`."""
    kind: str
    value: Any
    at_most_minor: int | None = None


@dataclass(frozen=True, slots=True)
class Coupon:
    id: str
    title: Title
    currency: str
    benefit: Benefit
    when: Condition | None
    when_tree: Any                             # the parsed condition, for rule sets and explanations
    product_scope: frozenset[str]              # "product" and "product/sku" keys; empty: all
    scene_scope: frozenset[str]                # scene ids; empty: all
    line_scope: frozenset[str]                 # line ids; empty: all
    threshold_minor: int                       # of the eligible lines' subtotal
    group: str                                 # at most one coupon of a group applies
    priority: int                              # higher is tried first
    combines: bool                             # may stand beside coupons of other groups
    budget_minor: int | None
    cap_total: int | None
    cap_per_buyer: int | None
    valid_from_ms: int | None
    valid_until_ms: int | None                 # exclusive
    on_refund: str                             # return | keep


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """A channel that may be used, while its condition holds. `weight`: its share beside the others of a route."""
    channel_id: str
    when: Condition | None = None
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a buyer may choose to pay by: a channel by its own id, or a route, of whose channels the engine chooses."""
    id: str                                    # what `pay` names: the channel's id or the route's
    title: Title
    of: tuple[ChannelChoice, ...]              # in order of preference; of a channel by itself: just that one
    is_route: bool = False

    @property
    def weighted(self) -> bool:
        return any(choice.weight for choice in self.of)


@dataclass(frozen=True, slots=True)
class Reporting:
    """Who is told of results, and how long: through a channel's operation, with doubling waits, for so long."""
    channel_id: str
    wait_min_s: float
    wait_max_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class OutsideShop:
    """A shop elsewhere whose orders come in paid. `items`: its product id → "product/sku"; `fields`: the scene's field →
    the name its notice has it by."""
    items: Mapping[str, str]
    fields: Mapping[str, str]
    reporting: Reporting                       # its channel sends the orders, and is told of deliveries


@dataclass(frozen=True, slots=True)
class Scene:
    """One place and way of selling, complete: its flows and candidate coupons are already worked out."""
    id: str
    title: Title
    terminal: str                              # pc · app · mini_program · h5
    method: str                                # in_app · external_direct · joint · direct_charge · ecommerce
    login: str                                 # required · guest
    line_id: str
    currency: str
    skus: Mapping[str, Sku]                    # by "product/sku"
    channels: tuple[Offer, ...]                # payable, in the order offered
    tenders: frozenset[str]                    # channel, … ; {"pool"} for direct charge; {"external"} for shop orders
    quote_ttl_s: float
    pay_within_s: float
    fields_schema: Mapping[str, Any]           # JSON Schema of the order's extra fields (type object)
    check_fields: Callable[[Any], list[dict]]  # → [] or details {path, found, expected}
    flows: Mapping[str, Flow]
    coupons: tuple[Coupon, ...]                # those whose scope meets this scene, by priority, highest first
    coupon_rules: Any = None                   # rules.RuleSet over their `when`, shared by scenes with the same coupons
    partner_id: str | None = None              # direct_charge and joint scenes
    shop: OutsideShop | None = None            # ecommerce scenes whose orders come in by themselves

    def sku(self, key: str) -> Sku | None:
        return self.skus.get(key)

    def offer(self, id: str) -> Offer | None:
        """What a buyer chose by this name, if it is offered here."""
        return next((offer for offer in self.channels if offer.id == id), None)


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """Partners whose terms have the same `id` draw from one pool; they agree on all the rest of it."""
    id: str
    unit: str                                  # money (minor units are drawn) | pieces | heads
    floor: int                                 # the pool never goes below
    low_water: int                             # a message is sent below
    currency: str


@dataclass(frozen=True, slots=True)
class LowWater:
    """Who is told that a pool is low, by which message, in which language."""
    template: str
    to: str
    lang: str


@dataclass(frozen=True, slots=True)
class Partner:
    """An outside company that prepaid. `prices`: "product/sku" → minor units the partner pays for a piece."""
    id: str
    title: Title
    mode: str                                  # new_customer · fund_pool · quantity_pool
    scenes: frozenset[str]
    prices: Mapping[str, int]
    pool: PoolTerms
    per_buyer_cap: int | None
    valid_from_ms: int | None
    valid_until_ms: int | None
    verify: Mapping[str, Any]                  # how its requests are signed, in the channel language
    retry_every_s: float                       # unregistered buyers: how often, and for how long
    retry_for_s: float
    merchant_id: str
    low_water: LowWater | None = None
    results: Reporting | None = None           # who is told what became of a charge


@dataclass(frozen=True, slots=True)
class Merchant:
    id: str
    title: Title
    kind: str                                  # own · seller · supplier
    upstream_channel: str | None = None
    commission_percent: str = "0"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything one release says. `channels` are the checked documents; `engine.wire` compiles them."""
    digest: str
    scenes: Mapping[str, Scene]
    skus: Mapping[str, Sku]
    coupons: Mapping[str, Coupon]
    channels: Mapping[str, Mapping[str, Any]]
    partners: Mapping[str, Partner]
    merchants: Mapping[str, Merchant]
    lines: Mapping[str, Mapping[str, Any]]     # id → {"title": …}
    product_types: Mapping[str, Mapping[str, Any]]
    messages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # id → {"channel", "text": {zh, en}}
    release_no: int = 0                        # 0: not a stored release (a draft under check, an example)

    def scene(self, scene_id: str) -> Scene:
        try:
            return self.scenes[scene_id]
        except KeyError:
            raise Refusal(Code.SCENE_UNKNOWN, f"there is no scene {scene_id!r}",
                          [{"path": "scene", "found": scene_id}]) from None

    def partner(self, partner_id: str) -> Partner:
        try:
            return self.partners[partner_id]
        except KeyError:
            raise Refusal(Code.PARTNER_UNKNOWN, f"there is no partner {partner_id!r}",
                          [{"path": "partner", "found": partner_id}]) from None

    def sharing(self, pool_id: str) -> list[Partner]:
        """The partners that draw from a pool."""
        return [partner for partner in self.partners.values() if partner.pool.id == pool_id]
