"""What a channel file must hold, as drills: each drives one thing against the sandbox and fails with the step that is wrong.

A drill is a function of a Drive. `needs` are the operations it drives; a file that lacks one is not asked for it.
"""
from __future__ import annotations

from typing import Any, Callable, Mapping, NamedTuple

from ...base import clock
from ...wire import statement
from .ground import Drive, Failed, waited

TAKEN = ("pending", "accepted", "succeeded")
REFUSED = ("failed", "unknown", "busy", "closed")
NUMBERS = {"payment": ("payment_no", "channel_no"), "refund": ("refund_no", "channel_refund_no")}      # what names a row


class Drill(NamedTuple):
    name: str
    needs: tuple[str, ...]
    run: Callable[[Drive], None]


def _paid(drive: Drive, way: str = "pay") -> None:
    """A payment asked for and made by the buyer."""
    drive.hand_over(drive.expect(way, *TAKEN))


def _learn_paid(drive: Drive) -> None:
    """By notice, by asking, or both; and it must be this payment, of this amount."""
    no = drive.facts["payment.no"]
    if drive.tells("payment_no"):
        fields = drive.hears("payment_no", no, "succeeded").fields
        for field, fact in (("amount_minor", "payment.amount_minor"), ("currency", "payment.currency")):
            if field in fields and fields[field] != drive.facts[fact]:
                raise Failed(f"the notice says {field} {fields[field]!r}, asked for was {drive.facts[fact]!r}: mend its line of "
                             "`take:`")
    if drive.does("query"):
        fields = drive.until("query", "succeeded").fields
        if fields.get("amount_minor", drive.facts["payment.amount_minor"]) != drive.facts["payment.amount_minor"]:
            raise Failed(f"query says the amount is {fields['amount_minor']}, asked for was {drive.facts['payment.amount_minor']}")


def pay(drive: Drive) -> None:
    _paid(drive)
    _learn_paid(drive)
    if not drive.tells("payment_no") and not drive.does("query"):
        raise Failed("nothing ever tells that a payment was made: declare a notice, or `query`")


def repeated_notice(drive: Drive) -> None:
    if not drive.tells("payment_no"):
        return drive.step("no notice to repeat")
    drive.ground.fault("repeated", times=3)
    _paid(drive)
    no = drive.facts["payment.no"]
    if waited(lambda: len(drive.notices("payment_no", no)) >= 3) is None:
        raise Failed(f"of three deliveries {len(drive.notices('payment_no', no))} were believed")
    keys = {notice.dedupe_key for notice in drive.notices("payment_no", no)}
    drive.step(f"{len(drive.notices('payment_no', no))} deliveries, {len(keys)} event")
    if len(keys) != 1:
        raise Failed(f"three deliveries of one event go by {len(keys)} names ({', '.join(sorted(keys))}): `once_by:` must name "
                     "what stays the same")


def two_events(drive: Drive) -> None:
    if not drive.tells("payment_no") or not drive.tells("channel_no"):
        return drive.step("no notice with the channel's number")
    drive.ground.fault("duplicate_success")
    _paid(drive)
    no = drive.facts["payment.no"]
    if waited(lambda: len(drive.notices("payment_no", no)) >= 2) is None:
        raise Failed("the second success was not told")
    keys = {notice.dedupe_key for notice in drive.notices("payment_no", no)}
    drive.step(f"two successes, {len(keys)} events")
    if len(keys) != 2:
        raise Failed("two different successes go by the same name: `once_by:` would hide that a buyer paid twice")


def forged_notice(drive: Drive) -> None:
    if not drive.tells("payment_no"):
        return drive.step("no notice to forge")
    drive.ground.fault("forged")
    _paid(drive)
    refused = waited(lambda: [heard.refused for heard in drive.deliveries() if heard.refused])
    if drive.notices("payment_no", drive.facts["payment.no"]):
        raise Failed("a forged notice was believed: `verify:` of the notice covers nothing that matters")
    if not refused:
        raise Failed("the forged notice did not arrive")
    drive.step(f"refused: {refused[0]}")
    drive.ground.control("POST", f"payments/{drive.channel.id}/{drive.facts['payment.no']}/pay")
    _learn_paid(drive)


def wrong_amount(drive: Drive) -> None:
    taken = [notice.get("take", {}) for notice in drive.doc.get("notices", {}).values()]
    if not any("amount" in take and "payment_no" in take for take in taken):
        return drive.step("no notice tells an amount")
    drive.ground.fault("wrong_amount")
    _paid(drive)
    told = drive.hears("payment_no", drive.facts["payment.no"], "succeeded").fields.get("amount_minor")
    if told != drive.facts["payment.amount_minor"] + 1:
        raise Failed(f"one minor unit too much was sent, {told!r} was read: `take: amount` reads another field, or another unit")
    drive.step("seen: one minor unit too much")


