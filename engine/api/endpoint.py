"""What an endpoint is: one function, and under its decorator all that is to be known of it.

The table `ENDPOINTS` is walked by the application (routes), the OpenAPI document and the docs page; requests pass through
`Endpoint.answer`: authenticate → read → check against the schemas → work. Knows no Flask.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping

from ..base import canon
from ..base.errors import Code, Refusal
from . import auth, validation
from .asked import Asked
from .auth import Client
from .once import Once
from .schema import Schema

ENDPOINTS: dict[str, "Endpoint"] = {}
SEGMENT = "^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,63}$"
_SEGMENT = re.compile(SEGMENT[:-1] + r"\Z")
# Refusals that any endpoint of a kind may answer with; the decorators name what is particular.
_ALWAYS = (Code.BAD_REQUEST, Code.DATABASE_BUSY, Code.INTERNAL)
_KEYED = (Code.UNAUTHENTICATED, Code.SIGNATURE_INVALID, Code.SIGNATURE_REPLAYED, Code.CLOCK_SKEW, Code.FORBIDDEN)
_BODIED = (Code.BAD_JSON, Code.WRONG_CONTENT_TYPE, Code.BODY_TOO_LARGE)
_ONCE = (Code.IDEMPOTENCY_KEY_REUSED, Code.IDEMPOTENCY_IN_FLIGHT)


@dataclass(slots=True)
class Answer:
    """status and a JSON value, or `raw` bytes with their own headers."""
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None


@dataclass(slots=True)
class Call:
    """One request on its way through an endpoint: authenticated, read and checked."""
    asked: Asked
    client: Client
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    once: Once


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`who` may ask: key · partner · either · anyone. `key`: what an Idempotency-Key is to it: required · taken · ""."""
    name: str
    method: str
    path: str
    title: Mapping[str, str]
    about: str
    run: Callable[[Call], Answer]
    who: str
    scopes: tuple[str, ...]
    body: Schema | None
    query: Mapping[str, Schema]
    key: str
    answers: Mapping[int, Schema | None]
    refusals: tuple[Code, ...]
    checker: validation.Checker | None
    query_checkers: Mapping[str, validation.Checker]

    @property
    def all_refusals(self) -> tuple[Code, ...]:
        """Every code it may answer with, for the document."""
        own = self.refusals + ((_KEYED if self.who != "anyone" else ()) + (_BODIED if self.body else ())
                               + (_ONCE if self.key else ()) + _ALWAYS)
        if self.key == "required":
            own += (Code.IDEMPOTENCY_KEY_REQUIRED,)
        return tuple(dict.fromkeys(own))

    def answer(self, asked: Asked, path: Mapping[str, str]) -> Answer:
        """Authenticate, read, check, work. Everything that is wrong comes out as a Refusal."""
        for name, value in path.items():
            if not _SEGMENT.match(value):
                raise Refusal(Code.BAD_REQUEST, f"{name} in the address is not a name: {value[:80]!r}", [
                    {"path": f"{{{name}}}", "found": value[:80], "expected": "letters, digits and . _ : @ + = -"}])
        client = self._client(asked, path)
        query, body = self._query(asked), None
        if self.checker is not None:
            body = self.checker.check(asked.json())
        once = Once(client.id, self._key(asked), asked.method, asked.path, body)
        return self.run(Call(asked, client, path, query, body, once))

    def _client(self, asked: Asked, path: Mapping[str, str]) -> Client:
        if self.who == "anyone":
            return ANYONE
        if self.who == "partner" or (self.who == "either" and not auth.carries_key(asked)):
            return auth.by_partner(asked, path["partner"])
        client = auth.by_key(asked)
        client.need(*self.scopes)
        return client

    def _key(self, asked: Asked) -> str:
        key = asked.header("idempotency-key") if self.key else ""
        given = bool(self.key) and asked.gave("idempotency-key")
        if not given and self.key == "required":
            raise Refusal(Code.IDEMPOTENCY_KEY_REQUIRED, details=[
                {"path": "Idempotency-Key", "found": "nothing", "expected": "a new text of yours for each request"}])
        if given and not _KEY.match(key):          # an empty one too: a slip that would not protect anything
            raise Refusal(Code.BAD_REQUEST, "the Idempotency-Key is not 1 to 100 visible ASCII characters", [
                {"path": "Idempotency-Key", "found": key[:120], "expected": "1 to 100 visible ASCII characters"}])
        return key

    def _query(self, asked: Asked) -> dict[str, Any]:
        given = asked.query() if asked.query_text else {}
        details, found = [], {}
        for name, text in given.items():
            if name not in self.query:
                details.append({"path": f"?{name}", "found": "a parameter that is not known here",
                                "expected": "one of " + ", ".join(self.query) if self.query else "no parameters"})
                continue
            found[name] = _typed(self.query[name], text)
            try:
                self.query_checkers[name].check(found[name])
            except Refusal as refusal:
                details.append({**refusal.details[0], "path": f"?{name}", "found": text[:80]})
        for name, schema in self.query.items():
            if name not in given and "default" in schema:
                found[name] = schema["default"]
            elif name not in given and schema.get("x-required"):
                details.append({"path": f"?{name}", "found": "missing", "expected": "a value"})
        if details:
            raise Refusal(Code.BAD_REQUEST, validation.sentence(details), details)
        return found


ANYONE = Client("", frozenset(), ())
_KEY = re.compile(r"[!-~]{1,100}\Z")


def _typed(schema: Schema, text: str) -> Any:
    """A query's text as the schema's type; as it is when it is not of that type, for the checker to refuse."""
    if schema["type"] == "integer" and re.fullmatch(r"-?[0-9]{1,15}", text):
        return int(text)
    if schema["type"] == "boolean" and text in ("true", "false"):
        return text == "true"
    return text


def endpoint(method: str, path: str, name: str, title: tuple[str, str], *, who: str = "key", scopes: str = "",
             body: Schema | None = None, query: Mapping[str, Schema] | None = None, key: str = "",
             answers: Mapping[int, Schema | None], refusals: tuple[Code, ...] = ()) -> Callable:
    """Register a function as an endpoint. title: (zh, en); scopes: blank-separated, one of them is enough.

    The function's docstring is its description in the document.
    """
    def register(run: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        if name in ENDPOINTS:
            raise ValueError(f"the endpoint {name} is registered twice")
        about = " ".join((run.__doc__ or "").split())
        ENDPOINTS[name] = Endpoint(
            name, method, path, {"zh": title[0], "en": title[1]}, about, run, who, tuple(scopes.split()), body,
            dict(query or {}), key, dict(answers), refusals, validation.Checker(body) if body else None,
            {n: validation.Checker(s) for n, s in (query or {}).items()})
        return run
    return register


def needed(schema: Schema) -> Schema:
    """A query parameter that must be given."""
    return {**schema, "x-required": True}


def dump(value: Any) -> bytes:
    return canon.dumps(value).encode()
