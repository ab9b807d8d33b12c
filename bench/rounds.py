"""Rounds: the sides of a comparison take turns, since a machine drifts by more than what is to be compared."""
from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Callable, Mapping, Protocol

from .servers import ROOT

FIRST_ORDERS = 40                              # of the first round, which only warms up and tells how fast it goes


class Server(Protocol):
    def rss_bytes(self) -> int: ...
    def cpu_s(self) -> float: ...


class Generator:
    """The load generator's process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "bench.load"], cwd=ROOT, text=True, stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE)

    def tell(self, **order: Any) -> dict[str, Any]:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        text = self._process.stdout.readline()
        answer = json.loads(text) if text else {"error": "it ended"}
        if "error" in answer:
            raise RuntimeError(f"load on {order['name']}: {answer['error']}")
        return answer

    def stop(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class Side:
    """One side: where it is, how it is spoken to, and what its rounds gave. `after`: run off the clock when a round is over."""
    name: str
    server: Server
    opening: Mapping[str, Any]                 # of the generator's `open`
    after: Callable[[], float] | None = None
    orders: int = FIRST_ORDERS
    rounds: list[dict[str, Any]] = field(default_factory=list)

    def rates(self) -> list[float]:
        return [r["orders"] / r["seconds"] for r in self.rounds]

    def figures(self) -> dict[str, Any]:
        """Medians of the rounds' rates; percentiles over all requests of all rounds; CPU of server and generator as a share
        of one core."""
        kinds: dict[str, list[float]] = {}
        for r in self.rounds:
            for kind, found in r["latencies"].items():
                kinds.setdefault(kind, []).extend(found)
        everything = [s for found in kinds.values() for s in found]
        orders = sum(r["orders"] for r in self.rounds)
        return {"orders_per_s": median(self.rates()), "rates": self.rates(), "orders": orders,
                "p50_ms": percentile(everything, 50), "p99_ms": percentile(everything, 99), "worst_ms": max(everything) * 1000,
                "kinds": {k: {"p50_ms": percentile(v, 50), "p99_ms": percentile(v, 99)} for k, v in kinds.items()},
                "rss_bytes": self.server.rss_bytes(),
                "cpu_ms_per_order": 1000 * sum(r["server_cpu_s"] for r in self.rounds) / orders,
                "generator_share": median(r["cpu_s"] / r["seconds"] for r in self.rounds),
                **({"after_s": median(r["after_s"] for r in self.rounds)} if self.after else {})}


def percentile(values: list[float], percent: float) -> float:
    """Of seconds, in ms: the smallest value that so many percent do not pass."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def take_turns(generator: Generator, sides: list[Side], rounds: int, round_s: float) -> None:
    """Warm every side up, size its rounds to about `round_s`, then measure so many rounds of each, A B, B A, A B …"""
    clients = {side.name: side.opening["clients"] for side in sides}
    for side in sides:
        generator.tell(do="open", name=side.name, **side.opening)
        for _ in range(3):                     # the first has no notices, the second meets cold code
            warm = _round(generator, side)
            side.orders = max(4 * clients[side.name], FIRST_ORDERS, int(round_s * warm["orders"] / warm["seconds"]))
    for n in range(rounds):
        for side in sides if n % 2 == 0 else reversed(sides):
            side.rounds.append(_round(generator, side))
    for side in sides:
        generator.tell(do="close", name=side.name)


def _round(generator: Generator, side: Side) -> dict[str, Any]:
    cpu_before = side.server.cpu_s()
    result = generator.tell(do="round", name=side.name, orders=side.orders)
    result["server_cpu_s"] = side.server.cpu_s() - cpu_before
    if side.after is not None:
        result["after_s"] = side.after()
    return result


def ratio(one: Side, other: Side) -> dict[str, float]:
    """one / other in orders a second, over neighbouring rounds: {median, low, high}; half of the rounds lie between the
    last two."""
    found = sorted(a / b for a, b in zip(one.rates(), other.rates()))
    return {"median": median(found), "low": found[len(found) // 4], "high": found[-1 - len(found) // 4]}
