"""A database with something of everything in it, and nothing wrong; and ways to break it."""
from __future__ import annotations

from typing import Any

from engine import charge, runs, sale, signing, store
from engine.base import clock
from engine.deliver import entitlements, work_orders
from engine.returning import return_charge
from engine.pay import contracts
from engine.trade import quotes
from tests.support.contract_files import CONTRACT_FILES
from tests.support.contracting import Club, deducted, refused
from tests.support.selling import Shop, put_live

MONTH, WEEK = [{"sku": "card/month", "quantity": 1}], [{"sku": "card/week", "quantity": 1}]


def fill(shop: Shop) -> dict[str, str]:
    """Sell in every way there is; returns the numbers of what was made, by name."""
    made: dict[str, str] = {}

    def paid(name: str, scene: str, *keys: Any, buyer: str = "", **more: Any) -> dict[str, Any]:
        order = sale.place(scene, items=shop.items(*keys), buyer_id=buyer, **more)
        attempt = sale.pay(order["no"], "wallet")
        shop.notice(attempt)
        made[name], made[f"{name}.payment"], made[f"{name}.quote"] = order["no"], attempt["no"], order["quote_no"]
        return order

    crowd = shop.buyer("crowd", "fresh", phone="13800000001")
    paid("coupons", "app", "card/month", "card/week", ("book/paper", 2), buyer=crowd)
    paid("fresh", "app", "card/week", buyer=shop.buyer("fresh"))
    paid("plain", "app", "book/paper", buyer=shop.buyer())
    entitlements.consume(crowd, "calls", 3, "use-1")
    made["free"] = sale.place("app", items=MONTH, buyer_id=shop.buyer("guest-of-honour"))["no"]
    made["shop"] = sale.place("stall", items=MONTH, external={"no": "T-1", "paid_minor": 4000})["no"]
    guest = paid("guest", "page", "card/month")
    sale.claim(guest["no"], guest["claim_token"], shop.buyer())
    paid("worked", "office", "filing/one")
    paid("done", "office", ("filing/one", 3))
    shop.work()
    for row in work_orders.of_order(made["done"]):
        runs.finish_work_order(row["no"], "wang", {})
    _unpaid(shop, made)
    _charges(shop, made)
    shop.work()
    _contracts(shop, made)
    return made


def _unpaid(shop: Shop, made: dict[str, str]) -> None:
    """Orders that wait, were closed, and were paid too late or twice; quotes that were left."""
    waits = sale.place("app", items=MONTH, buyer_id=shop.buyer("crowd"))
    made["waits"], made["waits.payment"] = waits["no"], sale.pay(waits["no"], "wallet")["no"]
    late = sale.place("app", items=MONTH, buyer_id=shop.buyer("crowd"))
    attempt = sale.pay(late["no"], "wallet")
    sale.close(late["no"], "nobody paid")
    shop.notice(attempt)
    made["closed"], made["closed.payment"] = late["no"], attempt["no"]
    twice = sale.place("app", items=MONTH, buyer_id=shop.buyer())
    first, second = sale.pay(twice["no"], "wallet"), sale.pay(twice["no"], "counter")
    shop.notice(first), shop.notice(second), shop.notice(first, channel_no="W-again")
    for _ in range(3):
        sale.quote("app", shop.items("card/month"), buyer_id=shop.buyer("crowd"))
    clock.advance(900)
    quotes.expire_due()
    made["open.quote"] = sale.quote("app", shop.items("card/month"), buyer_id=shop.buyer("crowd"))["no"]


def _charges(shop: Shop, made: dict[str, str]) -> None:
    bank, club = shop.partner("bank", 100_00), shop.partner("club", 5)
    made["charged"] = charge.charge_registered(bank, "B-1", "gift", MONTH, shop.buyer())["order_no"]
    charge.charge_registered(club, "C-1", "gift", WEEK, shop.buyer())
    made["returned"] = charge.charge_registered(bank, "B-9", "gift", MONTH, shop.buyer())["order_no"]
    return_charge(bank, "B-9", "wrong number")
    made["waiting charge"] = charge.charge_unregistered(bank, "B-2", "gift", MONTH, "13900000001")["no"]
    given_up = charge.charge_unregistered(bank, "B-3", "gift", MONTH, "13900000002")
    clock.set_to(given_up["give_up_at_ms"])
    charge.complete(given_up["no"])


def _contracts(shop: Shop, made: dict[str, str]) -> None:
    """One that is renewed, one that is overdue, one that ended, one that waits for its signature."""
    put_live(2, CONTRACT_FILES)
    club = Club(shop, only=("contract",))
    for name in ("renewed", "overdue", "ended"):
        made[name] = club.signed()["no"]
    made["signing"] = club.ordered()["no"]
    club.until("2026-12-10T12:00:00+08:00")
    signing.terminate(made["ended"], "no longer wanted")
    club.until("2027-01-20T18:00:00+08:00")
    shop.outside.answers["standing", "withhold"] = lambda facts: (
        refused if facts["contract.no"] == made["overdue"] else deducted)(facts)
    club.until("2027-01-22T12:00:00+08:00")
    made |= {f"{name}.{p['n']}": p["order_no"] for name in ("renewed", "overdue") for p in contracts.periods(made[name])}


class Undone(Exception):
    """Ends a transaction whose work nobody wants."""


def execute(sql: str) -> int:
    return store.trade.database.execute_sql(sql).rowcount
