"""`run.py migrate`: brings the three databases up to this code."""
from __future__ import annotations


def register(commands) -> None:
    command = commands.add_parser("migrate", help="bring the databases up to this code")
    command.add_argument("--dry-run", action="store_true", help="only say what is lacking")
    command.set_defaults(run=migrate)


def migrate(args) -> int:
    from .. import store

    store.open_all()
    names = store.pending() if args.dry_run else store.migrate()
    for name in names:
        print(f"{'lacking' if args.dry_run else 'applied'} {name}")
    if not names:
        print("the databases are up to date")
    return 0
