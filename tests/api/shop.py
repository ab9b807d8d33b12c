"""A small shop for the tests of the interface and the workers: one scene of each kind, and channels that are signed for
real. `Gateway` is their other side: a server on loopback that does what a test tells it."""
from __future__ import annotations

import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

CHANNEL_KEY, PARTNER_KEY = "channel-secret", "partner-secret"

_SIGNED = """\
verify: &signed
  text: "{header.X-Time}.{body}"
  hmac_sha256: key
  signature: header.X-Signature
  fresh: {at: header.X-Time, within: 300s}
"""
_CHANNEL = """\
role: pay
currency: CNY
base: "{settings.sandbox_url}/@channel"
timeout: 2s
constants: {shop: S1}
secrets: {key: {file: channel.key}}
""" + _SIGNED + """\
match: {merchant: "{shop}"}
judge: [{http: 400..499, then: failed}]
take: {reason: why}
operations:
  pay:
@pay
  query:
    get: /payments/{payment.no}
    take: &payment
      merchant: shop
      payment_no: no
      channel_no: id
      currency: currency
      amount: {fen: amount}
      state: {of: state, PAID: succeeded, OPEN: pending, CLOSED: closed, FAILED: failed, else: unknown}
    judge: [{http: 404, then: absent}, {http: 200, then: as_taken}]
  close:
    post: /payments/{payment.no}/close
    judge: [{http: 204, then: closed}]
  refund:
    post: /refunds
    json: {no: "{refund.no}", payment: "{payment.no}", amount: "{refund.amount:fen}"}
    take: &refund
      merchant: shop
      payment_no: payment
      refund_no: no
      channel_refund_no: id
      amount: {fen: amount}
      state: {of: state, PAID: succeeded, OPEN: pending, FAILED: failed, else: unknown}
    judge: [{http: 200, then: as_taken}]
  refund_query:
    get: /refunds/{refund.no}
    take: *refund
    judge: [{http: 404, then: absent}, {http: 200, then: as_taken}]
notices:
  paid:
    verify: *signed
    take: *payment
    once_by: [notice.id, notice.state]
    answer: &words
      success: {status: 200, json: {said: "OK"}}
      failure: {status: 500, json: {said: "NO", why: "{reason}"}}
  refunded:
    verify: *signed
    take: *refund
    once_by: [notice.id, notice.state]
    answer: *words
"""


def _channel(id: str, zh: str, en: str, pay: str) -> str:
    head = f"id: {id}\ntitle: {{zh: {zh}, en: {en}}}\n"
    return head + _CHANNEL.replace("@channel", id).replace("@pay\n", pay)


