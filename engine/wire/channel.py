"""A channel, compiled: its operations, the notices it sends, its token, its secrets and certificates.

Made by `compile.py` from a document, once; everything that differs between channels is in here, as data and closures.
"""
from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from ..base import clock
from .building import RequestPlan
from .casts import Setting
from .mapping import Judge, Rule, Take
from .model import EMPTY
from .scope import Scope
from .secrets import SecretBox
from .signing import Check, Signer
from .templates import Hole, Template


@dataclass(frozen=True, slots=True)
class Client:
    """What the buyer's terminal gets: one kind, and a signature of its own where the protocol has one."""
    kind: str
    make: Callable[[Scope], Any]
    signer: Signer | None


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    sends: bool                              # False: only parameters or an address for the client; no call of ours
    plan: RequestPlan
    answer_kind: str
    checks: tuple[Check, ...]                # () : TLS alone vouches for the answer
    unsigned_when: Judge | None              # an unsigned answer may be believed when this holds, but never as success
    open: Callable[[Any, Scope], Any]
    rules: tuple[Rule, ...]
    take: Take
    match: Mapping[str, Template]
    client: Client | None
    timeout_s: float
    needs: frozenset[str]                    # facts it can't do without
    file: Any = None                         # of a statement: a `statements.File`


@dataclass(frozen=True, slots=True)
class Answer:
    """What we say to the sender of a notice. `plan` makes its headers, body and signature: it has no address."""
    status: int
    plan: RequestPlan
    repeats: bool                            # it gives back a part of what was asked


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of incoming notice."""
    name: str
    body_kind: str
    split: tuple[tuple[str, ...], tuple[str, ...]] | None
    checks: tuple[Check, ...]
    sealed: bool                             # nothing is signed; that it opens with the key we share is the proof
    open: Callable[[Any, Scope], Any]
    when: Judge | None                       # others of the same address are acknowledged and dropped
    take: Take
    match: Mapping[str, Template]
    once_by: tuple[Hole, ...]
    answers: Mapping[str, Answer]            # success | failure | duplicate


class Kept:
    """A channel's token and when it runs out (monotonic seconds)."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.token = ""
        self.until = 0.0


@dataclass(frozen=True, slots=True)
class Auth:
    """A token fetched by an operation of its own and put into every request until it runs out."""
    plan: RequestPlan
    token: tuple[str, ...]
    lasts: tuple[str, ...] | float           # path to its seconds, or the seconds
    renew_when: Judge | None
    kept: Kept


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    role: str
    setting: Setting
    constants: Mapping[str, str]
    box: SecretBox
    operations: Mapping[str, Operation]
    events: Mapping[str, Event]
    auth: Auth | None
    tls: Mapping[str, str]                   # ca, certificate: names of secrets kept as files

    def scope(self, facts: Mapping[str, Any] = EMPTY, now_ms: int | None = None, nonce: str = "") -> Scope:
        now_ms = clock.now_ms() if now_ms is None else now_ms
        names = {"timestamp": now_ms, "nonce": nonce}
        return Scope(self.setting._replace(now_ms=now_ms), self.box, self.constants, facts, names)
