"""What channels say about payments and refunds is applied once each, whatever is repeated, reordered, late or wrong."""
from __future__ import annotations

import pytest

from engine import runs, sale, settling, store, wire
from engine.base import clock
from engine.base.errors import Code
from engine.deliver import entitlements
from engine.flow import executor, journal, outbox
from engine.flow.journal import FlowRun
from engine.ledger import postings
from engine.pay import channels, notices, payments, refunds
from engine.trade import buyers, orders
from tests.support.selling import ABSENT, PAID, SILENT, UNREACHABLE, Outcome, order, payment, refused, shop
from tests.support.together import at_once, errors

__all__ = ["shop"]


@pytest.fixture
def placed(shop):
    return sale.place("app", items=shop.items("card/month"), buyer_id=shop.buyer())


@pytest.fixture
def attempt(shop, placed):
    return sale.pay(placed["no"], "wallet")


def posted():
    return [t["event"] for t in store.many(postings.LedgerTransaction, order_by="event")]


def balance(*account):
    return postings.balance(":".join(account), "CNY")


def entitled(order_no):
    return len(entitlements.of_order(order_no))


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_the_same_notice_again(shop, placed, attempt):
    assert shop.notice(attempt) == "applied"
    assert shop.notice(attempt) == "repeated"
    assert shop.notice(attempt, key="another delivery") == "nothing_new"
    assert entitled(placed["no"]) == 2 and posted() == [f"order:{placed['no']}:paid"]


def test_sixteen_notices_at_once_have_one_effect(shop, placed, attempt):
    verdicts = at_once(lambda n: shop.notice(attempt), range(16))
    assert sorted(verdicts, key=str) == ["applied"] + ["repeated"] * 15
    assert entitled(placed["no"]) == 2 and posted() == [f"order:{placed['no']}:paid"]
    assert buyers.find(placed["buyer_id"])["orders_paid"] == 1


def test_sixteen_different_notices_of_one_payment_have_one_effect(shop, placed, attempt):
    verdicts = at_once(lambda n: shop.notice(attempt, key=f"k{n}"), range(16))
    assert sorted(verdicts, key=str) == ["applied"] + ["nothing_new"] * 15
    assert entitled(placed["no"]) == 2 and len(store.many(notices.NoticeReceived)) == 16


@pytest.mark.parametrize("wrong",
                         [{"amount_minor": 3999}, {"amount_minor": 4001}, {"amount_minor": 0}, {"currency": "USD"},
                          {"amount_minor": None}])
def test_a_notice_about_something_else_is_refused_and_forgotten(shop, placed, attempt, wrong):
    with refused(Code.NOTICE_REJECTED):
        shop.notice(attempt, **wrong)
    assert payment(attempt["no"])["state"] == "pending" and store.many(notices.NoticeReceived) == []
    assert shop.notice(attempt) == "applied"   # under the same key: the wrong one was not taken


def test_a_channel_speaks_of_its_own_payments_only(shop, placed, attempt):
    for other in ("counter", "desk", "supply"):
        with refused(Code.NOTICE_REJECTED, f"not of the channel {other}"):
            settling.apply_payment(attempt["no"], {"state": "succeeded", "amount_minor": 4000}, "notice",
                                   (other, "k", "paid"))
    assert payment(attempt["no"])["state"] == "pending" and store.many(notices.NoticeReceived) == []


def test_a_notice_of_a_payment_nobody_knows(shop):
    with refused(Code.PAYMENT_UNKNOWN):
        settling.apply_payment("P1", {"state": "succeeded"}, "notice", ("wallet", "k", "paid"))
    assert store.many(notices.NoticeReceived) == []


def test_the_time_of_payment_is_the_channels(shop, placed, attempt):
    shop.notice(attempt, paid_at_ms=clock.now_ms() - 5000)
    assert payment(attempt["no"])["succeeded_at_ms"] == clock.now_ms() - 5000
    assert order(placed["no"])["paid_at_ms"] == clock.now_ms()


