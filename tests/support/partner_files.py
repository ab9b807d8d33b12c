"""What partners and shops elsewhere add to the tests' shop: a partner that is told of results and of a low pool, and a
market whose orders come in paid."""
from __future__ import annotations

from tests.support.shop_files import FILES

TOLD = {
    "partners/bank.yaml": FILES["partners/bank.yaml"] + """\
tell:
  low_water: {template: low, to: "13700000000"}
  results: {channel: herald, wait: 10s..1m, for: 1h}
""",
    "partners/club.yaml": FILES["partners/club.yaml"] + """\
tell:
  low_water: {template: low, to: "13700000001", lang: en}
""",
    "messages/low.yaml": """\
id: low
title: {zh: 余额不足, en: Low}
channel: note
text: {zh: "{partner.title}余额{pool.balance}，低于{pool.low_water}", en: "{partner.title}: {pool.balance} of {pool.low_water}"}
""",
    "channels/herald.yaml": """\
id: herald
title: {zh: 结果通知, en: Herald}
role: partner
currency: CNY
base: https://bank.example
operations:
  notify:
    post: /results
    json: {id: "{notify.no}", event: "{notify.event}", order: "{charge.partner_order_no}", fen: "{charge.amount:fen}"}
    judge: [{http: 200, eq: {code: "0"}, then: succeeded}, {http: 410, then: failed}]
""",
    "channels/market.yaml": """\
id: market
title: {zh: 集市, en: Market}
role: shop
currency: CNY
base: https://market.example
secrets: {key: {env: MARKET_KEY}}
verify: {text: "{header.x-time}.{body}", hmac_sha256: key, signature: header.x-sign, encode: hex, fresh: {at: header.x-time, within: 300s}}
operations:
  query:
    get: /orders/{shop.order_no}
    judge: [{http: 200, then: succeeded}]
    take: {shop_order_no: id, item: item, quantity: {int: count}, amount: {fen: paid}, phone: phone}
  deliver:
    post: /orders/{shop.order_no}/delivered
    json: {order: "{order.no}", item: "{shop.item}", code: "{delivery.code?}", at: "{delivery.at:unix}"}
    judge: [{http: 200, then: succeeded}, {http: 409, then: failed}]
notices:
  paid:
    take: {shop_order_no: id, item: item, quantity: {int: count}, amount: {fen: paid}, phone: phone, state: {of: state, PAID: succeeded, else: pending}}
    once_by: [notice.id, notice.state]
    answer: {success: {text: ok}, failure: {status: 500, text: "{reason}"}}
  refunded:
    take: {shop_order_no: id, channel_refund_no: refund, amount: {fen: fen}, reason: why, state: {of: state, DONE: succeeded, else: pending}}
    once_by: [notice.refund, notice.state]
    answer: {success: {text: ok}, failure: {status: 500, text: "{reason}"}}
""",
    "scenes/bazaar.yaml": """\
id: bazaar
title: {zh: 集市店, en: Bazaar}
line: shop
terminal: app
method: ecommerce
login: guest
sells: {card: [week, month], book: all}
shop:
  channel: market
  items: {"7001": card/month, "7002": card/week, "7003": book/paper}
  fields: {market_no: shop_order_no}
  wait: 10s..1m
  for: 1h
fields: {market_no: {type: string, maxLength: 40, required: true, title: {zh: 集市单号, en: Market number}}}
""",
}
