"""Withholding contracts and their periods: what was agreed, until when it is paid, and when to look at it next.

    signing → signed → active ⇄ overdue ⇄ suspended → ended        period: open → deducting → paid
          ↘ failed            ↘ ended                                               ⇅ failed      ↘ dropped

A contract is pinned to the terms that were signed: a price beyond them waits for the buyer's consent. Period 1 is the order
it was signed with; each later one has an order of its own. One row a (contract, period), and each is paid at most once.
"""
from __future__ import annotations

from typing import Any, Mapping

import peewee

from .. import store
from ..base import clock, ids, settings, trace
from ..base.errors import Code, Refusal
from . import terms

LIVE = ("active", "overdue", "suspended")
HELD = ("signing", "signed", *LIVE)            # not over yet
OPEN = ("open", "deducting", "failed")
LEASE_S = 300                                  # a contract whose job was lost is looked at again after this


class Contract(store.TradeTable):
    """terms: {price_minor, price_steps: [[from period, minor]], notice_before_s, retry_s: […], grace_s, suspends_for_s} and,
    where the channel was told, most_minor: what the buyer signed for at most; other prices are of one piece.
    paid_n, paid_until_ms: the last paid period and its end. next_at_ms null: nothing will be due."""
    no = peewee.CharField(max_length=32, primary_key=True)
    buyer_id = peewee.CharField(max_length=64)
    scene_id = peewee.CharField(max_length=64)
    line_id = peewee.CharField(max_length=64)
    release_no = peewee.IntegerField()
    sku = peewee.CharField(max_length=130)
    quantity = peewee.IntegerField()
    title = peewee.CharField(max_length=200)
    channel_id = peewee.CharField(max_length=64)
    channel_no = peewee.CharField(max_length=64, null=True)
    order_no = peewee.CharField(max_length=32, index=True)          # of period 1
    payment_no = peewee.CharField(max_length=32)                    # the attempt that asked for it
    operation = peewee.CharField(max_length=16)                     # pay_and_sign · sign
    state = peewee.CharField(max_length=12)
    currency = peewee.CharField(max_length=3)
    period_unit = peewee.CharField(max_length=8)
    period_count = peewee.IntegerField()
    anchor_day = peewee.IntegerField()                              # 1–31: the day of the month that periods begin on
    terms = store.JsonField()
    proposed = store.JsonField(null=True)                           # {price_minor, from_n}: waits for the buyer's consent
    paid_n = peewee.IntegerField()
    paid_until_ms = peewee.BigIntegerField(null=True)
    next_at_ms = peewee.BigIntegerField(null=True, index=True)
    asked = peewee.IntegerField()
    unsigned = peewee.BooleanField()                                # the channel knows that it is over
    reason = peewee.CharField(max_length=120)
    signed_at_ms = peewee.BigIntegerField(null=True)
    ended_at_ms = peewee.BigIntegerField(null=True)
    trace_id = peewee.CharField(max_length=32)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("buyer_id", "no"), False), (("channel_id", "channel_no"), False), (("state", "no"), False))


class ContractPeriod(store.TradeTable):
    """tries: refused deductions. bridged: [[entitlement, its own end]] of what the grace lengthened."""
    no = peewee.CharField(max_length=40, primary_key=True)          # contract/number
    contract_no = peewee.CharField(max_length=32)
    n = peewee.IntegerField()
    state = peewee.CharField(max_length=12)
    starts_at_ms = peewee.BigIntegerField(null=True)
    ends_at_ms = peewee.BigIntegerField(null=True)
    due_at_ms = peewee.BigIntegerField()
    try_at_ms = peewee.BigIntegerField()
    amount_minor = peewee.BigIntegerField()
    order_no = peewee.CharField(max_length=32, index=True)
    payment_no = peewee.CharField(max_length=32)
    tries = peewee.IntegerField()
    announced = peewee.BooleanField()
    bridged = store.JsonField(null=True)
    error = peewee.TextField(null=True)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()

    class Meta:
        indexes = ((("contract_no", "n"), True),)


CONTRACT = store.Machine("contract", Contract, "no", initial=("signing",), moves={
    "signing": ("signed", "active", "failed", "ended"),
    "signed": ("active", "ended"),
    "active": ("overdue", "ended"),
    "overdue": ("active", "suspended", "ended"),
    "suspended": ("active", "ended"),
    "failed": (), "ended": ()}, titles={"zh": "签约", "en": "Contract"})
PERIOD = store.Machine("contract_period", ContractPeriod, "no", initial=("open",), moves={
    "open": ("deducting", "paid", "dropped"),
    "deducting": ("paid", "failed", "dropped"),
    "failed": ("deducting", "paid", "dropped"),
    "paid": (), "dropped": ()}, titles={"zh": "扣费期", "en": "Contract period"})


