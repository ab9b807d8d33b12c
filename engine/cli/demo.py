"""`run.py demo`: sells something in every scene, through HTTP, on a database that is thrown away."""
from __future__ import annotations

import json
import sys
import time


def register(commands) -> None:
    command = commands.add_parser("demo", help="sell in every scene on a throw-away database, with trouble on the way, and "
                                                "renew a contract")
    command.add_argument("--json", action="store_true", help="end with one object on one line")
    command.add_argument("--verbose", action="store_true", help="show what the processes write")
    command.set_defaults(run=demo)


def demo(args) -> int:
    """Exit 0 only if every order reached its end, a contract was renewed and no invariant is broken."""
    from .demonstration import picture, renewing
    from .demonstration.stage import Stage

    began = time.monotonic()
    with Stage(args.verbose) as stage:
        shop = open_shop(stage)
        sales = []
        for scene in sorted(shop.catalog.scenes.values(), key=lambda s: s.id):
            sale = shop.sell(scene)
            sales.append(sale)
            print(f"  {scene.id:<28} {sale.error or sale.state}", file=sys.stderr, flush=True)
        renewal = renewing.renew(shop)
        if renewal.scene:
            print(f"  {'a renewal in ' + renewal.scene:<28} {renewal.error or 'renewed'}", file=sys.stderr, flush=True)
        broken = violations()
        kept_log = stage.log.read_text(encoding="utf-8") if renewal.error or any(s.error for s in sales) else ""
    longest = max(sales, key=lambda s: len(s.view.get("timeline", ())))
    print(picture.table(sales), end="\n\n")
    if longest.view:
        print(picture.life(longest.view), end="\n\n")
    if renewal.view:
        print(picture.contract(renewal.view), end="\n\n")
    for told in (*sales, renewal):
        if told.error:
            print(f"{told.scene}: {told.error}", file=sys.stderr)
    if kept_log:
        print("\n".join(kept_log.splitlines()[-40:]), file=sys.stderr)
    for violation in broken:
        print(violation, file=sys.stderr)
    completed = sum(1 for s in sales if s.state == "completed" and not s.error)
    print(f"{completed} of {len(sales)} orders completed in {time.monotonic() - began:.0f} s; "
          f"{'every invariant holds' if not broken else f'{len(broken)} violations'}")
    if args.json:
        print(json.dumps({"scenes": len(sales), "orders": sum(1 for s in sales if s.order_no), "completed": completed,
                          "violations": broken}, ensure_ascii=False))
    return 0 if completed == len(sales) and not renewal.error and not broken else 1


def open_shop(stage):
    """The catalogue as it was published, with the scenes' own files for their examples."""
    from .. import startup
    from ..config import reader, releases
    from ..config.live import live
    from .demonstration.selling import Shop

    startup.start("demo")
    files = releases.files(releases.live_no())
    documents = {}
    for path, text in files.items():
        if path.startswith("scenes/"):
            source, _ = reader.read_text(text, path)
            documents[source.data["id"]] = source.data
    return Shop(stage, live.catalog(), documents)


def violations() -> list[str]:
    from ..audit import invariants
    return [str(violation) for violation in invariants.violations()]
