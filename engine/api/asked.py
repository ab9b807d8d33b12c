"""A request as it came in: its body read once and bounded, its headers by lower-case name. Knows WSGI, not Flask."""
from __future__ import annotations

import re
from typing import Any, Mapping
from urllib.parse import parse_qsl

from .. import wire
from ..base import canon
from ..base.errors import Code, Refusal

BODY_MAX = 1 << 20
DEPTH_MAX = 32                                 # lists and objects inside one another
_JSON = re.compile(r"application/json\s*(?:;.*)?\Z", re.IGNORECASE)


class Asked:
    """One request. `body` is read on first use: BODY_TOO_LARGE as soon as it is known to be, announced or not."""

    def __init__(self, environ: Mapping[str, Any]):
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.query_text: str = environ.get("QUERY_STRING", "")
        self.peer: str = environ.get("REMOTE_ADDR", "")
        self.value: Any = None                 # the body as JSON, once `json` was called
        self._body: bytes | Refusal | None = None

    @property
    def path(self) -> str:
        """As it reads: percent-encoding undone."""
        return self._environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")

    @property
    def path_and_query(self) -> str:
        return f"{self.path}?{self.query_text}" if self.query_text else self.path

    def header(self, name: str) -> str:
        """A header by its lower-case name, "" when it is not there."""
        if name in ("content-type", "content-length"):
            return self._environ.get(name.replace("-", "_").upper(), "")
        return self._environ.get("HTTP_" + name.replace("-", "_").upper(), "")

    def gave(self, name: str) -> bool:
        """Whether a header of this lower-case name came, be it empty."""
        return "HTTP_" + name.replace("-", "_").upper() in self._environ

    def headers(self) -> dict[str, str]:
        found = {k[5:].replace("_", "-").lower(): v for k, v in self._environ.items() if k.startswith("HTTP_")}
        found |= {name: self.header(name) for name in ("content-type", "content-length") if self.header(name)}
        return found

    @property
    def body(self) -> bytes:
        self.read()
        if isinstance(self._body, Refusal):
            raise self._body
        return self._body

    def read(self) -> None:
        """Take the body from the line, as slowly as it comes; what is wrong with it is said where it is asked for."""
        if self._body is None:
            try:
                self._body = self._read()
            except Refusal as refusal:
                self._body = refusal

    def _read(self) -> bytes:
        announced = self.header("content-length")
        stream = self._environ["wsgi.input"]
        if not announced and not self._environ.get("wsgi.input_terminated"):
            return b""                         # no length and no end: there is no body to read
        try:
            length = int(announced) if announced else BODY_MAX + 1
        except ValueError:
            raise Refusal(Code.BAD_REQUEST, "Content-Length is not a number") from None
        if announced and length > BODY_MAX:
            raise _too_large()
        parts, room = [], length
        while room > 0 and (part := stream.read(room)):
            parts.append(part)
            room -= len(part)
        body = b"".join(parts)
        if len(body) > BODY_MAX:
            raise _too_large()
        return body

    def json(self) -> Any:
        """The body as JSON, kept as `value`; {} when there is none. WRONG_CONTENT_TYPE, BAD_JSON."""
        body = self.body
        if not body:
            self.value = {}
            return self.value
        if not _JSON.match(self.header("content-type")):
            raise Refusal(Code.WRONG_CONTENT_TYPE, f"this interface takes application/json, not "
                          f"{self.header('content-type')[:80] or 'a body without a type'}")
        try:
            self.value = canon.loads(body)
        except ValueError as error:
            raise Refusal(Code.BAD_JSON, f"the body is not valid JSON: {error}") from None
        if body.count(b"{") + body.count(b"[") > DEPTH_MAX and canon.is_deeper(self.value, DEPTH_MAX):
            raise Refusal(Code.BAD_JSON, f"the body is nested more than {DEPTH_MAX} deep")
        if b"\\u0000" in body:                 # rare, and maybe only an escaped backslash: look closely
            _refuse_nul(self.value, "")
        return self.value

    def query(self) -> dict[str, str]:
        """The query's names and values; BAD_REQUEST for a name that comes twice."""
        pairs = parse_qsl(self.query_text, keep_blank_values=True, encoding="utf-8", errors="replace")
        found = dict(pairs)
        if len(found) != len(pairs):
            twice = next(name for name, _ in pairs if sum(n == name for n, _ in pairs) > 1)
            raise Refusal(Code.BAD_REQUEST, f"{twice} is asked for twice",
                          [{"path": f"?{twice}", "found": "two values", "expected": "one"}])
        return found

    def incoming(self) -> wire.IncomingRequest:
        """The request for the wire room: exact bytes, since others signed them."""
        return wire.IncomingRequest(self.method, self.path, self._lenient_query(), self.headers(), self.body, self.query_text)

    def _lenient_query(self) -> dict[str, str]:
        return dict(parse_qsl(self.query_text, keep_blank_values=True, encoding="utf-8", errors="replace"))


def _too_large() -> Refusal:
    return Refusal(Code.BODY_TOO_LARGE, f"the body is larger than {BODY_MAX} bytes",
                   [{"path": "", "expected": f"at most {BODY_MAX} bytes"}])


def _refuse_nul(value: Any, path: str) -> None:
    """No database keeps U+0000 in a text, and no text means anything by it."""
    if isinstance(value, str) and "\0" in value:
        raise Refusal(Code.BAD_REQUEST, f"{path or 'the body'} holds the character U+0000",
                      [{"path": path, "found": "U+0000", "expected": "text without it"}])
    if isinstance(value, dict):
        for name, inner in value.items():
            _refuse_nul(name, path)
            _refuse_nul(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_nul(inner, f"{path}/{number}")
