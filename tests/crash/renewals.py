"""A worker, an API and a channel's other side for crash tests of contracts. The channel is in the test's own process: what it
took is known for certain, whoever dies."""
from __future__ import annotations

import threading
from typing import Any

from engine import sale, signing, startup, store
from engine.audit import invariants
from engine.base import clock, settings
from engine.config import releases
from engine.config.live import live
from engine.pay import contracts, payments
from engine.settling import apply_payment
from engine.trade import buyers
from tests.api.shop import Gateway, write_secrets
from tests.api.test_contracting import SHOP
from tests.support.processes import Process, Processes, free_ports

MONTH_MS = 31 * 86_400_000


class Vault:
    """The other side: it deducts once a number of ours, whatever is repeated, and knows contracts that have ended."""

    def __init__(self, gateway: Gateway):
        self.taken: dict[str, dict[str, Any]] = {}
        self.refuse_first, self.ended, self._lock = 0, [], threading.Lock()
        gateway.says("POST", "/vault/deductions", self._deduct)
        gateway.says("GET", "/vault/payments/", self._told)
        gateway.says("POST", "/vault/contracts/", self._end)
        gateway.says("POST", "/texts", lambda path, body: (200, {}))

    def _deduct(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        with self._lock:
            if body["no"] not in self.taken:
                state = "FAILED" if len(self.taken) < self.refuse_first else "PAID"
                self.taken[body["no"]] = {"shop": "S1", "no": body["no"], "id": f"D-{body['no']}", "contract": body["contract"],
                                          "amount": int(body["amount"]), "state": state, "why": "empty"}
            return 200, self.taken[body["no"]]

    def _told(self, path: str, body: Any) -> tuple[int, Any]:
        known = self.taken.get(path.rsplit("/", 1)[1])
        return (200, known) if known else (404, {"why": "never heard of it"})

    def _end(self, path: str, body: Any) -> tuple[int, Any]:
        self.ended.append(path)
        return 200, {"shop": "S1"}

    def money(self) -> int:
        """How often it has taken money."""
        return sum(1 for each in self.taken.values() if each["state"] == "PAID")


class Contracting:
    """Databases with a contract whose next period is due now, and processes that see to it."""

    def __init__(self, processes: Processes, gateway: Gateway, monkeypatch: Any, folder: Any):
        self.processes, self.vault, self.port = processes, Vault(gateway), free_ports(3)
        self.crashed = folder / "crashed"
        monkeypatch.setenv("SALEWRIGHT_SANDBOX_URL", gateway.url)
        self.env = {"SALEWRIGHT_SANDBOX_URL": gateway.url, "SALEWRIGHT_PORT": str(self.port), "SALEWRIGHT_SWEEP_EVERY_S": "1",
                    "SALEWRIGHT_JOB_LEASE_S": "2", "SALEWRIGHT_CALL_LEASE_S": "2", "SALEWRIGHT_ASK_AFTER_S": "1",
                    "SALEWRIGHT_LOG_LEVEL": "WARNING"}
        write_secrets(settings.secrets_dir())
        releases.publish(dict(SHOP), "tests", "tests", startup.vocabulary(), base_no=0)
        startup.start("tests")
        self.worker: Process | None = None

    def ordered(self, ago_ms: int = MONTH_MS) -> dict[str, Any]:
        """An order with a contract to be signed, placed some time ago."""
        clock.set_to(clock.now_ms() - ago_ms)
        with store.transaction():
            buyers.put("b1", phone="13800000001", tags=[])
        order = sale.place("club", items=[{"sku": "pass/monthly", "quantity": 1}], buyer_id="b1", pay_by={"channel": "vault"})
        return contracts.of_order(order["no"])

    def signed(self) -> dict[str, Any]:
        """A contract whose second period is due."""
        contract = self.ordered()
        payment = payments.find(contract["payment_no"])
        apply_payment(payment["no"], {"state": "succeeded", "channel_no": "W1"}, "tests")
        signing.apply(contract["no"], {"state": "signed", "channel_contract_no": f"A-{contract['no']}"}, "tests")
        clock.set_to(None)
        return contract

    def start(self, role: str, crash_at: str = "") -> Process:
        crash = {"SALEWRIGHT_CRASH_AT": crash_at, "SALEWRIGHT_CRASH_ONCE": str(self.crashed)} if crash_at else {}
        self._crash = crash
        return self.processes.run_py(role, env={**self.env, **crash})

    def work(self, crash_at: str = "") -> None:
        self.worker = self.start("worker", crash_at)

    def keep_up(self) -> None:
        if self.worker is not None and self.worker.popen.poll() is not None:
            self.worker = self.processes.run_py("worker", env={**self.env, **self._crash})

    def period(self, contract: dict[str, Any], n: int = 2) -> dict[str, Any]:
        self.keep_up()
        return contracts.period(contract["no"], n) or {"state": "none", "tries": 0}

    def violations(self) -> list[str]:
        live.look()
        return [str(v) for v in invariants.violations()]