@pytest.mark.parametrize("before, said, after, verdict", [
    ("pending", "failed", "failed", "applied"), ("pending", "closed", "closed", "applied"),
    ("pending", "pending", "pending", "nothing_new"), ("pending", "unknown", "pending", "nothing_new"),
    ("unknown", "pending", "pending", "applied"), ("unknown", "failed", "failed", "applied"),
    ("failed", "closed", "failed", "nothing_new"), ("closed", "failed", "closed", "nothing_new"),
    ("failed", "pending", "failed", "nothing_new")])
def test_what_becomes_of_an_attempt(shop, placed, before, said, after, verdict):
    if before == "unknown":
        shop.outside.answers["counter", "pay"] = SILENT
    made = sale.pay(placed["no"], "counter")
    if before in ("failed", "closed"):
        shop.notice(made, key="first", state=before)
    assert shop.notice(made, state=said) == verdict
    assert payment(made["no"])["state"] == after and order(placed["no"])["state"] == "awaiting_payment"


def test_an_attempt_that_is_still_open_is_named_and_asked_for_at_once(shop, placed):
    """Its pay call was not answered: the first word about it brings the channel's number, without which it can't be closed."""
    shop.outside.answers["counter", "pay"] = SILENT
    made = sale.pay(placed["no"], "counter")
    later = payment(made["no"])["ask_at_ms"]
    assert payment(made["no"])["channel_no"] is None and later > clock.now_ms()
    assert settling.apply_payment(made["no"], {"state": "pending", "channel_no": "C1"}, "asked the channel") == "applied"
    assert (payment(made["no"])["channel_no"], payment(made["no"])["ask_at_ms"]) == ("C1", later), "an answer asks nothing more"
    assert shop.notice(made, state="pending", channel_no="C2") == "nothing_new"
    assert payment(made["no"])["channel_no"] == "C1" and payments.due_to_ask() == [made["no"]]


@pytest.mark.parametrize("over", ["succeeded", "failed", "closed"])
def test_an_attempt_that_is_over_is_not_opened_by_a_late_word(shop, placed, over):
    made = sale.pay(placed["no"], "counter")
    shop.notice(made, key="first", state=over)
    shop.notice(made, key="late", state="pending", channel_no="C9")
    assert payment(made["no"])["state"] == over and payments.due_to_ask() == []
    assert payment(made["no"])["channel_no"] != "C9"


def test_a_success_after_failure_still_pays_an_order_that_waits(shop, placed, attempt):
    shop.notice(attempt, key="first", state="failed")
    shop.notice(attempt)
    assert order(placed["no"])["state"] == "completed" and payment(attempt["no"])["surplus_minor"] == 0
    assert store.many(refunds.Refund) == []


def test_an_order_that_is_over_its_time_but_not_closed_is_still_paid(shop, placed, attempt):
    clock.set_to(placed["expires_at_ms"] + 60_000)
    shop.notice(attempt)
    assert order(placed["no"])["state"] == "completed"


# ── money nobody has a claim on ──────────────────────────────────────────────────────────────────────────────────────

def test_money_for_a_closed_order_goes_back(shop, placed, attempt):
    sale.close(placed["no"], "nobody paid")
    assert shop.notice(attempt) == "applied"
    late = payment(attempt["no"])
    assert (late["state"], late["surplus_minor"], late["refunded_minor"]) == ("succeeded", 4000, 0)
    assert balance("channel_receivable", "wallet") == 4000 == -balance("refunds_payable", "wallet")
    shop.work()
    [refund] = refunds.of_order(placed["no"])
    assert (refund["state"], refund["amount_minor"], refund["channel_refund_no"]) == \
        ("succeeded", 4000, f"C{refund['no']}")
    assert payment(attempt["no"])["refunded_minor"] == 4000
    assert order(placed["no"])["state"] == "closed" and entitled(placed["no"]) == 0
    assert [balance(name, "wallet") for name in ("channel_receivable", "refunds_payable", "suspense")] == [0, 0, 0]
    facts = shop.outside.asked("wallet", "refund")[0]
    assert (facts["payment.no"], facts["refund.no"], facts["refund.amount_minor"]) == \
        (attempt["no"], refund["no"], 4000)


