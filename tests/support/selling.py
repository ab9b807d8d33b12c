"""A small shop to sell from, and an outside world that answers as a test tells it.

    shop = open_shop()                         # the catalogue below is live as release 1
    order = sale.place("app", items=shop.items("card/month"), buyer_id=shop.buyer())
    payment = sale.pay(order["no"], "wallet")
    shop.notice(payment)                       # the channel's word that it was paid

The catalogue goes through the real checker and compiler; only `wire.operate` is replaced, and only where bytes would leave
this machine. A call inside a database transaction fails the test.
"""
from __future__ import annotations

import dataclasses
import itertools
import threading
from typing import Any, Callable, Mapping

import pytest

from engine import charge, settling, startup, store, wire
from engine.audit import invariants
from engine.base import clock, ids
from engine.base.errors import Code, Refusal
from engine.config.catalog import Catalog
from engine.config.check import check
from engine.config.live import live
from engine.deliver import messages, pools
from engine.flow import executor, outbox
from engine.pay import channels, payments
from engine.runs import HOST
from engine.trade import buyers, orders
from engine.wire import Outcome

NOON = clock.parse_rfc3339("2026-11-20T12:00:00+08:00")

FILES = {
    "merchants/own.yaml": "id: own\ntitle: {zh: 自营, en: Ourselves}\nkind: own\n",
    "merchants/maker.yaml": "id: maker\ntitle: {zh: 卖家, en: A seller}\nkind: seller\n",
    "merchants/mill.yaml": "id: mill\ntitle: {zh: 供应商, en: A supplier}\nkind: supplier\nupstream_channel: supply\n",
    "product_types/once.yaml": "id: once\ntitle: {zh: 一次性, en: Once}\ntakes_part_in: [deliver, consume]\n",
    "product_types/work.yaml": "id: work\ntitle: {zh: 办理, en: Work}\ntakes_part_in: [deliver, fulfil]\n",
    "products/card.yaml": """\
id: card
title: {zh: 会员卡, en: Card}
type: once
merchant: own
grants:
  - {right: calls, title: {zh: 次数, en: Calls}, quota: 10}
  - {right: reports, title: {zh: 报告, en: Reports}}
skus:
  week: {title: {zh: 周卡, en: Week}, price: 14.90, for: 1 week, purchase_cap: 1}
  month: {title: {zh: 月卡, en: Month}, price: 40.00, for: 1 month, quantity_max: 10}
  year: {title: {zh: 年卡, en: Year}, price: 298.00, for: 1 year}
""",
    "products/book.yaml": """\
id: book
title: {zh: 书, en: Book}
type: once
merchant: maker
skus:
  paper: {title: {zh: 纸书, en: Paper}, price: 33.33, quantity_max: 20}
""",
    "products/filing.yaml": """\
id: filing
title: {zh: 申请, en: Filing}
type: work
merchant: own
grants: [{right: mark, title: {zh: 商标, en: Mark}, for: 10 year}]
skus:
  one: {title: {zh: 一类, en: One class}, price: 1000.00, quantity_max: 3}
""",
    "lines/shop.yaml": """\
id: shop
title: {zh: 商店, en: Shop}
quote:
  check: [buyer_is_known, within_purchase_cap]
  price:
    - list_price
    - partner_price: {when: &charged {eq: {scene.method: direct_charge}}}
    - coupons: {when: {not: *charged}}
  hold: [{hold_coupons: {undo: release_coupons}}]
place:
  check: [buyer_is_known, within_purchase_cap]
  hold: [{hold_purchase_cap: {undo: release_purchase_cap}}]
paid:
  deliver:
    - grant_entitlements: &grant {retry: {times: 3, wait: 30s..1h}, undo: revoke_entitlements}
    - tag_buyer: {with: {add: [member], remove: [fresh]}}
  tell:
    - message: {with: {template: thanks, to: buyer}, may_fail: true}
close:
  release: [release_coupons, release_purchase_cap]
charge:
  check: [agreement_covers, within_purchase_cap]
  draw: [{draw_pool: {undo: return_to_pool}}]
  deliver: [{grant_entitlements: *grant}]
  tell:
    - message: {with: {template: thanks, to: buyer}, may_fail: true}
""",
    "lines/bureau.yaml": """\
id: bureau
title: {zh: 办事处, en: Bureau}
quote:
  check:
    - refuse:
        when: {eq: {fields.urgent: true}}
        with: {message: {zh: 不办加急, en: Nothing is urgent here}}
  price: [list_price, {adjust: {when: {gte: {quantity: 3}}, with: {percent: 10, label: {zh: 三类九折, en: Three}}}}]
place:
  break_down:
    - open_work_orders: {with: {orders: [{kind: search, title: {zh: 查询, en: Search}, queue: desk, due: 1d}]}}
paid:
  deliver:
    - open_work_orders:
        with:
          orders:
            - {kind: file, title: {zh: 递交, en: File}, queue: desk}
            - {kind: copy, under: file, title: {zh: 复印, en: Copy}, queue: desk, blocking: false}
    - open_upstream_order: {with: {merchant: mill, item: form}, retry: {times: 3, wait: 1m..2h}, timeout: 5s}
fulfil:
  deliver: [grant_entitlements]
  tell:
    - message: {with: {template: thanks, to: buyer}, may_fail: true}
close:
  release: [cancel_work_orders]
""",
    "lines/bare.yaml": """\
id: bare
title: {zh: 极简, en: Bare}
quote: {price: [list_price]}
paid: {deliver: [{grant_entitlements: {retry: {times: 2, wait: 30s..1h}}}]}
""",
    "lines/last-call.yaml": """\
id: last-call
title: {zh: 末步外呼, en: A call comes last}
quote: {price: [list_price]}
paid:
  deliver:
    - grant_entitlements
    - open_upstream_order: {with: {merchant: mill, item: form}, retry: {times: 2, wait: 1m..2h}}
""",
    "scenes/app.yaml": """\
id: app
title: {zh: APP, en: App}
line: shop
terminal: app
method: in_app
login: required
sells: {card: all, book: all}
pay: {channels: [wallet, counter, {use: desk, when: {gte: {payable: 100.00}}}], within: 30m}
fields: {from_page: {type: string, maxLength: 20, title: {zh: 来源, en: From}}}
""",
    "scenes/page.yaml": """\
id: page
title: {zh: 网页, en: Page}
line: shop
terminal: h5
method: in_app
login: guest
sells: {card: all}
pay: {channels: [wallet, counter]}
""",
    "scenes/stall.yaml": """\
id: stall
title: {zh: 电商店, en: Stall}
line: shop
terminal: app
method: ecommerce
login: guest
sells: {card: [month]}
""",
    "scenes/gift.yaml": """\
id: gift
title: {zh: 直充, en: Gift}
line: shop
terminal: app
method: direct_charge
login: guest
sells: {card: all}
""",
    "scenes/duo.yaml": """\
id: duo
title: {zh: 联合售卖, en: Duo}
line: shop
terminal: h5
method: joint
login: required
sells: {card: [month]}
pay: {channels: [wallet]}
""",
    "scenes/office.yaml": """\
id: office
title: {zh: 柜台, en: Office}
line: bureau
terminal: pc
method: in_app
login: guest
sells: {filing: all}
pay: {channels: [wallet]}
fields: {urgent: {type: boolean, title: {zh: 加急, en: Urgent}}}
""",
    "scenes/bare.yaml": """\
id: bare
title: {zh: 极简, en: Bare}
line: bare
terminal: pc
method: in_app
login: guest
sells: {card: [month]}
pay: {channels: [wallet]}
""",
    "scenes/last-call.yaml": """\
id: last-call
title: {zh: 末步外呼, en: A call comes last}
line: last-call
terminal: pc
method: in_app
login: guest
sells: {card: [month]}
pay: {channels: [wallet]}
""",
    "coupons/fresh-5.yaml": """\
id: fresh-5
title: {zh: 新人减 5, en: 5 off for the fresh}
benefit: {amount: 5.00}
when: {has: {buyer.tags: fresh}}
scope: {products: [card/week]}
stack: {group: fresh, priority: 20}
caps: {per_buyer: 1}
""",
    "coupons/last-ten.yaml": """\
id: last-ten
title: {zh: 前十名免单一半, en: Half off for ten}
benefit: {percent: 50, at_most: 20.00}
when: {has: {buyer.tags: crowd}}
scope: {products: [card/month]}
stack: {group: crowd, priority: 30}
caps: {total: 10}
""",
    "coupons/purse.yaml": """\
id: purse
title: {zh: 有预算, en: While the purse lasts}
benefit: {amount: 3.00}
when: {has: {buyer.tags: crowd}}
scope: {products: [card]}
stack: {group: purse, priority: 10, combines: true}
budget: 20.00
""",
    "coupons/bulk.yaml": """\
id: bulk
title: {zh: 满百减十, en: 10 off from 100}
benefit: {amount: 10.00}
threshold: 100.00
scope: {lines: [shop]}
stack: {group: bulk, priority: 5, combines: true}
""",
    "coupons/gratis.yaml": """\
id: gratis
title: {zh: 免费, en: Free of charge}
benefit: {price: 0.00}
when: {has: {buyer.tags: guest-of-honour}}
scope: {products: [card/month]}
stack: {group: gratis, priority: 50}
on_refund: keep
""",
    "messages/thanks.yaml": """\
id: thanks
title: {zh: 感谢, en: Thanks}
channel: note
text: {zh: "订单{order.no}：{order.title}，{payable}", en: "Order {order.no}: {order.title}, {payable}"}
""",
    "partners/bank.yaml": """\
id: bank
title: {zh: 银行, en: Bank}
mode: fund_pool
scenes: [gift]
prices: {card/week: 10.00, card/month: 28.00}
pool: {floor: 10.00, low_water: 50.00}
valid: {from: "2026-01-01T00:00:00+08:00", until: "2028-01-01T00:00:00+08:00"}
merchant: own
retry: {every: 1m, for: 1d}
verify: &signed {text: "{header.x-time}.{body}", hmac_sha256: key, signature: header.x-sign, encode: hex, secrets: {key: {env: PARTNER_KEY}}}
""",
    "partners/club.yaml": """\
id: club
title: {zh: 俱乐部, en: Club}
mode: new_customer
scenes: [gift, duo]
prices: {card/week: 6.00, card/month: 20.00}
pool: {floor: 0, low_water: 5}
caps: {per_buyer: 2}
merchant: own
verify: {text: "{header.x-time}.{body}", hmac_sha256: key, signature: header.x-sign, encode: hex, secrets: {key: {env: PARTNER_KEY}}}
""",
    "partners/post.yaml": """\
id: post
title: {zh: 邮局, en: Post office}
mode: quantity_pool
scenes: [gift]
prices: {card/month: 26.00}
pool: {floor: 0, low_water: 3}
caps: {per_buyer: 1}
merchant: own
verify: {text: "{header.x-time}.{body}", hmac_sha256: key, signature: header.x-sign, encode: hex, secrets: {key: {env: PARTNER_KEY}}}
""",
    # Its pay operation only makes a text for the buyer's terminal: no call of ours.
    "channels/wallet.yaml": """\
id: wallet
title: {zh: 钱包, en: Wallet}
role: pay
currency: CNY
base: https://wallet.example
operations:
  pay:
    client: {text: "{payment.no} {payment.amount:fen}"}
  query: &ask
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  close: {post: "/pay/{payment.no}/close", judge: [{http: 200, then: closed}]}
  refund: &refund
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}", amount: "{refund.amount:fen}"}
    take: {state: {of: state, DONE: succeeded, else: unknown}, refund_no: refund, channel_refund_no: no}
    judge: [{http: 200, then: as_taken}]
  refund_query:
    get: /refund/{refund.no}
    take: {state: {of: state, DONE: succeeded, else: unknown}, refund_no: refund, channel_refund_no: no}
    judge: [{http: 200, then: as_taken}]
""",
    "channels/counter.yaml": """\
id: counter
title: {zh: 柜台, en: Counter}
role: pay
currency: CNY
base: https://counter.example
operations:
  pay:
    post: /pay
    json: {no: "{payment.no}", amount: "{payment.amount:fen}"}
    judge: [{http: 200, then: pending}]
    client: {qr: "{answer.qr}"}
  query:
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  refund:
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}", amount: "{refund.amount:fen}"}
    judge: [{http: 200, then: succeeded}]
""",
    "channels/desk.yaml": """\
id: desk
title: {zh: 大额柜台, en: Desk}
role: pay
currency: CNY
base: https://desk.example
operations:
  pay:
    client: {text: "{payment.no} {client.openid}"}
  query:
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  refund:
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}", amount: "{refund.amount:fen}"}
    judge: [{http: 200, then: succeeded}]
""",
    "channels/note.yaml": """\
id: note
title: {zh: 短信, en: Note}
role: message
currency: CNY
base: https://note.example
operations:
  send:
    post: /send
    json: {no: "{message.no}", to: "{message.to}", text: "{message.text}"}
    judge: [{http: 200, then: accepted}]
""",
    "channels/supply.yaml": """\
id: supply
title: {zh: 供货, en: Supply}
role: upstream
currency: CNY
base: https://supply.example
operations:
  charge:
    post: /charge
    json: {no: "{upstream.no}", item: "{upstream.item}", count: "{upstream.quantity}"}
    take: {channel_no: no}
    judge: [{http: 200, then: accepted}]
  query:
    get: /charge/{upstream.no}
    take: {state: {of: state, DONE: succeeded, else: unknown}, channel_no: no}
    judge: [{http: 200, then: as_taken}]
""",
}