# ── signing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def create(order: Mapping[str, Any], sku: Any, quantity: int, channel_id: str, operation: str, payment_no: str,
           names_most: bool = False) -> dict[str, Any]:
    """Stage a contract that is being signed, with its first period, in the open transaction; returns its row. `names_most`: the
    buyer signs for the most that a deduction may take."""
    now, no = clock.now_ms(), ids.new_no("C")
    count, unit = sku.extra["renews_every"]
    row = {"no": no, "buyer_id": order["buyer_id"], "scene_id": order["scene_id"], "line_id": order["line_id"],
           "release_no": order["release_no"], "sku": sku.key, "quantity": quantity, "title": sku.title["zh"][:200],
           "channel_id": channel_id, "channel_no": None, "order_no": order["no"], "payment_no": payment_no,
           "operation": operation, "state": "signing", "currency": order["currency"], "period_unit": unit,
           "period_count": count, "anchor_day": 0, "terms": terms_of(sku), "proposed": None, "paid_n": 0, "paid_until_ms": None,
           "next_at_ms": now + ask_wait_s(0) * 1000, "asked": 0, "unsigned": False, "reason": "",
           "signed_at_ms": None, "ended_at_ms": None, "trace_id": trace.trace_id(), "created_at_ms": now, "updated_at_ms": now}
    if names_most:
        row["terms"]["most_minor"] = most_of(row, order["payable_minor"])
    store.current().later(Contract, row)
    store.born(CONTRACT, no, "signing", f"order {order['no']}")
    open_period(row, 1, order["no"], now, order["payable_minor"], payment_no=payment_no)
    return row


def terms_of(sku: Any) -> dict[str, Any]:
    """What is signed: the terms of a SKU whose type renews."""
    extra = sku.extra
    return {"price_minor": extra["renewal_price"],
            "price_steps": [[n, minor] for n, minor in extra.get("price_steps", ())],
            "notice_before_s": extra["notice_before"], "retry_s": list(extra["retry"]), "grace_s": extra["grace"],
            "suspends_for_s": extra["suspends_for"]}


def price_of(contract: Mapping[str, Any], n: int) -> int:
    """What a piece costs for period `n`, by the terms as they were signed or agreed to since."""
    price = contract["terms"]["price_minor"]
    for start, minor in contract["terms"]["price_steps"]:
        if n >= start:
            price = minor
    return price


def most_of(contract: Mapping[str, Any], first_minor: int = 0) -> int:
    """The most that one deduction may take by the terms, from the next period on. `first_minor`: what the first period costs,
    which counts where it is deducted, too."""
    n = max(2, contract["paid_n"] + 1)
    prices = [price_of(contract, n), *(minor for start, minor in contract["terms"]["price_steps"] if start > n)]
    return max(max(prices) * contract["quantity"], first_minor if contract["operation"] == "sign" else 0)


def ask_wait_s(asked: int) -> int:
    """How long until a contract whose signing is not known is asked for: twice as long each time, at most a day."""
    return min(86400, settings.get_int("ASK_AFTER_S") * 2 ** min(asked, 20))


def anchor_of(at_ms: int) -> int:
    """The day of the month a time falls on, in the business's zone."""
    return clock.to_datetime(at_ms).astimezone(clock.zone(settings.timezone())).day


def end_of(contract: Mapping[str, Any], starts_at_ms: int, anchor_day: int) -> int:
    """The end of the contract's period that starts then: 31 Jan → 28 Feb → 31 Mar."""
    return clock.add_period(starts_at_ms, contract["period_count"], contract["period_unit"], settings.timezone(), anchor_day)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def find(no: str, lock: bool = False) -> dict[str, Any]:
    row = store.one(Contract, no=no, lock=lock)
    if row is None:
        raise Refusal(Code.CONTRACT_UNKNOWN, f"there is no contract {no!r}", [{"path": "contract", "found": no}])
    return row


def by_channel_no(channel_id: str, channel_no: str) -> str | None:
    """The contract a channel knows by this number."""
    row = store.one(Contract, columns=("no",), channel_id=channel_id, channel_no=channel_no, order_by="no DESC")
    return row["no"] if row else None


def periods_of_order(order_no: str) -> list[dict[str, Any]]:
    """A renewal's order has one; an order that was signed for in several attempts one of each."""
    return store.many(ContractPeriod, order_no=order_no, order_by="no")


def of_order(order_no: str) -> dict[str, Any] | None:
    """The contract that an order was signed with, the last of several attempts, or that it renews."""
    found = periods_of_order(order_no)
    return find(max(found, key=lambda row: (row["state"] == "paid", row["no"]))["contract_no"]) if found else None


def periods(no: str) -> list[dict[str, Any]]:
    return store.many(ContractPeriod, contract_no=no, order_by="n")


