"""Starting a process: its log, the databases, what lower rooms must be told of higher ones, and the live catalogue."""
from __future__ import annotations

import gc
from functools import lru_cache

from . import rehearse, store, wire
from .base import clock, logs, settings, turn
from .base.errors import Code, Refusal
from .config.live import live
from .config.vocabulary import Vocabulary
from .steps import registry

SQLITE_TURNS = 2


@lru_cache(maxsize=None)
def vocabulary() -> Vocabulary:
    """What the checker must know of the rooms above it: the steps there are, and how examples are run."""
    return Vocabulary(steps={name: step.spec for name, step in registry.load().items()},
                      run_scene_example=rehearse.run_scene_example, run_channel_example=wire.run_example,
                      check_channel=wire.check_channel, check_verify=wire.check_verify)


def start(role: str) -> None:
    """Once per process, after any fork, before it serves. `role` (api, console, worker …) is how the studio shows it.
    Refusal NOT_READY when the databases are behind this code."""
    logs.setup()
    open_store()
    wire.forbid_in(store.in_transaction)
    live.start(vocabulary(), role)
    if store.trade.is_sqlite:
        turn.limit(SQLITE_TURNS)
    gc.collect()
    gc.freeze()                                # the catalogue stays: it need not be looked through again and again
    gc.set_threshold(50_000, 20, 20)


def open_store() -> None:
    """Open the databases, in the time that this machine is in. Refusal NOT_READY when they are behind this code."""
    clock.follow(settings.clock_file())
    store.open_all()
    lacking = store.pending()
    if lacking:
        raise Refusal(Code.NOT_READY, f"the databases lack {', '.join(lacking)}: run `run.py migrate` first")


def look() -> None:
    """As `open_store`, with the live catalogue loaded; nothing is followed and this process is reported nowhere."""
    open_store()
    live.load(vocabulary())
