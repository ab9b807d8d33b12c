"""Made-up values: for the facts a request needs and the fields an answer tells, the same each time."""
from __future__ import annotations

import re
from typing import Any, Iterator, Mapping

from ...wire.channel import Event, Operation
from ...wire.mapping import Field
from ...wire.vocabulary import FACTS, SAME_AS, fact_kind, key_of

AT_S = 1795262400                                      # 2026-11-21T20:00:00+08:00
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"
UNHEARD = "NEVER-HEARD"
_NAMED = re.compile(r"\{([a-z_]+(?:\.[a-z_0-9]+)+|notice_url)(\??)(:[^}]*)?")
_TEXTS = {
    "payment.no": "P261121", "order.no": "O261121", "refund.no": "R261121", "contract.no": "C261121", "message.no": "M261121",
    "upstream.no": "U261121", "payment.channel_no": "S1", "refund.channel_no": "S2", "contract.channel_no": "S3",
    "upstream.channel_no": "S4", "order.title": "新人 周卡 & more", "refund.reason": "不想要了", "buyer.id": "buyer-1",
    "buyer.phone": "13800138000", "buyer.name": "张三", "client.ip": "203.0.113.9", "client.openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
    "client.return_url": "https://shop.example/back?a=1&b=2", "notice_url": "https://shop.example/v1/notices/x",
    "message.to": "13800138000", "message.text": "您的订单已开通 & more", "message.template": "paid",
    "contract.period_unit": "month", "upstream.item": "card 1", "upstream.account": "13800138000",
}


def facts(doc: Mapping[str, Any], *specs: Any, optional: bool = True, long: bool = False) -> dict[str, Any]:
    """Values for every fact that templates in `specs` name. Without the `optional` ones those that are shortened stay:
    with `long` they show where."""
    named: dict[str, bool] = {}
    cut: set[str] = set()
    for text in _texts(specs):
        for name, mark, casts in _NAMED.findall(text):
            if fact_kind(name):
                cut |= {name} if long and "max(" in casts else set()
                named[name] = named.get(name, True) and bool(mark)
    return {key_of(name, fact_kind(name) or "text"): "长" * 600 if name in cut else fact(doc, name)
            for name, is_optional in named.items() if optional or not is_optional or name in cut}


def fact(doc: Mapping[str, Any], name: str) -> Any:
    kind = fact_kind(name)
    if kind == "texts":
        return [f"{AT_S}{n}" for n in (1, 2)]
    if kind == "money":
        return 300 if name.startswith("refund.") else 990
    if kind == "time":
        return (AT_S + 60 * (1 + list(FACTS).index(name))) * 1000
    if kind == "int":
        return 2
    if name.endswith(".currency"):
        return doc.get("currency", "CNY")
    if name.startswith("settings."):
        return "https://gateway.example"
    return _TEXTS.get(name, f"a-{name.rpartition('.')[2].replace('_', '-')}")


def fields_of(doc: Mapping[str, Any], spec: Operation | Event, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every field that a `take:` may fill, by its key."""
    values: dict[str, Any] = {}
    for number, field in enumerate(spec.take.fields):
        values[field.key] = _field_value(doc, field, facts, number)
    return values


def _field_value(doc: Mapping[str, Any], field: Field, facts: Mapping[str, Any], number: int) -> Any:
    if field.words:
        return next(iter(field.words.values()))
    if field.name in SAME_AS:
        return facts.get(SAME_AS[field.name]) or fact(doc, SAME_AS[field.name])
    if field.kind == "money":
        refund = "refund.amount_minor" in facts or "refund.no" in facts
        return 300 if refund and field.name == "amount" else 990 if field.name == "amount" else 6
    if field.kind == "time":
        return (AT_S - 60 - number) * 1000
    known = {"channel_no": "S1", "channel_refund_no": "S2", "channel_contract_no": "S3", "order_no": "O261121",
             "currency": doc.get("currency", "CNY")}
    return known.get(field.name, f"a-{field.name.rpartition('.')[2].replace('_', '-')}")


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _texts(value)
