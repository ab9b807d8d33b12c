"""A real HTTP server on loopback that misbehaves as told: one scripted answer a connection, bytes and all."""
from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Callable, Iterator

Script = Callable[[socket.socket], None]


class Server:
    """`requests`: what came, raw. `then(script)`: what happens to the next connections, after the request was read."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self._script: Script = lambda connection: None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._spawn(self._serve)

    def then(self, script: Script) -> None:
        self._script = script

    def close(self) -> None:
        self._ended.set()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(5)
        self._listener.close()

    def _spawn(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        self._listener.settimeout(0.05)
        while not self._ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._listener.accept()
                self._spawn(self._one, connection)

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        self._open.add(connection)
        with contextlib.suppress(OSError), connection:
            while not self._ended.is_set():
                request = _read_request(connection)
                if not request:
                    return
                self.requests.append(request)
                self._script(connection)
                if not getattr(self._script, "keeps_open", False):
                    return


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


# --- scripts

def says(body: bytes, status: str = "200 OK", **headers: str) -> Script:
    """A whole, well-formed answer; the connection stays open for the next request."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]

    def script(connection: socket.socket) -> None:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    script.keeps_open = True  # type: ignore[attr-defined]
    return script


def sends(*pieces: bytes, wait_s: float = 0.0) -> Script:
    """Raw bytes, piece by piece, then the end."""
    def script(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(wait_s)
    return script


def resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def drips(what: bytes, every_s: float) -> Script:
    return sends(*(bytes([b]) for b in what), wait_s=every_s)