class Outside:
    """The world beyond the wire. `answers[channel, operation]` is an Outcome, a list of them (one a call, the last stays),
    or a function of the facts; an exception is raised. `calls` is what was asked of it: (channel, operation, facts)."""

    def __init__(self, operate: Callable[..., Outcome]):
        self._operate, self._lock, self._numbers = operate, threading.Lock(), itertools.count(1)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.answers: dict[tuple[str, str], Any] = {
            ("counter", "pay"): Outcome("pending", {}, {"qr": "qr-text"}, sent=True, status=200),
            ("wallet", "close"): Outcome("closed", sent=True, status=200),
            ("note", "send"): Outcome("accepted", sent=True, status=200),
            ("supply", "charge"): lambda facts: Outcome("accepted", {"channel_no": f"S{facts['upstream.no']}"}, sent=True)}
        for channel in ("wallet", "counter", "desk"):
            self.answers[channel, "query"] = Outcome("pending", {"state": "pending"}, sent=True, status=200)
            self.answers[channel, "refund"] = lambda facts: Outcome(
                "succeeded", {"refund_no": facts["refund.no"], "channel_refund_no": f"C{facts['refund.no']}"}, sent=True)

    def operate(self, channel: Any, operation: str, facts: Mapping[str, Any], *, timeout_s: float | None = None) -> Outcome:
        if not wire.needs_call(channel, operation):
            return self._operate(channel, operation, facts, timeout_s=timeout_s)
        assert not store.in_transaction(), f"{channel.id}.{operation} is called inside a database transaction"
        with self._lock:
            self.calls.append((channel.id, operation, dict(facts)))
            answer = self.answers[channel.id, operation]
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(facts)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def asked(self, channel: str, operation: str) -> list[dict[str, Any]]:
        """The facts of every call of one operation so far."""
        return [facts for c, o, facts in self.calls if (c, o) == (channel, operation)]