def period(no: str, n: int, lock: bool = False) -> dict[str, Any] | None:
    return store.one(ContractPeriod, contract_no=no, n=n, lock=lock)


def unfinished(no: str) -> dict[str, Any] | None:
    """The contract's period that is neither paid nor dropped, if any: there is at most one."""
    return store.one(ContractPeriod, contract_no=no, state=list(OPEN), order_by="n DESC")


# ── periods ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def open_period(contract: Mapping[str, Any], n: int, order_no: str, due_at_ms: int, amount_minor: int,
                payment_no: str = "") -> dict[str, Any]:
    """Stage a period in the open transaction; a second one of the same number makes the commit fail. Where the channel takes
    its time, a renewal is asked for so much before it is due."""
    now, ahead_ms = clock.now_ms(), told_before_ms(contract) if n > 1 else 0
    row = {"no": f"{contract['no']}/{n}", "contract_no": contract["no"], "n": n, "state": "open", "starts_at_ms": None,
           "ends_at_ms": None, "due_at_ms": due_at_ms, "try_at_ms": due_at_ms - ahead_ms, "amount_minor": amount_minor,
           "order_no": order_no, "payment_no": payment_no, "tries": 0, "announced": False, "bridged": None, "error": None,
           "created_at_ms": now, "updated_at_ms": now}
    store.current().later(ContractPeriod, row)
    store.born(PERIOD, row["no"], "open", f"order {order_no}")
    return row


def note(period: Mapping[str, Any], **values: Any) -> None:
    """Change what a period notes beside its state."""
    store.update(ContractPeriod, {**values, "updated_at_ms": clock.now_ms()}, no=period["no"])


def change(contract: dict[str, Any], **values: Any) -> None:
    """Change what a contract notes beside its state; `contract` is its locked row."""
    store.update(Contract, {**values, "updated_at_ms": clock.now_ms()}, no=contract["no"])
    contract.update(values)


def wake_at(no: str, at_ms: int | None) -> None:
    """Look at the contract again then; None: never."""
    store.update(Contract, {"next_at_ms": at_ms}, no=no)


def paid(contract: dict[str, Any], period: dict[str, Any], payment_no: str) -> dict[str, Any]:
    """The period's money is in the ledger: its span, and when the next one is due. Both rows are locked by the caller.

    The span goes on from the end of the one before, also when the deduction came some days late; after a suspension it begins
    now. Returns the period as it is then.
    """
    now = clock.now_ms()
    on = contract["paid_n"] == period["n"] - 1 and contract["paid_until_ms"] is not None and contract["state"] != "suspended"
    starts = contract["paid_until_ms"] if on else now
    anchor = contract["anchor_day"] if on else anchor_of(starts)
    ends = end_of(contract, starts, anchor)
    store.move(PERIOD, period["no"], "paid", f"payment {payment_no}", row=period, starts_at_ms=starts, ends_at_ms=ends,
               payment_no=payment_no, error=None)
    known = {"paid_n": period["n"], "paid_until_ms": ends, "anchor_day": anchor}
    if contract["state"] != "signing":
        known["next_at_ms"] = announce_at(contract, ends)
        if contract["state"] != "active":
            store.move(CONTRACT, contract["no"], "active", f"period {period['n']} is paid", row=contract)
    change(contract, **known)
    return {**period, "state": "paid", "starts_at_ms": starts, "ends_at_ms": ends}


def announce_at(contract: Mapping[str, Any], paid_until_ms: int) -> int:
    """When the buyer is told of the deduction at the end of what is paid: by the terms, and before the channel tells of it."""
    return paid_until_ms - max(int(contract["terms"]["notice_before_s"] * 1000), told_before_ms(contract))


def told_before_ms(contract: Mapping[str, Any]) -> int:
    """How long before a deduction is made it is to be asked for: the channel tells the buyer first."""
    return int(terms.of(contract["channel_id"]).deductions.told_before_s * 1000)


# ── what is due ──────────────────────────────────────────────────────────────────────────────────────────────────────

def any_due() -> bool:
    """Whether a contract's time has come: one look into the index."""
    return store.one(Contract, columns=("no",), also="next_at_ms <= ?", params=(clock.now_ms(),), order_by="next_at_ms") is not None


def take_due(limit: int) -> list[str]:
    """Contracts whose time has come, by index, in the open transaction: each is looked at again only after a lease, so that
    one whose job is lost comes back by itself."""
    now = clock.now_ms()
    found = store.many(Contract, columns=("no",), also="next_at_ms <= ?", params=(now,), order_by="next_at_ms", limit=limit,
                       lock=True, skip_locked=True)
    numbers = [row["no"] for row in found]
    if numbers:
        store.update(Contract, {"next_at_ms": now + LEASE_S * 1000}, no=numbers)
    return numbers
