"""Finds the commands, reads the command line, runs one, and turns a refusal into one clear line.

Exit codes: 0 done · 1 refused or failed · 2 the command line itself was wrong · 130 interrupted.
"""
from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from . import __path__ as _rooms
from ..base.errors import Refusal


def enter(arguments: list[str]) -> int:
    """Run the command line given (without the program's name); returns the exit code."""
    args = parser().parse_args(arguments)
    try:
        return int(args.run(args) or 0)
    except Refusal as refusal:
        for detail in refusal.details:
            if "text" in detail:               # a problem of a catalogue file, with its place
                print(detail["text"], file=sys.stderr)
        print(f"{refusal.code.code}: {refusal.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:                    # `run.py history | head`: the reader left, which is no failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="run.py", description="Salewright: a sales engine whose scenes are written, "
                                  "not coded. Start with `run.py serve`.")
    commands = top.add_subparsers(title="commands", metavar="<command>", required=True)
    for module in command_modules():
        module.register(commands)
    return top


def command_modules() -> list:
    """Every module of this room that registers commands, by name."""
    names = sorted(found.name for found in pkgutil.iter_modules(_rooms) if not found.ispkg)
    modules = [importlib.import_module(f"{__package__}.{name}") for name in names]
    return [module for module in modules if hasattr(module, "register")]
