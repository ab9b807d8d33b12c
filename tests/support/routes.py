"""A shop with a route: one QR code, three channels behind it (`east`, `west`, `north`, as `counter` is), and what each says.

    put_routes("[east, west]")                             # in order
    put_routes("[{use: east, weight: 70}, {use: west, weight: 30}]", east="limits: {day: {count: 2}}")
"""
from __future__ import annotations

from typing import Any

from engine.trade.orders import OrderDetail
from engine import store
from engine.wire import Outcome
from tests.support.selling import FILES, Shop, put_live

IDS = ("east", "west", "north")
TAKEN = Outcome("pending", {}, {"qr": "qr-text"}, sent=True, status=200)
BUSY = Outcome("busy", reason="come again", sent=True, status=429)
NO = Outcome("failed", reason="not for us", sent=True, status=400)


def route_files(of: str, **more: str) -> dict[str, str]:
    """The shop's files with the route `qr` in the scene `app`; `more`: further lines of a channel's file."""
    lines = {id: more.get(id, "") for id in IDS}
    files = {f"channels/{id}.yaml": FILES["channels/counter.yaml"].replace("id: counter", f"id: {id}").replace(
        "counter.example", f"{id}.example") + f"{text}\n" for id, text in lines.items()}
    offered = "pay: {channels: [wallet, counter, {use: desk, when: {gte: {payable: 100.00}}}], within: 30m}"
    scene = FILES["scenes/app.yaml"]
    assert offered in scene
    files["scenes/app.yaml"] = scene.replace(
        offered, f"pay: {{channels: [wallet, {{route: qr, title: {{zh: 扫码, en: QR}}, of: {of}}}], within: 30m}}")
    return files


def put_routes(of: str, release_no: int = 1, **more: str) -> None:
    put_live(release_no, route_files(of, **more))


def answers(shop: Shop, **pay: Any) -> None:
    """What each channel says to a pay call, the others that it is taken; all can be asked and give money back."""
    for id in IDS:
        shop.outside.answers[id, "pay"] = pay.get(id, TAKEN)
        shop.outside.answers[id, "query"] = Outcome("pending", {"state": "pending"}, sent=True, status=200)
        shop.outside.answers[id, "refund"] = shop.outside.answers["counter", "refund"]


def left_out(order_no: str) -> list[dict[str, str]]:
    """{channel: why} of each attempt whose order's page says why others were left out."""
    return [{each["channel"]: each["why"] for each in row["body"]["left_out"]}
            for row in store.many(OrderDetail, order_no=order_no, kind="routed", order_by="id")]
