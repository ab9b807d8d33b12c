"""A shop whose buyers sign at a running sandbox process, through the catalogue's own channel files. Engine and interface are in
this process, the other side in its own; months pass for both.

    shop = Agreements(processes, folder)
    contract = shop.signed("alipay-agreement", "with_payment")
    shop.until(shop.due(contract))             # everything that is due until then is done, in its time, on both sides
"""
from __future__ import annotations

import sqlite3
import threading
import uuid
from contextlib import closing
from typing import Any, Mapping
from urllib.parse import urlsplit

from werkzeug.serving import WSGIRequestHandler, make_server

from engine import startup, store
from engine.api import keys
from engine.api.app import create_app
from engine.audit import invariants
from engine.base import clock, settings
from engine.config import releases
from engine.deliver import entitlements
from engine.flow import outbox
from engine.pay import contracts, payments
from engine.workers.jobs import OVERDUE
from tests.crash.machine import request
from tests.support.contract_files import CONTRACT_FILES
from tests.support.contracting import next_ms
from tests.support.processes import LOOPBACK, ROOT, Processes, free_ports
from tests.support.shop_files import FILES
from tests.support.waiting import wait_until

CHANNELS = ("alipay-agreement", "wechat-papay")
SKU = "pass/monthly"                           # 30.00, then 25.00 a month, from the fourth period on 28.00
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
_PASS = CONTRACT_FILES["products/pass.yaml"].replace("    renewal_price: 25.00\n", "    renewal_price: 25.00\n    notice_before: 3d\n")
_SCENE = CONTRACT_FILES["scenes/club.yaml"].replace("[standing, signet, wallet]", f"[{', '.join(CHANNELS)}]")


def catalogue() -> dict[str, str]:
    """The tests' shop, paid through the catalogue's own files; their examples are run elsewhere."""
    real = {f"channels/{name}.yaml": (ROOT / "channels" / f"{name}.yaml").read_text().partition("\nexamples:")[0] + "\n"
            for name in ("alipay-page", *CHANNELS)}
    return {**FILES, **CONTRACT_FILES, **real, "scenes/club.yaml": _SCENE, "products/pass.yaml": _PASS}


class _Quiet(WSGIRequestHandler):
    def log_request(self, *args: Any) -> None:
        """Nothing."""


