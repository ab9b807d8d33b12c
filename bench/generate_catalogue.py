"""A large catalogue for measuring: the sample catalogue and N scenes, with products and coupons of their own.

    python -m bench.generate_catalogue 2000 /tmp/large      writes one
    python -m bench.generate_catalogue 2000                 writes none: measures how long check and compile take
"""
from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from engine.config.check import check, documents
from engine.config.vocabulary import Vocabulary

ROOT = Path(__file__).parents[1]
_TERMINALS = {"pc": "sandbox-qr", "app": "sandbox-app", "mini_program": "sandbox-app", "h5": "sandbox-page"}
_METHODS = (("in_app", "required"), ("external_direct", "guest"), ("ecommerce", "guest"))
SCENES_A_PRODUCT = 20          # a product, and a coupon, for so many scenes


def generate(scenes: int, seed: int = 1) -> dict[str, str]:
    """{path: text} of the sample catalogue with `scenes` more scenes. The same seed gives the same files."""
    files = documents(ROOT)
    draw = random.Random(seed)
    lines = sorted(path.removeprefix("lines/").removesuffix(".yaml") for path in files if path.startswith("lines/"))
    products = [f"large-{number:05}" for number in range(max(1, scenes // SCENES_A_PRODUCT))]
    for number, product in enumerate(products):
        files[f"products/{product}.yaml"] = _product(product, draw)
        files[f"coupons/{product}-off.yaml"] = _coupon(f"{product}-off", product, lines[number % len(lines)], draw)
    for number in range(scenes):
        id = f"large-scene-{number:05}"
        files[f"scenes/{id}.yaml"] = _scene(id, products[number % len(products)], lines[number % len(lines)], draw)
    return files


def _product(id: str, draw: random.Random) -> str:
    return f"""id: {id}
title: {{zh: 会员 {id}, en: Membership {id}}}
type: one_time
merchant: own
grants:
  - {{right: {id}-view, title: {{zh: 查看, en: View}}, quota: {draw.randint(10, 900)}}}
skus:
  month: {{title: {{zh: 月卡, en: Month card}}, price: {draw.randint(20, 90)}.90, for: 1 month}}
  year: {{title: {{zh: 年卡, en: Year card}}, price: {draw.randint(200, 900)}.00, for: 1 year}}
"""


def _coupon(id: str, product: str, line: str, draw: random.Random) -> str:
    return f"""id: {id}
title: {{zh: 立减券 {id}, en: Some off {id}}}
benefit: {{amount: {draw.randint(1, 9)}.00}}
when: {{any: [{{has: {{buyer.tags: newcomer}}}}, {{gte: {{buyer.orders_paid: {draw.randint(1, 5)}}}}}]}}
scope: {{products: [{product}], lines: [{line}]}}
stack: {{group: large, priority: {draw.randint(1, 900)}}}
"""


def _scene(id: str, product: str, line: str, draw: random.Random) -> str:
    terminal = draw.choice(sorted(_TERMINALS))
    method, login = draw.choice(_METHODS)
    pay = "" if method == "ecommerce" else f"""pay:
  channels:
    - {_TERMINALS[terminal]}
    - {{use: sandbox-page, when: {{lte: {{payable: {draw.randint(100, 900)}.00}}}}}}
  within: {draw.randint(5, 50)}m
""".replace("    - sandbox-page\n", "")
    return f"""id: {id}
title: {{zh: 场景 {id}, en: Scene {id}}}
note: Written for measuring.
line: {line}
terminal: {terminal}
method: {method}
login: {login}
sells:
  {product}: [month, year]
{pay}fields:
  from_page: {{type: string, maxLength: {draw.randint(8, 64)}, title: {{zh: 来源页, en: Source page}}}}
  level: {{type: integer, minimum: 0, maximum: 9, title: {{zh: 级别, en: Level}}}}
examples:
  - name: 月卡 {id}
    given:
      buyer: {{tags: [newcomer], orders_paid: {draw.randint(0, 3)}}}
      items: [{product}/month]
      fields: {{from_page: p{draw.randint(0, 99)}}}
    then: {{coupons: [{product}-off]}}
  - name: 不在本场景售卖
    given: {{items: [library-pass/month]}}
    then: {{refused: not_sold_here}}
"""


def main(arguments: list[str]) -> None:
    files = generate(int(arguments[0]))
    if len(arguments) > 1:
        for path, text in files.items():
            target = Path(arguments[1]) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")
        return
    from tests.config.words import STEPS

    began = time.perf_counter()
    result = check(files, Vocabulary(STEPS))
    took = time.perf_counter() - began
    print(f"{len(files)} files, {len(result.problems)} problems, check and compile in {took:.2f} s")
    for problem in result.problems[:10]:
        print(problem)


if __name__ == "__main__":
    main(sys.argv[1:])
