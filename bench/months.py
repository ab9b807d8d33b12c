"""Months of contracts on a stopped clock: thousands of buyers renew, some deductions fail, and the books must be right.

The channel's other side is in this process: it knows for certain which money it took. What it says is another matter: a share
of its answers are refusals, silence with the deed done, silence without it, and connections that never came about.
"""
from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any, Callable, Mapping

from engine import renewing, sale, settling, signing, startup, store, wire
from engine.audit import invariants
from engine.base import clock
from engine.config import releases
from engine.config.live import live
from engine.flow import outbox
from engine.pay import contracts, payments
from engine.trade import buyers
from engine.wire import Outcome
from engine.workers import jobs                # noqa: F401  the outbox's handlers

START = clock.parse_rfc3339("2027-01-01T00:00:00+08:00")
DAY_MS, MINUTE_MS = 86_400_000, 60_000
ENDING = 0.01                                  # of the contracts, a month, are ended by their buyers
FILES = {
    "merchants/own.yaml": "id: own\ntitle: {zh: 自营, en: Ourselves}\nkind: own\n",
    "product_types/lasting.yaml": """\
id: lasting
title: {zh: 连续, en: Lasting}
takes_part_in: [deliver, renew]
requires:
  renews_every:  {type: period, title: {zh: 续费周期, en: Renews every}}
  renewal_price: {type: money, title: {zh: 续费价格, en: Renewal price}}
  notice_before: {type: duration, title: {zh: 扣费前通知, en: Notice before}}
  retry:         {type: durations, title: {zh: 重试间隔, en: Retries}}
  grace:         {type: duration, title: {zh: 宽限期, en: Grace}}
  suspends_for:  {type: duration, title: {zh: 暂停多久, en: Suspends for}}
defaults: {notice_before: 1d, retry: [4h, 20h, 1d], grace: 3d, suspends_for: 30d}
""",
    "products/pass.yaml": """\
id: pass
title: {zh: 通行证, en: Pass}
type: lasting
merchant: own
grants: [{right: lounge, title: {zh: 休息室, en: Lounge}}]
skus:
  monthly: {title: {zh: 连续包月, en: Every month}, price: 30.00, for: 1 month, renews_every: 1 month, renewal_price: 25.00}
""",
    "lines/club.yaml": """\
id: club
title: {zh: 会所, en: Club}
quote: {price: [list_price]}
paid: {deliver: [grant_entitlements]}
renew: {deliver: [extend_entitlements]}
""",
    "scenes/club.yaml": """\
id: club
title: {zh: 会所, en: Club}
line: club
terminal: app
method: in_app
login: required
sells: {pass: all}
pay: {channels: [standing]}
""",
    "channels/standing.yaml": """\
id: standing
title: {zh: 代扣, en: Standing order}
role: pay
currency: CNY
base: https://standing.example
operations:
  pay_and_sign: {client: {text: "{payment.no} {contract.no}"}}
  withhold:
    post: /deductions
    json: {no: "{payment.no}", amount: "{payment.amount:fen}"}
    take: &payment {state: {of: state, DONE: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  query: {get: "/pay/{payment.no}", take: *payment, judge: [{http: 200, then: as_taken}]}
  unsign: {post: "/contracts/{contract.no}/end", judge: [{http: 200, then: succeeded}]}
  refund:
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}"}
    judge: [{http: 200, then: succeeded}]
""",
}


