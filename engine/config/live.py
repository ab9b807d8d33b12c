"""The live catalogue of this process: frozen, swapped whole, read without touching database or disk.

`live.start(vocabulary, role)` loads the release in force and starts a thread that looks for a newer one. A release this
node can't compile is refused: the old one goes on serving, the node reports why, and the studio shows it.
`live.release(no)` is an older catalogue for things pinned to it, compiled once and kept while it is used. Catalogues share
what they have in common (`kept.py`), so a new one costs little time, and an older one little memory.
"""
from __future__ import annotations

import collections
import dataclasses
import logging
import os
import socket
import threading
import time
from typing import Any

import peewee

from .. import store
from ..base import clock, settings
from ..base.errors import Code, Refusal
from . import releases
from .catalog import Catalog
from .check import check
from .vocabulary import Vocabulary

PINNED_MAX = 16                                # older catalogues kept compiled
HEARTBEAT_S = 20
SILENT_S = 3600                                # a node not heard of for so long is forgotten
_log = logging.getLogger("salewright.releases")


class NodeReport(store.ContentTable):
    """What each running process thinks of the live release. ack: it serves it. reject: it serves `serving_no`."""
    node = peewee.CharField(max_length=120)    # host:pid
    role = peewee.CharField(max_length=24)     # api, console, worker …
    release_no = peewee.IntegerField()
    verdict = peewee.CharField(max_length=8)   # ack | reject
    reason = peewee.TextField()
    serving_no = peewee.IntegerField()         # 0: nothing
    at_ms = peewee.BigIntegerField()           # of the verdict
    seen_at_ms = peewee.BigIntegerField()      # last sign of life

    class Meta:
        primary_key = peewee.CompositeKey("node", "role")