def _unknown(drive: Drive, operation: str, fault: str, **changes: str) -> None:
    drive.ground.fault(fault, operation=operation, **({"delay_s": 0.2} if fault == "timeout_done" else {}))
    outcome = drive.call(operation, **changes)
    drive.step(f"{operation} {outcome.state}")
    if outcome.state != "unknown":
        raise Failed(f"the deed was done and its answer was lost or forged; {operation} must come out as unknown, not "
                     f"{outcome.state}: no judgement may take that for an end")


def unknown_outcome(drive: Drive) -> None:
    if not drive.sends("pay"):
        return drive.step("pay is no call of ours")
    for fault in ("error_done", "timeout_done"):
        drive.facts["payment.no"] += "U"
        _unknown(drive, "pay", fault)
        if drive.does("query") and "payment.channel_no" not in drive.channel.operations["query"].needs:
            drive.until("query", *TAKEN, "absent")


def forged_answer(drive: Drive) -> None:
    first = next((way for way in ("pay", "charge") if drive.does(way)), "")
    signed = [name for name in ("query", "pay", "charge", "send") if drive.sends(name) and drive.channel.operations[name].checks]
    name = next((name for name in signed if first or name != "query"), None)
    if name is None:
        return drive.step("no answer to these is signed: TLS alone vouches for it")
    if name == "query":
        pay(drive) if first == "pay" else charge(drive)
    drive.ground.fault("forged_answer", operation=name)
    outcome = drive.call(name)
    drive.step(f"{name} {outcome.state}")
    if outcome.state != "unknown":
        raise Failed(f"an answer with a wrong signature was believed: {name} came out as {outcome.state}")


def nobody_knows(drive: Drive) -> None:
    drive.facts["payment.channel_no"] = drive.facts["upstream.channel_no"] = "S404"
    drive.expect("query", "absent", "failed", "pending", "unknown")


def refund(drive: Drive) -> None:
    _paid(drive)
    _learn_paid(drive)
    drive.expect("refund", *TAKEN)
    _learn_refunded(drive)
    drive.expect("refund", *REFUSED, refund__no="RTOOMUCH", refund__amount_minor=drive.facts["payment.amount_minor"])
    drive.step("too much is refused")


def _learn_refunded(drive: Drive) -> None:
    if drive.tells("refund_no"):
        drive.hears("refund_no", drive.facts["refund.no"], "succeeded")
    if drive.does("refund_query"):
        drive.until("refund_query", "succeeded")


def refund_unknown(drive: Drive) -> None:
    _paid(drive)
    _learn_paid(drive)
    _unknown(drive, "refund", "error_done")
    if drive.does("refund_query") and "refund.channel_no" not in drive.channel.operations["refund_query"].needs:
        drive.until("refund_query", "succeeded")
    else:
        drive.expect("refund", *TAKEN)         # the same number again: nothing is refunded twice
        drive.step("repeated under its number")


def close(drive: Drive) -> None:
    drive.ground.fault("unpaid")
    _paid(drive)
    drive.expect("close", "closed", "succeeded")
    if drive.does("query"):
        drive.expect("query", "closed", "absent", "failed")


def days_statement(drive: Drive) -> None:
    """What was paid and given back today stands in the statement of today: once, of its amount, and as what it is."""
    _paid(drive)
    _learn_paid(drive)
    wanted = {"payment": ("payment.no", "payment.channel_no", "payment.amount_minor")}
    if drive.does("refund"):
        drive.expect("refund", *TAKEN)
        _learn_refunded(drive)
        wanted["refund"] = ("refund.no", "refund.channel_no", "refund.amount_minor")
    waited(lambda: all(len(_booked(drive, kind, *facts)) for kind, facts in wanted.items()))
    for kind, (no, channel_no, amount) in wanted.items():
        rows = _booked(drive, kind, no, channel_no, amount)
        if [row["amount_minor"] for row in rows] != [drive.facts[amount]]:
            amounts = ", ".join(str(row["amount_minor"]) for row in rows) or "nothing"
            raise Failed(f"the statement has {len(rows) or 'no'} rows of the {kind} {drive.facts[no]} ({amounts}), made was one of "
                         f"{drive.facts[amount]}: mend `file:`, its `rows:`")
    drive.step(f"the statement has {' and '.join(wanted)}, once each")


def _booked(drive: Drive, kind: str, no: str, channel_no: str, amount: str) -> list[Mapping[str, Any]]:
    """The rows of today's statement of a kind that name it; Failed when there is no statement."""
    channel = drive.channel
    today = clock.business_date(clock.now_ms(), channel.setting.zone)
    found = statement(channel, today)
    if found.state not in ("succeeded", "absent"):
        raise Failed(f"the statement of {today} came out as {found.state}: {found.reason}")
    names = {drive.facts[no], drive.facts.get(channel_no) or drive.facts[no]}
    return [row for row in found.rows if row["kind"] == kind and names & {row.get(field) for field in NUMBERS[kind]}]


