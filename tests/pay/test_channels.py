"""Channels are live: a mended file helps old orders too."""
from __future__ import annotations

import pytest

from engine import sale, store, wire
from engine.base.errors import Code
from engine.pay import channels
from tests.support.selling import FILES, put_live, refused, shop

__all__ = ["shop"]


def test_a_channel_is_compiled_once(shop):
    assert channels.get("wallet") is channels.get("wallet") and channels.get("wallet").id == "wallet"
    with refused(Code.CHANNEL_NOT_ALLOWED, "shell"):
        channels.get("shell")


def test_a_mended_channel_serves_orders_of_an_older_release(shop):
    placed = sale.place("page", items=shop.items("card/month"))
    mended = FILES["channels/wallet.yaml"].replace('"{payment.no} {payment.amount:fen}"', '"new {payment.no}"')
    put_live(2, {"channels/wallet.yaml": mended})
    attempt = sale.pay(placed["no"], "wallet")
    assert attempt["client"] == {"text": f"new {attempt['no']}"}


def test_what_every_channel_may_refer_to(monkeypatch):
    monkeypatch.setenv("SALEWRIGHT_PUBLIC_URL", "https://shop.example")
    monkeypatch.setenv("SALEWRIGHT_SANDBOX_URL", "http://sandbox")
    assert channels.common_facts("wallet") == {"notice_url": "https://shop.example/v1/notices/wallet",
                                               "settings.sandbox_url": "http://sandbox",
                                               "settings.public_url": "https://shop.example"}


def test_no_call_is_made_inside_a_transaction(database, monkeypatch):
    """The wire itself refuses, whoever tries."""
    monkeypatch.setattr(wire.sending, "_inside_transaction", store.in_transaction)
    counter = wire.load({"id": "counter", "role": "pay", "currency": "CNY", "base": "https://counter.example",
                         "operations": {
        "query": {"get": "/pay/{payment.no}", "judge": [{"http": 200, "then": "pending"}]}}})
    with pytest.raises(wire.WireError, match="inside a database transaction"), store.transaction():
        wire.operate(counter, "query", {"payment.no": "P1"})
