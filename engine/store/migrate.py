"""Migrations: numbered scripts in `migrations/<logical>/`, applied in order and recorded in the database they change."""
from __future__ import annotations

from pathlib import Path

from playhouse.migrations import Runner

from .databases import LOGICAL, Logical

FOLDER = Path(__file__).parent / "migrations"


def _runner(db: Logical) -> Runner:
    return Runner(db.database, str(FOLDER / db.name), table_name=f"schema_migration_{db.name}")


def migrate() -> list[str]:
    """Bring the three databases up to this code; returns what was applied (`trade/0001_initial`)."""
    applied = []
    for db in LOGICAL.values():
        if db.gate:
            with db.gate:                      # two processes starting on one file
                applied += [f"{db.name}/{name}" for name in _runner(db).up()]
        else:
            with db.database.atomic():
                db.database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (77_001,))
                applied += [f"{db.name}/{name}" for name in _runner(db).up()]
    return applied


def pending() -> list[str]:
    """Migrations this code has and the databases lack."""
    return [f"{db.name}/{m.name}" for db in LOGICAL.values() for m in _runner(db).status() if m.path and not m.applied]