class Bank:
    """The other side. `failing`: the share of deductions that do not simply succeed."""

    def __init__(self, failing: float, seed: int):
        self.failing, self.random = failing, random.Random(seed)
        self.taken: dict[str, int] = {}        # payment → minor units
        self.returned: dict[str, int] = {}
        self.said: Counter[str] = Counter()
        self._operate = wire.operate

    def operate(self, channel: Any, operation: str, facts: Mapping[str, Any], *, timeout_s: float | None = None) -> Outcome:
        if not wire.needs_call(channel, operation):
            return self._operate(channel, operation, facts, timeout_s=timeout_s)
        if store.in_transaction():
            raise RuntimeError(f"{operation} is called inside a database transaction")
        return getattr(self, operation)(facts)

    def withhold(self, facts: Mapping[str, Any]) -> Outcome:
        word = "done" if self.random.random() >= self.failing else self.random.choices(
            ("refused", "silent, done", "silent, not done", "unreachable"), (6, 2, 1, 1))[0]
        self.said[word] += 1
        if word.endswith("done") and word != "silent, not done":
            self.taken[facts["payment.no"]] = facts["payment.amount_minor"]
        if word == "done":
            return self._of(facts)
        return {"refused": Outcome("failed", {"payment_no": facts["payment.no"]}, reason="not enough money", sent=True, status=200),
                "unreachable": Outcome("failed", reason="connection refused", sent=False)}.get(
                    word, Outcome("unknown", reason="no answer", sent=True))

    def query(self, facts: Mapping[str, Any]) -> Outcome:
        if facts["payment.no"] in self.taken:
            return self._of(facts)
        return Outcome("absent", reason="never heard of it", sent=True, status=404)

    def _of(self, facts: Mapping[str, Any]) -> Outcome:
        no = facts["payment.no"]
        return Outcome("succeeded", {"state": "succeeded", "payment_no": no, "channel_no": f"W{no}", "amount_minor": self.taken[no]},
                       sent=True, status=200)

    def unsign(self, facts: Mapping[str, Any]) -> Outcome:
        return Outcome("succeeded", sent=True, status=200)

    def refund(self, facts: Mapping[str, Any]) -> Outcome:
        self.returned[facts["payment.no"]] = facts["refund.amount_minor"]
        return Outcome("succeeded", {"refund_no": facts["refund.no"]}, sent=True, status=200)


def open_shop() -> None:
    """The catalogue is live, the clock stands at the start. The databases are open and migrated."""
    clock.set_to(START)
    releases.publish(dict(FILES), "months", "bench", startup.vocabulary(), base_no=0)
    live.load(startup.vocabulary())


def sign(number: int) -> str:
    """One buyer buys, pays and signs; returns the contract."""
    with store.transaction():
        buyers.put(f"buyer-{number:06d}", phone=None, tags=[])
    order = sale.place("club", items=[{"sku": "pass/monthly", "quantity": 1}], buyer_id=f"buyer-{number:06d}",
                       pay_by={"channel": "standing"})
    contract = contracts.of_order(order["no"])
    payment = payments.find(contract["payment_no"])
    settling.apply_payment(payment["no"], {"state": "succeeded", "channel_no": f"W{payment['no']}"}, "notice paid")
    signing.apply(contract["no"], {"state": "signed", "channel_contract_no": f"A{contract['no']}"}, "notice signed")
    return contract["no"]