class Live:
    """Holder of the catalogue in force. One instance (`live` below) serves a process; tests make their own."""

    def __init__(self) -> None:
        self._compiling = threading.Lock()     # one compilation at a time: two would only share a core
        self._keeping = threading.Lock()       # of `_pinned`, for moments: what is compiled waits for no compilation
        self._forget()

    def _forget(self) -> None:
        self._current: Catalog | None = None   # swapped in one assignment: readers need no lock
        self._vocabulary: Vocabulary | None = None
        self._role = ""
        self._pinned: collections.OrderedDict[int, Catalog | Refusal] = collections.OrderedDict()
        self._judged_no = 0                    # the live number last acknowledged or refused
        self._seen_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # for requests

    def catalog(self) -> Catalog:
        """The live catalogue. Refusal NOT_READY before the first release."""
        current = self._current
        if current is None:
            raise Refusal(Code.NOT_READY)
        return current

    def release(self, no: int) -> Catalog:
        """The catalogue of any release, for things pinned to it. Refusals RELEASE_UNKNOWN; CHECK_FAILED when this
        engine can't compile it any more."""
        current = self._current
        if current is not None and current.release_no == no:
            return current
        found = self._kept(no)
        if found is None:
            with self._compiling:
                found = self._kept(no) or self._keep(no, self._judged(no))
        if isinstance(found, Refusal):
            raise found
        return found

    def _kept(self, no: int) -> Catalog | Refusal | None:
        with self._keeping:
            if no in self._pinned:
                self._pinned.move_to_end(no)
            return self._pinned.get(no)

    def _keep(self, no: int, found: Catalog | Refusal) -> Catalog | Refusal:
        with self._keeping:
            self._pinned[no] = found
            self._pinned.move_to_end(no)
            while len(self._pinned) > PINNED_MAX:
                self._pinned.popitem(last=False)
        return found

    def _judged(self, no: int) -> Catalog | Refusal:
        files = releases.files(no)
        try:
            return self._compile(files, no)
        except Refusal as refusal:             # kept too: the code that can't compile it does not change meanwhile
            return refusal

    def _compile(self, files: releases.Files, no: int) -> Catalog:
        if self._vocabulary is None:
            raise RuntimeError("live.start() has not been called in this process")
        try:
            result = check(files, self._vocabulary, examples=False)
        except Exception as error:             # code that is older than the release may stumble anywhere
            _log.exception("release %s broke the compiler", no)
            raise Refusal(Code.CHECK_FAILED, f"release {no} can't be compiled here: {error!r}") from error
        if result.catalog is None:
            raise Refusal(Code.CHECK_FAILED, f"release {no} does not fit this engine: {result.problems[0]}",
                          [releases.as_detail(problem) for problem in result.problems])
        return dataclasses.replace(result.catalog, release_no=no)

    # following the pointer

    def start(self, vocabulary: Vocabulary, role: str) -> None:
        """Load what is live (if anything is) and follow it from now on. Once per process, after any fork."""
        if self._thread is not None:
            raise RuntimeError("live.start() was called twice")
        self._vocabulary, self._role = vocabulary, role
        self.look()
        self._thread = threading.Thread(target=self._follow, name="releases", daemon=True)
        self._thread.start()

    def load(self, vocabulary: Vocabulary) -> None:
        """What is live now, neither followed nor reported: for commands that look and end."""
        self._vocabulary = vocabulary
        no = releases.live_no()
        if no:
            self._current = self.release(no)

    def stop(self) -> None:
        """End the thread, take back this node's report and forget everything: it may be started anew."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
            store.delete(NodeReport, node=node_name(), role=self._role)
        self._forget()

    def _follow(self) -> None:
        every_s = float(settings.get("RELEASE_POLL_S"))
        lost = False
        while not self._stop.wait(every_s):
            try:
                self.look()
                if lost:
                    _log.info("the content database answers again")
                lost = False
            except (peewee.DatabaseError, peewee.InterfaceError) as error:
                store.content.close()          # a broken connection must not be asked again
                if not lost:
                    _log.warning("can't look for releases, going on with what is here: %s", error)
                lost = True
        store.content.close()

    def look(self) -> None:
        """One look at the pointer: take a new live release, or refuse it and say why."""
        no = releases.live_no()
        if no and no != self._judged_no:
            self._take(no)
        elif no and time.monotonic() - self._seen_at > HEARTBEAT_S:
            self._show_life()

    def _take(self, no: int) -> None:
        began = time.monotonic()
        try:
            with self._compiling:
                catalog = self._compile(releases.files(no), no)
        except Refusal as refusal:
            self._judged_no = no
            serving = self._current.release_no if self._current else 0
            _log.error("release refused, the old one goes on", extra={
                "release_no": no, "serving_no": serving, "reason": refusal.message})
            self._report(no, "reject", refusal.message)
            return
        if self._current is not None:          # orders under way are pinned to it
            self._keep(self._current.release_no, self._current)
        self._current, self._judged_no = catalog, no
        _log.info("release in force", extra={"release_no": no, "took_ms": round((time.monotonic() - began) * 1000)})
        self._report(no, "ack", "")

    def _report(self, no: int, verdict: str, reason: str) -> None:
        at_ms = clock.now_ms()
        values = {"release_no": no, "verdict": verdict, "reason": reason[:2000], "at_ms": at_ms, "seen_at_ms": at_ms,
                  "serving_no": self._current.release_no if self._current else 0}
        key = {"node": node_name(), "role": self._role}
        with store.transaction(store.content):
            if not store.update(NodeReport, values, **key):
                store.insert(NodeReport, {**key, **values})
            store.delete(NodeReport, also="seen_at_ms < ?", params=[at_ms - SILENT_S * 1000])
        self._seen_at = time.monotonic()

    def _show_life(self) -> None:
        with store.transaction(store.content):
            store.update(NodeReport, {"seen_at_ms": clock.now_ms()}, node=node_name(), role=self._role)
        self._seen_at = time.monotonic()


def node_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def node_reports() -> list[dict[str, Any]]:
    """Which running process serves which release, as each reported it."""
    return store.many(NodeReport, order_by="role, node")


live = Live()
