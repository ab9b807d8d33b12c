"""`run.py api`, `console`, `worker`, `sandbox`: each kind of process by itself, as `serve` and larger set-ups start it.

The table below is all that is known of them here; a kind whose room is not there is not offered. Replacing this process
(exec) leaves one process per role to watch and to signal.
"""
from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..base import settings

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Role:
    """`module`: the file that must be there. `port_offset` None: it listens nowhere. `command`: what it becomes."""
    name: str
    module: str
    about: str
    command: Callable[[], list[str]]
    port_offset: int | None = None
    stop_signal: int = signal.SIGTERM

    @property
    def port(self) -> int | None:
        return None if self.port_offset is None else settings.get_int("PORT") + self.port_offset

    def is_here(self) -> bool:
        return module_is_here(self.module)


def module_is_here(dotted: str) -> bool:
    """Whether a module of this project exists, without importing it."""
    path = ROOT.joinpath(*dotted.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _wsgi(target: str, port_offset: int, threads: int, processes: int) -> list[str]:
    """granian: a server process with its own worker processes, which it brings back when they die."""
    return [sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws", "--log-level", "error",
            "--host", settings.get("HOST"), "--port", str(settings.get_int("PORT") + port_offset),
            "--workers", str(processes), "--blocking-threads", str(threads), "--respawn-failed-workers",
            "--workers-kill-timeout", "10", target]


def _api() -> list[str]:
    return _wsgi("engine.api.wsgi:app", 0, settings.get_int("API_THREADS"), settings.get_int("API_PROCESSES"))


def _console() -> list[str]:
    return _wsgi("console.wsgi:app", 1, threads=4, processes=1)


# huey stops at once on SIGTERM and finishes what it holds on SIGINT.
TABLE = (
    Role("api", "engine.api.wsgi", "the HTTP interface for machines", _api, 0),
    Role("console", "console.wsgi", "the web console for people", _console, 1),
    Role("worker", "engine.workers", "the worker: outbox, sweeper, due payments",
         lambda: [sys.executable, "-m", "engine.workers"], None, signal.SIGINT),
    Role("sandbox", "sandbox.__main__", "the sandbox gateway: the other side of every channel",
         lambda: [sys.executable, "-m", "sandbox"], 2),
)


def register(commands) -> None:
    for role in TABLE:
        if role.is_here():
            command = commands.add_parser(role.name, help=f"{role.about}, as one process")
            command.set_defaults(run=become, role=role)


def become(args) -> int:
    """Turn this process into the role's; does not return."""
    show_project_to_children()
    command = args.role.command()
    os.execv(command[0], command)


def show_project_to_children() -> None:
    """Let any Python started from here import this project, whatever folder a person is in."""
    known = os.environ.get("PYTHONPATH", "")
    if str(ROOT) not in known.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), known]))
