"""Every channel file of the catalogue, played over HTTP by a sandbox in a process of its own: pay → notice → query → refund →
refund notice → close; sign → notice → withhold → unsign; a shop's order; a supplier's, a message, an invoice. What a file
declares is played; a file that can't be played fails here, with the word that is missing.
"""
from __future__ import annotations

from typing import Any, Iterator

import pytest

from engine.wire import Outcome, load
from tests.support.processes import Processes
from tests.support.waiting import wait_until

from .playing import HTTP, Listener, Sandbox, documents
from .test_reverse import FACTS

DOCS = documents()


def having(*operations: str) -> list[str]:
    return [id for id, doc in DOCS.items() if set(operations) <= set(doc["operations"])]


class Player:
    """The engine's part, for one channel; facts learned from answers and notices are handed on, as the engine does."""

    def __init__(self, sandbox: Sandbox, id: str, no: str):
        self.sandbox, self.id, self.doc, self.no = sandbox, id, DOCS[id], no
        currency = self.doc.get("currency", "CNY")
        self.facts = {**{key: currency if key.endswith(".currency") else value for key, value in FACTS.items()
                         if not key.endswith(".channel_no") and not key.endswith("_ms")},
                      **sandbox.facts(id), "payment.currency": currency, "payment.no": f"P{no}", "refund.no": f"R{no}",
                      "contract.no": f"C{no}", "order.no": f"O{no}", "message.no": f"M{no}", "upstream.no": f"U{no}",
                      "invoice.no": f"I{no}", "notify.no": f"N{no}"}
        from engine.base import clock
        now = clock.now_ms()
        self.facts.update({key: now + value - FACTS["payment.created_at_ms"] for key, value in FACTS.items() if key.endswith("_ms")})

    def does(self, operation: str) -> bool:
        return operation in self.doc["operations"]

    def call(self, operation: str, **changes: Any) -> Outcome:
        changed = {name.replace("__", "."): value for name, value in changes.items()}
        outcome = self.sandbox.operate(self.id, operation, timeout_s=10, **{**self.facts, **changed})
        for field, fact in (("channel_no", "payment.channel_no"), ("channel_refund_no", "refund.channel_no"),
                            ("channel_contract_no", "contract.channel_no"), ("channel_invoice_no", "invoice.channel_no")):
            if outcome.fields.get(field):
                self.facts[fact] = outcome.fields[field]
        return outcome

    def expect(self, operation: str, *states: str, **changes: Any) -> Outcome:
        outcome = self.call(operation, **changes)
        assert outcome.state in states, f"{self.id} {operation}: {outcome.state}, {outcome.reason} {outcome.exchange.get('response', '')}"
        return outcome

    def hand_over(self, outcome: Outcome) -> None:
        """What the buyer's terminal does with what it was given."""
        if "redirect" in outcome.client:
            reply = HTTP.request("GET", outcome.client["redirect"], redirect=False)
            assert reply.status in (200, 302), reply.data
        elif {"params", "text"} & set(outcome.client):
            reply = HTTP.request("POST", f"{self.sandbox.url}/_sandbox/app/{self.id}", json=outcome.client)
            assert reply.status == 200, reply.data

    def hears(self, field: str, no: str, *states: str) -> Any:
        """The notice that says this of the thing of that number."""
        def found() -> Any:
            for heard in self.sandbox.listener.heard:
                assert heard.channel != self.id or not heard.refused, f"{heard.event}: {heard.refused}"
                for notice in heard.notices:
                    if heard.channel == self.id and notice.fields.get(field) == no and notice.fields.get("state", states[0]) in states:
                        return notice
            return None
        notice = wait_until(found, f"a notice of {self.id} with {field} {no}: {' or '.join(states)}", 10)
        for name, fact in (("channel_no", "payment.channel_no"), ("channel_contract_no", "contract.channel_no")):
            if notice.fields.get(name):
                self.facts[fact] = notice.fields[name]
        return notice

    def tells(self, field: str) -> bool:
        """Whether the file has a notice that names such a thing."""
        return any(field in notice["take"] for notice in self.doc.get("notices", {}).values())


@pytest.fixture(scope="module")
def running(tmp_path_factory, made_up_secrets) -> Iterator[Sandbox]:
    folder = tmp_path_factory.mktemp("every")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALEWRIGHT_SECRETS_DIR", made_up_secrets)
        listener = Listener()
        processes = Processes(folder, {"SALEWRIGHT_DATA_DIR": str(folder / "var")})
        sandbox = Sandbox(processes, listener, pay_after_s=0.05)
        yield sandbox
        processes.end_all()
        listener.close()


