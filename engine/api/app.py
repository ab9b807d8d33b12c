"""The application: routes from the table of endpoints, every error as a problem, a log line and a signal a request.

The only module of the engine, with `docs.py`, that knows Flask.
"""
from __future__ import annotations

import logging
import time
from typing import Any, Callable

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..base import signal, trace
from ..base.errors import Code, Refusal
from . import docs, endpoint, metrics, notices, operating, ordering, partnering, problems, selling, serving
from .asked import Asked
from .endpoint import Answer, Endpoint

ROOMS = (selling, ordering, serving, partnering, notices, operating)      # importing them fills the table
_log = logging.getLogger("salewright.api")
# What HTTP itself refuses → our codes.
_HTTP_CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.BODY_TOO_LARGE}


def create_app() -> Flask:
    """The WSGI application. The engine must have been started in this process (`startup.start`)."""
    app = Flask("salewright.api", static_folder=None)
    app.url_map.merge_slashes = False
    for found in endpoint.ENDPOINTS.values():
        app.add_url_rule(_rule(found.path), found.name, _view(found), methods=[found.method], provide_automatic_options=False)
    docs.register(app)
    app.register_error_handler(HTTPException, _http_error)
    metrics.start()
    return app


def _rule(path: str) -> str:
    return path.replace("{", "<").replace("}", ">")


def _view(found: Endpoint) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        return serve(found, Asked(request.environ), path)
    return view


def serve(found: Endpoint, asked: Asked, path: dict[str, str]) -> Response:
    """One request, whatever comes of it."""
    began = time.perf_counter()
    with trace.span(found.name, asked.header("traceparent")) as span:
        code = ""
        try:
            answer = found.answer(asked, path)
        except Exception as error:
            refusal = problems.of_error(error)
            code, answer = refusal.code.code, _problem(refusal, asked.value)
        took_s = time.perf_counter() - began
        _note(found, asked, answer.status, code, took_s)
    answer.headers["traceparent"] = span.traceparent
    return _response(answer)


def _problem(refusal: Refusal, value: Any = None) -> Answer:
    return Answer(problems.body(refusal, value), refusal.code.status, problems.headers(refusal.code))


def _response(answer: Answer) -> Response:
    answer.headers.setdefault("Cache-Control", "no-store")
    if answer.raw is None:
        answer.headers.setdefault("Content-Type", "application/json")
        return Response(endpoint.dump(answer.body), answer.status, answer.headers)
    response = Response(answer.raw, answer.status, answer.headers)
    if "Content-Type" not in answer.headers:
        del response.headers["Content-Type"]   # an empty answer has no type, whatever Flask thinks
    return response


def _note(found: Endpoint, asked: Asked, status: int, code: str, took_s: float) -> None:
    signal.emit("api.seconds", took_s, interface=found.name, status=str(status), code=code)
    level = logging.ERROR if status >= 500 else logging.DEBUG if found.who == "anyone" and found.method == "GET" else logging.INFO
    if _log.isEnabledFor(level):
        _log.log(level, "%s %s %s", asked.method, asked.path, status, extra={
            "interface": found.name, "took_ms": round(took_s * 1000, 1), **({"code": code} if code else {})})


def _http_error(error: HTTPException) -> Response:
    """No such address, or not with this method: nobody's endpoint, so there is no span of its own."""
    code = _HTTP_CODES.get(error.code or 500, Code.BAD_REQUEST)
    with trace.span("http", request.headers.get("traceparent")) as span:
        if code is Code.NOT_FOUND:
            refusal = Refusal(code, f"there is nothing at {request.path[:200]}", [{"path": request.path[:200]}])
        else:
            refusal = Refusal(code, f"{request.method} is not taken here" if error.code == 405 else "")
        answer = _problem(refusal)
        answer.headers["traceparent"] = span.traceparent
        if error.code == 405 and getattr(error, "valid_methods", None):
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return _response(answer)
