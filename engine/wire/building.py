"""Building a request: fill the templates, encode each part once, sign exactly those bytes.

A signature stands in one of three places, which fixes the order: placed in the body or the query, it is made before
that part is encoded; placed in a header, after everything is.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping
from urllib.parse import SplitResult, quote, urlsplit

from . import casts, codecs
from .model import EMPTY, Message, Request, Unreadable
from .scope import Scope
from .signing import Signer
from .templates import ABSENT, Template
from .trees import Tree


@dataclass(frozen=True, slots=True)
class RequestPlan:
    """How one request is made. `path` None: it is never sent, only its body and signature are wanted."""
    method: str
    base: Template
    path: Template | None
    query: Tree
    headers: Tree
    body_kind: str | None
    body: Tree
    content_type: str
    signer: Signer | None
    extra_headers: Tree                      # after the signature: a token

    def build(self, scope: Scope) -> Request:
        """Leaves the finished message in `scope.message` and `{url}` among the names."""
        message = scope.message = self._message(scope)
        placed = self.signer.places if self.signer else EMPTY
        if "body" not in placed:
            self._encode_body(message)
        if "query" not in placed:
            self._encode_query(message)
        text, signature = self.signer.sign(scope) if self.signer else ("", "")
        if self.signer:
            self._place(message, scope)
        if "body" in placed:
            self._encode_body(message)
        if "query" in placed:
            self._encode_query(message)
        url = f"{scope.names['origin']}{message.path_and_query}" if self.path else ""
        scope.names["url"] = url
        headers = {**message.headers, **_headers(self.extra_headers, scope)}
        return Request(message.method, url, headers, message.body, text, signature)

    def sign_at(self, scope: Scope, parts: SplitResult) -> dict[str, str]:
        """The headers of a GET at an address that somebody else wrote, signed as the plan says."""
        message = scope.message = Message(method="GET", host=parts.netloc, path=parts.path, query_text=parts.query)
        message.headers.update(_headers(self.headers, scope))
        if self.signer:
            self.signer.sign(scope)
            for name, value in self.signer.placed("header", scope).items():
                message.headers[name.lower()] = header_safe(casts.as_text(value))
        return {**message.headers, **_headers(self.extra_headers, scope)}

    def _message(self, scope: Scope) -> Message:
        message = Message(method=self.method)
        if self.path is not None:
            base = urlsplit(self.base.text(scope).rstrip("/"))
            scope.names["origin"] = f"{base.scheme}://{base.netloc}"
            message.host = base.netloc
            message.path = base.path + self.path.text(scope, segment_safe)
        query = self.query(scope)
        message.query = {} if query is ABSENT else query
        tree = self.body(scope) if self.body_kind else None
        message.tree = {} if tree is ABSENT else tree
        if self.body_kind:
            message.headers["content-type"] = self.content_type or codecs.CODECS[self.body_kind].content_type
        message.headers.update(_headers(self.headers, scope))
        return message

    def _place(self, message: Message, scope: Scope) -> None:
        assert self.signer is not None
        for name, value in self.signer.placed("header", scope).items():
            message.headers[name.lower()] = header_safe(casts.as_text(value))
        message.query.update(self.signer.placed("query", scope))
        if "body" in self.signer.places:
            message.tree.update(self.signer.placed("body", scope))

    def _encode_body(self, message: Message) -> None:
        if self.body_kind:
            message.body = codecs.CODECS[self.body_kind].write(message.tree, casts.as_text)

    def _encode_query(self, message: Message) -> None:
        message.query_text = codecs.write_query(message.query, casts.as_text)


def _headers(tree: Tree, scope: Scope) -> dict[str, str]:
    filled: Mapping[str, Any] = tree(scope)
    if filled is ABSENT:
        return {}
    return {name.lower(): header_safe(casts.as_text(value)) for name, value in filled.items()}


def header_safe(text: str) -> str:
    """A header's value; Unreadable with a line break (it would begin another header) or beyond ASCII."""
    if not text.isascii() or "\r" in text or "\n" in text:
        raise Unreadable("a header's value must be one line of ASCII")
    return text


def segment_safe(text: str) -> str:
    """A value quoted for one segment of a path; Unreadable for `.` and `..`, which would name another address."""
    if text in (".", ".."):
        raise Unreadable("a value in an address is only dots")
    return quote(text, safe="")
