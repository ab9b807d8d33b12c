"""Whether a port is free, and who has it when it is not (Linux tells; elsewhere the answer is "unknown")."""
from __future__ import annotations

import os
import socket
from pathlib import Path

_LISTENING = "0A"                              # the state column of /proc/net/tcp


def is_free(host: str, port: int) -> bool:
    """Whether this process could listen there now. A server that shares its port (SO_REUSEPORT) counts as taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)   # a port still in TIME_WAIT is free to us
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def holder(port: int) -> str:
    """`process 4242 (python run.py serve)`, or "another process" when the system does not say."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        try:
            if any(os.readlink(fd) in inodes for fd in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({words[:100]})"
        except OSError:                        # gone meanwhile, or another user's
            continue
    return "another process"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{columns[9]}]")
    return found


def free_base(host: str, wanted: int, offsets: tuple[int, ...], tries: int = 50) -> int | None:
    """The next base port (in tens) at which every offset is free, or None."""
    for base in range(wanted + 10, min(wanted + 10 * tries, 65_000), 10):
        if all(is_free(host, base + offset) for offset in offsets):
            return base
    return None
