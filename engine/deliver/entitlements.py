"""Entitlements: what a buyer may do after paying, for a period and, where there is one, up to a quota.

A right bought again begins where the buyer's current one of the same right ends, so that no paid day is lost; rights with
a quota begin at once, since a quota is used beside another.
"""
from __future__ import annotations

from types import MappingProxyType
from typing import Any, Iterable, Mapping, Sequence

import peewee

from .. import store
from ..base import clock, ids, settings
from ..base.errors import Code, Refusal

NOTHING: Mapping[str, int] = MappingProxyType({})
UNITS = ("day", "week", "month", "quarter", "year")


class Entitlement(store.TradeTable):
    """Granted once for each (order, line, grant, piece). quota_total null: unlimited."""
    no = peewee.CharField(max_length=32, primary_key=True)
    order_no = peewee.CharField(max_length=32)
    line_n = peewee.IntegerField()
    grant_n = peewee.IntegerField()
    buyer_id = peewee.CharField(max_length=64)
    right = peewee.CharField(max_length=64)
    state = peewee.CharField(max_length=12)
    starts_at_ms = peewee.BigIntegerField()
    ends_at_ms = peewee.BigIntegerField()
    quota_total = peewee.BigIntegerField(null=True)
    quota_used = peewee.BigIntegerField()
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("order_no", "line_n", "grant_n"), True), (("buyer_id", "right", "ends_at_ms"), False))


class EntitlementUse(store.TradeTable):
    """Every use of quota; the key makes a repeated request one use."""
    id = peewee.BigAutoField()
    buyer_id = peewee.CharField(max_length=64)
    key = peewee.CharField(max_length=128)
    right = peewee.CharField(max_length=64)
    amount = peewee.BigIntegerField()
    parts = store.JsonField()                  # [[entitlement no, amount], …]
    at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("buyer_id", "key"), True),)


ENTITLEMENT = store.Machine("entitlement", Entitlement, "no", initial=("active",), moves={
    "active": ("revoked",), "revoked": ("active",)}, titles={"zh": "权益", "en": "Entitlement"})


def grant(order_no: str, buyer_id: str, wanted: list[dict[str, Any]], earlier: Sequence[dict[str, Any]] = (),
          onward: Mapping[str, int] = NOTHING, anchor_day: int | None = None) -> list[dict[str, Any]]:
    """Stage an order's entitlements in the open transaction; returns those that were granted.

    wanted    {line_n, grant_n, right, count, unit, quota, pieces}; several pieces lengthen the period, or the quota where
              there is one
    earlier   what the order was granted before: it stands, or begins again when it was revoked
    onward    right → the end it goes on from, whatever the time is (a renewal); `anchor_day` is the day its months begin on
    """
    now, zone = clock.now_ms(), settings.timezone()
    ends = _current_ends(buyer_id) if buyer_id and any(w["quota"] is None for w in wanted) else {}
    had = {(row["line_n"], row["grant_n"]): row for row in earlier}
    rows = []
    for w in wanted:
        before = had.get((w["line_n"], w["grant_n"]))
        if before and before["state"] == "active":
            continue
        timed = w["quota"] is None
        begins = onward.get(w["right"], now)
        starts = max(begins, ends.get(w["right"], 0)) if timed else begins
        anchor = anchor_day if starts == onward.get(w["right"]) else None
        stops = clock.add_period(starts, w["count"] * (w["pieces"] if timed else 1), w["unit"], zone, anchor)
        if timed:
            ends[w["right"]] = stops
        row = {"no": ids.new_no("E"), "order_no": order_no, "line_n": w["line_n"], "grant_n": w["grant_n"],
               "buyer_id": buyer_id, "right": w["right"], "state": "active", "starts_at_ms": starts,
               "ends_at_ms": stops, "quota_total": None if timed else w["quota"] * w["pieces"], "quota_used": 0,
               "created_at_ms": now, "updated_at_ms": now}
        rows.append(before or row)
        if before:
            store.move(ENTITLEMENT, before["no"], "active", f"order {order_no}, again", row=before, starts_at_ms=starts,
                       ends_at_ms=stops)
        else:
            store.current().later(Entitlement, row)
            store.born(ENTITLEMENT, row["no"], "active", f"order {order_no}")
    return rows


def _current_ends(buyer_id: str) -> dict[str, int]:
    """right → end of the buyer's latest active unlimited entitlement."""
    return dict(store.query(store.trade, 'SELECT "right", MAX(ends_at_ms) FROM entitlement WHERE buyer_id = ? AND '
                                         "state = 'active' AND quota_total IS NULL GROUP BY \"right\"", (buyer_id,)))


def revoke(order_no: str, cause: str, line_n: int | None = None) -> int:
    """End all of an order's entitlements, or those of one line; returns how many were active."""
    of_line = {} if line_n is None else {"line_n": line_n}
    rows = store.many(Entitlement, order_no=order_no, state="active", lock=True, **of_line)
    for row in rows:
        store.move(ENTITLEMENT, row["no"], "revoked", cause, row=row)
    return len(rows)


def lengthen(order_no: str, until_ms: int) -> list[list[Any]]:
    """Let an order's entitlements that end before `until_ms` go on until then; returns [[no, its own end], …] for `shorten`."""
    rows = store.many(Entitlement, order_no=order_no, state="active", also="ends_at_ms < ?", params=(until_ms,), lock=True)
    for row in rows:
        store.update(Entitlement, {"ends_at_ms": until_ms, "updated_at_ms": clock.now_ms()}, no=row["no"])
    return [[row["no"], row["ends_at_ms"]] for row in rows]


