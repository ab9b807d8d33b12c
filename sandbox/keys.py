"""Shared keys of partners that nobody has brought yet, made up so that their signed requests can be tried. (Channels' secrets
are made up where they are read: `engine/wire/made_up.py`.)"""
from __future__ import annotations

from pathlib import Path
from typing import Iterable

from engine.base import settings
from engine.wire import made_up


def ensure_shared(names: Iterable[str], folder: Path | None = None) -> None:
    """Make shared secrets of these file names in the secrets folder, where they are missing."""
    for name in names:
        made_up.shared((folder or settings.secrets_dir()) / name)