def live_through(count: int, months: int, failing: float = 0.05, seed: int = 1,
                 say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """Sign so many contracts within the first 31 days (month ends too), let so many months pass minute by minute, and look
    whether the books are right. Returns figures; `wrong` lists everything that is not as it must be."""
    bank = Bank(failing, seed)
    before, wire.operate = wire.operate, bank.operate
    began = time.monotonic()
    try:
        _pass(bank, count, months, say)
        found = look(bank)
    finally:
        wire.operate = before
        clock.set_to(None)
    return {**found, "contracts": count, "months": months, "seconds": time.monotonic() - began, "said": dict(bank.said)}


def _pass(bank: Bank, count: int, months: int, say: Callable[[str], None]) -> None:
    moments = sorted(START + bank.random.randrange(31 * DAY_MS) // MINUTE_MS * MINUTE_MS for _ in range(count))
    end_ms = clock.add_period(START, months + 1, "month", "Asia/Shanghai")
    signed, month = [], 0
    while True:
        next_ms = _next_ms(moments[0] if moments else None)
        if next_ms is None or next_ms > end_ms:
            clock.set_to(end_ms)
            return
        clock.set_to(max(clock.now_ms(), -(-next_ms // MINUTE_MS) * MINUTE_MS))
        while moments and moments[0] <= clock.now_ms():
            moments.pop(0)
            signed.append(sign(len(signed)))
        renewing.scan(1000)
        while outbox.drain(100):
            pass
        if clock.now_ms() > clock.add_period(START, month + 1, "month", "Asia/Shanghai"):
            month += 1
            for no in signed:
                if bank.random.random() < ENDING:
                    signing.terminate(no, "no longer wanted")
            say(f"  {clock.rfc3339(clock.now_ms())[:10]}: {sum(bank.said.values()):,} deductions asked for")


def _next_ms(sale_ms: int | None) -> int | None:
    """The next moment at which something is due."""
    times = store.query(store.trade, "SELECT MIN(next_at_ms) FROM contract UNION ALL SELECT MIN(due_at_ms) FROM outbox WHERE "
                                     "state = 'ready'")
    known = [row[0] for row in times if row[0] is not None] + ([] if sale_ms is None else [sale_ms])
    return min(known) if known else None


def look(bank: Bank) -> dict[str, Any]:
    """Hold the engine's books against the bank's, and the contracts against the calendar."""
    wrong = [str(violation) for violation in invariants.violations()]
    rows = store.query(store.trade, "SELECT p.contract_no, p.n, p.payment_no, p.amount_minor, p.starts_at_ms, p.ends_at_ms FROM "
                                    "contract_period p WHERE p.state = 'paid' ORDER BY p.contract_no, p.n")
    kept = {no: minor for no, minor in bank.taken.items() if no not in bank.returned}
    by_period = {payment_no: amount for _, n, payment_no, amount, _, _ in rows if n > 1}
    if kept != by_period:
        wrong.append(f"the bank took {len(kept)} deductions of {sum(kept.values())}, the periods say {len(by_period)} of "
                     f"{sum(by_period.values())}")
    posted = store.query(store.trade, "SELECT COUNT(*), COALESCE(SUM(l.amount_minor), 0) FROM ledger_transaction t JOIN ledger_posting "
                                      "l ON l.transaction_no = t.no AND l.amount_minor > 0 WHERE t.kind = 'order_paid' AND t.order_no "
                                      "IN (SELECT order_no FROM contract_period WHERE n > 1)")[0]
    if (posted[0], int(posted[1])) != (len(by_period), sum(by_period.values())):
        wrong.append(f"the ledger posts {posted[0]} deductions of {posted[1]}, the periods say {len(by_period)} of "
                     f"{sum(by_period.values())}")
    wrong += _gaps(rows)
    states = Counter(row[0] for row in store.query(store.trade, "SELECT state FROM contract"))
    return {"wrong": wrong, "deductions": len(by_period), "minor": sum(by_period.values()), "states": dict(states),
            "returned": len(bank.returned)}


def _gaps(rows: list[tuple]) -> list[str]:
    """Periods follow each other without a gap, except where a suspension lies between; and what is in force is paid for now
    or is being seen to."""
    wrong = []
    paused = {row[0] for row in store.query(store.trade, "SELECT no FROM state_log WHERE machine = 'contract' AND to_state = "
                                                         "'suspended'")}
    for one, other in zip(rows, rows[1:]):
        if one[0] == other[0] and (other[1] != one[1] + 1 or (one[5] != other[4] and one[0] not in paused)):
            wrong.append(f"{other[0]}: period {other[1]} does not follow period {one[1]}")
    for no, state in store.query(store.trade, "SELECT c.no, c.state FROM contract c WHERE c.state = 'active' AND c.paid_until_ms < ? "
                                 "AND NOT EXISTS (SELECT 1 FROM contract_period p WHERE p.contract_no = c.no AND p.state IN "
                                 "('deducting', 'failed'))", (clock.now_ms() - MINUTE_MS,)):
        wrong.append(f"{no} is {state}, and a deduction is missing")
    return wrong