def test_two_attempts_that_are_both_paid(shop, placed, attempt):
    second = sale.pay(placed["no"], "counter")
    shop.notice(second)
    shop.notice(attempt)
    shop.work()
    assert payment(second["no"])["surplus_minor"] == 0 and payment(attempt["no"])["surplus_minor"] == 4000
    assert [(r["payment_no"], r["state"]) for r in refunds.of_order(placed["no"])] == [(attempt["no"], "succeeded")]
    assert order(placed["no"])["state"] == "completed" and entitled(placed["no"]) == 2


def test_two_attempts_paid_in_the_same_moment(shop, placed, attempt):
    second = sale.pay(placed["no"], "counter")
    verdicts = at_once(shop.notice, [attempt, second] * 4)
    assert verdicts.count("applied") == 2 and not errors(verdicts)
    assert sorted(payment(p["no"])["surplus_minor"] for p in (attempt, second)) == [0, 4000]
    assert len(refunds.of_order(placed["no"])) == 1 and entitled(placed["no"]) == 2


def test_the_channel_takes_money_twice_for_one_number(shop, placed, attempt):
    shop.notice(attempt)
    assert shop.notice(attempt, channel_no="W-second") == "applied"
    assert shop.notice(attempt, channel_no="W-second", key="again") == "nothing_new"
    shop.work()
    [twin] = store.many(payments.PaymentOrder, twin_of=attempt["no"])
    assert (twin["state"], twin["surplus_minor"], twin["refunded_minor"]) == ("succeeded", 4000, 4000)
    facts = shop.outside.asked("wallet", "refund")[0]
    assert (facts["payment.no"], facts["payment.channel_no"]) == (attempt["no"], "W-second")


def test_two_money_takings_told_at_once(shop, placed, attempt):
    verdicts = at_once(lambda n: shop.notice(attempt, key=f"k{n}", channel_no=f"W-{n % 2}"), range(8))
    assert verdicts.count("applied") == 2 and not errors(verdicts)
    assert len(store.many(payments.PaymentOrder)) == 2 and len(refunds.of_order(placed["no"])) == 1


def test_a_success_without_a_channels_number_and_its_notice_with_one_are_one(shop, placed, attempt):
    """The question's answer had no number; the notice that comes after brings it. Nobody was paid twice."""
    shop.outside.answers["wallet", "query"] = Outcome("succeeded", {"state": "succeeded"}, sent=True)
    settling.ask_payment(attempt["no"])
    assert payment(attempt["no"])["channel_no"] is None
    assert shop.notice(attempt) == "nothing_new"
    assert payment(attempt["no"])["channel_no"] == f"W-{attempt['no']}" and store.many(refunds.Refund) == []
    assert shop.notice(attempt, channel_no="W-second") == "applied"


# ── delivering that fails ────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def broken_grant(monkeypatch):
    """Granting fails as often as it is told to; the money must not care."""
    real, left = entitlements.grant, [0]

    def grant(*given):
        if left[0] > 0:
            left[0] -= 1
            raise ConnectionError("the entitlement centre is away")
        return real(*given)
    monkeypatch.setattr(entitlements, "grant", grant)
    return left


@pytest.mark.parametrize("scene", ["app", "bare"])
def test_a_delivery_that_fails_inside_its_notice_is_done_by_a_worker(shop, broken_grant, scene):
    placed = sale.place(scene, items=shop.items("card/month"), buyer_id=shop.buyer())
    attempt = sale.pay(placed["no"], "wallet")
    broken_grant[0] = 1
    assert shop.notice(attempt) == "applied"
    assert order(placed["no"])["state"] == "paid" and entitled(placed["no"]) == 0
    assert payment(attempt["no"])["state"] == "succeeded"
    assert shop.notice(attempt) == "repeated"
    shop.work()
    assert order(placed["no"])["state"] == "completed" and entitled(placed["no"]) == 2
    assert buyers.find(placed["buyer_id"])["orders_paid"] == 1


