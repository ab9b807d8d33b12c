"""`run.py pass`: let time pass, to see now what is due later: a renewal, the end of a term, a notice's repeats.

All processes of this machine are in the new time at once, the sandbox's side of the channels too. Only where the channels are
the sandbox: real ones would not believe us. What the processes then find due they do within a sweep (SWEEP_EVERY_S).
"""
from __future__ import annotations

import argparse
import sys


def register(commands) -> None:
    command = commands.add_parser("pass", help="let time pass on a machine with the sandbox: `pass 26d`, to watch a renewal",
                                  description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("time", nargs="?", type=span, metavar="TIME", default=0.0,
                         help="how much: 30m, 12h, 26d …; left out: only say what time it is")
    command.set_defaults(run=let_pass)


def span(text: str) -> float:
    from ..base import clock

    try:
        return clock.parse_duration_s(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def let_pass(args) -> int:
    from ..base import clock, settings

    file = settings.clock_file()
    if file is None:
        print("time can be let pass only where the channels are the sandbox (SALEWRIGHT_CHANNELS)", file=sys.stderr)
        return 1
    clock.follow(file)
    now = clock.to_datetime(clock.let_pass(args.time)).astimezone(clock.zone(settings.timezone()))
    ahead_s = clock.ahead_ms() // 1000
    print(f"it is {now:%Y-%m-%d %H:%M:%S} here, {ahead_s // 86400} d {ahead_s % 86400 // 3600} h {ahead_s % 3600 // 60} m ahead "
          "of the system's time")
    return 0