class Agreements:
    """The shop, its buyers, its calendar. `pay_after_s`: what the sandbox's buyers and deductions take; 0: a deduction's
    outcome is in the answer."""

    def __init__(self, processes: Processes, monkeypatch: Any, pay_after_s: float = 0.02):
        port = free_ports(3)
        for name, value in (("PORT", str(port)), ("ASK_AFTER_S", "15"), ("LOG_LEVEL", "ERROR")):
            monkeypatch.setenv(f"SALEWRIGHT_{name}", value)
        self.port, self.sandbox_port = port, port + 2
        releases.publish(catalogue(), "tests", "tests", startup.vocabulary(), base_no=0)
        self._processes, self._env = processes, {"SALEWRIGHT_PORT": str(port), "SALEWRIGHT_LOG_LEVEL": "WARNING",
                                                 "SALEWRIGHT_SECRETS_DIR": str(settings.secrets_dir())}
        self.sandbox = processes.run_py("sandbox", env=self._env)
        startup.start("tests")
        keys.forget()
        self.key = keys.create("tests", keys.SCOPES)
        self._server = make_server(LOOPBACK, port, create_app(), request_handler=_Quiet)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.sandbox.wait_healthy(self.sandbox_port)
        self.gateway("POST", "settings", {"pay_after_s": pay_after_s})

    def stop_the_channel(self) -> None:
        self.sandbox.kill9()

    def start_the_channel(self) -> None:
        self.sandbox = self._processes.run_py("sandbox", env=self._env)
        self.sandbox.wait_healthy(self.sandbox_port)

    def _serve(self) -> None:
        self._server.serve_forever(0.05)
        for db in store.LOGICAL.values():
            db.close()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()

    # ── asking ──

    def api(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}", "Idempotency-Key": uuid.uuid4().hex}
        status, answer = request(self.port, method, path, body, headers)
        assert status < 300, (method, path, status, answer)
        return answer

    def gateway(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = request(self.sandbox_port, method, f"/_sandbox/{path}", body, {"Content-Type": "application/json"})
        assert status < 300, (method, path, status, answer)
        return answer

    def fault(self, fault: str, **more: Any) -> None:
        self.gateway("POST", "faults", {"fault": fault, **more})

    # ── buyers ──

    def ordered(self, channel: str, sign: str, sku: str = SKU) -> dict[str, Any]:
        """A buyer has asked for a contract, and done at the terminal what one does there."""
        buyer = f"b{uuid.uuid4().hex[:8]}"
        self.api("PUT", f"/v1/buyers/{buyer}", {"phone": "13800000001"})
        shown = self.api("POST", "/v1/contracts", {"scene": "club", "sku": sku, "buyer": {"id": buyer}, "channel": channel, "sign": sign})
        client = shown["order"]["payment"]["client"]
        if "redirect" in client:
            address = urlsplit(client["redirect"])
            assert request(self.sandbox_port, "GET", f"{address.path}?{address.query}", None, {})[0] == 302
        elif "text" in client:
            self.gateway("POST", f"app/{channel}", client)
        return contracts.find(shown["contract"]["no"])

    def signed(self, channel: str, sign: str = "with_payment", sku: str = SKU) -> dict[str, Any]:
        """A contract in force, its first period paid."""
        contract = self.ordered(channel, sign, sku)
        return self.wait(contract, "active")

    def wait(self, contract: Mapping[str, Any], state: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            self.settle()
            found = contracts.find(contract["no"])
            return found if found["state"] == state else None
        return wait_until(look, f"contract {contract['no']} {state}; it is {contracts.find(contract['no'])['state']}")

    # ── looking ──

    @staticmethod
    def now(contract: Mapping[str, Any]) -> dict[str, Any]:
        return contracts.find(contract["no"])

    def due(self, contract: Mapping[str, Any]) -> int:
        """When the next period begins, as far as is known now."""
        return self.now(contract)["paid_until_ms"]

    @staticmethod
    def periods(contract: Mapping[str, Any]) -> list[dict[str, Any]]:
        return contracts.periods(contract["no"])

    def states(self, contract: Mapping[str, Any]) -> list[str]:
        return [period["state"] for period in self.periods(contract)]

    def in_force(self, contract: Mapping[str, Any]) -> bool:
        return any(row["right"] == "lounge" for row in entitlements.of_buyer(contract["buyer_id"], only_now=True))

    def told(self, contract: Mapping[str, Any]) -> list[str]:
        """What the buyer was told by us of renewals, in order."""
        numbers = [p["order_no"] for p in self.periods(contract)]
        return [row[0] for row in store.query(store.trade, "SELECT template FROM message WHERE order_no IN "
                                              f"({', '.join('?' * len(numbers))}) ORDER BY created_at_ms, no", numbers)]

    @staticmethod
    def moves(no: str) -> list[tuple[str, str]]:
        """[(state, cause)] of a contract, a period or a payment, in order."""
        return [tuple(row) for row in store.query(store.trade, "SELECT to_state, cause FROM state_log WHERE no = ? ORDER BY id", [no])]

    def attempts(self, contract: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
        return payments.of_order(contracts.period(contract["no"], n)["order_no"])

    def at_the_channel(self, contract: Mapping[str, Any]) -> dict[str, Any]:
        """The contract as the channel has it."""
        found, = self.gateway("GET", f"contracts?channel={contract['channel_id']}&no={contract['no']}")["items"]
        return found

    def taken(self) -> list[dict[str, Any]]:
        """Every payment and deduction that the channels made, the oldest first."""
        return [row for row in reversed(self.gateway("GET", "payments")["items"]) if row["state"] == "succeeded"]

    def prove(self) -> None:
        """The books are in order, and what the channels took and kept is what the paid periods cost."""
        self.settle()
        assert [str(violation) for violation in invariants.violations()] == []
        back = {row["parent_no"]: row["amount_minor"] for row in self.gateway("GET", "refunds")["items"] if row["state"] == "succeeded"}
        kept = {row["no"]: row["amount_minor"] for row in self.taken() if row["no"] not in back}
        paid = {row["payment_no"]: row["amount_minor"] for row in store.many(contracts.ContractPeriod, state="paid")}
        assert kept == paid and all(row["amount_minor"] == back[row["no"]] for row in self.taken() if row["no"] in back)

    # ── time ──

    def until(self, at_ms: int) -> None:
        """Let time pass on both sides: at each moment at which something is due, it is done."""
        while True:
            self.settle()
            known = [moment for moment in (next_ms("contract", "payment_order"), self._due_there()) if moment is not None]
            if not known or min(known) > at_ms:
                break
            self._pass_to(min(known))
        self._pass_to(at_ms)
        self.settle()

    def month(self, contract: Mapping[str, Any]) -> None:
        """Until the next period has begun, a minute ago."""
        self.until(self.due(contract) + 60_000)

    def _pass_to(self, at_ms: int) -> None:
        clock.let_pass(max(0, at_ms - clock.now_ms()) / 1000 + 0.001)

    def settle(self) -> None:
        """What workers do at a moment, until the channels have nothing to tell either."""
        def quiet() -> bool:
            for kind in OVERDUE:
                for no in kind.due(1000):
                    kind.do(no)
            while outbox.drain():
                pass
            known = [moment for moment in (next_ms("contract", "payment_order"), self._due_there()) if moment is not None]
            return not known or min(known) > clock.now_ms()
        wait_until(quiet, "both sides have nothing to do")

    @staticmethod
    def _due_there() -> int | None:
        """When the sandbox does something next by itself."""
        with closing(sqlite3.connect(settings.data_dir() / "sandbox.db", timeout=5)) as db:
            return db.execute("SELECT MIN(at_ms) FROM due").fetchone()[0]


__all__ = ["Agreements", "CHANNELS", "DAY_MS", "HOUR_MS", "SKU"]