def test_a_delivery_that_goes_on_failing_waits_longer_each_time_and_is_given_up(shop, broken_grant, placed, attempt):
    broken_grant[0] = 99
    shop.notice(attempt)
    shop.work()
    run_no = f"{placed['no']}/paid"
    assert store.one(FlowRun, no=run_no)["state"] == "waiting"
    clock.advance(29)
    assert shop.work() == 0
    clock.advance(1)
    shop.work()
    assert store.one(FlowRun, no=run_no)["due_at_ms"] == clock.now_ms() + 60_000
    clock.advance(60)
    shop.work()
    assert store.one(FlowRun, no=run_no)["state"] == "failed" and order(placed["no"])["state"] == "paid"
    assert [s["state"] for s in journal.of(placed["no"], "paid")] == ["failed"] * 3
    broken_grant[0] = 0                        # mended; a person sends it round again
    assert executor.retry_failed(run_no, runs.HOST)
    shop.work()
    assert order(placed["no"])["state"] == "completed" and entitled(placed["no"]) == 2


def test_two_orders_delivered_by_workers_at_once_lose_no_day(shop, broken_grant):
    buyer = shop.buyer()
    made = [sale.place("app", items=shop.items("card/month"), buyer_id=buyer) for _ in range(6)]
    broken_grant[0] = len(made)
    for placed in made:
        shop.notice(sale.pay(placed["no"], "wallet"))
    assert broken_grant[0] == 0
    assert not errors(at_once(lambda p: executor.advance(f"{p['no']}/paid", runs.HOST), made))
    reports = sorted((e["starts_at_ms"], e["ends_at_ms"])
                     for e in entitlements.of_buyer(buyer) if e["right"] == "reports")
    assert len(reports) == 6 and all(earlier[1] == later[0] for earlier, later in zip(reports, reports[1:]))


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────────────────────

