"""`python -m bench.breakdown ORDERS`: what an order costs inside one process: statements, commits, and where its time goes.

The API's own application is called without a server, in one thread, so that nothing waits for anything but the disk. Prints
one line of JSON.
"""
from __future__ import annotations

import io
import json
import re
import sys
import time
from collections import Counter
from typing import Any, Callable

from engine import store
from engine.base import settings
from engine.flow import outbox

from .servers import FACTS_FILE
from .shops import EngineShop
from .stopwatch import Stopwatch

WARM_ORDERS, BATCH_ORDERS = 30, 15
TEXT_MAX = 90
CLIENT = "the client's own work"                # not the engine's: left out of the figures
WATCHED = {
    "HTTP: Flask, routing, headers": ("flask.app:Flask.__call__",),
    "log lines": ("logging:Logger._log",),
    "authentication, reading, validation": (
        "engine.api.endpoint:Endpoint.answer", "engine.api.auth:by_key", "engine.api.validation:Checker.check"),
    "answers": ("engine.api.views:quote", "engine.api.views:new_order", "engine.api.views:payment"),
    "channel: signing, verifying": ("engine.wire.operating:operate", "engine.wire.notices:receive", "engine.wire.notices:answer"),
    "quote": ("engine.sale:quote", "engine.quoting:price"),
    "order and payment": ("engine.sale:place", "engine.paying:begin", "engine.settling:apply_payment", "engine.runs:context_of_order"),
    "rules and coupons": ("engine.trade.coupons:apply", "engine.config.rules:RuleSet.matching"),
    "steps": ("engine.flow.executor:run_hooks",),
    "facts": ("engine.steps.context:SaleContext.facts", "engine.steps.context:base_facts"),
    "journal": ("engine.flow.executor:_input_hash", "engine.steps.context:SaleContext.journal", "engine.store.states:move"),
    "ledger": ("engine.ledger.postings:post",),
    "rows and SQL": ("engine.store.rows:insert", "engine.store.rows:many", "engine.store.rows:update", "engine.store.rows:query"),
    "JSON": ("engine.base.canon:dumps", "engine.base.canon:loads", "engine.base.canon:digest"),
    "database": ("engine.store.databases:_Sqlite.execute_sql", "engine.store.databases:_Postgres.execute_sql"),
    "begin and gate": ("engine.store.transaction:transaction.__enter__",),
    "commit": ("engine.store.transaction:transaction.__exit__", "engine.store.databases:_Sqlite.commit", "peewee:Database.commit"),
}


class Client:
    """Speaks to the application as a server would, with the load generator's own bytes."""

    def __init__(self, app: Callable, facts: dict[str, Any], secrets: str):
        self._app = app
        self._shop = EngineShop({"facts": facts, "port": settings.get_int("PORT"), "secrets": secrets})

    def buy(self) -> None:
        """A quote, an order and its notice."""
        script = self._shop.place()
        step = next(script)
        try:
            while True:
                step = script.send(self._ask(step[1]))
        except StopIteration:
            pass
        for notice in self._shop.sign():
            self._shop.noticed(*self._ask(notice))

    def _ask(self, data: bytes) -> tuple[int, bytes]:
        status: list[str] = []
        answer = self._app(environ(data), lambda text, headers, problem=None: status.append(text))
        try:
            return int(status[0][:3]), b"".join(answer)
        finally:
            getattr(answer, "close", lambda: None)()


def environ(data: bytes) -> dict[str, Any]:
    """A request's bytes as WSGI has them."""
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    found: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "SCRIPT_NAME": "", "REMOTE_ADDR": "127.0.0.1", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False}
    for line in lines:
        name, _, value = line.partition(": ")
        key = name.upper().replace("-", "_")
        found[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return found


def main(orders: int) -> dict[str, Any]:
    facts = json.loads((settings.data_dir() / FACTS_FILE).read_text(encoding="utf-8"))
    from engine.api.wsgi import app            # starts this process as an API process

    client = Client(app, facts, str(settings.secrets_dir()))
    for _ in range(WARM_ORDERS):
        client.buy()
    found = counted(client)
    seconds, calls, cpu_ms = quietest(client, max(1, orders // BATCH_ORDERS))
    parts = sorted(seconds.items(), key=lambda item: -item[1])
    return {**found, "database": "sqlite" if store.trade.is_sqlite else "postgresql",
            "ms_per_order": 1000 * sum(seconds.values()), "cpu_ms": cpu_ms,
            "parts": {part: {"us": 1e6 * s, "calls": calls[part]} for part, s in parts}}


def quietest(client: Client, batches: int) -> tuple[dict[str, float], dict[str, float], float]:
    """(seconds by part, calls by part, CPU in ms) of an order, in the batch that was disturbed least."""
    best: tuple[dict[str, float], dict[str, float], float] = {}, {}, 0.0
    with Stopwatch(WATCHED, rest=CLIENT) as watch:
        for _ in range(batches):
            watch.reset()
            cpu_before = time.process_time()
            for _ in range(BATCH_ORDERS):
                client.buy()
            watch.stop()
            cpu_s = time.process_time() - cpu_before - watch.seconds.pop(CLIENT)
            if not best[0] or sum(watch.seconds.values()) < sum(best[0].values()) * BATCH_ORDERS:
                best = ({part: s / BATCH_ORDERS for part, s in watch.seconds.items()},
                        {part: n / BATCH_ORDERS for part, n in watch.calls.items()}, 1000 * cpu_s / BATCH_ORDERS)
    return best


def counted(client: Client) -> dict[str, Any]:
    """Statements (BEGIN and COMMIT are not among them) and commits of one order, then of the worker's part."""
    drain()
    store.counts.reset(record=True)
    client.buy()
    texts = [text for text in store.counts.log if not text.startswith("BEGIN")]
    found = {"statements": len(texts), "commits": store.counts.commits,
             "texts": [(_short(text), count) for text, count in Counter(map(_short, texts)).items()]}
    store.counts.reset()
    drain()
    return {**found, "worker_statements": store.counts.statements, "worker_commits": store.counts.commits}


def drain() -> None:
    while outbox.drain():
        pass


def _short(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace('"', "").strip()[:TEXT_MAX]


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
