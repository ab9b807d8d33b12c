"""Direct charges: three entries over the same steps, from a pool never overdrawn, for a buyer who may come later."""
from __future__ import annotations

import pytest

from engine import charge, runs, sale, store
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import charges, entitlements, messages, pools
from engine.flow import executor, journal
from engine.ledger import postings
from engine.pay import payments
from engine.trade import buyers, orders
from tests.support.selling import FILES, order, put_live, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]

MONTH, WEEK = [{"sku": "card/month", "quantity": 1}], [{"sku": "card/week", "quantity": 1}]


@pytest.fixture
def bank(shop):
    return shop.partner("bank", 100_00)


def register(buyer_id, phone):
    with store.transaction():
        buyers.put(buyer_id, phone=phone)
    return charge.buyer_registered(buyer_id, phone)


def balance(partner_id):
    return pools.find(partner_id)["balance"]


# ── registered ───────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_registered_buyer_is_charged_at_once(shop, bank):
    buyer = shop.buyer(phone="13800000001")
    made = charge.charge_registered(bank, "B-1", "gift", MONTH, buyer)
    assert (made["state"], made["amount"], made["buyer_id"], made["reason"]) == ("charged", 2800, buyer, None)
    sold = order(made["order_no"])
    assert (sold["state"], sold["payable_minor"], sold["partner_id"], sold["external_no"]) == \
        ("completed", 2800, "bank", "B-1")
    assert balance("bank") == 7200 and len(entitlements.of_order(sold["no"])) == 2
    assert buyers.find(buyer)["orders_paid"] == 1
    assert [(p["tender_kind"], p["amount_minor"], p["state"]) for p in payments.of_order(sold["no"])] == \
        [("pool", 2800, "succeeded")]
    assert postings.balance("partner_pool:bank", "CNY") == -7200 \
        and postings.balance("deferred_revenue:shop", "CNY") == -2800
    assert messages.of_order(sold["no"])[0]["recipient"] == "13800000001"


def test_the_same_charge_again_is_given_back(shop, bank):
    buyer = shop.buyer()
    made = charge.charge_registered(bank, "B-1", "gift", MONTH, buyer)
    assert charge.charge_registered(bank, "B-1", "gift", MONTH, buyer) == made
    with refused(Code.IDEMPOTENCY_KEY_REUSED):
        charge.charge_registered(bank, "B-1", "gift", WEEK, buyer)
    assert balance("bank") == 7200
    other = shop.partner("club", 10)           # another partner's B-1 is another charge
    assert charge.charge_registered(other, "B-1", "gift", MONTH, shop.buyer())["no"] != made["no"]


def test_a_number_that_was_used_stands_for_one_scene_and_one_buyer(shop, bank):
    buyer = shop.buyer(phone="13800000011")
    made = charge.charge_registered(bank, "B-1", "gift", MONTH, buyer)
    with refused(Code.IDEMPOTENCY_KEY_REUSED, "another scene"):
        charge.charge_registered(bank, "B-1", "gift-2", MONTH, buyer)
    for phone, buyer_id in (("13900000001", ""), ("13800000011", "somebody")):
        with refused(Code.IDEMPOTENCY_KEY_REUSED, "another buyer"):
            charge.charge_unregistered(bank, "B-1", "gift", MONTH, phone, buyer_id)
    assert charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13800000011") == made


def test_sixteen_times_the_same_charge_at_once(shop, bank):
    buyer = shop.buyer()
    results = at_once(lambda n: charge.charge_registered(bank, "B-1", "gift", WEEK, buyer), range(16))
    assert not errors(results) and len({r["no"] for r in results}) == 1
    assert balance("bank") == 9000 and orders.purchased(buyer, "card/week") == 1


@pytest.mark.parametrize("code, partner, scene, items, buyer", [
    (Code.BUYER_UNKNOWN, "bank", "gift", MONTH, "stranger"), (Code.AGREEMENT_REFUSED, "bank", "app", MONTH, None),
    (Code.AGREEMENT_REFUSED, "bank", "stall", MONTH, None), (Code.AGREEMENT_REFUSED, "post", "gift", WEEK, None),
    (Code.NOT_SOLD_HERE, "bank", "gift", [{"sku": "book/paper"}], None), (Code.BAD_REQUEST, "bank", "gift", [], None),
    (Code.AGREEMENT_REFUSED, "bank", "gift", [{"sku": "card/year"}], None),
    (Code.QUANTITY_INVALID, "bank", "gift", [{"sku": "card/month", "quantity": 11}], None),
    (Code.POOL_EXHAUSTED, "bank", "gift", [{"sku": "card/month", "quantity": 4}], None),
    (Code.POOL_EXHAUSTED, "post", "gift", MONTH, None)],
    ids=["buyer", "scene", "external scene", "goods", "not sold", "nothing", "no price", "quantity", "floor",
         "no pool"])
def test_what_is_refused_leaves_nothing(shop, bank, code, partner, scene, items, buyer):
    with refused(code):
        charge.charge_registered(shop.partner(partner), "B-1", scene, items, buyer or shop.buyer())
    assert store.many(charges.Charge) == store.many(orders.TradeOrder) == store.many(payments.PaymentOrder) == []
    assert balance("bank") == 10_000 and [log["kind"] for log in store.many(pools.PoolLog)] == ["top_up"]


def test_an_agreement_has_its_time(shop, bank):
    for at, allowed in ((bank.valid_from_ms - 1, False), (bank.valid_from_ms, True), (bank.valid_until_ms - 1, True),
                        (bank.valid_until_ms, False)):
        clock.set_to(at)
        if allowed:
            assert charge.charge_registered(bank, f"B-{at}", "gift", WEEK, shop.buyer())["state"] == "charged"
        else:
            with refused(Code.AGREEMENT_REFUSED, "not in force"):
                charge.charge_registered(bank, f"B-{at}", "gift", WEEK, shop.buyer())


def test_a_purchase_cap_holds_for_charges_and_sales_together(shop, bank):
    buyer = shop.buyer()
    assert charge.charge_registered(bank, "B-1", "gift", WEEK, buyer)["state"] == "charged"
    with refused(Code.PURCHASE_CAP_REACHED):
        charge.charge_registered(bank, "B-2", "gift", WEEK, buyer)
    with refused(Code.PURCHASE_CAP_REACHED):
        sale.place("app", items=WEEK, buyer_id=buyer)
    assert orders.purchased(buyer, "card/week") == 1 and balance("bank") == 9000


# ── pools ────────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_pool_goes_down_to_its_floor_and_no_further(shop):
    bank = shop.partner("bank", 38_00)         # floor 10.00
    assert charge.charge_registered(bank, "B-1", "gift", MONTH, shop.buyer())["state"] == "charged"
    assert balance("bank") == 1000
    with refused(Code.POOL_EXHAUSTED, "has 0 above its floor"):
        charge.charge_registered(bank, "B-2", "gift", WEEK, shop.buyer())


def test_many_charges_at_once_never_pass_the_floor(shop):
    bank = shop.partner("bank", 10_00 + 5 * 28_00 + 27_99)
    crowd = [shop.buyer() for _ in range(16)]
    results = at_once(lambda n: charge.charge_registered(bank, f"B-{n}", "gift", MONTH, crowd[n]), range(16))
    assert len(results) - len(errors(results)) == 5 and balance("bank") == 1000 + 2799
    assert {e.code for e in errors(results)} == {Code.POOL_EXHAUSTED}


def test_heads_are_drawn_for_new_customers_only(shop):
    club = shop.partner("club", 3)
    buyer = shop.buyer()
    made = charge.charge_registered(club, "C-1", "gift", MONTH, buyer)
    assert (made["amount"], balance("club"), order(made["order_no"])["payable_minor"]) == (1, 2, 2000)
    assert postings.balance("partner_receivable:club", "CNY") == 2000
    with refused(Code.AGREEMENT_REFUSED, "new customers"):
        charge.charge_registered(club, "C-2", "gift", MONTH, buyer)
    had = shop.buyer()
    shop.notice(sale.pay(sale.place("app", items=MONTH, buyer_id=had)["no"], "wallet"))
    with refused(Code.AGREEMENT_REFUSED, "already had card"):
        charge.charge_registered(club, "C-3", "gift", MONTH, had)


def test_pieces_are_drawn_up_to_the_cap_of_each_buyer(shop):
    post = shop.partner("post", 3)
    buyer = shop.buyer()
    with refused(Code.AGREEMENT_REFUSED, "1 pieces"):
        charge.charge_registered(post, "P-0", "gift", [{"sku": "card/month", "quantity": 2}], buyer)
    assert charge.charge_registered(post, "P-1", "gift", MONTH, buyer)["amount"] == 1
    with refused(Code.AGREEMENT_REFUSED):
        charge.charge_registered(post, "P-2", "gift", MONTH, buyer)
    assert balance("post") == 2


@pytest.mark.parametrize("partner", ["post", "club"])
def test_charges_at_once_never_pass_the_agreements_cap_of_a_buyer(shop, partner):
    """post: one piece a buyer; club: new customers only. Whatever comes in the same moment, one is charged."""
    partner, buyer = shop.partner(partner, 16), shop.buyer()
    results = at_once(lambda n: charge.charge_registered(partner, f"X-{n}", "gift", MONTH, buyer), range(8))
    assert len(results) - len(errors(results)) == 1 and {e.code for e in errors(results)} == {Code.AGREEMENT_REFUSED}
    assert balance(partner.id) == 15


# ── unregistered ─────────────────────────────────────────────────────────────────────────────────────────────────────

def test_somebody_unregistered_waits_and_is_charged_when_they_register(shop, bank):
    made = charge.charge_unregistered(bank, "B-1", "gift", WEEK, "13900000001")
    assert (made["state"], made["amount"], made["phone"], made["tries"]) == ("charging", 0, "13900000001", 0)
    assert made["try_at_ms"] == clock.now_ms() + 60_000 and made["give_up_at_ms"] == clock.now_ms() + 86_400_000
    assert order(made["order_no"])["state"] == "awaiting_payment" and balance("bank") == 10_000
    assert register("b-late", "13900000001") == [made["no"]]
    done = charges.find("bank", "B-1")
    assert (done["state"], done["buyer_id"], done["reason"], done["try_at_ms"]) == ("charged", "b-late", None, None)
    assert order(made["order_no"])["buyer_id"] == "b-late" and balance("bank") == 9000
    assert {e["buyer_id"] for e in entitlements.of_order(made["order_no"])} == {"b-late"}
    assert orders.purchased("b-late", "card/week") == 1            # it counts like any other
    assert register("b-late", "13900000001") == []


@pytest.mark.parametrize("phone", ["", "13900000001"], ids=["by id", "by id and phone"])
def test_somebody_known_by_the_id_they_will_have(shop, bank, phone):
    made = charge.charge_unregistered(bank, "B-1", "gift", WEEK, phone, "b-will-be")
    assert made["state"] == "charging"
    register("b-will-be", "")
    assert charges.find("bank", made["no"])["state"] == "charged" and orders.purchased("b-will-be", "card/week") == 1


def test_the_buyer_is_registered_already(shop, bank):
    buyer = shop.buyer(phone="13900000002")
    for phone, buyer_id in (("13900000002", ""), ("", buyer)):
        with refused(Code.BUYER_REGISTERED):
            charge.charge_unregistered(bank, "B-1", "gift", MONTH, phone, buyer_id)
    made = charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000003")
    register("b9", "13900000003")
    assert charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000003")["no"] == made["no"]


def test_a_waiting_charge_is_tried_less_and_less_often(shop, bank):
    made = charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000001")
    waits = []
    for _ in range(9):
        clock.set_to(charges.find("bank", made["no"])["try_at_ms"])
        assert [c["no"] for c in charges.due()] == [made["no"]]
        assert charge.complete(made["no"]) == "charging"
        waits.append((charges.find("bank", made["no"])["try_at_ms"] - clock.now_ms()) // 60_000)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert charges.find("bank", made["no"])["reason"] == "the buyer is not registered yet"


def test_a_waiting_charge_is_given_up(shop, bank):
    made = charge.charge_unregistered(bank, "B-1", "gift", WEEK, "13900000001", "b-never")
    clock.set_to(made["give_up_at_ms"] - 1)
    assert charge.complete(made["no"]) == "charging"
    assert charges.find("bank", made["no"])["try_at_ms"] == made["give_up_at_ms"]
    clock.set_to(made["give_up_at_ms"])
    assert charge.complete(made["no"]) == "failed"
    assert order(made["order_no"])["state"] == "closed" and balance("bank") == 10_000
    assert orders.purchased("b-never", "card/week") == 0
    register("b-never", "13900000001")
    assert charge.retry(bank, made["no"])["state"] == "failed"


def test_a_waiting_charge_whose_order_was_closed_fails(shop, bank):
    made = charge.charge_unregistered(bank, "B-1", "gift", WEEK, "13900000001")
    sale.close(made["order_no"], "the partner took it back")
    assert charge.complete(made["no"]) == "failed"
    assert orders.purchased("b1", "card/week") == 0


def test_an_empty_pool_keeps_a_charge_waiting_until_it_is_filled(shop):
    bank = shop.partner("bank", 20_00)
    made = charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000001")
    register("b1", "13900000001")
    waiting = charges.find("bank", "B-1")
    assert waiting["state"] == "charging" and "28" in waiting["reason"] and waiting["tries"] == 1
    assert order(made["order_no"])["buyer_id"] == ""               # nothing of the failed try is left
    pools.top_up(bank, 50_00, "T-2")
    assert charge.retry(bank, "B-1")["state"] == "charged" and balance("bank") == 4200
    assert charge.retry(bank, made["no"])["state"] == "charged"


def test_the_agreement_is_asked_again_when_the_buyer_is_known(shop):
    club = shop.partner("club", 5)
    made = charge.charge_unregistered(club, "C-1", "gift", MONTH, "13900000001")
    charge.charge_unregistered(club, "C-2", "gift", MONTH, "13900000001")
    register("b1", "13900000001")
    states = sorted(charges.find("club", no)["state"] for no in ("C-1", "C-2"))
    assert states == ["charged", "charging"] and balance("club") == 4
    assert made["state"] == "charging"


def test_registering_and_the_timer_at_once_charge_once(shop, bank):
    made = charge.charge_unregistered(bank, "B-1", "gift", WEEK, "13900000001")
    with store.transaction():
        buyers.put("b1", phone="13900000001")
    results = at_once(lambda n: charge.complete(made["no"]) if n % 2 else charge.buyer_registered("b1", "13900000001"),
                      range(8))
    assert not errors(results) and balance("bank") == 9000 and orders.purchased("b1", "card/week") == 1


def test_a_charge_is_the_partners_own(shop, bank):
    made = charge.charge_registered(bank, "B-1", "gift", MONTH, shop.buyer())
    for no in (made["no"], "B-1"):
        with refused(Code.CHARGE_UNKNOWN):
            charge.retry(shop.partner("club"), no)
        assert charge.retry(bank, no)["no"] == made["no"]


def test_a_charge_is_pinned_to_its_release(shop, bank):
    charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000001")
    put_live(2, {"partners/bank.yaml": FILES["partners/bank.yaml"].replace("card/month: 28.00", "card/month: 30.00")})
    register("b1", "13900000001")
    assert charges.find("bank", "B-1")["amount"] == 2800
    assert charge.charge_registered(shop.partner("bank"), "B-2", "gift", MONTH, shop.buyer())["amount"] == 3000


# ── delivering that fails ────────────────────────────────────────────────────────────────────────────────────────────

@pytest.mark.parametrize("entry", ["registered", "unregistered"])
def test_a_charge_whose_delivery_fails_is_charged_and_delivered_by_a_worker(shop, bank, monkeypatch, entry):
    real, left = entitlements.grant, [1]

    def grant(*given):
        if left[0]:
            left[0] -= 1
            raise ConnectionError("the entitlement centre is away")
        return real(*given)
    monkeypatch.setattr(entitlements, "grant", grant)
    if entry == "registered":
        charge.charge_registered(bank, "B-1", "gift", MONTH, shop.buyer())
    else:
        charge.charge_unregistered(bank, "B-1", "gift", MONTH, "13900000001")
        register("b1", "13900000001")
    made = charges.find("bank", "B-1")
    assert made["state"] == "charged" and order(made["order_no"])["state"] == "paid" and balance("bank") == 7200
    shop.work()
    assert order(made["order_no"])["state"] == "completed" and len(entitlements.of_order(made["order_no"])) == 2


def test_a_charges_delivery_that_is_given_up_keeps_its_draw(shop, bank, monkeypatch):
    """The pool has paid and the ledger knows: giving up delivering does not silently return it."""
    monkeypatch.setattr(entitlements, "grant", lambda *given: (_ for _ in ()).throw(ConnectionError("away")))
    made = charge.charge_registered(bank, "B-1", "gift", MONTH, shop.buyer())
    run_no = f"{made['order_no']}/charge"
    for _ in range(3):
        shop.work()
        clock.advance(3600)
    assert store.one(journal.FlowRun, no=run_no)["state"] == "failed"
    assert balance("bank") == 7200 and charges.find("bank", "B-1")["state"] == "charged"
    monkeypatch.undo()
    assert executor.retry_failed(run_no, runs.HOST)
    executor.advance(run_no, runs.HOST)
    assert order(made["order_no"])["state"] == "completed" and balance("bank") == 7200
