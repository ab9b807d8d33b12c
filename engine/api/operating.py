"""Endpoints of operation: is the process alive, can it serve, and how is it doing."""
from __future__ import annotations

from typing import Any

import peewee

from .. import store
from ..base import clock
from ..base.errors import Code, Refusal
from ..config.live import live
from ..pay import health
from . import auth, metrics
from .endpoint import Answer, Call, endpoint
from .schema import choice, listed, moment, named, text, thing, whole

ALIVE = named("Alive", thing("存活", "The process answers", {"status": choice("状态", "Status", "ok")}, "*"))
READY = named("Ready", thing("就绪", "The process can serve", {
    "status": choice("状态", "Status", "ok"), "release": whole("配置版本", "The live release", 1),
    "left_out": listed("被摘除的渠道", "Channels that this process leaves out where others can stand for them", thing(
        "渠道操作", "A channel's operation", {
            "channel": text("渠道", "Channel", 64), "operation": text("操作", "Operation", 32),
            "state": choice("状态", "Until then, or to be tried once", "open", "half_open"),
            "why": text("原因", "What came of its calls", 200), "until": moment("截止时间", "Until")}, "*"))}, "status release"))


@endpoint("GET", "/healthz", "operating.healthz", ("存活检查", "Alive"), who="anyone", answers={200: ALIVE})
def healthz(call: Call) -> Answer:
    """The process answers; nothing else is looked at."""
    return Answer({"status": "ok"})


@endpoint("GET", "/readyz", "operating.readyz", ("就绪检查", "Ready"), who="anyone", answers={200: READY}, refusals=(Code.NOT_READY,))
def readyz(call: Call) -> Answer:
    """The databases answer and are migrated, and a release is live: traffic may come. To callers on this machine it also
    says which channels this process leaves out: they do not make it unready."""
    lacking = [{"path": name, "found": found} for name, found in _lacking()]
    if lacking:
        raise Refusal(Code.NOT_READY, "; ".join(f"{d['path']}: {d['found']}" for d in lacking), lacking)
    ready = {"status": "ok", "release": live.catalog().release_no}
    left_out = _left_out() if _from_this_machine(call.asked) else []
    return Answer({**ready, "left_out": left_out} if left_out else ready)


def _left_out() -> list[dict[str, Any]]:
    return [{"channel": look.channel_id, "operation": look.operation, "state": look.state, "why": look.sentence,
             "until": clock.rfc3339(look.until_ms)} for look in health.current() if look.state != health.CLOSED]


def _from_this_machine(asked: Any) -> bool:
    return not asked.header("x-forwarded-for") and not asked.header("forwarded") and auth.is_loopback(asked.peer)


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
    if not _from_this_machine(call.asked):
        auth.by_key(call.asked).need("ops")
    return Answer(raw=metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})
