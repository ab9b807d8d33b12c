"""Endpoints of contracts: signing, looking, ending, and what the buyer agrees to."""
from __future__ import annotations

from typing import Any, Mapping

from .. import renewing, repricing, sale, signing, store
from ..base.clock import rfc3339
from ..base.errors import Code, Refusal
from ..pay import contracts, payments
from ..store import StateLog
from . import answers, paging, requests, views
from .endpoint import Answer, Call, endpoint, needed
from .once import UNFINISHED, in_flight
from .schema import choice, flag, identifier, listed, maybe, minor, moment, named, text, thing, whole
from .selling import PRICING, answered

_NO = text("编号", "Number", 40)
_STATES = tuple(contracts.CONTRACT.moves)
PERIOD = named("ContractPeriod", thing("扣费期", "One period of a contract", {
    "n": whole("期数", "Which period; 1 is the one paid with the order", 1), "order": _NO,
    "state": choice("状态", "State", *contracts.PERIOD.moves), "amount_minor": minor("金额", "Amount"),
    "starts_at": maybe(moment("开始", "From")), "ends_at": maybe(moment("结束", "Until")),
    "due_at": moment("应扣时间", "When it is due"), "next_try_at": maybe(moment("下次扣费", "Deducted next at")),
    "tries": whole("失败次数", "Deductions that were refused", 0),
    "reason": maybe(text("原因", "Why the last one failed", 4000, 0))}, "*"))
_CONTRACT = {
    "no": _NO, "buyer": text("买家", "Buyer", 64), "scene": text("场景", "Scene", 64), "sku": text("SKU", "SKU", 130),
    "quantity": whole("数量", "Pieces", 1), "title": text("标题", "Title", 200), "channel": text("渠道", "Channel", 64),
    "channel_no": maybe(text("渠道签约号", "The channel's own number", 64, 0)),
    "order": {**_NO, "title": "The order it was signed with"},
    "state": choice("状态", "State", *_STATES), "currency": answers.CURRENCY,
    "period_count": whole("周期数", "How many units a period has", 1),
    "period_unit": choice("周期单位", "Calendar unit", "day", "week", "month", "quarter", "year"),
    "next_price_minor": minor("下期金额", "What the next period costs by the terms that were signed"),
    "proposed_price_minor": maybe(minor("待同意单价", "A price of a piece that waits for the buyer's consent")),
    "paid_periods": whole("已付期数", "Periods paid", 0), "paid_until": maybe(moment("已付至", "Paid until")),
    "signed_at": maybe(moment("签约时间", "Signed at")), "ended_at": maybe(moment("终止时间", "Ended at")),
    "reason": maybe(text("原因", "Why it ended", 120, 0)), "created_at": moment("创建时间", "Created")}
BRIEF = named("ContractBrief", thing("签约摘要", "A contract's key fields", _CONTRACT, "*"))
CONTRACT = named("Contract", thing("签约", "A contract with its periods", {
    **_CONTRACT, "periods": listed("扣费期", "Its periods", PERIOD),
    "timeline": listed("时间线", "Every change of state, in order", answers.MOVE)}, "*"))
NEW = named("NewContract", thing("新签约", "A contract to be signed, and the order it comes with", {
    "contract": BRIEF, "order": answers.NEW_ORDER}, "*"))
CONTRACTS = answers.page("ContractPage", "签约列表", "Contracts, newest first", BRIEF)

SIGN = named("SignRequest", thing("签约请求", "A contract asked for", {
    "scene": requests.SCENE, "sku": text("SKU", "The recurring SKU, as product/sku", 130, examples=["card/month"]),
    "quantity": whole("数量", "Pieces", 1, 10_000, default=1),
    "buyer": {**requests.BUYER, "title": "The buyer"}, "contact": requests.CONTACT, "fields": requests.FIELDS,
    "coupons": requests.COUPONS, "lang": requests.LANG, "channel": identifier("支付渠道", "The channel that will deduct"),
    "client": requests.CLIENT,
    "sign": choice("签约方式", "first: sign, then the first period is deducted; with_payment: both on one page; left out: what the "
                   "channel does", "first", "with_payment")}, "scene sku buyer channel"))
TERMINATE = named("TerminateRequest", thing("解约请求", "Why the contract ends", {"reason": text("原因", "Reason", 120)}))
PRICE = named("PriceRequest", thing("调价请求", "Another price from the next period on", {
    "price_minor": minor("单价", "The price of a piece; nothing can't be deducted", least=1)}, "price_minor"))
