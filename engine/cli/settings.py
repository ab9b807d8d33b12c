"""`run.py settings`: every setting with its value, where it comes from and what it is for."""
from __future__ import annotations

import argparse
import os
import re

_SECRET = re.compile(r"(://[^:/@]*:)[^@]+@")


def register(commands) -> None:
    command = commands.add_parser("settings", help="every setting: its value and what it is for",
                                  formatter_class=argparse.RawDescriptionHelpFormatter,
                                  description="Settings are environment variables. `*` marks the ones that are set.")
    command.set_defaults(run=show)


def show(args) -> int:
    from ..base import settings

    width = max(len(s.name) for s in settings.TABLE) + len("SALEWRIGHT_")
    for setting in settings.TABLE:
        name = f"SALEWRIGHT_{setting.name}"
        mark = "*" if name in os.environ else " "
        value = hide_password(settings.get(setting.name)) or '""'
        print(f"{mark} {name:<{width}}  {value:<16}  {setting.about}")
    return 0


def hide_password(text: str) -> str:
    """A URL without its password: settings are printed into tickets and screenshots."""
    return _SECRET.sub(r"\1…@", text)