PAID = Outcome("succeeded", {"state": "succeeded", "channel_no": "W-asked"}, sent=True, status=200)
UNREACHABLE = Outcome("failed", reason="connection refused", sent=False)
SILENT = Outcome("unknown", reason="no answer", sent=True)
ABSENT = Outcome("absent", reason="never heard of it", sent=True, status=404)


class Shop:
    """A test's shop: its buyers, its notices, its workers."""

    def __init__(self, outside: Outside):
        self.outside = outside
        self._numbers = itertools.count(1)
        self.broken = False                    # set by a test that breaks the books on purpose

    @staticmethod
    def items(*keys: str | tuple[str, int]) -> list[dict[str, Any]]:
        return [{"sku": key, "quantity": 1} if isinstance(key, str) else {"sku": key[0], "quantity": key[1]} for key in keys]

    def buyer(self, *tags: str, phone: str = "") -> str:
        """A new registered buyer's id."""
        buyer_id = f"b{next(self._numbers)}"
        with store.transaction():
            buyers.put(buyer_id, phone=phone or None, tags=list(tags))
        return buyer_id

    def notice(self, payment: Mapping[str, Any], key: str = "", **fields: Any) -> str:
        """The channel says that a payment succeeded (or what `fields` say); returns the verdict."""
        said = {"state": "succeeded", "payment_no": payment["no"], "channel_no": f"W-{payment['no']}",
                "amount_minor": payment["amount_minor"], "currency": payment["currency"], **fields}
        return settling.apply_payment(payment["no"], said, "notice", (payment["channel_id"], key or said["channel_no"], "paid"))

    def work(self, rounds: int = 50) -> int:
        """Do every job that is due now; returns how many were taken."""
        done = 0
        for _ in range(rounds):
            taken = outbox.drain()
            done += taken
            if not taken:
                return done
        raise AssertionError(f"jobs keep coming back: {store.many(outbox.Outbox)}")

    def partner(self, partner_id: str, amount: int = 0):
        """A partner of the live release, with so much in its pool."""
        partner = live.catalog().partner(partner_id)
        if amount:
            pools.top_up(partner, amount, ids.new_no("T"))
        return partner