CONSENT = named("ConsentRequest", thing("同意调价", "The buyer's word on a price", {
    "price_minor": minor("单价", "The price that was proposed", least=1),
    "agrees": flag("是否同意", "Whether the buyer agrees", default=True)}, "price_minor"))


def brief(row: Mapping[str, Any]) -> dict[str, Any]:
    proposed = row["proposed"]
    return {"no": row["no"], "buyer": row["buyer_id"], "scene": row["scene_id"], "sku": row["sku"], "quantity": row["quantity"],
            "title": row["title"], "channel": row["channel_id"], "channel_no": row["channel_no"], "order": row["order_no"],
            "state": row["state"], "currency": row["currency"], "period_count": row["period_count"],
            "period_unit": row["period_unit"], "paid_periods": row["paid_n"], "paid_until": rfc3339(row["paid_until_ms"]),
            "next_price_minor": contracts.price_of(row, row["paid_n"] + 1) * row["quantity"],
            "proposed_price_minor": proposed["price_minor"] if proposed else None, "signed_at": rfc3339(row["signed_at_ms"]),
            "ended_at": rfc3339(row["ended_at_ms"]), "reason": row["reason"] or None, "created_at": rfc3339(row["created_at_ms"])}


def _period(row: Mapping[str, Any]) -> dict[str, Any]:
    waits = row["state"] in ("open", "failed")
    return {"n": row["n"], "order": row["order_no"], "state": row["state"], "amount_minor": row["amount_minor"],
            "starts_at": rfc3339(row["starts_at_ms"]), "ends_at": rfc3339(row["ends_at_ms"]), "due_at": rfc3339(row["due_at_ms"]),
            "next_try_at": rfc3339(row["try_at_ms"]) if waits else None, "tries": row["tries"], "reason": row["error"]}


@endpoint("POST", "/v1/contracts", "contracts.sign", ("签约", "Sign a contract"), scopes="sell", body=SIGN, key="required",
          answers={201: NEW}, refusals=PRICING + (Code.CHANNEL_NOT_ALLOWED, Code.CHANNEL_UNAVAILABLE, Code.CONTRACT_REFUSED,
                                                  Code.METHOD_MISMATCH))
def sign(call: Call) -> Answer:
    """Order a recurring product and have the buyer sign for its renewals; `order.payment.client` is what the buyer's terminal
    needs. With or before the first payment, as the channel does it."""
    body, once = call.body, call.once
    call.client.need_scene(body["scene"])
    shown: dict[str, Any] = {}

    def remember(order: dict[str, Any]) -> None:
        store.current().flush()
        shown.update(order=views.new_order(order), contract=brief(contracts.of_order(order["no"])))
        once.remember(order["no"], UNFINISHED if order["payment"]["state"] == "created" else 201, shown)

    def work() -> tuple[int, Any]:
        order = sale.place(body["scene"], items=[{"sku": body["sku"], "quantity": body.get("quantity", 1)}],
                           buyer_id=body["buyer"]["id"], contact=body.get("contact"), fields=body.get("fields"),
                           wanted_coupons=body.get("coupons"), lang=body.get("lang", "zh"), remember=remember,
                           pay_by={"channel": body["channel"], "client": body.get("client"), "sign": body.get("sign", "any")})
        if shown["order"]["payment"]["state"] != "created":
            return 201, shown
        return once.finish(201, _with_payment(shown, order["payment"]))

    def resume(row: dict[str, Any]) -> tuple[int, Any]:
        payment = payments.find(row["answer"]["order"]["payment"]["no"])
        if payment["state"] == "created":      # the call may be under way
            raise in_flight()
        return once.finish(201, _with_payment(row["answer"], payment))
    return answered(call, once.run(work, resume))


def _with_payment(shown: dict[str, Any], payment: Mapping[str, Any]) -> dict[str, Any]:
    return {**shown, "order": {**shown["order"], "payment": views.payment(payment)}}


@endpoint("GET", "/v1/contracts", "contracts.list", ("签约列表", "A buyer's contracts"), scopes="sell support", query={
    "buyer": needed(requests.BUYER_QUERY), "limit": requests.LIMIT, "cursor": requests.CURSOR}, answers={200: CONTRACTS})
