"""The console's process: `granian --interface wsgi console.wsgi:app`. Imported once per worker, after any fork."""
from __future__ import annotations

from engine import startup, workers

from .app import create_app

startup.start("console")
workers.listen()
app = create_app()
