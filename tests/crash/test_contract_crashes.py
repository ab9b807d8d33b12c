"""kill -9 at every named crash point of a contract's life, then on: each period is deducted once, each end is told."""
from __future__ import annotations

import json

import pytest

from engine import signing
from engine.pay import contracts, payments
from tests.api.shop import Gateway
from tests.crash.machine import count, request
from tests.crash.renewals import Contracting
from tests.support.waiting import wait_until

RENEWING = ("contract.opened", "withhold.before_commit", "withhold.intent_committed", "withhold.called")
ALSO = ("notice.before_commit", "notice.after_commit", "outbox.leased", "outbox.done_before_commit")    # on the same way
FAILING, ENDING, SIGNING = ("withhold.failed",), ("unsign.before_call",), ("signed.before_commit",)
POINTS = (*RENEWING, *FAILING, *ENDING, *SIGNING)


@pytest.fixture
def contracting(database, processes, monkeypatch, tmp_path):
    gateway = Gateway()
    yield Contracting(processes, gateway, monkeypatch, tmp_path)
    gateway.close()


@pytest.mark.slow
@pytest.mark.parametrize("point", RENEWING + ALSO)
def test_a_period_is_deducted_once(contracting, point):
    contract = contracting.signed()
    contracting.work(point)
    wait_until(lambda: contracting.period(contract)["state"] == "paid", "the second period", 60)
    wait_until(lambda: contracting.keep_up() or contracting.crashed.exists(), f"a process at {point}", 10)
    wait_until(lambda: contracting.keep_up() or not count("SELECT COUNT(*) FROM outbox WHERE task = 'contract.advance'"), "no job", 20)
    assert contracting.vault.money() == 1 and contracts.find(contract["no"])["paid_n"] == 2
    assert count("SELECT COUNT(*) FROM contract_period") == 2 and count("SELECT COUNT(*) FROM trade_order") == 2
    assert count("SELECT COUNT(*) FROM payment_order WHERE state = 'succeeded'") == 2
    assert contracting.violations() == []


@pytest.mark.slow
@pytest.mark.parametrize("point", FAILING)
def test_a_failure_is_counted_once(contracting, point):
    contract = contracting.signed()
    contracting.vault.refuse_first = 9
    contracting.work(point)
    wait_until(lambda: contracting.period(contract)["state"] == "failed" and contracting.crashed.exists(), "the failure", 60)
    wait_until(lambda: contracting.keep_up() or not count("SELECT COUNT(*) FROM outbox WHERE task = 'contract.advance'"), "no job", 20)
    period = contracting.period(contract)
    assert (period["tries"], len(contracting.vault.taken)) == (1, 1) and contracts.find(contract["no"])["state"] == "overdue"
    assert contracting.violations() == []


@pytest.mark.slow
@pytest.mark.parametrize("point", ENDING)
def test_the_channel_is_told_of_the_end(contracting, point):
    contract = contracting.signed()
    signing.terminate(contract["no"], "no longer wanted")
    contracting.work(point)
    wait_until(lambda: contracting.keep_up() or contracts.find(contract["no"])["unsigned"], "the channel's word", 60)
    assert contracting.crashed.exists() and len(contracting.vault.ended) == 1 and not contracting.vault.taken
    assert contracting.violations() == []


@pytest.mark.slow
@pytest.mark.parametrize("point", SIGNING)
def test_a_signature_is_applied_once(contracting, point):
    contract = contracting.ordered(ago_ms=0)
    api = contracting.start("api", point)
    api.wait_healthy(contracting.port)
    raw = json.dumps({"shop": "S1", "no": contract["no"], "contract": "A-1", "state": "IN_FORCE"}).encode()

    def told() -> bool:
        try:                                   # as senders do: again, until it is taken
            return request(contracting.port, "POST", "/v1/notices/vault/signed", raw,
                           {"Content-Type": "application/json", **Gateway.signed(raw)})[0] == 200
        except OSError:
            return False
    wait_until(told, "a word that is taken", 30)
    assert contracting.crashed.exists() and contracts.find(contract["no"])["state"] == "signed"
    assert count("SELECT COUNT(*) FROM state_log WHERE machine = 'contract' AND to_state = 'signed'") == 1
    assert payments.find(contract["payment_no"])["state"] == "pending"
    assert contracting.violations() == []


@pytest.mark.slow
def test_two_workers_deduct_once(contracting):
    """Both look at the same contract at the same time, again and again."""
    contract = contracting.signed()
    contracting.work()
    other = contracting.start("worker")
    wait_until(lambda: contracting.period(contract)["state"] == "paid", "the second period", 60)
    assert contracting.vault.money() == 1 and other.popen.poll() is None
    assert contracting.violations() == []