def shorten(lengthened: Iterable[Sequence[Any]]) -> None:
    """Back to their own ends."""
    for no, ends_at_ms in lengthened:
        store.update(Entitlement, {"ends_at_ms": ends_at_ms, "updated_at_ms": clock.now_ms()}, no=no)


def bind(order_no: str, buyer_id: str) -> int:
    """A guest's order was claimed: its entitlements are the buyer's now, who is locked. Where one would run beside the buyer's
    own of the same right, it ends so much later: no paid day is lost. Returns how many there were."""
    now, ends = clock.now_ms(), _current_ends(buyer_id)
    rows = store.many(Entitlement, order_no=order_no, buyer_id="", lock=True, order_by="starts_at_ms, no")
    for row in rows:
        known: dict[str, Any] = {"buyer_id": buyer_id, "updated_at_ms": now}
        if row["quota_total"] is None and row["state"] == "active" and row["ends_at_ms"] > now:
            later_ms = max(0, ends.get(row["right"], 0) - max(now, row["starts_at_ms"]))
            ends[row["right"]] = known["ends_at_ms"] = min(row["ends_at_ms"] + later_ms, clock.LAST_MS)
            if row["starts_at_ms"] > now:
                known["starts_at_ms"] = min(row["starts_at_ms"] + later_ms, clock.LAST_MS)
        store.update(Entitlement, known, no=row["no"])
    return len(rows)


def of_order(order_no: str) -> list[dict[str, Any]]:
    return store.many(Entitlement, order_no=order_no, order_by="line_n, grant_n")


def of_buyer(buyer_id: str, only_now: bool = False) -> list[dict[str, Any]]:
    """A buyer's entitlements, the first to end first; `only_now`: active and in their period."""
    now = clock.now_ms()
    also = "state = 'active' AND starts_at_ms <= ? AND ends_at_ms > ?" if only_now else "1 = 1"
    return store.many(Entitlement, buyer_id=buyer_id, also=also, params=(now, now) if only_now else (),
                      order_by="ends_at_ms, no")


def consume(buyer_id: str, right: str, amount: int, key: str) -> dict[str, Any]:
    """Use `amount` of a right's quota, the entitlement that ends first before the others; all of it or nothing.

    Returns {right, amount, parts, left}: left null when unlimited. The same key again gives the first use's answer.
    Refusals: ENTITLEMENT_UNKNOWN (never had it), ENTITLEMENT_INACTIVE (not now), QUOTA_EXHAUSTED,
    IDEMPOTENCY_KEY_REUSED (key used for another use), BAD_REQUEST (less than one).
    """
    if amount < 1:
        raise Refusal(Code.BAD_REQUEST, f"{amount} of {right} can't be used", [{"path": "amount", "found": amount,
                                                                               "expected": "1 or more"}])
    try:
        return _consume(buyer_id, right, amount, key)
    except peewee.IntegrityError:              # a twin with this key was faster; now its answer is there
        return _consume(buyer_id, right, amount, key)


def _consume(buyer_id: str, right: str, amount: int, key: str) -> dict[str, Any]:
    with store.transaction():
        earlier = store.one(EntitlementUse, buyer_id=buyer_id, key=key)
        if earlier is not None:
            if (earlier["right"], earlier["amount"]) != (right, amount):
                raise Refusal(Code.IDEMPOTENCY_KEY_REUSED, f"the key {key!r} was used for another use")
            return {"right": right, "amount": amount, "parts": earlier["parts"], "left": _left(buyer_id, right)}
        usable = _usable(buyer_id, right)
        parts, rest = [], amount
        for row in usable:
            room = rest if row["quota_total"] is None else min(rest, row["quota_total"] - row["quota_used"])
            if room > 0:
                parts.append([row["no"], room])
                rest -= room
        if rest > 0:
            raise Refusal(Code.QUOTA_EXHAUSTED, f"{amount} of {right} were asked for, {amount - rest} are left",
                          [{"path": "amount", "found": amount, "expected": f"at most {amount - rest}"}])
        for no, used in parts:
            store.update(Entitlement, {"updated_at_ms": clock.now_ms()}, add={"quota_used": used}, no=no)
        store.current().later(EntitlementUse, {"buyer_id": buyer_id, "key": key, "right": right, "amount": amount,
                                               "parts": parts, "at_ms": clock.now_ms()})
        return {"right": right, "amount": amount, "parts": parts, "left": _left(buyer_id, right)}


def _usable(buyer_id: str, right: str) -> list[dict[str, Any]]:
    """The buyer's entitlements of a right that are in force now, locked, the first to end first."""
    rows = store.many(Entitlement, buyer_id=buyer_id, right=right, lock=True, order_by="ends_at_ms, no")
    if not rows:
        raise Refusal(Code.ENTITLEMENT_UNKNOWN, f"buyer {buyer_id} never had the right {right}")
    now = clock.now_ms()                       # after the wait for the rows: one may have been granted meanwhile
    usable = [r for r in rows if r["state"] == "active" and r["starts_at_ms"] <= now < r["ends_at_ms"]]
    if not usable:
        raise Refusal(Code.ENTITLEMENT_INACTIVE, f"the right {right} of buyer {buyer_id} is not in force now",
                      [{"path": "right", "found": right, "expected": f"in force at {clock.rfc3339(now)}"}])
    return usable


def _left(buyer_id: str, right: str) -> int | None:
    now = clock.now_ms()
    rows = store.many(Entitlement, buyer_id=buyer_id, right=right, state="active",
                      also="starts_at_ms <= ? AND ends_at_ms > ?", params=(now, now))
    if any(r["quota_total"] is None for r in rows):
        return None
    return sum(r["quota_total"] - r["quota_used"] for r in rows)
