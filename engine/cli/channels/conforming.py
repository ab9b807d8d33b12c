"""`channel conform`: every drill a file is able to, against the sandbox; a table, and where the first failure lies."""
from __future__ import annotations

import logging
import sys
import time
from typing import NamedTuple

from ...base.errors import Code, Refusal
from ...wire import WireError
from . import selling
from .drills import DRILLS, SHOP, Drill
from .files import ChannelFile
from .ground import Drive, Failed, Ground


class Result(NamedTuple):
    """`verdict`: holds · FAILS · not declared."""
    drill: str
    verdict: str
    steps: str
    took_s: float
    why: str = ""


def conform(file: ChannelFile, only: str | None = None) -> list[Result]:
    """Results of all drills, or of the one called `only`; Refusal NOT_FOUND when there is none of that name."""
    drills = [drill for drill in drills_of(file) if only in (None, drill.name)]
    sells = only in (None, selling.NAME) and "pay" in file.doc.get("operations", {})
    if not drills and not sells:
        known = [*(drill.name for drill in drills_of(file)), selling.NAME]
        raise Refusal(Code.NOT_FOUND, f"there is no drill {only!r}: {', '.join(known)}")
    results = []
    if drills:
        with Ground(file) as ground:
            results = [_driven(ground, number, drill) for number, drill in enumerate(drills)]
    return [*results, _sold(file)] if sells else results


def _sold(file: ChannelFile) -> Result:
    steps, why, took_s = selling.sold(file)
    return Result(selling.NAME, "FAILS" if why else "holds", " → ".join(steps), took_s, why)


def drills_of(file: ChannelFile) -> list[Drill]:
    """All drills; for a shop its orders too."""
    return [*DRILLS, SHOP] if file.doc["role"] == "shop" else list(DRILLS)


def _driven(ground: Ground, number: int, drill: Drill) -> Result:
    lacking = [name for name in drill.needs if name not in ground.channel.operations]
    if lacking:
        return Result(drill.name, "not declared", f"no {' and no '.join(lacking)}", 0.0)
    drive = Drive(ground, f"{number:02d}{ground.channel.id.replace('-', '')}"[:24])
    began = time.monotonic()
    try:
        drill.run(drive)
        verdict, why = "holds", ""
    except (Failed, WireError) as error:
        verdict, why = "FAILS", str(error)
    finally:
        ground.control("DELETE", "faults")
    return Result(drill.name, verdict, " → ".join(drive.steps), time.monotonic() - began, why)


def table(results: list[Result]) -> str:
    """Drills that the file is able to, one a line; those it does not declare in one line at the end."""
    shown = [result for result in results if result.verdict != "not declared"]
    width = max((len(result.drill) for result in shown), default=0)
    lines = [f"{result.drill:<{width}}  {result.verdict:<5}  {result.took_s:4.1f} s  {result.steps}" for result in shown]
    left_out = [result.drill for result in results if result.verdict == "not declared"]
    return "\n".join([*lines, *([f"not declared: {' · '.join(left_out)}"] if left_out else [])])


def show(file: ChannelFile, only: str | None = None) -> int:
    logging.getLogger("salewright.wire").setLevel(logging.ERROR)      # what goes wrong on purpose is told by the table
    try:
        results = conform(file, only)
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    failed = [result for result in results if result.verdict == "FAILS"]
    for result in failed:
        after = f" after {result.steps}" if result.steps else ""
        print(f"\n{result.drill}: fails{after}:\n{result.why}", file=sys.stderr)
    driven = sum(1 for result in results if result.verdict != "not declared")
    print(f"\n{driven - len(failed)} of {driven} drills hold. The sandbox reads the same file in reverse: this shows that the file "
          "is whole,\nnot that the provider speaks so. That only its documentation, its examples and its tools can show.")
    return 1 if failed else 0