def _handlers() -> dict[str, outbox.Handler]:
    return {"flow.advance": lambda job: executor.advance(job["subject_no"], HOST) and None,
            "payment.close": lambda job: settling.close_payment(job["subject_no"]),
            "refund.send": lambda job: settling.send_refund(job["subject_no"]) and None,
            "message.send": lambda job: messages.send(job["subject_no"], channels.get(job["args"]["channel"]))}


_compiled: dict[tuple, Catalog] = {}


def compiled(files: Mapping[str, str] = FILES) -> Catalog:
    """The catalogue of some files, by the real checker; made once for the same files."""
    key = tuple(sorted(files.items()))
    if key not in _compiled:
        result = check(files, startup.vocabulary())
        assert result.catalog is not None, "\n".join(map(str, result.problems))
        _compiled[key] = result.catalog
    return _compiled[key]


def put_live(release_no: int, changed: Mapping[str, str | None] = {}) -> Catalog:
    """Make the catalogue live under a number, with some files changed or (None) left out; earlier ones stay pinned."""
    files = {path: text for path, text in {**FILES, **changed}.items() if text is not None}
    earlier = live._current
    if earlier is not None:
        live._pinned[earlier.release_no] = earlier
    live._vocabulary = startup.vocabulary()
    live._current = dataclasses.replace(compiled(files), release_no=release_no)
    return live._current


def open_shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The catalogue is live, it is noon, the outside answers, workers know their tasks."""
    clock.set_to(NOON)
    put_live(1)
    outside = Outside(wire.operate)
    monkeypatch.setattr(wire, "operate", outside.operate)
    monkeypatch.setattr(outbox, "_handlers", _handlers())
    return Shop(outside)


@pytest.fixture
def shop(database, monkeypatch):
    """A shop on each kind of database. When the test is over its books are in order."""
    opened = open_shop(monkeypatch)
    yield opened
    if not opened.broken:
        assert invariants.violations() == []


def refused(code: Code, match: str = ""):
    """A `with` block that must be refused with this code."""
    return pytest.raises(Refusal, match=f"(?s)^{code.code}:.*{match}")


def order(no: str) -> dict[str, Any]:
    return orders.find(no)


def payment(no: str) -> dict[str, Any]:
    return payments.find(no)
