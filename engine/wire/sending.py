"""One HTTP call of a channel, with its whole time limited, and known of each failure: had a byte of it left us?

This is the only module of the engine with an HTTP client that leaves the house.
"""
from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from ..base import turn
from .channel import Channel
from .model import EMPTY, Reply, Request, WireError
from .secrets import Places

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)      # its DEBUG lines hold whole addresses, secrets and all
ANSWER_BYTES_MAX = 1 << 20
_places = Places()
_inside_transaction: Callable[[], bool] = lambda: False


def forbid_in(inside: Callable[[], bool]) -> None:
    """Told at start-up how to see that a database transaction is open; no call goes out while it is."""
    global _inside_transaction
    _inside_transaction = inside


def require_outside(what: str) -> None:
    """WireError inside a database transaction: an outside call would hold its locks for as long as it takes."""
    if _inside_transaction():
        raise WireError(f"{what}: an outside call inside a database transaction")


class NotSent(Exception):
    """Nothing left us: the connection could not be made."""


class NoAnswer(Exception):
    """Something may have left us, and no complete answer came."""


class _Call(threading.local):
    """The call this thread is making: when it must be over, and whether a byte of it may have left."""
    ends_at = 0.0
    sent = False


_call = _Call()


class _TimedReader(socket.SocketIO):
    """Reads a socket until the call's own end, so that an answer that drips can't hold a thread."""

    def readinto(self, buffer: Any) -> int | None:
        left_s = _call.ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(left_s)
        return super().readinto(buffer)


class _TimedResponse(HTTPConnection.response_class):  # type: ignore[name-defined, misc]
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any):
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock, "r"))
        sock._io_refs += 1  # type: ignore[attr-defined]  # as socket.makefile does: the reader keeps the socket open


class _Watched:
    """Notes that bytes are about to leave; everything before that is provably not sent."""
    response_class = _TimedResponse

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[has-type]
            self.connect()  # type: ignore[attr-defined]
        _call.sent = True
        super().send(data)  # type: ignore[misc]


class _Plain(_Watched, HTTPConnection):
    pass


class _Secure(_Watched, HTTPSConnection):
    pass


class _PlainPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Secure


_managers: dict[tuple[str, str], tuple[tuple, urllib3.PoolManager]] = {}
_managers_lock = threading.Lock()


def _manager(ca: str, certificate: str) -> urllib3.PoolManager:
    """Connections are shared by all channels with the same certificates, and made anew when a certificate's file changes."""
    paths = [_places.path(name) if name else None for name in (ca, certificate)]
    try:
        marks = tuple((path.stat().st_mtime_ns, path.stat().st_size) if path else None for path in paths)
    except OSError as error:
        name = os.path.basename(error.filename)
        raise WireError(f"a certificate is not there: put it into the file {name} of the secrets folder") from None
    with _managers_lock:
        if _managers.get((ca, certificate), (None,))[0] != marks:
            manager = urllib3.PoolManager(num_pools=64, maxsize=32, cert_reqs="CERT_REQUIRED",
                                          ca_certs=str(paths[0] or certifi.where()), cert_file=str(paths[1]) if paths[1] else None)
            manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
            _managers[ca, certificate] = (marks, manager)
        return _managers[ca, certificate][1]


def send(ch: Channel, request: Request, timeout_s: float, bytes_max: int = ANSWER_BYTES_MAX) -> Reply:
    """NotSent or NoAnswer when there is no whole answer; WireError when the channel may not be called like this."""
    _require_tls(ch, request.url)
    return _exchange(_manager(ch.tls.get("ca", ""), ch.tls.get("certificate", "")), request, timeout_s, bytes_max)


def fetch(ch: Channel, url: str, timeout_s: float, bytes_max: int, headers: Mapping[str, str] = EMPTY) -> Reply:
    """A GET at an address that a message named, which the caller has found allowed: our own certificate is not shown there.
    NotSent, NoAnswer."""
    return _exchange(_manager(ch.tls.get("ca", ""), ""), Request("GET", url, headers, b""), timeout_s, bytes_max)


def _exchange(manager: urllib3.PoolManager, request: Request, timeout_s: float, bytes_max: int) -> Reply:
    require_outside(urlsplit(request.url).netloc)
    with turn.given_back():
        return _call_out(manager, request, timeout_s, bytes_max)


def _call_out(manager: urllib3.PoolManager, request: Request, timeout_s: float, bytes_max: int) -> Reply:
    _call.sent, _call.ends_at = False, time.monotonic() + timeout_s
    headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "salewright", **request.headers}
    try:
        timeout = urllib3.Timeout(connect=min(timeout_s, 5.0), read=timeout_s)
        reply = manager.request(request.method, request.url, headers=headers, body=request.body or None,
                                     redirect=False, retries=False, timeout=timeout, preload_content=False,
                                     decode_content=False)
    except (HTTPError, OSError) as error:
        why = f"{type(error).__name__} after {'sending' if _call.sent else 'trying to connect'}"
        raise (NoAnswer if _call.sent else NotSent)(why) from None
    try:
        body = b"".join(_chunks(reply, bytes_max))
    except (HTTPError, OSError) as error:
        reply.close()
        raise NoAnswer(f"{type(error).__name__} while the answer came") from None
    reply.release_conn()
    return Reply(reply.status, {name.lower(): value for name, value in reply.headers.items()}, body)


def _chunks(reply: urllib3.BaseHTTPResponse, bytes_max: int) -> Iterator[bytes]:
    size = 0
    for chunk in reply.stream(65536, decode_content=False):
        size += len(chunk)
        if size > bytes_max:
            reply.close()
            raise NoAnswer(f"the answer is larger than {bytes_max} bytes")
        yield chunk


def _require_tls(ch: Channel, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not is_local(parts.hostname) and not all(op.checks for op in ch.operations.values() if op.sends):
        raise WireError(f"{ch.id}: answers that nobody signs may come over https only")


def is_local(host: str | None) -> bool:
    return host in ("127.0.0.1", "localhost", "::1")
