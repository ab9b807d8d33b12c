"""What a WSGI server loads: `granian --interface wsgi engine.api.wsgi:app`. Importing it starts the engine in this process."""
from __future__ import annotations

from .. import startup, workers
from .app import create_app

startup.start("api")
workers.listen()
app = create_app()
