"""Where time goes: exclusive time of chosen functions, measured by replacing them with timed ones.

A profiler that is told of every call makes small Python functions look expensive; here only the borders between the parts
are timed (about a microsecond each), and a part's time does not include that of the parts it calls. One thread only.
"""
from __future__ import annotations

import functools
import importlib
import sys
import time
from collections import defaultdict
from typing import Any, Callable, Mapping

Watched = Mapping[str, tuple[str, ...]]        # part → "package.module:function" or "package.module:Class.method"


class Stopwatch:
    """`with Stopwatch(watched) as watch:` … `watch.seconds` by part; `rest` is what belongs to none."""

    def __init__(self, watched: Watched, rest: str = "rest"):
        self._watched, self._stack, self._mark = watched, [rest], 0.0
        self._undo: list[tuple[Any, str, Any]] = []
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def __enter__(self) -> "Stopwatch":
        for part, places in self._watched.items():
            for place in places:
                self._replace(part, place)
        self.reset()
        return self

    def __exit__(self, *exc: object) -> None:
        for owner, name, original in reversed(self._undo):
            setattr(owner, name, original)
        self._undo.clear()

    def reset(self) -> None:
        self.seconds.clear()
        self.calls.clear()
        self._mark = time.perf_counter()

    def stop(self) -> None:
        """Count what has passed since the last border."""
        self._switch()

    def _replace(self, part: str, place: str) -> None:
        module_name, _, dotted = place.partition(":")
        owner: Any = importlib.import_module(module_name)
        *path, name = dotted.split(".")
        for step in path:
            owner = getattr(owner, step)
        original = owner.__dict__[name]
        timed = self._timed(part, original)
        if path:
            self._set(owner, name, original, timed)
            return
        for module in list(sys.modules.values()):          # also where it was imported by name
            for name, value in list(vars(module).items()) if hasattr(module, "__dict__") else ():
                if value is original:
                    self._set(module, name, original, timed)

    def _set(self, owner: Any, name: str, original: Any, timed: Any) -> None:
        self._undo.append((owner, name, original))
        setattr(owner, name, timed)

    def _timed(self, part: str, fn: Callable) -> Callable:
        @functools.wraps(fn)
        def timed(*args: Any, **named: Any) -> Any:
            self._switch()
            self._stack.append(part)
            self.calls[part] += 1
            try:
                return fn(*args, **named)
            finally:
                self._switch()
                self._stack.pop()
        return timed

    def _switch(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._mark
        self._mark = now