def contract(drive: Drive, way: str) -> None:
    drive.hand_over(drive.expect(way, *TAKEN, "signed"))
    if way == "pay_and_sign":
        if drive.tells("payment_no"):
            drive.hears("payment_no", drive.facts["payment.no"], "succeeded")
    if drive.tells("contract_no"):
        drive.hears("contract_no", drive.facts["contract.no"], "signed", "succeeded")
    if drive.does("contract_query"):
        drive.until("contract_query", "signed")
    drive.facts.pop("payment.channel_no", None)
    deduction = {"payment__no": f"{drive.facts['payment.no']}W"}
    if drive.does("announce"):
        drive.expect("announce", *TAKEN)
    if drive.does("withhold"):
        is_signed = bool(drive.channel.operations["withhold"].checks)
        for letter, fault in (("U", "error_done"), ("V", "forged_answer"))[:1 + is_signed]:
            _unknown(drive, "withhold", fault, payment__no=f"{drive.facts['payment.no']}{letter}")
        drive.expect("withhold", *TAKEN, **deduction)
        if drive.tells("payment_no"):
            drive.hears("payment_no", deduction["payment__no"], "succeeded")
        asks = "withhold_query" if drive.does("withhold_query") else "query"
        if drive.does(asks):
            drive.until(asks, "succeeded", **deduction)
    if drive.does("unsign"):
        drive.expect("unsign", "ended", *TAKEN)
        if drive.does("withhold"):
            drive.expect("withhold", *REFUSED, payment__no=f"{drive.facts['payment.no']}X")
            drive.step("nothing is deducted afterwards")


def charge(drive: Drive) -> None:
    drive.expect("charge", *TAKEN)
    if drive.tells("upstream_no"):
        drive.hears("upstream_no", drive.facts["upstream.no"], "succeeded")
    if drive.does("query"):
        drive.until("query", "succeeded")


def charge_unknown(drive: Drive) -> None:
    _unknown(drive, "charge", "error_done")
    if drive.does("query"):
        drive.until("query", "succeeded", "pending", "accepted")


def invoice(drive: Drive) -> None:
    drive.expect("invoice", *TAKEN)
    if drive.tells("invoice_no"):
        drive.hears("invoice_no", drive.facts["invoice.no"], "succeeded")
    if drive.does("invoice_query"):
        drive.until("invoice_query", "succeeded")
    if drive.does("red_invoice"):
        no = drive.facts["invoice.no"]
        drive.expect("red_invoice", *TAKEN, invoice__no=f"{no}R", invoice__original_no=no)


def shop_order(drive: Drive) -> None:
    sold = drive.ground.control("POST", f"shop/{drive.channel.id}/orders", {
        "item": "X1", "amount_minor": 4000, "quantity": 1, "phone": "13800138000"})
    drive.facts["shop.order_no"] = sold["no"]
    drive.hears("shop_order_no", sold["no"], "succeeded")
    if drive.does("query"):
        said = drive.expect("query", "succeeded").fields
        drive.facts["shop.item_nos"] = [item.get("number") for item in said.get("items", ())]
    if drive.does("deliver"):
        drive.expect("deliver", "succeeded", "accepted")


def said(operation: str) -> Callable[[Drive], None]:
    return lambda drive: drive.expect(operation, *TAKEN) and None


DRILLS = (
    Drill("pay", ("pay",), pay),
    Drill("the notice, three times", ("pay",), repeated_notice),
    Drill("two successes", ("pay",), two_events),
    Drill("a forged notice", ("pay",), forged_notice),
    Drill("a wrong amount", ("pay",), wrong_amount),
    Drill("an outcome nobody knows", ("pay",), unknown_outcome),
    Drill("a forged answer", (), forged_answer),
    Drill("a number nobody knows", ("query",), nobody_knows),
    Drill("refund", ("pay", "refund"), refund),
    Drill("refund, outcome unknown", ("pay", "refund"), refund_unknown),
    Drill("close", ("pay", "close"), close),
    Drill("a day's statement", ("pay", "statement"), days_statement),
    Drill("sign, withhold, unsign", ("sign",), lambda drive: contract(drive, "sign")),
    Drill("pay and sign, withhold, unsign", ("pay_and_sign",), lambda drive: contract(drive, "pay_and_sign")),
    Drill("charge", ("charge",), charge),
    Drill("charge, outcome unknown", ("charge",), charge_unknown),
    Drill("invoice", ("invoice",), invoice),
    *(Drill(name, (name,), said(name)) for name in ("send", "notify", "transfer", "split")),
)
SHOP = Drill("an order of the shop", (), shop_order)