def list_contracts(call: Call) -> Answer:
    """A buyer's contracts, newest first."""
    limit, also, params = call.query["limit"], ["1 = 1"], []
    if "cursor" in call.query:
        also.append("no < ?")
        params += paging.key_of(call.query["cursor"], str)
    if not call.client.sees_all:
        also.append(f"({' OR '.join(['scene_id LIKE ?'] * len(call.client.scenes))})")
        params += [pattern.replace("*", "%") for pattern in call.client.scenes]
    rows = store.many(contracts.Contract, buyer_id=call.query["buyer"], also=" AND ".join(also), params=params,
                      order_by="no DESC", limit=limit + 1)
    rows, after = paging.page(rows, limit, lambda row: (row["no"],))
    return Answer({"items": [brief(row) for row in rows], "next": after})


@endpoint("GET", "/v1/contracts/{contract}", "contracts.get", ("签约", "A contract"), scopes="sell support",
          answers={200: CONTRACT}, refusals=(Code.CONTRACT_UNKNOWN,))
def get_contract(call: Call) -> Answer:
    """A contract with its periods, and every change of state."""
    return Answer(_whole(_visible(call)))


@endpoint("POST", "/v1/contracts/{contract}/terminate", "contracts.terminate", ("解约", "End a contract"), scopes="sell support",
          body=TERMINATE, answers={200: CONTRACT}, refusals=(Code.CONTRACT_UNKNOWN,))
def terminate(call: Call) -> Answer:
    """End a contract: nothing is deducted any more, what is paid lasts to its end, and the channel is told. A deduction that
    still succeeds is sent back. Ending an ended one is quiet."""
    no, reason = _visible(call)["no"], call.body.get("reason", "")
    return Answer(_whole(store.retrying(lambda: signing.terminate(no, reason or "ended by the seller"))))


@endpoint("POST", "/v1/contracts/{contract}/retry", "contracts.retry", ("立即重试扣费", "Deduct again now"), scopes="sell support",
          answers={200: CONTRACT}, refusals=(Code.CONTRACT_UNKNOWN, Code.CONTRACT_STATE))
def retry(call: Call) -> Answer:
    """Try the deduction that failed again now, for instance when the buyer says that there is money; a suspended contract goes
    on from then."""
    no = _visible(call)["no"]
    return Answer(_whole(renewing.retry_now(no)))


@endpoint("POST", "/v1/contracts/{contract}/price", "contracts.price", ("提议调价", "Propose another price"), scopes="support",
          body=PRICE, answers={200: CONTRACT}, refusals=(Code.CONTRACT_UNKNOWN, Code.CONTRACT_STATE))
def price(call: Call) -> Answer:
    """Another price from the next period on that was not announced yet. A higher one waits for the buyer's consent; until
    then the price that was signed is deducted. A lower one holds at once."""
    no = _visible(call)["no"]
    return Answer(_whole(store.retrying(lambda: repricing.propose(no, call.body["price_minor"]))))


@endpoint("POST", "/v1/contracts/{contract}/consent", "contracts.consent", ("同意调价", "Agree to a price"), scopes="sell",
          body=CONSENT, answers={200: CONTRACT},
          refusals=(Code.CONTRACT_UNKNOWN, Code.CONTRACT_STATE, Code.CONSENT_MISMATCH))
def consent(call: Call) -> Answer:
    """The buyer's word on a price that was proposed: agreed to, it holds from the next period on; declined, it is off."""
    no, body = _visible(call)["no"], call.body
    return Answer(_whole(store.retrying(lambda: repricing.consent(no, body["price_minor"], body.get("agrees", True)))))


def _whole(row: Mapping[str, Any]) -> dict[str, Any]:
    periods = contracts.periods(row["no"])
    moves = store.many(StateLog, no=[row["no"], *(p["no"] for p in periods)], order_by="id")
    return {**brief(row), "periods": [_period(p) for p in periods], "timeline": [views.move(m) for m in moves]}


def _visible(call: Call) -> dict[str, Any]:
    """The contract in the address. CONTRACT_UNKNOWN for another client's, as for none."""
    no = call.path["contract"]
    row = contracts.find(no)
    if not call.client.sees(row["scene_id"]):
        raise Refusal(Code.CONTRACT_UNKNOWN, f"there is no contract {no!r}", [{"path": "contract", "found": no}])
    return row
