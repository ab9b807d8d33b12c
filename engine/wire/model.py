"""What passes through the wire room: messages, outcomes, notices, and the ways they go wrong."""
from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Mapping

EMPTY: Mapping[str, Any] = MappingProxyType({})


class WireError(Exception):
    """The channel file or its secrets are wrong, or the room is used wrongly: someone here has to mend something.

    Outside failures never raise it; they are an Outcome or a NoticeRejected. `sent`: it came to light only when the other side
    had answered, so that a call was made.
    """
    sent = False


class FactMissing(WireError):
    """A template needs a fact the caller did not give."""

    def __init__(self, name: str):
        self.name = name
        super().__init__(f"the fact {name!r} is needed and was not given")


class Unreadable(ValueError):
    """A message, or a value in it, is not what the channel file says it is."""


class Unverified(Exception):
    """The signature or the freshness of a message does not hold. `code`: signature_missing · signature_invalid ·
    key_unknown · stale."""

    def __init__(self, code: str, reason: str):
        self.code, self.reason = code, reason
        super().__init__(reason)


class NoticeRejected(Exception):
    """An incoming message is not to be believed or can't be read.

    code    signature_missing · signature_invalid · key_unknown · stale · unreadable · undecryptable · mismatch ·
            event_unknown
    reason  one sentence, free of secrets, fit for the log and for the sender
    """

    def __init__(self, reason: str, code: str):
        self.reason, self.code = reason, code
        super().__init__(f"{code}: {reason}")


@dataclass(slots=True)
class Message:
    """One HTTP message, ours or theirs, while it is built or read. `tree` is the decoded body."""
    method: str = ""
    host: str = ""
    path: str = ""
    query: dict[str, Any] = field(default_factory=dict)
    query_text: str = ""
    headers: dict[str, str] = field(default_factory=dict)   # names in lower case
    body: bytes = b""
    tree: Any = None
    status: int | None = None

    @property
    def path_and_query(self) -> str:
        return f"{self.path}?{self.query_text}" if self.query_text else self.path

    @property
    def body_text(self) -> str:
        return self.body.decode("utf-8", "surrogateescape")  # exact bytes survive the round trip


@dataclass(frozen=True, slots=True)
class Request:
    """A call ready to be sent: exactly these bytes were signed. `text` is what the signature covers."""
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    text: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]       # names in lower case
    body: bytes


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A call from outside as the API received it. `query` holds decoded values; `query_text` the raw string after `?`
    (needed only where a sender signs it)."""
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]       # names in lower case
    body: bytes
    query_text: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended, as far as we know.

    state     a word of `vocabulary.STATES`; `unknown` means: it may have happened, ask later
    fields    what `take:` mapped from the answer: `channel_no`, `amount_minor`, `paid_at_ms`, …
    client    what the buyer's terminal gets: {"qr": text} · {"redirect": url} · {"params": {…}} · {"text": …}
    reason    one sentence on why, "" when there is nothing to say
    sent      whether any byte of the request may have left us
    ours      nothing was sent because the request could not be made of the facts given: no fault of the channel
    status    HTTP status of the answer, None without one
    exchange  {"request", "response"}: excerpts for the log, secrets and buyers' numbers masked
    """
    state: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    sent: bool = False
    status: int | None = None
    exchange: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """One verified event from outside. `dedupe_key` is unique within the channel: the same key is the same event."""
    event: str
    dedupe_key: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """An authenticated request. `replay_key` names it: seen twice within `fresh_s`, it is a replay."""
    replay_key: str
    fresh_s: float | None
