"""What a condition may ask about: one table of declared facts, with types, stages, titles and examples.

Facts are flat (`buyer.tags`, `subtotal`) and *closed*: whoever evaluates a condition gives every fact of the stage a
value, `""`, `0`, `False` or `[]` where there is none. So a condition never meets a missing fact, `ne` and `not` mean
what they say, and absence is visible in a stored quote.

A scene's own order fields join the table as `fields.<name>`, typed by their JSON Schema.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Callable, Iterator, Mapping

from .problems import nearest_word

# type → its empty value. money: minor units. date: `YYYY-MM-DD` in the business's zone. list: of texts.
EMPTY = MappingProxyType({"text": "", "int": 0, "bool": False, "money": 0, "date": "", "list": ()})
# Each stage knows what the earlier ones knew. quote: while an order is priced · pay: channels are chosen · step: later.
STAGES = ("quote", "pay", "step")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")           # fromisoformat alone takes other forms too


class FactError(ValueError):
    """A fact was given that is not declared, or not of its type; the text says which."""


@dataclass(frozen=True, slots=True)
class Fact:
    """`stage` is the first at which it is known. `title` and `about` are for people: console, documentation."""
    name: str
    type: str
    stage: str
    title: Mapping[str, str]
    about: str
    example: Any


def _fact(name: str, type: str, stage: str, zh: str, en: str, about: str, example: Any) -> Fact:
    return Fact(name, type, stage, MappingProxyType({"zh": zh, "en": en}), about, example)


FACTS: tuple[Fact, ...] = (
    _fact("buyer.id", "text", "quote", "买家", "Buyer", "the buyer's number; empty for a guest", "b-1001"),
    _fact("buyer.registered", "bool", "quote", "已注册", "Registered", "the buyer has an account here", True),
    _fact("buyer.tags", "list", "quote", "买家标签", "Buyer tags", "labels given to the buyer", ["first-time"]),
    _fact("buyer.orders_paid", "int", "quote", "已付订单数", "Orders paid", "orders the buyer paid before this one", 3),
    _fact("buyer.phone_known", "bool", "quote", "有手机号", "Phone known", "a phone number is on file", True),
    _fact("scene.id", "text", "quote", "场景", "Scene", "id of the scene", "pc-member"),
    _fact("scene.terminal", "text", "quote", "端", "Terminal", "pc, app, mini_program or h5", "app"),
    _fact("scene.method", "text", "quote", "下单方式", "Sales method",
          "in_app, external_direct, joint, direct_charge or ecommerce", "in_app"),
    _fact("scene.login", "text", "quote", "登录方式", "Login mode", "required or guest", "required"),
    _fact("line.id", "text", "quote", "业务线", "Business line", "id of the business line", "member"),
    _fact("partner.id", "text", "quote", "合作商", "Partner", "id of the partner; empty when none is involved", "p-east"),
    _fact("partner.mode", "text", "quote", "代销方式", "Agency mode",
          "new_customer, fund_pool or quantity_pool; empty when no partner is involved", "fund_pool"),
    _fact("subtotal", "money", "quote", "原价合计", "Subtotal", "list prices of the lines in question", 1490),
    _fact("quantity", "int", "quote", "件数", "Quantity", "pieces of the lines in question", 1),
    _fact("currency", "text", "quote", "币种", "Currency", "ISO 4217 code", "CNY"),
    _fact("product.ids", "list", "quote", "商品", "Products", "ids of the products bought", ["vip"]),
    _fact("product.types", "list", "quote", "商品类型", "Product types", "types of the products bought", ["recurring"]),
    _fact("product.skus", "list", "quote", "规格", "SKUs", "keys of the SKUs bought, product/sku", ["vip/month"]),
    _fact("time.hour", "int", "quote", "小时", "Hour", "0 to 23, in the business's zone", 20),
    _fact("time.weekday", "int", "quote", "星期", "Weekday", "1 (Monday) to 7 (Sunday)", 6),
    _fact("time.date", "date", "quote", "日期", "Date", "the business day, YYYY-MM-DD", "2026-11-11"),
    _fact("payable", "money", "pay", "应付金额", "Payable", "what is to be paid after all discounts", 990),
    _fact("channel.id", "text", "pay", "支付渠道", "Channel", "id of the payment channel in question", "pay-app"),
    _fact("payment.bank", "text", "pay", "付款银行", "Bank", "the payer's bank as the channel names it, if known", "CMB"),
)


@dataclass(frozen=True, slots=True)
class FactTable:
    """The facts known at one stage. Immutable; `with_fields` gives a larger one.

    facts  name → Fact
    """
    stage: str
    facts: Mapping[str, Fact]
    _empty: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        object.__setattr__(self, "_empty", {name: EMPTY[f.type] for name, f in self.facts.items()})

    @classmethod
    def at(cls, stage: str) -> FactTable:
        """The declared facts known at `quote`, `pay` or `step`."""
        known = STAGES[:STAGES.index(stage) + 1]
        return cls(stage, MappingProxyType({f.name: f for f in FACTS if f.stage in known}))

    def __contains__(self, name: str) -> bool:
        return name in self.facts

    def __iter__(self) -> Iterator[Fact]:
        return iter(self.facts.values())

    def with_fields(self, fields_schema: Mapping[str, Any]) -> FactTable:
        """This table and `fields.<name>` for each property of a JSON Schema of type object.

        string → text, integer → int, boolean → bool, array of string → list. A property of another type (a number, an
        object, a choice of types) is nothing a condition can ask about and does not join. Titles: `title` is English,
        `x-title-zh` Chinese.
        """
        own = {}
        for name, schema in (fields_schema.get("properties") or {}).items():
            if kind := _type_of(schema):
                en = str(schema.get("title") or name)
                example = (schema.get("examples") or [EMPTY[kind]])[0]
                own[f"fields.{name}"] = _fact(f"fields.{name}", kind, "quote", str(schema.get("x-title-zh") or en), en,
                                              "a field of the scene's own orders", example)
        return FactTable(self.stage, MappingProxyType({**self.facts, **own}))

    def closed(self, partial: Mapping[str, Any]) -> dict[str, Any]:
        """Every fact of the table, from `partial` or empty; None is empty too.

        FactError for a name that is not in the table (a slip would silently turn conditions off) and for a value that
        is not of its fact's type. A set becomes a sorted list, `2.0` (JSON Schema's idea of an integer) becomes 2.
        """
        closed = dict(self._empty)
        for name, value in partial.items():
            fact = self.facts.get(name)
            if fact is None:
                near = nearest_word(name, self.facts)
                hint = f"; did you mean {near!r}?" if near else ""
                raise FactError(f"{name!r} is no fact of stage {self.stage}{hint}")
            if value is not None:
                closed[name] = _COERCE[fact.type](fact, value)
        for name, value in closed.items():
            if value == ():
                closed[name] = []
        return closed


def _type_of(schema: Any) -> str | None:
    if not isinstance(schema, Mapping):
        return None
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items")
        return "list" if isinstance(items, Mapping) and items.get("type") == "string" else None
    return {"string": "text", "integer": "int", "boolean": "bool"}.get(kind) if isinstance(kind, str) else None


def _wrong(fact: Fact, value: Any, expected: str) -> FactError:
    # The type, not the value: facts hold buyers' data and this text may reach a log.
    return FactError(f"{fact.name} takes {expected}, not {type(value).__name__}")


def _text(fact: Fact, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(fact, value, "text")
    return value


def _whole(fact: Fact, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(fact, value, "minor units, a whole number" if fact.type == "money" else "a whole number")
    return value


def _bool(fact: Fact, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(fact, value, "true or false")
    return value


def _date(fact: Fact, value: Any) -> str:
    if not is_date(value) and value != "":
        raise _wrong(fact, value, "a date as YYYY-MM-DD")
    return value


def _list(fact: Fact, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(v, str) for v in value):
        raise _wrong(fact, value, "a list of texts")
    return sorted(value) if isinstance(value, (set, frozenset)) else list(value)


def is_date(value: Any) -> bool:
    """Is it text that names a day, as YYYY-MM-DD?"""
    if not isinstance(value, str) or not _DATE.match(value):
        return False
    try:
        return bool(date.fromisoformat(value))
    except ValueError:
        return False


_COERCE: Mapping[str, Callable[[Fact, Any], Any]] = {
    "text": _text, "int": _whole, "money": _whole, "bool": _bool, "date": _date, "list": _list,
}
