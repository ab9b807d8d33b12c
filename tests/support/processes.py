"""Real processes for tests: started with an environment of their own, watched, and ended whatever happens."""
from __future__ import annotations

import http.client
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

from engine.cli.process.ports import is_free

from .waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
# Below the range from which the system takes outgoing ports, so that nothing else wanders into them.
_PORTS = range(15_000, 32_000)
_random = random.Random(os.urandom(8))


def free_ports(count: int = 1) -> int:
    """The first of `count` neighbouring free ports (API, console and sandbox are neighbours)."""
    for _ in range(500):
        base = _random.choice(_PORTS)
        if all(is_free(LOOPBACK, base + n) for n in range(count)):
            return base
    raise AssertionError(f"no {count} neighbouring free ports were found")


class Process:
    """A started command. `output()` is all it has written so far, standard output and errors together."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path, cwd: Path = ROOT):
        self._log = log
        with log.open("wb") as out:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                          cwd=cwd, start_new_session=True, env=environment(env))

    @property
    def pid(self) -> int:
        return self.popen.pid

    def output(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, timeout_s: float = 30.0) -> re.Match[str]:
        """The first match of a regular expression in its output; fails at once when it has ended without one."""
        def look() -> re.Match[str] | None:
            ended = self.popen.poll() is not None
            match = re.search(pattern, self.output())
            if ended and not match:
                raise AssertionError(f"it ended with {self.popen.returncode} before {pattern!r}:\n{self.output()}")
            return match
        try:
            return wait_until(look, f"{pattern!r} in the output", timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    def wait_healthy(self, port: int, path: str = "/healthz", timeout_s: float = 30.0) -> None:
        wait_until(lambda: self._alive() and status_of(port, path) == 200, f"200 from port {port}{path}", timeout_s)

    def _alive(self) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"it ended with {self.popen.returncode}:\n{self.output()}")
        return True

    def wait(self, timeout_s: float = 30.0) -> int:
        """Its exit code (negative: the signal that ended it)."""
        return self.popen.wait(timeout_s)

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill9(self) -> None:
        """SIGKILL to the process alone: what a crash looks like to everybody else."""
        self.popen.kill()
        self.popen.wait(10)

    def end(self) -> None:
        """SIGKILL to the process and its whole session."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait(10)


class Processes:
    """Starts processes for one test and ends every one of them after it."""

    def __init__(self, folder: Path, env: dict[str, str]):
        self._folder, self.env = folder, env
        self.started: list[Process] = []

    def start(self, *command: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Process:
        log = self._folder / f"process-{len(self.started)}.log"
        process = Process(list(command), {**self.env, **(env or {})}, log, cwd)
        self.started.append(process)
        return process

    def python(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> Process:
        return self.start(sys.executable, *arguments, env=env, cwd=cwd)

    def run_py(self, *arguments: str, env: dict[str, str] | None = None) -> Process:
        """`run.py …` of this checkout."""
        return self.python(str(ROOT / "run.py"), *arguments, env=env)

    def end_all(self) -> None:
        for process in reversed(self.started):
            process.end()


def environment(extra: dict[str, str]) -> dict[str, str]:
    """This process's environment without any setting of its own, and with those given."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SALEWRIGHT_")}
    return {**clean, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **extra}


def status_of(port: int, path: str = "/healthz") -> int | None:
    """The HTTP status of a GET on loopback, or None when nothing answers."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