FILES = {
    "merchants/own.yaml": "id: own\ntitle: {zh: 自营, en: Ourselves}\nkind: own\n",
    "product_types/once.yaml": "id: once\ntitle: {zh: 一次性, en: Once}\ntakes_part_in: [deliver, consume, fulfil]\n",
    "products/card.yaml": """\
id: card
title: {zh: 会员卡, en: Card}
type: once
merchant: own
grants:
  - {right: contacts, title: {zh: 联系方式, en: Contacts}, quota: 10}
  - {right: reports, title: {zh: 报告, en: Reports}}
skus:
  week: {title: {zh: 周卡, en: Week}, price: 14.90, for: 1 week, purchase_cap: 1}
  month: {title: {zh: 月卡, en: Month}, price: 40.00, for: 1 month, quantity_max: 5}
""",
    "products/filing.yaml": """\
id: filing
title: {zh: 代办, en: Filing}
type: once
merchant: own
grants:
  - {right: watch, title: {zh: 监测, en: Watch}, for: 1 year}
skus:
  standard: {title: {zh: 普通, en: Standard}, price: 100.00}
""",
    "coupons/five.yaml": """\
id: five
title: {zh: 立减 5 元, en: 5 off}
benefit: {amount: 5.00}
when: {has: {buyer.tags: fresh}}
scope: {products: [card/week]}
stack: {group: fresh, priority: 10}
caps: {per_buyer: 1}
""",
    "coupons/gift.yaml": """\
id: gift
title: {zh: 全免, en: All of it}
benefit: {amount: 40.00}
when: {has: {buyer.tags: lucky}}
scope: {products: [card/month]}
stack: {group: gifts, priority: 20}
""",
    "channels/till.yaml": _channel("till", "收银台", "Till", """\
    client:
      params: {shop: "{shop}", no: "{payment.no}", amount: "{payment.amount:fen|text}", openid: "{client.openid}", url: "{notice_url}/paid"}
      sign: {text: "{params.shop}|{params.no}|{params.amount}", hmac_sha256: key, client: {sign: "{signature}"}}
"""),
    "channels/desk.yaml": _channel("desk", "柜台", "Desk", """\
    post: /payments
    json: {no: "{payment.no}", amount: "{payment.amount:fen}", url: "{notice_url}/paid"}
    judge: [{http: 200, then: pending}]
    client: {qr: "{answer.qr}"}
"""),
    "channels/texts.yaml": """\
id: texts
title: {zh: 短信, en: Text messages}
role: message
base: "{settings.sandbox_url}/texts"
timeout: 2s
judge: [{http: 400..499, then: failed}]
operations:
  send:
    post: /messages
    json: {no: "{message.no}", to: "{message.to}", text: "{message.text}"}
    judge: [{http: 200, then: succeeded}]
""",
    "messages/opened.yaml": """\
id: opened
title: {zh: 已开通, en: Open}
channel: texts
text: {zh: "{order.title}已开通", en: "{order.title} is open"}
""",
    "lines/cards.yaml": """\
id: cards
title: {zh: 会员, en: Cards}
quote:
  check: [buyer_is_known, within_purchase_cap]
  price:
    - list_price
    - partner_price: {when: &charged {eq: {scene.method: direct_charge}}}
    - coupons: {when: {not: *charged}}
  hold: [{hold_coupons: {undo: release_coupons}}]
place:
  hold: [{hold_purchase_cap: {undo: release_purchase_cap}}]
paid:
  deliver: [grant_entitlements]
  tell: [{message: {with: {template: opened, to: buyer}, may_fail: true}}]
close: {release: [release_coupons, release_purchase_cap]}
charge:
  check: [agreement_covers, within_purchase_cap]
  draw: [draw_pool]
  deliver: [grant_entitlements]
""",
    "lines/filings.yaml": """\
id: filings
title: {zh: 代办, en: Filings}
quote: {price: [list_price]}
paid:
  deliver:
    - open_work_orders:
        with:
          orders:
            - {kind: prepare, title: {zh: 准备, en: Prepare}, queue: agents, due: 2d}
            - {kind: file, title: {zh: 递交, en: File}, queue: agents, due: 5d}
fulfil: {deliver: [grant_entitlements]}
""",
    "scenes/cards-app.yaml": """\
id: cards-app
title: {zh: 会员 APP, en: Cards in the app}
line: cards
terminal: app
method: in_app
login: required
sells: {card: all}
pay: {channels: [till, desk]}
fields:
  from_page: {type: string, maxLength: 16, title: {zh: 来源页, en: Source page}}
  seats: {type: integer, minimum: 1, maximum: 9, title: {zh: 席位, en: Seats}}
""",
    "scenes/cards-page.yaml": """\
id: cards-page
title: {zh: 会员推广页, en: Cards on outside pages}
line: cards
terminal: h5
method: external_direct
login: guest
sells: {card: all}
pay: {channels: [till, {use: desk, when: {gte: {payable: 30.00}}}]}
fields:
  campaign: {type: string, required: true, pattern: "[a-z]{1,8}", title: {zh: 活动, en: Campaign}}
""",
    "scenes/cards-shop.yaml": """\
id: cards-shop
title: {zh: 会员小店, en: Cards in a shop}
line: cards
terminal: app
method: ecommerce
login: guest
sells: {card: [month]}
""",
    "scenes/cards-charge.yaml": """\
id: cards-charge
title: {zh: 会员直充, en: Cards charged}
line: cards
terminal: app
method: direct_charge
login: guest
sells: {card: all}
""",
    "scenes/filings-pc.yaml": """\
id: filings-pc
title: {zh: 代办 PC, en: Filings on the PC}
line: filings
terminal: pc
method: in_app
login: guest
sells: {filing: all}
pay: {channels: [till]}
""",
    "partners/mall.yaml": """\
id: mall
title: {zh: 商城, en: Mall}
mode: fund_pool
scenes: [cards-charge]
prices: {card/week: 10.00, card/month: 28.00}
pool: {floor: 0.00, low_water: 50.00}
merchant: own
retry: {every: 1m, for: 30d}
verify:
  secrets: {key: {file: partner.key}}
  text: "{method}\\n{path_and_query}\\n{header.X-Time}\\n{body}"
  hmac_sha256: key
  signature: header.X-Signature
  fresh: {at: header.X-Time, within: 300s}
""",
    "partners/gifts.yaml": """\
id: gifts
title: {zh: 礼品, en: Gifts}
mode: quantity_pool
scenes: [cards-charge]
prices: {card/month: 28.00}
pool: {floor: 0, low_water: 1}
merchant: own
retry: {every: 1m, for: 30d}
verify:
  secrets: {key: {file: partner.key}}
  text: "{header.X-Time}.{body}"
  hmac_sha256: key
  signature: header.X-Signature
""",
}


def write_secrets(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "channel.key").write_text(CHANNEL_KEY)
    (folder / "partner.key").write_text(PARTNER_KEY)


def signature(key: str, text: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


class Gateway:
    """Answers what `on[(method, path beginning)]` says: (status, body) or a function of the request's body; remembers
    what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.on: dict[tuple[str, str], Any] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(raw) if raw else None
                gateway.asked.append((self.command, self.path, body))
                status, answer = gateway._answer(self.command, self.path, body)
                text = json.dumps(answer).encode() if answer is not None else b""
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)),
                                    **gateway.signed(text)}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = _answer

            def log_message(self, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @staticmethod
    def signed(text: bytes, at_s: int | None = None) -> dict[str, str]:
        from engine.base import clock

        now = str(at_s if at_s is not None else clock.now_ms() // 1000)
        return {"X-Time": now, "X-Signature": signature(CHANNEL_KEY, f"{now}.{text.decode()}")}

    def _answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        for (verb, beginning), answer in self.on.items():
            if verb == method and path.startswith(beginning):
                return answer(path, body) if callable(answer) else answer
        return 404, {"why": "not here"}

    def says(self, method: str, beginning: str, answer: tuple[int, Any] | Callable[[str, Any], tuple[int, Any]]) -> None:
        self.on[method, beginning] = answer

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
