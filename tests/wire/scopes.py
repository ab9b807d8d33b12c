"""A draft and a scope in which there is something of every kind that a template can name."""
from __future__ import annotations

from typing import Any

from engine.wire.casts import Setting
from engine.wire.draft import Draft
from engine.wire.model import Message
from engine.wire.scope import Scope
from engine.wire.secrets import Given, SecretBox

from .making import AT_MS, NONCE

SECRETS = {"token": {"file": "t"}, "pem": {"file": "p", "as": "private_key"}}
FACTS = {"payment.no": "P1", "payment.amount_minor": 990, "payment.currency": "CNY", "payment.expires_at_ms": AT_MS,
         "refund.amount_minor": 5, "refund.currency": "JPY", "upstream.quantity": 2, "client.openid": "", "order.title": "a&b é"}


def draft() -> Draft:
    return Draft({"mchid"}, SECRETS)


def scope(**changes: Any) -> Scope:
    made = Scope(Setting("USD", "Asia/Shanghai"), SecretBox(SECRETS, Given({"token": "T"})), {"mchid": "M1"}, FACTS,
                 {"timestamp": AT_MS + 7, "nonce": NONCE})
    made.message = Message("POST", "h", "/p", {"q": "1"}, "q=1", {"x-a": "A"}, b'{"r_x": {"y":"}"}}', {"deep": [{"z": 5}]})
    made.opened, made.params, made.parts = {"code": "C"}, {"package": "p=1"}, {"t": ["1", "2"]}
    for name, value in changes.items():
        setattr(made, name, value)
    return made
