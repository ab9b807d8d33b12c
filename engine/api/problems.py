"""Refusals as answers: RFC 9457 problem details, one shape for everything that goes wrong."""
from __future__ import annotations

import logging
import re
from typing import Any, Mapping

import peewee

from .. import store
from ..base import canon, trace
from ..base.errors import Code, Refusal

CONTENT_TYPE = "application/problem+json"
_log = logging.getLogger("salewright.api")
_INDEX = re.compile(r"\[(\d+)\]")


def body(refusal: Refusal, asked: Any = None) -> dict[str, Any]:
    """The problem of a refusal. `asked` is the request's body, so that places in it become JSON Pointers."""
    code = refusal.code
    return {"type": f"/docs#{code.code}", "title": code.sentence, "status": code.status, "code": code.code,
            "message": refusal.message, "details": [_detail(d, asked) for d in refusal.details],
            "trace_id": trace.trace_id(), "retryable": code.retryable}


def _detail(found: Mapping[str, Any], asked: Any) -> dict[str, Any]:
    detail = dict(found)
    path = detail.get("path", "")
    if isinstance(asked, dict) and path and path[0].isalpha():
        steps = _INDEX.sub(r".\1", path).split(".")
        if steps[0] in asked or steps[0] in ("buyer", "fields"):
            detail["path"] = "/" + "/".join(steps)
    return detail


def headers(code: Code) -> dict[str, str]:
    """What the standards ask for beside the body."""
    found = {"Content-Type": CONTENT_TYPE}
    if code.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="salewright"'
    if code.retryable:
        found["Retry-After"] = "1"
    return found


def dump(problem: Mapping[str, Any]) -> bytes:
    return canon.dumps(problem).encode()


def of_error(error: Exception) -> Refusal:
    """What went wrong on our side, as an answer that tells nothing of our inside; the log has it all."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, (peewee.OperationalError, peewee.InterfaceError)):
        _log.error("the database did not take it: %s", error)
        for db in store.LOGICAL.values():      # the next request of this thread connects anew
            db.close()
        return Refusal(Code.DATABASE_BUSY)
    _log.error("an error nobody expected: %r", error, exc_info=error)
    return Refusal(Code.INTERNAL)
