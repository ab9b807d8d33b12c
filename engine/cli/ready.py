"""What must be there before anything serves: databases, a live release, a first login and key.

Each part is made once and left alone afterwards. Rooms that bring such a part are named in one table; one that is not
there is passed over.
"""
from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import roles, welcome

if TYPE_CHECKING:
    from ..config.catalog import Catalog

# What to make → module and function that ensures it. Each is called without arguments and says what it has made:
# login (name, password) or None when there is an admin; api_key its text or None.
PROVIDERS = {
    "login": ("console.access", "first_login"),
    "api_key": ("engine.api.keys", "first_key"),
}


def make_ready() -> dict[str, Any]:
    """Make everything ready; returns what each provider answered, by name. Prints one line per thing it made."""
    from .. import store
    from ..base import logs, settings

    logs.setup()
    settings.data_dir()
    store.open_all()
    for name in store.migrate():
        say(f"migrated {name}")
    made: dict[str, Any] = {}
    publish_samples()
    catalog = live_catalog()
    partner_keys(catalog)
    for name in ("login", "api_key"):
        made[name] = provide(name)
    made["sample_order"] = welcome.sample_order(list(catalog.scenes.values()))
    for db in store.LOGICAL.values():
        db.close()
    return made


def provide(name: str) -> Any:
    module, function = PROVIDERS[name]
    if not roles.module_is_here(module):
        return None
    return getattr(importlib.import_module(module), function)()


def publish_samples(folder: Path = roles.ROOT) -> int | None:
    """Publish the catalogue that lies beside the code, when nothing was ever published; returns its number if so."""
    from ..base.errors import Code, Refusal
    from ..config import releases
    from ..startup import vocabulary
    from .catalogue import catalogue_files

    if releases.live_no():
        return None
    try:
        no = releases.publish(catalogue_files(folder), "the sample catalogue", "setup", vocabulary(), base_no=0)
    except Refusal as refusal:
        if refusal.code is Code.EDIT_CONFLICT:             # another process was first
            return None
        raise
    say(f"published the sample catalogue as release {no}")
    return no


def live_catalog() -> Catalog:
    from ..config.live import Live
    from ..startup import vocabulary

    live = Live()
    live.load(vocabulary())
    return live.catalog()


def partner_keys(catalog: Catalog) -> None:
    """On a machine with the sandbox, partners' shared keys that no one has brought yet are made up, so that their signed
    requests can be tried."""
    if not roles.module_is_here("sandbox.keys"):
        return
    references = [ref for partner in catalog.partners.values() for ref in partner.verify.get("secrets", {}).values()]
    names = [ref["file"] for ref in references if "file" in ref and "as" not in ref]
    importlib.import_module("sandbox.keys").ensure_shared(names)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
