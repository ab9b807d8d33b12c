"""`run.py serve`: everything on this machine, as separate processes under one command.

Ports are looked at first, then the data folder and the databases are made ready, then every process is started and
waited for, and only then a person is told where to look. Ctrl-C stops all of it cleanly.
"""
from __future__ import annotations

import signal
import sys

from . import roles, welcome
from ..base import settings

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def register(commands) -> None:
    command = commands.add_parser("serve", help="everything on this machine: API, console, worker and sandbox")
    command.add_argument("--start-timeout", type=float, default=60.0, metavar="S",
                         help="how long the processes may take to answer (default 60 s)")
    command.set_defaults(run=serve)


def serve(args) -> int:
    from .process.supervisor import StartFailed, Supervisor
    from .ready import make_ready

    here = [role for role in roles.TABLE if role.is_here()]
    if not ports_are_free(here):
        return 1
    made = make_ready()
    roles.show_project_to_children()
    with Supervisor([as_part(role) for role in here], reachable_host()) as supervisor:
        first_interrupt_stops(supervisor)
        supervisor.start()
        try:
            up = supervisor.wait_up(args.start_timeout)
        except StartFailed as failure:
            print(failure, file=sys.stderr, flush=True)
            print(welcome.first_login(made["login"]), flush=True)      # it is never shown again
            return 1
        print(greeting(here, made) if up else welcome.first_login(made["login"]), flush=True)
        supervisor.watch()
        print("stopping …", flush=True)
    return 0


def greeting(here: list[roles.Role], made: dict) -> str:
    ports = {role.name: role.port for role in here if role.port is not None}
    return welcome.text(reachable_host(), ports, made["login"], made["api_key"], made["sample_order"])


def as_part(role: roles.Role):
    from .process.supervisor import Part

    return Part(role.name, role.command(), role.port, stop_signal=role.stop_signal)


def reachable_host() -> str:
    """The address under which this machine reaches what listens on HOST."""
    host = settings.get("HOST")
    return ANYWHERE.get(host, host)


def first_interrupt_stops(supervisor) -> None:
    """The first signal asks for a clean stop; a second one ends the waiting, and what is left is killed."""
    def handle(number, _frame) -> None:
        if supervisor.stop_requested:
            supervisor.hurry()
        supervisor.request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)


def ports_are_free(here: list[roles.Role]) -> bool:
    """Say clearly which ports are taken, by whom, and which ones to take instead."""
    from .process import ports

    host = settings.get("HOST")
    wanted = [role for role in here if role.port is not None]
    taken = [role for role in wanted if not ports.is_free(host, role.port)]
    for role in taken:
        print(f"port {role.port} ({role.name}) is taken by {ports.holder(role.port)}", file=sys.stderr)
    if taken:
        base = ports.free_base(host, settings.get_int("PORT"), tuple(role.port_offset for role in wanted))
        print(f"stop it, or take other ports: make run PORT={base or '…'}", file=sys.stderr)
    return not taken
