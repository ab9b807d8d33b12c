"""Steps that give the buyer what was bought."""
from __future__ import annotations

from typing import Any, Mapping

from ..deliver import entitlements
from ..pay import contracts
from ..trade import buyers
from .context import SaleContext
from .registry import step

_TAGS = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 32}, "uniqueItems": True}


@step("paid.deliver fulfil.deliver charge.deliver", "write", undo="revoke_entitlements")
def grant_entitlements(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Grant what each SKU of the order gives, once: as its product says, for its period, with its quota."""
    wanted = [{"line_n": n, "grant_n": g, "right": grant.right, "count": grant.count, "unit": grant.unit,
               "quota": grant.quota, "pieces": quantity}
              for n, (sku, quantity) in enumerate(ctx.chosen, 1) for g, grant in enumerate(sku.grants, 1)]
    earlier = [] if ctx.first_time else entitlements.of_order(ctx.subject_no)
    rows = entitlements.grant(ctx.subject_no, ctx.buyer_id, wanted, earlier) if wanted else []
    return {"granted": [row["no"] for row in rows]}


@step("renew.deliver", "write", undo="revoke_entitlements")
def extend_entitlements(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Let what the contract's last period gave go on for another, each right from its own end; after a suspension from now."""
    contract = contracts.find(ctx.renewal["contract"])
    period = contracts.period(contract["no"], ctx.renewal["n"])
    before = contracts.period(contract["no"], period["n"] - 1)
    goes_on = before is not None and before["ends_at_ms"] == period["starts_at_ms"]
    onward = {row["right"]: row["ends_at_ms"] for row in entitlements.of_order(before["order_no"]) if row["state"] == "active"} \
        if goes_on else {}
    wanted = [{"line_n": n, "grant_n": g, "right": grant.right, "count": contract["period_count"],
               "unit": contract["period_unit"], "quota": grant.quota, "pieces": 1 if grant.quota is None else quantity}
              for n, (sku, quantity) in enumerate(ctx.chosen, 1) for g, grant in enumerate(sku.grants, 1)]
    earlier = [] if ctx.first_time else entitlements.of_order(ctx.subject_no)
    rows = entitlements.grant(ctx.subject_no, ctx.buyer_id, wanted, earlier, onward, contract["anchor_day"]) if wanted else []
    return {"extended": [row["no"] for row in rows]}


@step("paid.deliver renew.deliver fulfil.deliver charge.deliver", "write")
def revoke_entitlements(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """End every entitlement of the order."""
    return {"revoked": entitlements.revoke(ctx.subject_no, "compensation")}


@step("paid.deliver renew.deliver fulfil.deliver charge.deliver", "write", params={"add": _TAGS, "remove": _TAGS})
def tag_buyer(ctx: SaleContext, params: Mapping[str, Any]) -> dict[str, Any]:
    """Change the buyer's tags, e.g. who bought once is a member from then on. A guest has no tags."""
    row = ctx.buyer if ctx.buyer_is_locked else buyers.find(ctx.buyer_id, lock=True)
    if row is None:
        return {"tags": None}
    row["tags"] = buyers.retag(row, params.get("add", []), params.get("remove", []))
    return {"tags": row["tags"]}
