"""Time in the sandbox: buyers pay, suppliers deliver, notices go out and are repeated until they are taken."""
from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import urllib3

from engine.base import clock

from . import speaking
from .side import Side
from .state import Row, State
from .telling import Teller

_log = logging.getLogger("salewright.sandbox")

WAITS_S = (0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600)     # before each further delivery of a notice
TIMEOUT_S = 5.0
_IDLE_S = 0.2


class Timekeeper:
    """One thread that watches what is due and a few that deliver notices. `stop` waits for what is under way."""

    def __init__(self, state: State, teller: Teller):
        self._state, self._teller = state, teller
        self._news = threading.Event()
        self._ended = threading.Event()
        self._under_way: set[int] = set()
        self._http = urllib3.PoolManager(num_pools=16, maxsize=8, retries=False, timeout=TIMEOUT_S)
        self._pool = ThreadPoolExecutor(8, "sandbox-notice")
        self._thread = threading.Thread(target=self._run, name="sandbox-time", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._news.set()

    def stop(self) -> None:
        self._ended.set()
        self._news.set()
        self._thread.join(TIMEOUT_S)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.clear()
            for row in self._state.due():
                if row["id"] not in self._under_way:
                    self._under_way.add(row["id"])
                    self._pool.submit(self._do, row)
            self._news.wait(self._wait_s())

    def _wait_s(self) -> float:
        at_ms = self._state.next_due_ms()
        if at_ms is None:
            return _IDLE_S
        left_s = (at_ms - clock.now_ms()) / 1000
        return min(_IDLE_S, left_s) if left_s > 0 else 0.2      # what is due already is under way, and its end wakes us

    def _do(self, row: Row) -> None:
        try:
            deed = self._state.by_id(row["deed"])
            side = self._teller.sides().get(deed["channel"]) if deed else None
            if deed is None or side is None:
                self._state.done(row["id"])
            elif row["kind"] == "end":
                self._teller.end(side, deed, row["detail"]["state"])
                self._state.done(row["id"])
            else:
                self._deliver(side, deed, row)
        except Exception:
            _log.exception("what was due could not be done")
            self._state.put_off(row["id"], 30, **row["detail"])
        finally:
            self._under_way.discard(row["id"])
            self._news.set()

    def _deliver(self, side: Side, deed: Row, row: Row) -> None:
        detail = row["detail"]
        attempt = detail.get("attempt", 1)
        try:
            event, url, state, said = self._teller.compose(side, deed, detail)
        except speaking.CannotSay as error:
            _log.info("no notice: %s", error, extra={"channel": side.id, "kind": deed["kind"], "state": detail["state"]})
            self._state.done(row["id"])
            return
        taken, answer = self._post(side, event, url, said)
        self._state.record(deed["id"], event, state, attempt, answer, taken)
        if taken or attempt >= detail.get("attempts_max", len(WAITS_S)):
            self._state.done(row["id"])
        else:
            self._state.put_off(row["id"], WAITS_S[attempt - 1], **{**detail, "attempt": attempt + 1})

    def _post(self, side: Side, event: str, url: str, said: speaking.Said) -> tuple[bool, str]:
        try:
            reply = self._http.request("POST", url, body=said.body, headers=said.headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            return False, type(error).__name__
        text = f"{reply.status} {reply.data[:200].decode(errors='replace')}"
        return speaking.acknowledged(side, event, reply.status, reply.data), text
