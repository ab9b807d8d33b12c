"""`run.py serve` with tiny servers in the place of the real rooms and a catalogue of its own: the rest is real."""
import sys
from pathlib import Path
from types import SimpleNamespace

from engine.cli import ready, roles
from engine.cli.door import enter

TINY = str(Path(__file__).with_name("tiny_server.py"))
flags = sys.argv[1].split()


def server(offset, *more):
    return lambda: [sys.executable, TINY, str(roles.settings.get_int("PORT") + offset), *more]


roles.TABLE = (roles.Role("api", "engine", "", server(0, *flags), 0), roles.Role("console", "engine", "", server(1), 1),
               roles.Role("worker", "engine", "", lambda: ["sleep", "600"]), roles.Role("gone", "no.such.room", "", list))
ready.PROVIDERS = {"login": ("tests.cli.serve_tiny_room", "first_login"),
                   "api_key": ("tests.cli.serve_tiny_room", "first_key")}
ready.publish_samples = lambda: None
ready.live_catalog = lambda: SimpleNamespace(scenes={}, partners={})
sys.exit(enter(["serve", "--start-timeout", "20"]))
