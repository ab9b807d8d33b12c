"""One line of time for an order: its own moves and those of its payments, refunds, messages and work, steps, notices and
postings, merged. Each entry keeps its trace id, so that what one callback caused can be seen at once.
"""
from __future__ import annotations

from typing import Any, NamedTuple

from flask_babel import gettext as _

from .. import catalogue, causes, words

# Entries of the same millisecond (one transaction) stand in the order in which they cause one another; an order moves on to
# where its flow leads when the flow's steps are done.
_ORDER = {"notice": 0, "money": 1, "order": 2, "ledger": 3, "step": 4, "delivery": 5, "message": 6, "note": 8}
_AFTER_STEPS = 7
GROUPS = {"order": "order", "payment": "money", "refund": "money", "coupon": "money", "charge": "order",
          "contract": "money", "contract_period": "money",
          "entitlement": "delivery", "work_order": "delivery", "upstream": "delivery", "message": "message", "outgoing": "message"}


class Entry(NamedTuple):
    """group: order · money · ledger · step · delivery · message · notice · note; what the page's filter switches."""
    at_ms: int
    group: str
    title: str
    subject: str
    detail: str
    tone: str
    trace_id: str
    is_last: bool = False


def of(page: dict[str, Any]) -> list[Entry]:
    """The entries of an order's page, oldest first."""
    entries = [*_moves(page), *_notices(page), *_steps(page), *_ledger(page), *_details(page)]
    return sorted(entries, key=lambda entry: (entry.at_ms, _AFTER_STEPS if entry.is_last else _ORDER[entry.group]))


def group_words() -> dict[str, str]:
    return {"order": _("Order"), "money": _("Money"), "notice": _("Notices"), "step": _("Steps"), "ledger": _("Ledger"),
            "delivery": _("Delivery"), "message": _("Messages"), "note": _("Additions")}


def _moves(page: dict[str, Any]) -> list[Entry]:
    titles = {row["no"]: words.word(words.MACHINES, name) for name, rows in (
        ("entitlement", page["entitlements"]), ("coupon", page["coupons"])) for row in rows}
    skus = {line["n"]: line["sku"] for line in page["lines"]}
    titles |= {row["no"]: catalogue.right_title(skus.get(row["line_n"], ""), row["right"]) for row in page["entitlements"]}
    titles |= {row["no"]: row["coupon_id"] for row in page["coupons"]}
    own = page["order"]["no"]
    return [Entry(row["at_ms"], GROUPS.get(row["machine"], "order"),
                  f"{words.word(words.MACHINES, row['machine'])} · {words.state(row['machine'], row['to_state'])}",
                  "" if row["no"] == own else titles.get(row["no"], row["no"]), causes.said(row["cause"]),
                  words.tone(row["machine"], row["to_state"]), row["trace_id"],
                  row["machine"] == "order" and row["from_state"] in ("paid", "fulfilling")) for row in page["log"]]


def _notices(page: dict[str, Any]) -> list[Entry]:
    return [Entry(n["at_ms"], "notice", _("Notice · %(event)s", event=words.word(words.NOTICE_EVENTS, n["event"])),
                  n["payment_no"], f"{catalogue.channel_title(n['channel_id'])} · {n['dedupe_key']}", "go", n["trace_id"])
            for n in page["notices"]]


def _steps(page: dict[str, Any]) -> list[Entry]:
    return [Entry(s["at_ms"], "step", f"{words.word(words.STEPS, s['name'])} · {words.state('step', s['state'])}",
                  words.word(words.FLOWS, s["flow"]), s["error"] or "", words.tone("step", s["state"]), s["trace_id"])
            for s in page["steps"] if s["state"] != "skipped"]


def _ledger(page: dict[str, Any]) -> list[Entry]:
    return [Entry(t["at_ms"], "ledger", _("Posted · %(kind)s", kind=words.word(words.LEDGER_KINDS, t["kind"])), t["no"],
                  t["event"], "rest", t["trace_id"]) for t in page["ledger"]]


def _details(page: dict[str, Any]) -> list[Entry]:
    return [_routed(d) if d["kind"] == "routed" else
            Entry(d["at_ms"], "note", _("Added · %(kind)s", kind=d["kind"]), "", str(d["body"])[:200], "rest", "")
            for d in page["details"]]


def _routed(detail: dict[str, Any]) -> Entry:
    """Why a route led past other channels."""
    body = detail["body"]
    why = "; ".join(f"{catalogue.channel_title(each['channel'])}: {words.word(words.LEFT_OUT, each['why'])} ({each['sentence']})"
                    for each in body["left_out"])
    title = _("Route %(route)s · %(channel)s", route=body["route"], channel=catalogue.channel_title(body["channel"]))
    return Entry(detail["at_ms"], "money", title, body["payment"], why, "rest", "")
