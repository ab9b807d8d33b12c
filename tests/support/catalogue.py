"""Catalogues for tests. `SMALL`: one line, one scene, one product, one channel, which the real checker finds sound.
`sample()`: the sample catalogue, without the examples of its channels."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.cli.roles import ROOT
from engine.config.shelf import documents

SMALL = {
    "merchants/own.yaml": "id: own\ntitle: {zh: 自营, en: Ourselves}\nkind: own\n",
    "product_types/once.yaml": "id: once\ntitle: {zh: 一次性, en: Once}\ntakes_part_in: [deliver]\n",
    "products/card.yaml": """\
id: card
title: {zh: 会员卡, en: Card}
type: once
merchant: own
skus:
  week: {title: {zh: 周卡, en: Week}, price: 9.90}
""",
    "lines/shop.yaml": """\
id: shop
title: {zh: 商店, en: Shop}
quote: {price: [list_price]}
paid: {deliver: [grant_entitlements]}
""",
    "scenes/shop-h5.yaml": """\
id: shop-h5
title: {zh: 商店 H5, en: Shop page}
line: shop
terminal: h5
method: in_app
login: guest
sells: {card: all}
pay: {channels: [desk]}
examples:
  - name: 周卡
    given: {items: [card/week]}
    then: {payable: 9.90, channels: [desk]}
""",
    "channels/desk.yaml": """\
id: desk
title: {zh: 收银台, en: Desk}
role: pay
currency: CNY
base: "{settings.sandbox_url}/desk"
operations:
  pay:
    post: /pay
    json: {no: "{payment.no}", amount: "{payment.amount:fen}"}
    judge: [{http: 200, then: pending}]
  query:
    get: /pay/{payment.no}
    take: {state: {of: state, PAID: succeeded, else: unknown}, amount: {fen: amount}, channel_no: no}
    judge: [{http: 200, then: as_taken}]
  refund:
    post: /refunds
    json: {no: "{refund.no}", payment: "{payment.no}", amount: "{refund.amount:fen}"}
    judge: [{http: 200, then: pending}]
""",
}


@lru_cache(maxsize=None)
def _sample() -> dict[str, str]:
    return {path: text.partition("\nexamples:")[0] + "\n" if path.startswith("channels/") else text
            for path, text in documents(ROOT).items()}


def sample() -> dict[str, str]:
    """Nine tenths of the sample's text are examples of channels, which have tests of their own; each process that a test
    starts would read them."""
    return dict(_sample())


def write(folder: Path, files: dict[str, str] = SMALL) -> Path:
    """Put a catalogue into a folder; returns the folder."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder
