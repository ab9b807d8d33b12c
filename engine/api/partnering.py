"""Endpoints of partners: direct charges by three entries, and their pools. A partner signs as its own file declares."""
from __future__ import annotations

from typing import Any

from .. import charge, store
from ..base.errors import Code, Refusal
from ..config.catalog import Partner
from ..config.live import live
from ..deliver import charges, pools, statements
from ..returning import return_charge
from . import answers, requests, views
from .endpoint import Answer, Call, endpoint
from .schema import choice
from .selling import PRICING, answered

_CHARGING = PRICING + (Code.AGREEMENT_REFUSED, Code.POOL_EXHAUSTED, Code.IDEMPOTENCY_KEY_REUSED)


@endpoint("POST", "/v1/partners/{partner}/charges/registered", "charges.registered", ("已注册用户直充", "Charge a registered buyer"),
          who="partner", body=requests.CHARGE_REGISTERED, answers={200: answers.CHARGE}, refusals=_CHARGING)
def registered(call: Call) -> Answer:
    """Charge a buyer we know: checked, drawn from your pool and delivered in one go. Your order number stands for one charge,
    whatever is repeated."""
    body = call.body
    return _charge(lambda: charge.charge_registered(
        call.client.partner, body["partner_order_no"], body["scene"], body["items"], body["buyer"]["id"], body.get("fields"),
        body.get("lang", "zh")))


@endpoint("POST", "/v1/partners/{partner}/charges/unregistered", "charges.unregistered",
          ("未注册用户直充", "Charge somebody who will register"), who="partner", body=requests.CHARGE_UNREGISTERED,
          answers={200: answers.CHARGE, 202: answers.CHARGE}, refusals=_CHARGING + (Code.BUYER_REGISTERED,))
def unregistered(call: Call) -> Answer:
    """Accept a charge for a phone number that is not registered yet. It is delivered, and your pool drawn, when its owner
    registers; until then it is `charging`, and tried again by itself."""
    body = call.body
    return _charge(lambda: charge.charge_unregistered(
        call.client.partner, body["partner_order_no"], body["scene"], body["items"], body["phone"],
        body.get("buyer", {}).get("id", ""), body.get("fields"), body.get("lang", "zh")))


@endpoint("POST", "/v1/partners/{partner}/charges/{charge}/retry", "charges.retry", ("重试直充", "Try a charge again"),
          who="partner", answers={200: answers.CHARGE, 202: answers.CHARGE}, refusals=(Code.CHARGE_UNKNOWN,))
def retry(call: Call) -> Answer:
    """Try a charge that is `charging` again now, by our number or yours. A charged one is given back as it is."""
    return _charge(lambda: charge.retry(call.client.partner, call.path["charge"]))


def _charge(work: Any) -> Answer:
    row = store.retrying(work)
    return Answer(views.charge(row), 202 if row["state"] == "charging" else 200)


@endpoint("GET", "/v1/partners/{partner}/charges/{charge}", "charges.get", ("直充单", "A charge"), who="either",
          scopes="finance support", answers={200: answers.CHARGE}, refusals=(Code.CHARGE_UNKNOWN, Code.PARTNER_UNKNOWN))
def get_charge(call: Call) -> Answer:
    """A charge, by our number or the partner's."""
    return Answer(views.charge(charges.find(_partner(call).id, call.path["charge"])))


@endpoint("POST", "/v1/partners/{partner}/charges/{charge}/refund", "charges.refund", ("直充退款", "Refund a charge"),
          scopes="finance", body=requests.CHARGE_REFUND, key="required", answers={200: answers.CHARGE},
          refusals=(Code.CHARGE_UNKNOWN, Code.PARTNER_UNKNOWN, Code.STATE_REFUSED))
def refund(call: Call) -> Answer:
    """Take a charge back: what the buyer got ends, what was drawn returns to the pool, once. A returned one is given back as
    it is."""
    partner, once = _partner(call), call.once

    def work() -> tuple[int, Any]:
        row = return_charge(partner, call.path["charge"], call.body["reason"],
                            lambda row: once.remember(row["no"], 200, views.charge(row)))
        return 200, views.charge(row)
    return answered(call, once.run(work))


@endpoint("GET", "/v1/partners/{partner}/statements/{date}", "pools.statement", ("日结单", "A day's statement"), who="either",
          scopes="finance support", query={"format": choice("格式", "json, or csv for a spreadsheet", "json", "csv", default="json")},
          answers={200: answers.STATEMENT}, refusals=(Code.PARTNER_UNKNOWN,))
def statement(call: Call) -> Answer:
    """What went through the pool on one business day: opening balance, top-ups, charges, returns, closing balance; what other
    partners did to a pool that is shared is one sum, `others`. It may change until it is `final`."""
    made = statements.of_day(_partner(call), call.path["date"])
    if call.query["format"] == "csv":
        name = f"{made.partner_id}-{made.date}.csv"
        return Answer(raw=statements.csv_of(made), headers={"Content-Type": "text/csv; charset=utf-8",
                                                            "Content-Disposition": f'attachment; filename="{name}"'})
    return Answer(views.statement(made))


@endpoint("GET", "/v1/partners/{partner}/pool", "pools.get", ("资金池", "A partner's pool"), who="either", scopes="finance support",
          answers={200: answers.POOL}, refusals=(Code.PARTNER_UNKNOWN,))
def get_pool(call: Call) -> Answer:
    """What is left of what the partner prepaid. A pool that partners share has one balance, and its totals are of all of them."""
    partner = _partner(call)
    return Answer(views.pool(partner.id, pools.of(partner)))


@endpoint("POST", "/v1/partners/{partner}/pool/top-ups", "pools.top_up", ("充值", "Top up a pool"), scopes="finance",
          body=requests.TOP_UP, key="required", answers={201: answers.POOL},
          refusals=(Code.PARTNER_UNKNOWN, Code.AGREEMENT_REFUSED))
def top_up(call: Call) -> Answer:
    """The partner's money, or the pieces it agreed to, came in. Into a pool that is shared any of its partners may pay: all
    draw from it."""
    partner, body, once = _partner(call), call.body, call.once
    if body["unit"] != partner.pool.unit:
        raise Refusal(Code.BAD_REQUEST, f"the pool of {partner.id} is counted in {partner.pool.unit}", [
            {"path": "/unit", "found": body["unit"], "expected": partner.pool.unit}])

    def work() -> tuple[int, Any]:
        with store.transaction():
            pools.top_up(partner, body["amount"], once.name(64))
            shown = views.pool(partner.id, pools.of(partner))
            once.remember(partner.id, 201, shown)
        return 201, shown
    return answered(call, once.run(work))


def _partner(call: Call) -> Partner:
    return call.client.partner or live.catalog().partner(call.path["partner"])
