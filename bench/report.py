"""What the figures look like: tables for a terminal, and whether the goals were met."""
from __future__ import annotations

import os
import platform
import sqlite3
import time
from pathlib import Path
from typing import Any, Iterable

RATIO_MIN, P99_MAX_MS, STATEMENTS_MAX, COMMITS_MAX, CHECK_MAX_S = 0.5, 100.0, 40, 8, 5.0
DUE_A_MINUTE = 10_000
SAME = 0.95                                    # "no slower": what the noise of neighbouring rounds leaves room for
_SYNCS = 100

FOR_SCALE = """For scale, measured once on 2 noisy cores at 16 clients: raw SQL without HTTP 1,500 paid orders/s (SQLite,
synchronous=FULL) and 1,200 (PostgreSQL); the floor 370–410 under gunicorn and 530–610 under granian; django-oscar 10,
Vendure 7, pretix 7, Medusa 1.6. Peers spend 134–421 statements and 16–382 commits on an order, a hand-written sale 13 and 2."""


def machine(folder: Path) -> dict[str, Any]:
    """What was measured on. `sync_ms`: how long the disk takes to keep 4 KB."""
    with (folder / "sync").open("wb") as file:
        began = time.perf_counter()
        for _ in range(_SYNCS):
            os.write(file.fileno(), b"x" * 4096)
            os.fsync(file.fileno())
        sync_ms = 1000 * (time.perf_counter() - began) / _SYNCS
    return {"cores": os.cpu_count(), "load_1m": os.getloadavg()[0], "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version, "sync_ms": sync_ms, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Columns as wide as their widest; the first to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  " + "  ".join(cell.rjust(width) if i else cell.ljust(width)
                                      for i, (cell, width) in enumerate(zip(line, widths))) for line in lines)


def say_machine(found: dict[str, Any]) -> None:
    say(f"{found['cores']} cores, load {found['load_1m']:.1f}, Python {found['python']}, SQLite {found['sqlite']}, "
        f"one fsync {found['sync_ms']:.2f} ms, {found['at']}", FOR_SCALE)


HEAD = ("", "orders/s", "p50 ms", "p99 ms", "worst", "CPU ms/order", "RSS MB", "generator")


def row(name: str, found: dict[str, Any]) -> tuple[str, ...]:
    return (name, f"{found['orders_per_s']:.0f}", f"{found['p50_ms']:.1f}", f"{found['p99_ms']:.1f}", f"{found['worst_ms']:.0f}",
            f"{found['cpu_ms_per_order']:.2f}", f"{found['rss_bytes'] / 1e6:.0f}", f"{found['generator_share']:.0%}")


def ratio_text(found: dict[str, float]) -> str:
    return f"{found['median']:.2f} (half of the rounds {found['low']:.2f} to {found['high']:.2f})"


def say_sale(found: dict[str, Any]) -> None:
    working, clients = found["engine_with_worker"], found["clients"]
    say("", f"Paid orders over HTTP, {found['database']}, {clients} client{'s' * (clients != 1)} "
            f"({found['engine']['orders']} orders; percentiles are of single requests)",
        table(HEAD, [row("floor", found["floor"]), row("engine", found["engine"]), row("engine, worker beside it", working)]),
        "  p99 ms by request: " + ", ".join(f"{kind} {at['p99_ms']:.1f}" for kind, at in found["engine"]["kinds"].items()),
        f"  engine / floor: {ratio_text(found['ratio'])}; with the worker sending each order's message meanwhile "
        f"{ratio_text(found['ratio_with_worker'])}",
        f"  (the worker then needed {working['after_s']:.1f} s more a round; its RSS {working['worker_rss_bytes'] / 1e6:.0f} MB)")


def say_cost(found: dict[str, Any]) -> None:
    say("", f"An order through the engine's HTTP application, one thread, no server, {found['database']}: "
            f"{found['ms_per_order']:.2f} ms, {found['statements']} statements, {found['commits']} commits "
            f"(then the worker: {found['worker_statements']} and {found['worker_commits']})",
        table(("where", "µs", "share", "calls"), ((part, f"{at['us']:.0f}", f"{at['us'] / found['ms_per_order'] / 10:.0f} %",
                                                   f"{at['calls']:.0f}") for part, at in found["parts"].items())))
    for text, count in found["texts"]:
        say(f"  {count} × {text}")


