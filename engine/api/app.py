"""The application: routes from the table of endpoints, every error as a problem, a log line and a signal a request.

The only module of the engine, with `docs.py`, that knows Flask.
"""
from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Any, Callable

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from ..base import signal, trace, turn
from ..base.errors import Code, Refusal
from . import contracting, docs, endpoint, metrics, notices, operating, ordering, partnering, problems, selling, serving
from .asked import Asked
from .endpoint import Answer, Endpoint

ROOMS = (selling, ordering, contracting, serving, partnering, notices, operating)      # importing them fills the table
_log = logging.getLogger("salewright.api")
# What HTTP itself refuses → our codes.
_HTTP_CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.BODY_TOO_LARGE}


def create_app() -> Flask:
    """The WSGI application. The engine must have been started in this process (`startup.start`)."""
    app = _Application("salewright.api", static_folder=None)
    app.url_map.merge_slashes = False
    for found in endpoint.ENDPOINTS.values():
        app.add_url_rule(_rule(found.path), found.name, _view(found), methods=[found.method], provide_automatic_options=False)
    docs.register(app)
    app.register_error_handler(HTTPException, _http_error)
    metrics.start()
    return app


class _Application(Flask):
    """Flask, with the endpoints reached past its routing and contexts, which they don't use: those cost more than a quote.

    What is no endpoint (the docs, an unknown address, another method) takes Flask's way.
    """

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self._routes: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
        for found in endpoint.ENDPOINTS.values():
            parts = tuple(found.path.split("/"))
            self._routes.setdefault((found.method, len(parts)), []).append((parts, found))
        for routes in self._routes.values():   # a word goes before a place that takes any
            routes.sort(key=lambda route: [part[:1] == "{" for part in route[0]])

    def wsgi_app(self, environ: dict[str, Any], start_response: Callable) -> Any:
        given = environ.get("PATH_INFO", "").split("/")
        for parts, found in self._routes.get((environ["REQUEST_METHOD"], len(given)), ()):
            path = _match(parts, given)
            if path is not None:
                asked = Asked(environ)
                asked.read()                   # a slow sender keeps no turn
                with turn.taken():
                    answer, body = answer_of(found, asked, path)
                headers = [*answer.headers.items(), ("Content-Length", str(len(body)))]
                start_response(_STATUS[answer.status], headers)
                return [body]
        return super().wsgi_app(environ, start_response)


_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


def _match(parts: tuple[str, ...], given: list[str]) -> dict[str, str] | None:
    path = {}
    for part, text in zip(parts, given):
        if part[:1] == "{" and text:
            path[part[1:-1]] = text if text.isascii() else text.encode("latin-1").decode("utf-8", "replace")   # PEP 3333
        elif part != text:
            return None
    return path


def _rule(path: str) -> str:
    return path.replace("{", "<").replace("}", ">")


def _view(found: Endpoint) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        return serve(found, Asked(request.environ), path)
    return view


def serve(found: Endpoint, asked: Asked, path: dict[str, str]) -> Response:
    return _response(*answer_of(found, asked, path))


def answer_of(found: Endpoint, asked: Asked, path: dict[str, str]) -> tuple[Answer, bytes]:
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
    answer.headers.setdefault("Cache-Control", "no-store")
    if answer.raw is not None:
        return answer, answer.raw
    answer.headers.setdefault("Content-Type", "application/json")
    return answer, endpoint.dump(answer.body)


def _problem(refusal: Refusal, value: Any = None) -> Answer:
    return Answer(problems.body(refusal, value), refusal.code.status, problems.headers(refusal.code))


def _response(answer: Answer, body: bytes) -> Response:
    response = Response(body, answer.status, answer.headers)
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
    answer.headers["Cache-Control"] = "no-store"
    return _response(answer, problems.dump(answer.body))