def test_a_payment_is_asked_for_less_and_less_often(shop, placed, attempt):
    assert payments.due_to_ask() == []
    waits = []
    for _ in range(4):
        clock.set_to(payment(attempt["no"])["ask_at_ms"])
        assert payments.due_to_ask() == [attempt["no"]]
        settling.ask_payment(attempt["no"])
        waits.append((payment(attempt["no"])["ask_at_ms"] - clock.now_ms()) // 1000)
    assert waits == [30, 60, 120, 240]
    shop.outside.answers["wallet", "query"] = PAID
    assert settling.ask_payment(attempt["no"]) == "succeeded" and order(placed["no"])["state"] == "completed"
    assert payments.due_to_ask() == []
    settling.ask_payment(attempt["no"])
    assert len(shop.outside.asked("wallet", "query")) == 5


@pytest.mark.parametrize("answer, after", [
    (UNREACHABLE, "pending"), (SILENT, "pending"), (ABSENT, "pending"), (Outcome("busy", sent=True), "pending"),
    # the question was refused (a wrong signature, say): that is no word on the payment
    (Outcome("failed", {"state": "failed", "error_code": "SIGN"}, reason="SIGN", sent=True, status=400), "pending"),
    (Outcome("failed", {"state": "failed", "payment_no": "ours"}, sent=True), "failed"),
    (Outcome("closed", {"state": "closed", "payment_no": "ours"}, sent=True), "closed")],
    ids=["unreachable", "silent", "absent", "busy", "question refused", "payment failed", "payment closed"])
def test_only_a_word_about_the_payment_ends_it(shop, placed, attempt, answer, after):
    shop.outside.answers["wallet", "query"] = answer
    clock.advance(3600)
    assert settling.ask_payment(attempt["no"]) == after


@pytest.mark.parametrize("over_by, after", [(0, "created"), (1, "failed")])
def test_a_pay_call_that_was_cut_off_is_given_up_when_the_channel_never_heard_of_it(shop, placed, over_by, after):
    class Cut(BaseException):
        pass
    shop.outside.answers["counter", "pay"] = lambda facts: (_ for _ in ()).throw(Cut())
    with pytest.raises(Cut):
        sale.pay(placed["no"], "counter")
    [made] = payments.of_order(placed["no"])
    assert made["state"] == "created"
    shop.outside.answers["counter", "query"] = ABSENT
    clock.advance(wire.operation_of(channels.get("counter"), "pay").timeout_s + settling.CALL_MARGIN_S + over_by)
    assert settling.ask_payment(made["no"]) == after


@pytest.mark.parametrize("answer",
                         [Outcome("succeeded", {"state": "succeeded", "amount_minor": 1}, sent=True),
                          RuntimeError("a secret is missing")],
                         ids=["another amount", "no secret"])
def test_an_answer_that_stuns_us_is_not_asked_for_again_at_once(shop, placed, attempt, answer):
    shop.outside.answers["wallet", "query"] = answer
    clock.set_to(payment(attempt["no"])["ask_at_ms"])
    with pytest.raises(Exception, match="amount is 1|a secret"):
        settling.ask_payment(attempt["no"])
    assert payments.due_to_ask() == [] and payment(attempt["no"])["state"] == "pending"


@pytest.mark.parametrize("answer, query, after", [
    (Outcome("closed", sent=True), None, "closed"), (ABSENT, None, "closed"),
    (Outcome("failed", reason="already paid", sent=True), PAID, "succeeded"),
    (UNREACHABLE, UNREACHABLE, "pending"), (SILENT, Outcome("closed", {"channel_no": "1"}, sent=True), "closed")],
    ids=["closed", "absent", "paid meanwhile", "unreachable", "lost answer"])
def test_closing_an_attempt(shop, placed, attempt, answer, query, after):
    shop.outside.answers["wallet", "close"] = answer
    if query:
        shop.outside.answers["wallet", "query"] = query
    try:
        settling.close_payment(attempt["no"])
    except outbox.Later as later:
        assert after == "pending" and later.wait_s == 30
    assert payment(attempt["no"])["state"] == after
    assert order(placed["no"])["state"] == ("completed" if after == "succeeded" else "awaiting_payment")


# ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────────

@pytest.fixture
def refund(shop, placed, attempt):
    """An approved refund that nobody has sent yet."""
    sale.close(placed["no"], "nobody paid")
    shop.notice(attempt)
    return refunds.of_order(placed["no"])[0]


def send(refund_no, after_s=24 * 3600):
    """Sent or asked for when its time has come."""
    clock.advance(after_s)
    return settling.send_refund(refund_no)


def test_a_refund_whose_answer_was_lost_is_asked_for_and_not_repeated(shop, refund):
    shop.outside.answers["wallet", "refund"] = SILENT
    assert settling.send_refund(refund["no"]) == "unknown"
    shop.outside.answers["wallet", "refund_query"] = lambda facts: Outcome(
        "succeeded", {"refund_no": facts["refund.no"], "channel_refund_no": "C9"}, sent=True)
    assert settling.send_refund(refund["no"]) == "unknown" and len(shop.outside.calls) == 1        # not yet
    assert send(refund["no"]) == "succeeded"
    assert len(shop.outside.asked("wallet", "refund")) == 1 and refunds.find(refund["no"])["channel_refund_no"] == "C9"
    assert send(refund["no"]) == "succeeded" and len(shop.outside.calls) == 2


def test_a_refund_the_channel_never_heard_of_is_sent_again(shop, refund):
    shop.outside.answers["wallet", "refund"] = [SILENT, Outcome("succeeded", sent=True)]
    settling.send_refund(refund["no"])
    shop.outside.answers["wallet", "refund_query"] = ABSENT
    assert send(refund["no"]) == "succeeded"
    assert [f["refund.no"] for f in shop.outside.asked("wallet", "refund")] == [refund["no"]] * 2


@pytest.mark.parametrize("answer", [UNREACHABLE, Outcome("busy", sent=True), Outcome("pending", sent=True)],
                         ids=["unreachable", "busy", "pending"])
def test_a_refund_that_could_not_be_sent_now_is_sent_later(shop, refund, answer):
    shop.outside.answers["wallet", "refund"] = [answer, Outcome("succeeded", sent=True)]
    shop.outside.answers["wallet", "refund_query"] = ABSENT
    assert settling.send_refund(refund["no"]) == "processing"
    assert refunds.due() == []
    clock.set_to(refunds.find(refund["no"])["ask_at_ms"])
    assert refunds.due() == [refund["no"]]
    assert settling.send_refund(refund["no"]) == "succeeded"


@pytest.mark.parametrize("answer, after", [
    (UNREACHABLE, "unknown"), (SILENT, "unknown"),
    (Outcome("failed", {"error_code": "SIGN"}, reason="SIGN", sent=True), "unknown"),
    (Outcome("failed", {"refund_no": "ours"}, reason="no such account", sent=True), "failed")],
    ids=["unreachable", "silent", "question refused", "refund failed"])
def test_only_a_word_about_the_refund_ends_it(shop, refund, answer, after):
    shop.outside.answers["wallet", "refund"] = SILENT
    settling.send_refund(refund["no"])
    shop.outside.answers["wallet", "refund_query"] = answer
    assert send(refund["no"]) == after
    assert len(shop.outside.asked("wallet", "refund")) == 1


def test_a_refund_that_the_channel_refuses_waits_for_a_person(shop, refund):
    shop.outside.answers["wallet", "refund"] = Outcome("failed", reason="the account is closed", sent=True)
    assert settling.send_refund(refund["no"]) == "failed"
    kept = refunds.find(refund["no"])
    assert kept["error"] == "the account is closed" and refunds.due() == []
    assert balance("refunds_payable", "wallet") == -4000           # still owed


def test_a_refunds_notice(shop, refund):
    shop.outside.answers["wallet", "refund"] = Outcome("pending", sent=True)
    settling.send_refund(refund["no"])
    told = {"payment_no": refund["payment_no"], "channel_refund_no": "C1", "amount_minor": 4000}
    with refused(Code.NOTICE_REJECTED, "not of the channel counter"):
        settling.apply_refund(refund["no"], "succeeded", told, "notice", ("counter", "r1", "refunded"))
    with refused(Code.NOTICE_REJECTED):
        settling.apply_refund(refund["no"], "succeeded", told | {"amount_minor": 1}, "notice",
                              ("wallet", "r1", "refunded"))
    assert settling.apply_refund(refund["no"], "succeeded", told, "notice", ("wallet", "r1", "refunded")) == "succeeded"
    assert settling.apply_refund(refund["no"], "succeeded", told, "notice", ("wallet", "r1", "refunded")) == "repeated"
    assert settling.apply_refund(refund["no"], "succeeded", told, "notice", ("wallet", "r2", "refunded")) == "succeeded"
    assert settling.apply_refund(refund["no"], "failed", told, "notice", ("wallet", "r3", "refunded")) == "succeeded"
    assert payment(refund["payment_no"])["refunded_minor"] == 4000


def test_a_refund_that_came_back_is_told_to_people(shop, refund, caplog):
    settling.send_refund(refund["no"])
    assert settling.apply_refund(refund["no"], "failed", {"reason": "no such account"}, "notice",
                                 ("wallet", "r3", "refund_failed")) == "succeeded"
    [line] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "has come back to us: no such account" in line.getMessage() and line.order == refund["order_no"]
    kept = store.one(orders.OrderDetail, order_no=refund["order_no"], kind="refund_came_back")
    assert kept["body"] == {"refund": refund["no"], "cause": "notice", "reason": "no such account"}


def test_a_refund_thought_failed_that_did_arrive(shop, refund):
    shop.outside.answers["wallet", "refund"] = Outcome("failed", reason="gateway", sent=True)
    settling.send_refund(refund["no"])
    settling.apply_refund(refund["no"], "succeeded", {}, "notice", ("wallet", "r1", "refunded"))
    assert payment(refund["payment_no"])["refunded_minor"] == 4000 and balance("refunds_payable", "wallet") == 0


def test_eight_workers_send_a_refund_once_in_effect(shop, refund):
    shop.outside.answers["wallet", "refund_query"] = lambda facts: Outcome(
        "succeeded", {"refund_no": facts["refund.no"], "channel_refund_no": "C9"}, sent=True)
    assert not errors(at_once(lambda n: settling.send_refund(refund["no"]), range(8)))
    assert len(shop.outside.asked("wallet", "refund")) == 1
    assert payment(refund["payment_no"])["refunded_minor"] == 4000


def test_a_refund_nobody_knows(shop):
    with refused(Code.REFUND_UNKNOWN):
        settling.apply_refund("R1", "succeeded", {}, "notice", ("wallet", "r1", "refunded"))
