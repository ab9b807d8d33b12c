"""`python -m engine.workers`: a worker process."""
from __future__ import annotations

from .. import startup
from ..config.live import live
from . import run

startup.start("worker")
try:
    run()
finally:
    live.stop()
