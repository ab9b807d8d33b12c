"""The catalogue of the tests' shop: every kind of scene, a coupon of each sort, three partners, five channels."""
from __future__ import annotations

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
verify:
  text: "{header.x-time}.{body}"
  hmac_sha256: key
  signature: header.x-sign
  encode: hex
  secrets: {key: {env: PARTNER_KEY}}
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
verify:
  text: "{header.x-time}.{body}"
  hmac_sha256: key
  signature: header.x-sign
  encode: hex
  secrets: {key: {env: PARTNER_KEY}}
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
verify:
  text: "{header.x-time}.{body}"
  hmac_sha256: key
  signature: header.x-sign
  encode: hex
  secrets: {key: {env: PARTNER_KEY}}
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
