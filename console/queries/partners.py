"""Partners with their pools: what is left, how near the floor, what was drawn last."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.base import clock, settings
from engine.config.catalog import Catalog, Partner
from engine.deliver import pools
from engine.deliver.charges import Charge
from engine.deliver.pools import PoolLog

from ..access.users import Person

LOG_SHOWN = 100


def listed(catalog: Catalog | None, person: Person) -> list[dict[str, Any]]:
    """Partners whose scenes this person may see, by name, each with `state`."""
    return [state(catalog, p, person) for p in catalog.partners.values() if sees(catalog, p, person)] if catalog else []


def sees(catalog: Catalog, partner: Partner, person: Person) -> bool:
    scenes = [catalog.scenes[id] for id in partner.scenes if id in catalog.scenes]
    return not person.lines or any(person.sees_line(scene.line_id) for scene in scenes)


def state(catalog: Catalog, partner: Partner, person: Person) -> dict[str, Any]:
    """partner, pool (its row or None), balance, lamp (good · low · empty), currency, drawn_today (by this partner), sharing
    (the other partners of its pool, each with whether this person may see it)."""
    pool = pools.find(partner.pool.id)
    balance = pool["balance"] if pool else 0
    lamp = "empty" if balance <= partner.pool.floor else "low" if balance < partner.pool.low_water else "good"
    return {"partner": partner, "pool": pool, "balance": balance, "lamp": lamp, "currency": partner.pool.currency,
            "drawn_today": _drawn_since(partner.id, today_ms()),
            "sharing": [(p, sees(catalog, p, person)) for p in catalog.sharing(partner.pool.id) if p.id != partner.id]}


def today_ms() -> int:
    """Midnight of today in the business's zone."""
    local = clock.to_datetime(clock.now_ms()).astimezone(clock.zone(settings.timezone()))
    return clock.from_datetime(local.replace(hour=0, minute=0, second=0, microsecond=0))


def _drawn_since(partner_id: str, since_ms: int) -> int:
    return store.query(store.trade, "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM pool_log WHERE partner_id = ? "
                                    "AND kind = 'draw' AND at_ms >= ?", (partner_id, since_ms))[0][0]


def is_booked(pool_id: str, key: str) -> bool:
    """Whether a top-up with this receipt is in the pool's log."""
    return store.one(PoolLog, columns=("id",), pool_id=pool_id, kind="top_up", ref=key) is not None


def log(catalog: Catalog, partner: Partner, person: Person) -> list[dict[str, Any]]:
    """The pool's last changes, newest first. Of partners this person may not see there is the amount only: `ref` is empty."""
    found = store.many(PoolLog, pool_id=partner.pool.id, order_by="id DESC", limit=LOG_SHOWN)
    seen = {id for id in {row["partner_id"] for row in found} if id == partner.id or (
        id in catalog.partners and sees(catalog, catalog.partners[id], person))}
    return [row if row["partner_id"] in seen else {**row, "partner_id": "", "ref": ""} for row in found]


def charges(partner_id: str) -> list[dict[str, Any]]:
    """The partner's last direct charges, newest first."""
    return store.many(Charge, partner_id=partner_id, order_by="no DESC", limit=50)