def player(running: Sandbox, id: str, kind: str) -> Player:
    return Player(running, id, f"{kind}{id.replace('-', '')}")


def test_every_file_is_played(running):
    known = HTTP.request("GET", f"{running.url}/healthz").json()["channels"]
    assert known == sorted(DOCS), f"not played: {set(DOCS) - set(known)}\n{running.process.output()}"


@pytest.mark.parametrize("id", having("pay"))
def test_a_payment_and_its_refund(running, id):
    play = player(running, id, "A")
    paid = play.expect("pay", "pending", "accepted", "succeeded")
    play.hand_over(paid)
    if play.tells("payment_no"):
        notice = play.hears("payment_no", play.facts["payment.no"], "succeeded", "pending")
        assert notice.fields.get("amount_minor", 990) == 990
    if play.does("query"):
        wait_until(lambda: play.call("query").state == "succeeded", f"{id} says that it was paid", 10)
    if play.does("refund"):
        play.expect("refund", "pending", "accepted", "succeeded")
        if play.tells("refund_no"):
            play.hears("refund_no", play.facts["refund.no"], "succeeded")
        if play.does("refund_query"):
            wait_until(lambda: play.call("refund_query").state == "succeeded", f"{id} says that it was refunded", 10)
        play.expect("refund", "failed", "unknown", "busy", refund__no="RX", refund__amount_minor=691)
    assert HTTP.request("GET", f"{running.url}/_sandbox/payments?channel={id}&no={play.facts['payment.no']}").json()["items"][0][
        "state"] == "succeeded"


@pytest.mark.parametrize("id", [id for id in having("pay", "close")])
def test_a_payment_that_is_closed(running, id):
    play = player(running, id, "B")
    running.post("faults", {"fault": "unpaid", "channel": id, "next": 1})
    outcome = play.expect("pay", "pending", "accepted")
    play.hand_over(outcome)
    play.expect("close", "closed")
    if play.does("query"):
        play.expect("query", "closed", "absent", "failed")


@pytest.mark.parametrize("id", [id for id in having("pay", "query")])
def test_nothing_is_known_of_what_nobody_asked_for(running, id):
    play = player(running, id, "Z")
    play.facts["payment.channel_no"] = "S404"
    play.expect("query", "absent", "failed", "pending", "unknown")
    assert play.call("query").state != "succeeded"


SIGNING = [(id, way) for id in DOCS for way in ("sign", "pay_and_sign") if way in DOCS[id]["operations"]]


@pytest.mark.parametrize("id, way", SIGNING)
def test_a_contract_and_its_deductions(running, id, way):
    play = player(running, id, "C" if way == "sign" else "D")
    play.hand_over(play.expect(way, "pending", "accepted", "succeeded", "signed"))
    contract = play.facts["contract.no"]
    if way == "pay_and_sign" and play.tells("payment_no"):
        play.hears("payment_no", play.facts["payment.no"], "succeeded")
    if play.tells("contract_no"):
        play.hears("contract_no", contract, "signed", "succeeded")
    if play.does("contract_query"):
        wait_until(lambda: play.call("contract_query").state == "signed", f"{id} says that the contract is in force", 10)
    if play.does("announce"):
        play.expect("announce", "succeeded", "accepted", "pending")
    if play.does("withhold"):
        deduction = {"payment__no": f"{play.facts['payment.no']}W"}
        play.facts.pop("payment.channel_no", None)
        play.expect("withhold", "pending", "accepted", "succeeded", **deduction)
        if play.tells("payment_no"):
            play.hears("payment_no", deduction["payment__no"], "succeeded")
        asks = "withhold_query" if play.does("withhold_query") else "query"
        if play.does(asks):
            wait_until(lambda: play.call(asks, **deduction).state == "succeeded", f"{id} says that it was deducted", 10)
    if play.does("unsign"):
        play.expect("unsign", "ended", "succeeded", "accepted", "pending")
        if play.does("contract_query"):
            play.expect("contract_query", "ended", "absent")
        if play.does("withhold"):
            play.expect("withhold", "failed", "unknown", payment__no=f"{play.facts['payment.no']}X")


