"""`channel new`: the first text of a channel file. It passes the checks as it is, and says line by line what to fill in."""
from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple, Sequence

from ...base.errors import Code, Refusal
from ...config.problems import nearest_word
from .dialects import DIALECTS, NOTICE_VERIFY

_JUDGE = "    judge: [{http: 200, eq: {code: 0}, then: @STATE@}]    # ← what its answer says when it was taken\n"
_PAYMENT = '''\
    take: &payment                                     # ← their fields → ours
      payment_no: order_no
      channel_no: trade_no
      amount: {@MONEY@: amount}                              # ← fen or yuan (minor, major)
      paid_at: {"%Y-%m-%d %H:%M:%S": paid_at}          # ← rfc3339, unix, unix_ms or a pattern
      state: {of: state, SUCCESS: succeeded, WAIT: pending, CLOSED: closed, FAILED: failed, else: unknown}    # ← all their words
'''
_REFUND = '''\
    take: &refund
      payment_no: order_no
      refund_no: refund_no
      channel_refund_no: refund_trade_no
      amount: {@MONEY@: amount}
      refunded_at: {"%Y-%m-%d %H:%M:%S": refunded_at}
      state: {of: state, SUCCESS: succeeded, WAIT: pending, FAILED: failed, else: unknown}
'''
_NO = '"{payment.no}"'
# Operation → (its address, its fields beside the merchant's number, what follows the body)
OPERATIONS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "pay": ("/pay", (f"order_no: {_NO}", 'amount: "{payment.amount:@MONEY@}"', 'subject: "{order.title:max(128)}"',
                     'notify_url: "{notice_url}/paid"'), _JUDGE.replace("@STATE@", "pending") + '''\
    client: {qr: "{answer.pay_url}"}                   # ← qr, redirect, text, or params with a signature of their own
'''),
    "query": ("/query", (f"order_no: {_NO}",), _JUDGE.replace("@STATE@", "as_taken") + _PAYMENT),
    "close": ("/close", (f"order_no: {_NO}",), _JUDGE.replace("@STATE@", "closed")),
    "refund": ("/refund", (f"order_no: {_NO}", 'refund_no: "{refund.no}"', 'amount: "{refund.amount:@MONEY@}"',
                           'notify_url: "{notice_url}/refunded"'), _JUDGE.replace("@STATE@", "as_taken") + _REFUND),
    "refund_query": ("/refund/query", ('refund_no: "{refund.no}"',), _JUDGE.replace("@STATE@", "as_taken") + '''\
    take:
      refund_no: refund_no
      channel_refund_no: refund_trade_no
      amount: {@MONEY@: amount}
      state: {of: state, SUCCESS: succeeded, WAIT: pending, FAILED: failed, else: unknown}
'''),
    "send": ("/send", ('message_no: "{message.no}"', 'to: "{message.to}"', 'text: "{message.text:max(500)}"'),
             _JUDGE.replace("@STATE@", "succeeded") + "    take: {message_no: message_no, channel_no: id}\n"),
    "charge": ("/charge", ('order_no: "{upstream.no}"', 'item: "{upstream.item}"', 'count: "{upstream.quantity}"',
                           'account: "{upstream.account?}"', 'notify_url: "{notice_url}/delivered"'),
               _JUDGE.replace("@STATE@", "accepted").replace("when it was taken", "when it was taken: taken is not delivered")),
}
_ABSENT = "  - {http: 200, eq: {code: 404}, then: absent}           # ← its word for: there is no such number\n"
_DELIVERED = '''\
    take: &order
      upstream_no: order_no
      channel_no: trade_no
      state: {of: state, SUCCESS: succeeded, WAIT: pending, PART: partial, FAILED: failed, else: unknown}    # ← all their words
'''
ROLES = {"pay": ("pay", "query", "close", "refund", "refund_query"), "message": ("send",), "upstream": ("charge", "query")}
ABOUT_ROLES = {"pay": "collects payments", "message": "sends text messages", "upstream": "supplies or charges accounts for us"}
_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")


class Wanted(NamedTuple):
    """The answers of `channel new`."""
    id: str
    role: str
    base: str
    signs: str
    operations: tuple[str, ...]
    money: str = "yuan"


def require(wanted: Wanted, folder: Path) -> None:
    """Refusal BAD_REQUEST when an answer can't be used; nothing is ever written over."""
    _one_of("--role", wanted.role, ROLES)
    _one_of("--signs", wanted.signs, DIALECTS)
    for name in wanted.operations:
        _one_of("--operations", name, ROLES[wanted.role])
    if not wanted.operations:
        raise Refusal(Code.BAD_REQUEST, f"--operations: at least one of {', '.join(ROLES[wanted.role])}")
    if not re.match(r"https://[^/{}\s]+", wanted.base):
        raise Refusal(Code.BAD_REQUEST, f"--base: {wanted.base!r} is no address: write https://host, and a path if all have one")
    require_free(wanted.id, folder)


