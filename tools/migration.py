"""Write the next migration: what the tables in the code have that migrated databases lack.

    python tools/migration.py initial        → engine/store/migrations/<logical>/0001_initial.py, …

Each file holds frozen copies of the tables, independent of the code from then on. Read and mend what is written before
committing it: renames show as an add and a drop. `tests/store/test_migrations.py` holds migrations and tables together.
"""
from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def import_every_room() -> None:
    """Tables are declared where they live: import all of engine and console."""
    for package in ("engine", "console"):
        if not (ROOT / package / "__init__.py").exists():
            continue
        found = importlib.import_module(package)
        for module in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not module.name.endswith(("wsgi", "__main__")) and ".migrations." not in module.name:
                importlib.import_module(module.name)


def write(name: str) -> list[Path]:
    """One new file for each logical database whose tables have changed."""
    from playhouse.migrations import Runner, template
    from playhouse.schema_diff import diff_models

    from engine import store
    from engine.store.migrate import FOLDER

    written = []
    for db in store.LOGICAL.values():
        difference = diff_models(db.database, store.tables(db))
        if not difference:
            continue
        folder = FOLDER / db.name
        folder.mkdir(parents=True, exist_ok=True)
        path = Runner(db.database, str(folder)).create(name, body=template(difference))
        written.append(Path(path))
    return written


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SALEWRIGHT_DATA_DIR"] = folder
        from engine import store
        import_every_room()
        store.open_all()
        store.migrate()
        for path in write(sys.argv[1]):
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
