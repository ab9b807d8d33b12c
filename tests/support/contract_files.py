"""What a shop with contracts has besides: a recurring product, a line that renews, a channel that signs and deducts."""
from __future__ import annotations

CONTRACT_FILES = {
    "product_types/lasting.yaml": """\
id: lasting
title: {zh: 连续, en: Lasting}
takes_part_in: [deliver, consume, renew]
requires:
  renews_every:  {type: period, title: {zh: 续费周期, en: Renews every}}
  renewal_price: {type: money, title: {zh: 续费价格, en: Renewal price}}
  notice_before: {type: duration, title: {zh: 扣费前通知, en: Notice before}}
  retry:         {type: durations, title: {zh: 重试间隔, en: Retries}}
  grace:         {type: duration, title: {zh: 宽限期, en: Grace}}
  suspends_for:  {type: duration, title: {zh: 暂停多久, en: Suspends for}}
allows:
  price_steps:   {type: prices, title: {zh: 阶梯价格, en: Price steps}}
defaults:
  notice_before: 1d
  retry: [4h, 20h]
  grace: 3d
  suspends_for: 10d
""",
    "products/pass.yaml": """\
id: pass
title: {zh: 通行证, en: Pass}
type: lasting
merchant: own
grants:
  - {right: entries, title: {zh: 入场, en: Entries}, quota: 10}
  - {right: lounge, title: {zh: 休息室, en: Lounge}}
skus:
  monthly:
    title: {zh: 连续包月, en: Every month}
    price: 30.00
    for: 1 month
    renews_every: 1 month
    renewal_price: 25.00
    price_steps: [{from: 4, price: 28.00}]
    quantity_max: 5
  weekly: {title: {zh: 连续包周, en: Every week}, price: 9.00, for: 1 week, renews_every: 1 week, renewal_price: 9.00}
  yearly: {title: {zh: 连续包年, en: Every year}, price: 240.00, for: 1 year, renews_every: 1 year, renewal_price: 240.00}
  quarterly: {title: {zh: 连续包季, en: Every quarter}, price: 70.00, for: 1 quarter, renews_every: 1 quarter, renewal_price: 70.00, quantity_max: 5}
  daily: {title: {zh: 连续包日, en: Every two days}, price: 2.00, for: 2 days, renews_every: 2 days, renewal_price: 2.00, notice_before: 3d}
""",
    "lines/club.yaml": """\
id: club
title: {zh: 会所, en: Club}
quote:
  check: [buyer_is_known, within_purchase_cap]
  price: [list_price, coupons]
  hold: [{hold_coupons: {undo: release_coupons}}]
paid:
  deliver: [{grant_entitlements: {retry: {times: 3, wait: 30s..1h}, undo: revoke_entitlements}}]
renew:
  announce: [{message: {with: {template: soon, to: buyer}}}]
  fail: [{message: {with: {template: refused, to: buyer}}}]
  suspend: [{message: {with: {template: paused, to: buyer}}}]
  end: [{message: {with: {template: over, to: buyer}}}]
  deliver: [{extend_entitlements: {retry: {times: 3, wait: 30s..1h}, undo: revoke_entitlements}}]
  tell: [{message: {with: {template: renewed, to: buyer}, may_fail: true}}]
close:
  release: [release_coupons]
""",
    "scenes/club.yaml": """\
id: club
title: {zh: 会所, en: Club}
line: club
terminal: app
method: in_app
login: required
sells: {pass: all, card: [week, month]}
pay: {channels: [standing, signet, wallet], within: 30m}
""",
    "scenes/club-door.yaml": """\
id: club-door
title: {zh: 会所门口, en: At the club's door}
line: club
terminal: h5
method: in_app
login: guest
sells: {pass: all}
pay: {channels: [standing, wallet]}
""",
    # The buyer pays and signs on one page; what is due later is deducted.
    "channels/standing.yaml": """\
id: standing
title: {zh: 代扣, en: Standing order}
role: pay
currency: CNY
base: https://standing.example
operations:
  pay: {client: {text: "{payment.no} {payment.amount:fen}"}}
  pay_and_sign: {client: {text: "{payment.no} {payment.amount:fen} {contract.no} {contract.title}"}}
  sign:
    post: /contracts
    json: {no: "{contract.no}", amount: "{contract.amount:fen}", every: "{contract.period_count} {contract.period_unit}"}
    judge: [{http: 200, then: pending}]
    client: {redirect: "{answer.page}"}
  contract_query:
    get: /contracts/{contract.no}
    take: {state: {of: state, IN_FORCE: signed, OVER: ended, else: unknown}, contract_no: ours, channel_contract_no: no}
    judge: [{http: 200, then: as_taken}]
  announce:
    post: /contracts/{contract.channel_no}/announcements
    json: {amount: "{payment.amount:fen}"}
    judge: [{http: 200, then: accepted}]
  withhold:
    post: /contracts/{contract.channel_no}/deductions
    json: {no: "{payment.no}", amount: "{payment.amount:fen}"}
    take: {state: {of: state, DONE: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  unsign: {post: "/contracts/{contract.channel_no}/end", judge: [{http: 200, then: succeeded}]}
  query:
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  refund:
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}", amount: "{refund.amount:fen}"}
    take: {state: {of: state, DONE: succeeded, else: unknown}, refund_no: refund, channel_refund_no: no}
    judge: [{http: 200, then: as_taken}]
""",
    # Nothing is paid while signing: the first period is deducted, too.
    "channels/signet.yaml": """\
id: signet
title: {zh: 先签约, en: Signet}
role: pay
currency: CNY
base: https://signet.example
operations:
  sign: {client: {redirect: "https://signet.example/sign?no={contract.no}"}}
  withhold:
    post: /deductions
    json: {no: "{payment.no}", contract: "{contract.channel_no}", amount: "{payment.amount:fen}"}
    take: {state: {of: state, DONE: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  query:
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
  refund:
    post: /refund
    json: {no: "{payment.no}", refund: "{refund.no}", amount: "{refund.amount:fen}"}
    judge: [{http: 200, then: succeeded}]
  withhold_query:
    get: /deductions/{payment.no}
    take: {state: {of: state, DONE: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no, payment_no: ours}
    judge: [{http: 200, then: as_taken}]
""",
    **{f"messages/{name}.yaml": f"""\
id: {name}
title: {{zh: {zh}, en: {name.title()}}}
channel: note
text: {{zh: "{zh} {{contract.no}} {{contract.date}} {{payable}}", en: "{name} {{contract.no}} {{contract.date}} {{payable}}"}}
""" for name, zh in (("soon", "即将扣费"), ("refused", "扣费失败"), ("paused", "已暂停"), ("over", "已终止"), ("renewed", "已续费"))},
}
