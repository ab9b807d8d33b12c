"""What the demo shows in the terminal: a table of the sales, and the life of one order."""
from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Any, Mapping, Sequence

from ...base import clock, money, settings
from .selling import Sale


def width(text: str) -> int:
    """Columns a text takes in a terminal: Chinese letters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width(text))


def table(sales: Sequence[Sale]) -> str:
    head = ("scene", "场景", "method", "order", "payable", "paid by", "trouble on the way", "end", "s")
    body = [(s.scene, s.title, s.method, s.order_no, money.format_major(s.payable_minor), s.paid_by, s.trouble,
             s.error or s.state, f"{s.took_s:.1f}") for s in sales]
    columns = [max(width(row[i]) for row in [head, *body]) for i in range(len(head))]
    lines = ["  ".join(pad(cell, columns[i]) for i, cell in enumerate(row)).rstrip() for row in [head, *body]]
    return "\n".join([lines[0], "─" * min(160, max(map(width, lines))), *lines[1:]])


_MARKS = {"order": "●", "payment": "¥", "coupon": "%", "entitlement": "★", "message": "✉", "work_order": "⚒", "upstream": "↑",
          "refund": "↩", "charge": "⚡"}


def life(view: Mapping[str, Any]) -> str:
    """The life of an order as a line in time: one row a change of state, with the milliseconds since its birth."""
    moves = view["timeline"]
    born = _moment(moves[0]["at"])
    lines = [f"The life of {view['no']}  ({view['title']}, {money.format_major(view['payable_minor'], view['currency'])} "
             f"{view['currency']}, release {view['release']})", ""]
    for index, move in enumerate(moves):
        after_ms = (_moment(move["at"]) - born).total_seconds() * 1000
        stem = "└" if index == len(moves) - 1 else "├"
        arrow = f"{move['from']} → {move['to']}" if move["from"] else move["to"]
        lines.append(f"  {after_ms:8.0f} ms {stem}─{_MARKS.get(move['what'], '·')} {pad(move['what'], 12)} {pad(arrow, 34)} "
                     f"{move['cause']}")
    return "\n".join(lines)


def contract(view: Mapping[str, Any]) -> str:
    """The months of a contract: one row a change of state, by the clock of those who were in it."""
    lines = [f"The contract {view['no']}  ({view['title']}, by {view['channel']}; {view['paid_periods']} periods are paid, "
             f"until {_local(view['paid_until'])})" if view["paid_until"] else f"The contract {view['no']}", ""]
    for move in view["timeline"]:
        arrow = f"{move['from']} → {move['to']}" if move["from"] else move["to"]
        lines.append(f"  {_local(move['at'])}  {pad(move['what'], 16)} {pad(arrow, 22)} {move['cause']}")
    return "\n".join(lines)


def _local(text: str) -> str:
    return _moment(text).astimezone(clock.zone(settings.timezone())).strftime("%Y-%m-%d %H:%M:%S")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
