"""Endpoints of operation: is the process alive, can it serve, and how is it doing."""
from __future__ import annotations

import peewee

from .. import store
from ..base.errors import Code, Refusal
from ..config.live import live
from . import auth, metrics
from .endpoint import Answer, Call, endpoint
from .schema import choice, named, thing, whole

ALIVE = named("Alive", thing("存活", "The process answers", {"status": choice("状态", "Status", "ok")}, "*"))
READY = named("Ready", thing("就绪", "The process can serve", {
    "status": choice("状态", "Status", "ok"), "release": whole("配置版本", "The live release", 1)}, "*"))


@endpoint("GET", "/healthz", "operating.healthz", ("存活检查", "Alive"), who="anyone", answers={200: ALIVE})
def healthz(call: Call) -> Answer:
    """The process answers; nothing else is looked at."""
    return Answer({"status": "ok"})


@endpoint("GET", "/readyz", "operating.readyz", ("就绪检查", "Ready"), who="anyone", answers={200: READY}, refusals=(Code.NOT_READY,))
def readyz(call: Call) -> Answer:
    """The databases answer and are migrated, and a release is live: traffic may come."""
    lacking = [{"path": name, "found": found} for name, found in _lacking()]
    if lacking:
        raise Refusal(Code.NOT_READY, "; ".join(f"{d['path']}: {d['found']}" for d in lacking), lacking)
    return Answer({"status": "ok", "release": live.catalog().release_no})


def _lacking() -> list[tuple[str, str]]:
    found = []
    for name, db in store.LOGICAL.items():
        try:
            store.query(db, "SELECT 1")
        except (peewee.OperationalError, peewee.InterfaceError):
            db.close()
            found.append((name, "the database does not answer"))
    if not found and (pending := store.pending()):
        found.append(("migrations", f"not applied: {', '.join(pending)}"))
    try:
        live.catalog()
    except Refusal:
        found.append(("release", "none is live"))
    return found


@endpoint("GET", "/metrics", "operating.metrics", ("指标", "Metrics"), who="anyone", answers={200: None},
          refusals=(Code.UNAUTHENTICATED, Code.FORBIDDEN))
def show_metrics(call: Call) -> Answer:
    """Figures for Prometheus. Free to this machine; from elsewhere a key with the scope `ops` is needed."""
    asked = call.asked
    if asked.header("x-forwarded-for") or asked.header("forwarded") or not auth.is_loopback(asked.peer):
        auth.by_key(asked).need("ops")
    return Answer(raw=metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})
