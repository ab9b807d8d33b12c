"""Excerpts of what went over the wire, fit for a log: no secret, no token, no buyer's number in them."""
from __future__ import annotations

from typing import Any, Mapping
from urllib.parse import quote, quote_plus

from . import codecs
from .model import Reply, Request
from .vocabulary import PRIVATE_FACTS

_EXCERPT_MAX = 2000
_MASK = "***"
_SECRET_HEADERS = ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key")


def excerpts(request: Request, reply: Reply | None, secrets: list[str], facts: Mapping[str, Any]) -> dict[str, str]:
    """{"request", "response"} as text. `secrets` are masked wherever they stand, however they are written; so is what our
    headers prove us with, which some servers send back in an error."""
    proofs = [value.rpartition(" ")[2] for name, value in request.headers.items() if name.lower() in _SECRET_HEADERS]
    mask = _masker([*secrets, *filter(None, proofs)], facts)
    sent = f"{request.method} {request.url}\n{_headers(request.headers)}\n{_text(request.body)}"
    came = f"{reply.status}\n{_headers(reply.headers)}\n{_text(reply.body)}" if reply else ""
    return {"request": mask(sent)[:_EXCERPT_MAX], "response": mask(came)[:_EXCERPT_MAX]}


def _headers(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {_scheme(value) if name.lower() in _SECRET_HEADERS else value}\n"
                   for name, value in headers.items())


def _scheme(value: str) -> str:
    word, space, rest = value.partition(" ")
    return f"{word} {_MASK}" if space and rest else _MASK


def _text(body: bytes) -> str:
    return body[:_EXCERPT_MAX * 4].decode("utf-8", "replace")


def _masker(secrets: list[str], facts: Mapping[str, Any]) -> Any:
    replace: dict[str, str] = {}
    for name in PRIVATE_FACTS:
        value = facts.get(name)
        if isinstance(value, str) and len(value) > 1:
            replace.update(dict.fromkeys(spellings(value), _partly(value)))
    for secret in secrets:
        replace.update(dict.fromkeys(spellings(secret), _MASK))
    ordered = sorted(replace, key=len, reverse=True)

    def mask(text: str) -> str:
        for value in ordered:
            text = text.replace(value, replace[value])
        return text
    return mask


def spellings(value: str) -> set[str]:
    """How a value may be written on the wire."""
    return {value, quote(value, safe=""), quote_plus(value), codecs.write_json(value).decode()[1:-1]}


def _partly(value: str) -> str:
    return f"{value[:3]}****{value[-4:]}" if len(value) >= 11 and value.isdigit() else _MASK
