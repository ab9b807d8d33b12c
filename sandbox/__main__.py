"""`python -m sandbox [--host H] [--port N]`: the gateway as a process. SIGINT and SIGTERM stop it cleanly."""
from __future__ import annotations

import argparse
import signal
import socket
import threading
from pathlib import Path
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

from engine.base import clock, logs, settings

from .app import HANG_UP, make_app
from .files import Files, of_folder, of_live_release
from .gateway import Gateway
from .state import State
from .telling import PAY_AFTER_S, Teller
from .timing import Timekeeper

ROOT = Path(__file__).resolve().parent.parent


class Handler(WSGIRequestHandler):
    def log_request(self, *args: Any) -> None:
        """Requests are looked at in /_sandbox, not in a log."""


def breaking(app: Any) -> Any:
    """The application, with connections broken off before a byte of an answer where a fault asked for it."""
    def run(environ: dict[str, Any], start_response: Any) -> Any:
        said = app(environ, start_response)
        if environ.get(HANG_UP):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return said
    return run


def main(argv: list[str] | None = None) -> int:
    args = _arguments(argv)
    logs.setup()
    clock.follow(settings.clock_file())
    public_url = settings.get("SANDBOX_URL") or f"http://{args.host}:{args.port}"
    own = of_folder(ROOT / "channels")
    files = Files(of_folder(args.channels) if args.channels else of_live_release(own), public_url)
    files.start()
    state = State(settings.data_dir() / "sandbox.db")
    if args.pay_after != PAY_AFTER_S:
        state.set_setting("pay_after_s", args.pay_after if args.pay_after >= 0 else None)
    teller = Teller(state, args.api or settings.public_url(), files.sides)
    keeper = Timekeeper(state, teller)
    teller.wake = keeper.wake
    app = make_app(state, Gateway(state, public_url, teller), files)
    server = make_server(args.host, args.port, breaking(app), threaded=True, request_handler=Handler)
    server.daemon_threads = True
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
    keeper.start()
    print(f"sandbox gateway on {public_url}: {', '.join(sorted(files.sides())) or 'no channels'}", flush=True)
    server.serve_forever()
    keeper.stop()
    files.stop()
    server.server_close()
    state.close()
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--host", default=settings.get("HOST"))
    parser.add_argument("--port", type=int, default=settings.get_int("PORT") + 2)
    parser.add_argument("--channels", type=Path, help="folder of channel files (default: those of the live release)")
    parser.add_argument("--api", default="", metavar="URL", help="where notices go when a request names no address for them "
                        "(default: the setting PUBLIC_URL)")
    parser.add_argument("--pay-after", type=float, default=PAY_AFTER_S, metavar="S",
                        help="how long a buyer takes to pay by himself; below zero: by hand only (default %(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