def say_scenes(found: dict[str, Any]) -> None:
    say("", f"{found['scenes']} scenes ({found['files']} files)",
        f"  check and compile {found['check_and_compile_s']:.2f} s; with {found['examples']} examples run "
        f"{found['with_examples_s']:.2f} s; API's start {found['start_s']:.1f} s",
        f"  publish {found['publish_s']:.2f} s, live in the API after {found['publish_to_live_s']:.2f} s",
        table(HEAD, [row(f"{found['sample']} scenes", found["few"]), row(f"{found['scenes']} scenes", found["many"])]),
        f"  rate with many / with few: {ratio_text(found['ratio'])} ({found['clients']} clients, SQLite)")


def say_stored(found: dict[str, Any]) -> None:
    say("", f"{found['orders']:,} orders stored ({found['rows']:,} rows in {found['tables']} tables, "
            f"{found['bytes'] / 1e9:.1f} GB, filled in {found['seconds']:.0f} s)",
        table(HEAD, [row("none stored", found["none"]), row("many stored", found["many"])]),
        f"  rate with many / with none: {ratio_text(found['ratio'])} ({found['clients']} clients, SQLite)")
    if found["orders"] < found["wanted"]:
        say(f"  the disk had no room for {found['wanted']:,}")


def say_renewals(found: dict[str, Any]) -> None:
    def rate(name: str) -> str:
        return f"{found['contracts'] / found[name]:,.0f}/s"
    say("", f"{found['contracts']:,} contracts due in the same minute, beside {found['stored']:,} that are not; one thread, SQLite",
        f"  a scan that finds nothing due {found['idle_scan_ms']:.2f} ms; found and staged {rate('announce_scan_s')} (announcing), "
        f"{rate('deduct_scan_s')} (deducting)",
        f"  signed {rate('sign_s')}, announced {rate('announce_s')}, deducted and delivered {rate('deduct_s')}")


def goals(found: dict[str, Any]) -> list[dict[str, Any]]:
    """{goal, value, met} of everything that was aimed at and measured."""
    result: list[dict[str, Any]] = []

    def goal(text: str, value: float, met: bool) -> None:
        result.append({"goal": text, "value": value, "met": met})
    for sale in found.get("sales", ()):
        where = f"{sale['database']}, {sale['clients']} client{'s' * (sale['clients'] != 1)}"
        goal(f"engine / floor at least {RATIO_MIN} ({where})", sale["ratio"]["median"],
             sale["ratio"]["median"] >= RATIO_MIN)
        slowest = max(at["p99_ms"] for at in sale["engine"]["kinds"].values())
        goal(f"p99 of every request below {P99_MAX_MS:.0f} ms ({where})", slowest, slowest < P99_MAX_MS)
    if cost := found.get("cost"):
        for what, most in (("statements", STATEMENTS_MAX), ("commits", COMMITS_MAX)):
            total = cost[what] + cost[f"worker_{what}"]
            goal(f"at most {most} {what} an order, the worker's among them", total, total <= most)
    if scenes := found.get("scenes"):
        goal(f"check and compile in {CHECK_MAX_S:.0f} s", scenes["check_and_compile_s"], scenes["check_and_compile_s"] < CHECK_MAX_S)
        goal("no slower with many scenes", scenes["ratio"]["median"], scenes["ratio"]["median"] >= SAME)
    if stored := found.get("stored"):
        goal("no slower with many orders stored", stored["ratio"]["median"], stored["ratio"]["median"] >= SAME)
    if renewals := found.get("renewals"):
        scanned = renewals["contracts"] / max(renewals["announce_scan_s"], renewals["deduct_scan_s"])
        goal(f"a minute's scan finds {DUE_A_MINUTE:,} due contracts (so many a second)", scanned, scanned >= DUE_A_MINUTE / 60)
    return result


def say_goals(found: dict[str, Any]) -> None:
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in found["took_s"].items())
    say("", f"Goals (took {took})",
        table(("", "found", ""), ((g["goal"], f"{g['value']:.2f}", "met" if g["met"] else "MISSED") for g in found["goals"])))
