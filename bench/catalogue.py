"""Catalogues of any size, made from the sample one: its channels, messages, merchants and product types stay, and scenes,
products, coupons and lines are generated around them, each with an example that must hold.
"""
from __future__ import annotations

from pathlib import Path

from engine.cli.roles import ROOT

KEPT = ("channels", "product_types", "merchants", "messages")
SCENES_PER_LINE, SCENES_PER_PRODUCT, SCENES_PER_COUPON = 50, 10, 20
_TERMINALS = ("app", "pc", "h5", "mini_program")


def generate(scenes: int, base: Path = ROOT) -> dict[str, str]:
    """{path: text} of a sound catalogue with so many scenes (20 at least)."""
    files = {f"{kind}/{path.name}": path.read_text(encoding="utf-8")
             for kind in KEPT for path in sorted((base / kind).glob("*.yaml"))}
    channel, message = _channel(files), _message(files)
    for n in range(-(-scenes // SCENES_PER_LINE)):
        files[f"lines/line-{n:03d}.yaml"] = _line(n, message)
    for n in range(-(-scenes // SCENES_PER_PRODUCT)):
        files[f"products/product-{n:04d}.yaml"] = _product(n)
    for n in range(scenes // SCENES_PER_COUPON):
        files[f"coupons/coupon-{n:04d}.yaml"] = _coupon(n)
    for n in range(scenes):
        files[f"scenes/scene-{n:05d}.yaml"] = _scene(n, channel)
    return files


def _channel(files: dict[str, str]) -> str:
    """A channel whose payment needs no call of ours: the client takes signed parameters."""
    for path, text in files.items():
        pay = text.partition("\n  pay:\n")[2]
        if path.startswith("channels/") and "role: pay" in text and pay.lstrip().startswith("client:"):
            return path.removeprefix("channels/").removesuffix(".yaml")
    raise LookupError("no sample channel signs parameters for the client")


def _message(files: dict[str, str]) -> str:
    """A message that only speaks of the order."""
    for path, text in files.items():
        if path.startswith("messages/") and "{order.title}" in text:
            return path.removeprefix("messages/").removesuffix(".yaml")
    raise LookupError("no sample message tells of an order's title")


def _line(n: int, message: str) -> str:
    return f"""id: line-{n:03d}
title: {_title("业务线", "Line", n)}
quote:
  check: [buyer_is_known, within_purchase_cap]
  price:
    - list_price
    - coupons
  hold:
    - hold_coupons: {{undo: release_coupons}}
place:
  check: [buyer_is_known, within_purchase_cap]
  hold:
    - hold_purchase_cap: {{undo: release_purchase_cap}}
paid:
  deliver:
    - grant_entitlements: {{retry: {{times: 10, wait: 30s..1h}}, undo: revoke_entitlements}}
    - tag_buyer: {{with: {{add: [member-{n:03d}]}}}}
  tell:
    - message: {{with: {{template: {message}, to: buyer}}, may_fail: true}}
close:
  release: [release_coupons, release_purchase_cap]
"""


def _title(zh: str, en: str, n: int) -> str:
    return f"{{zh: {zh} {n}, en: {en} {n}}}"


def _product(n: int) -> str:
    return f"""id: product-{n:04d}
title: {_title("会员", "Membership", n)}
type: one_time
merchant: own
grants:
  - {{right: reports-{n:04d}, title: {{zh: 报告, en: Reports}}}}
  - {{right: lookups-{n:04d}, title: {{zh: 查询, en: Look-ups}}, quota: 100}}
skus:
  month:
    title: {_title("月卡", "Month card", n)}
    price: {10 + n % 90}.90
    for: 1 month
  year:
    title: {_title("年卡", "Year card", n)}
    price: {200 + n % 90}.00
    for: 1 year
"""


def _coupon(n: int) -> str:
    products = f"[product-{2 * n:04d}/year, product-{2 * n + 1:04d}/year]"
    return f"""id: coupon-{n:04d}
title: {_title("立减", "Off", n)}
benefit: {{amount: {5 + n % 20}.00}}
when: {{has: {{buyer.tags: tag-{n % 7}}}}}
scope: {{products: {products}}}
stack: {{group: group-{n:04d}, priority: {n % 50}}}
"""


def _scene(n: int, channel: str) -> str:
    product = f"product-{n // SCENES_PER_PRODUCT:04d}"
    price = 10 + n // SCENES_PER_PRODUCT % 90
    return f"""id: scene-{n:05d}
title: {_title("场景", "Scene", n)}
line: line-{n // SCENES_PER_LINE:03d}
terminal: {_TERMINALS[n % len(_TERMINALS)]}
method: in_app
login: required
sells:
  {product}: all
pay:
  channels: [{channel}]
fields:
  from_page: {{type: string, maxLength: 64, title: {{zh: 来源页, en: Source page}}}}
examples:
  - name: 月卡原价
    given: {{items: [{product}/month], fields: {{from_page: search}}}}
    then: {{payable: {price}.90, coupons: [], channels: [{channel}]}}
"""