def require_free(id: str, folder: Path) -> None:
    if not _ID.match(id):
        raise Refusal(Code.BAD_REQUEST, f"the id {id!r}: small letters and digits, in words joined by -, beginning with a letter")
    if (folder / f"{id}.yaml").exists():
        raise Refusal(Code.BAD_REQUEST, f"{folder / id}.yaml is there already: take another id, or edit that file")


def _one_of(flag: str, word: str, words: Sequence[str] | dict) -> None:
    if word not in words:
        near = nearest_word(word, list(words))
        hint = f"; did you mean {near!r}?" if near else ""
        raise Refusal(Code.BAD_REQUEST, f"{flag}: {word!r} is none of {', '.join(words)}{hint}")


def text_of(wanted: Wanted) -> str:
    """The file: it passes the checks, and each line marked `# ←` waits to be held against the documentation."""
    dialect = DIALECTS[wanted.signs]
    blocks = dialect.blocks.replace("@ID@", wanted.id).replace("@ENV@", wanted.id.replace("-", "_").upper())
    absent = _ABSENT if "query" in wanted.operations or "refund_query" in wanted.operations else ""
    head = f'''\
# A channel begun with `run.py channel new`. Hold every line marked "# ←" against the provider's documentation.
# Then: run.py channel try {wanted.id} · run.py channel examples {wanted.id} --write · run.py channel conform {wanted.id}
id: {wanted.id}
title: {{zh: {wanted.id}, en: {wanted.id}}}                # ← as people should read it
role: {wanted.role}
currency: CNY                                          # ←
base: {wanted.base}
timeout: 8s
zone: Asia/Shanghai                                    # ← the zone of times that are written without one
{blocks}answers: json                                          # ← json, form, xml
take: {{error_code: code, reason: message}}              # ← where an answer says why not
judge:                                                 # what every answer may say, after what an operation says of its own
{absent}  - {{http: 200, exists: code, then: failed}}            # ← refused, for good; what has no code never is
  - {{http: 400..499, then: failed}}
operations:
'''
    body = "".join(_operation(wanted, name, dialect.body) for name in ROLES[wanted.role] if name in wanted.operations)
    return (head + body + _notices(wanted, dialect.body)).replace("@MONEY@", wanted.money)


def _operation(wanted: Wanted, name: str, body: str) -> str:
    address, fields, rest = OPERATIONS[name]
    if wanted.role == "upstream" and name == "query":
        fields, rest = ('order_no: "{upstream.no}"',), _JUDGE.replace("@STATE@", "as_taken") + _DELIVERED
    lines = "".join(f"      {field}\n" for field in ('merchant_id: "{merchant_id}"', 'time: "{timestamp}"', *fields))
    return f"  {name}:\n    post: {address}{' ' * max(1, 45 - len(address))}# ←\n    {body}:\n{lines}{rest}"


def _notices(wanted: Wanted, body: str) -> str:
    verify = NOTICE_VERIFY.get(wanted.signs, "")
    kind = "" if body == "json" else f"    body: {body}\n"
    answer = '''\
    answer:                                            # ← what the provider wants to hear; anything else makes it come again
      success: {text: success}
      failure: {status: 500, text: "{reason}"}
'''
    told = {"paid": ("query", "*payment", _PAYMENT, "body.trade_no"),
            "refunded": ("refund", "*refund", _REFUND, "body.refund_trade_no"),
            "delivered": ("query", "*order", _DELIVERED, "body.trade_no")}
    wants = [event for event, operation in (("paid", "pay"), ("refunded", "refund"), ("delivered", "charge"))
             if operation in wanted.operations]
    made = []
    for event in wants:
        source, alias, take, once = told[event]
        shared = f"    take: {alias}\n" if source in wanted.operations else take
        named = f"    once_by: {once}                            # ← what names the event\n"
        made.append(f"  {event}:\n{kind}{verify}{shared}{named}{answer}")
    return "notices:\n" + "".join(made) if made else ""


def alike(id: str, other: str) -> str:
    """A file that is like another, saying only what differs: nothing yet."""
    return f'''\
# A channel begun with `run.py channel new --like {other}`: it is {other} in all that is not written here.
# Write what differs, key by key: a mapping is merged, a list or a value replaces, null takes away.
id: {id}
title: {{zh: {id}, en: {id}}}                # ← as people should read it
like: {other}
note: Like {other}, for what differs below.            # ← what is different about it, in a sentence
# operations:
#   pay:
#     post: /another/address
examples: []                                           # what differs needs examples: run.py channel examples {id} --write
'''