@pytest.mark.parametrize("id", [id for id, doc in DOCS.items() if doc["role"] == "shop"])
def test_an_order_of_a_shop(running, id):
    play = player(running, id, "E")
    sold = HTTP.request("POST", f"{running.url}/_sandbox/shop/{id}/orders",
                        json={"items": [{"item": "X1", "quantity": 2}, {"item": "X2"}], "amount_minor": 4000, "phone": "13800138000"})
    assert sold.status == 201, sold.data
    no = play.facts["shop.order_no"] = sold.json()["no"]
    notice = play.hears("shop_order_no", no, "succeeded")
    if play.does("query"):
        asked = play.expect("query", "succeeded")
        told = {**asked.fields, **notice.fields}
        pieces = [entry["item"] for entry in told["items"] for _ in range(int(entry.get("quantity", 1)))]
        assert (pieces, told["amount_minor"]) == (["X1", "X1", "X2"], 4000)
        play.facts["shop.item_nos"] = [entry["number"] for entry in told["items"]]
    if play.does("deliver"):
        play.expect("deliver", "succeeded", "accepted")
        assert play.call("deliver", shop__order_no="6900000000009999").state in ("failed", "unknown")
    back = HTTP.request("POST", f"{running.url}/_sandbox/shop/{id}/orders/{no}/refund")
    assert back.status == 201, back.data
    if play.tells("channel_refund_no"):
        play.hears("shop_order_no", no, "succeeded")


@pytest.mark.parametrize("id", having("charge"))
def test_an_order_from_a_supplier(running, id):
    play = player(running, id, "F")
    play.expect("charge", "accepted", "pending", "succeeded")
    if play.tells("upstream_no"):
        play.hears("upstream_no", play.facts["upstream.no"], "succeeded")
    if play.does("query"):
        wait_until(lambda: play.call("query").state == "succeeded", f"{id} says that it was delivered", 10)


@pytest.mark.parametrize("id", having("invoice"))
def test_an_invoice(running, id):
    play = player(running, id, "G")
    play.expect("invoice", "accepted", "pending", "succeeded")
    if play.tells("invoice_no"):
        play.hears("invoice_no", play.facts["invoice.no"], "succeeded")
    if play.does("invoice_query"):
        wait_until(lambda: play.call("invoice_query").state == "succeeded", f"{id} says that it was issued", 10)
    if play.does("red_invoice"):
        play.expect("red_invoice", "accepted", "pending", "succeeded", invoice__no=f"{play.facts['invoice.no']}R",
                    invoice__original_no=play.facts["invoice.no"])


@pytest.mark.parametrize("id", having("pay", "statement"))
def test_a_statement_of_the_day(running, id):
    """Asked for today, it lists what was paid and given back until now."""
    from engine.base import clock
    from engine.wire.statements import statement

    play = player(running, id, "S")
    play.hand_over(play.expect("pay", "pending", "accepted", "succeeded"))
    wait_until(lambda: running.payment(play.facts["payment.no"])["state"] == "succeeded", "the buyer pays")
    play.facts.setdefault("payment.channel_no", running.payment(play.facts["payment.no"])["channel_no"])
    play.expect("refund", "pending", "accepted", "succeeded")
    wait_until(lambda: HTTP.request("GET", f"{running.url}/_sandbox/refunds?no={play.facts['refund.no']}").json()["items"][0][
        "state"] == "succeeded", "the refund ends")
    ch = load(DOCS[id])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SALEWRIGHT_SANDBOX_URL", running.url)
        today = clock.to_datetime(clock.now_ms()).astimezone(clock.zone(ch.setting.zone)).date().isoformat()
        found = statement(ch, today)
    assert found.state == "succeeded", found.reason
    channel_no = play.facts["payment.channel_no"]
    ours = {row["kind"]: row["amount_minor"] for row in found.rows
            if play.facts["payment.no"] in row.values() or play.facts["refund.no"] in row.values() or channel_no in row.values()}
    assert ours == {"payment": 990, "refund": 300}


ONE_WAY = [(id, operation) for id, doc in DOCS.items() for operation in doc["operations"] if operation in ("send", "notify", "transfer",
                                                                                                          "split")]


@pytest.mark.parametrize("id, operation", ONE_WAY)
def test_what_is_only_said(running, id, operation):
    player(running, id, "H").expect(operation, "succeeded", "accepted", "pending")


@pytest.mark.parametrize("id", sorted(DOCS))
def test_its_bearer_keys_and_tokens_are_asked_for(running, id):
    """A request without its `Authorization` is turned away, where the file has one that is no signature."""
    play = player(running, id, "K")
    ch = load(DOCS[id])
    keyed = "auth" in DOCS[id] or "basic" in DOCS[id] or "Authorization" in DOCS[id].get("headers", {})
    operation = next((op for op in ch.operations.values() if op.sends), None)
    if not keyed or operation is None:
        return
    scope = ch.scope({**play.facts, "payment.channel_no": "S1", "refund.channel_no": "S1", "contract.channel_no": "S1"})
    scope.names.update(token="wrong", nonce="0" * 32, operation=operation.name)
    request = operation.plan.build(scope)
    headers = {**request.headers, "authorization": "Bearer wrong"}
    assert HTTP.request(request.method, request.url, body=request.body, headers=headers).status == 401
