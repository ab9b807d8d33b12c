"""Runs several processes as one command: starts them, waits until they answer, restarts what dies, stops them cleanly.

A `Part` says what to run; the supervisor knows nothing else of it. Every line a child writes is passed on with its
name in front. Children live in sessions of their own, so that a Ctrl-C reaches them through the supervisor only, once.
"""
from __future__ import annotations

import collections
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_S = 60.0                                # a child that ran this long has recovered: its backoff starts anew
START_TRIES = 2                                # deaths before the first answer: then it is not going to start
TICK_S = 0.1
LAST_LINES = 15
_LAUNCHER = str(Path(__file__).with_name("child.py"))


@dataclass(frozen=True, slots=True)
class Part:
    """One process. `port` None: it answers no HTTP and counts as up while it runs."""
    name: str
    command: Sequence[str]
    port: int | None = None
    health_path: str = "/healthz"
    stop_signal: int = signal.SIGTERM
    stop_s: float = 15.0                       # between the stop signal and SIGKILL


class StartFailed(Exception):
    """A part did not come up; the text says which and shows what it wrote last."""


class _Child:
    """One part's present process and its history of deaths."""

    def __init__(self, part: Part, host: str, say: Callable[[str, str], None]):
        self.part, self._host, self._say = part, host, say
        self.process: subprocess.Popen | None = None
        self.up = False
        self.deaths = 0
        self.last_lines: collections.deque[str] = collections.deque(maxlen=LAST_LINES)
        self._started_at = 0.0
        self._start_again_at = 0.0
        self._reader = threading.Thread()

    def start(self) -> None:
        self.up, self._started_at = False, time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, _LAUNCHER, *self.part.command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        self._reader = threading.Thread(target=self._pass_on, args=(self.process.stdout,), daemon=True)
        self._reader.start()

    def _pass_on(self, stream) -> None:
        for line in stream:
            text = line.decode(errors="replace").rstrip()
            self.last_lines.append(text)
            self._say(self.part.name, text)
        stream.close()

    def look(self) -> None:
        """Note that it has come up or died, and start it again when its pause is over."""
        if self.process is None:
            if time.monotonic() >= self._start_again_at:
                self.start()
            return
        code = self.process.poll()
        if code is not None:
            self._note_death(code)
        elif not self.up and answers(self._host, self.part):
            self.up = True

    def _note_death(self, code: int) -> None:
        ran_s = time.monotonic() - self._started_at
        self.deaths = 1 if ran_s >= STEADY_S else self.deaths + 1
        pause_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** (self.deaths - 1))
        self._say(self.part.name, f"ended with {ending(code)} after {ran_s:.1f} s; starting it again in {pause_s:g} s")
        self._sweep()
        self.up, self.process, self._start_again_at = False, None, time.monotonic() + pause_s

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.part.stop_signal)

    def wait_or_kill(self, until: float, hurry: threading.Event) -> None:
        if self.process is None:
            return
        while self.process.poll() is None and time.monotonic() < until and not hurry.is_set():
            time.sleep(TICK_S)
        if self.process.poll() is None:
            self._say(self.part.name, "did not stop in time: killed")
        self._sweep()
        self.process.wait()
        self.process = None

    def _sweep(self) -> None:
        """End what is left of the child's session (a server's own workers), so that the port is free again."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):      # nobody is left; macOS says so in its own way
            pass
        self._reader.join(1)                   # its last words, before anything is said about it


class Supervisor:
    """`start()`, `wait_up(timeout_s)`, `watch()` till `request_stop()`; as a context manager it always stops them."""

    def __init__(self, parts: Sequence[Part], host: str, say: Callable[[str, str], None] | None = None):
        width = max(len(part.name) for part in parts)
        lock = threading.Lock()

        def print_line(name: str, text: str) -> None:
            with lock:
                print(f"{name:<{width}} | {text}", flush=True)

        self.say = say or print_line
        self.children = [_Child(part, host, self.say) for part in parts]
        self._stop = threading.Event()
        self._hurry = threading.Event()

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        for child in self.children:
            child.start()

    def wait_up(self, timeout_s: float = 60.0) -> bool:
        """True once every part answers; False when a stop was asked for meanwhile. StartFailed names the one that
        keeps dying or stays silent."""
        until = time.monotonic() + timeout_s
        while not self._stop.wait(TICK_S):
            for child in self.children:
                child.look()
                if child.deaths >= START_TRIES:
                    raise StartFailed(_last_words(child, "does not start"))
            waiting = [child for child in self.children if not child.up]
            if not waiting:
                return True
            if time.monotonic() > until:
                raise StartFailed(_last_words(waiting[0], f"did not answer within {timeout_s:g} s"))
        return False

    def watch(self) -> None:
        """Restart what dies, until a stop is asked for."""
        while not self._stop.wait(TICK_S):
            for child in self.children:
                child.look()

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def request_stop(self) -> None:
        self._stop.set()

    def hurry(self) -> None:
        """Wait for nobody any longer: what has not stopped is killed."""
        self._hurry.set()

    def stop(self) -> None:
        """Ask every child to stop, wait as long as its part allows, kill what is left."""
        for child in self.children:
            child.ask_to_stop()
        asked_at = time.monotonic()
        for child in self.children:
            child.wait_or_kill(asked_at + child.part.stop_s, self._hurry)


def answers(host: str, part: Part) -> bool:
    """Whether the part is up: a 200 from its health path, or merely running when it has no port."""
    if part.port is None:
        return True
    connection = http.client.HTTPConnection(host, part.port, timeout=1)
    try:
        connection.request("GET", part.health_path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _last_words(child: _Child, what: str) -> str:
    lines = "\n".join(f"    {line}" for line in child.last_lines) or "    (nothing)"
    return f"{child.part.name} {what}; it wrote last:\n{lines}"
