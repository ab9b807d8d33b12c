"""The console's process: `granian --interface wsgi console.wsgi:app`. Imported once per worker, after any fork."""
from __future__ import annotations

from engine import startup, store
from engine.base.errors import Code, Refusal

from .app import create_app


def _start():
    startup.start("console")
    lacking = store.pending()
    if lacking:
        raise Refusal(Code.NOT_READY, f"the databases lack {', '.join(lacking)}: run `run.py migrate` first")
    return create_app()


app = _start()
