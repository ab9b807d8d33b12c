"""The sandbox over HTTP: the channels' own addresses and the buyers' page. (`control.py`: `/_sandbox/…` for tests and people.)"""
from __future__ import annotations

import secrets
import time
from typing import Any

from flask import Flask, Response, jsonify, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from engine.base import clock
from engine.wire import casts
from engine.wire.model import Message, Unreadable

from . import control, reading, speaking, statements
from .files import Files
from .gateway import Ended, Gateway
from .matching import Call
from .reading import BadSignature, NotUnderstood
from .side import Side
from .state import Row, State

BODY_BYTES_MAX = 1 << 20
HANG_UP = "sandbox.hang_up"              # set in the WSGI environment: break the connection instead of answering
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
TOKEN_LASTS_S = 7200
_DECISIONS = {"payment": {"pay": "succeeded", "cancel": "closed"}, "contract": {"pay": "signed", "cancel": "failed"}}


def make_app(state: State, gateway: Gateway, files: Files) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    _channels(app, state, gateway, files)
    _cashier(app, state, gateway, files)
    control.add(app, state, gateway, files)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        return jsonify(code=error.name.lower().replace(" ", "_"), message=error.description), error.code

    @app.get("/healthz")
    def healthz() -> Any:
        return jsonify(status="ok", channels=sorted(files.sides()))
    return app


# --- the channels' own addresses

def _channels(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.route("/<channel_id>/", methods=METHODS)
    @app.route("/<channel_id>/<path:_path>", methods=METHODS)
    def channel(channel_id: str, _path: str = "") -> Any:
        try:
            side, call = _understood(files, channel_id, _message())
        except LookupError:
            return jsonify(code="not_found", message="there is no such channel here"), 404
        except NotUnderstood as error:
            deed = _named_in_address(state)        # an address that the file gave to a browser, with our number in it
            return redirect(gateway.cashier_url(deed)) if deed else (jsonify(code="not_understood", message=str(error)), 404)
        except (BadSignature, Unreadable) as error:
            return jsonify(code="sign_error", message=str(error)), 401
        if call.operation == "auth":
            return _token(state, side)
        if side.channel.auth and not _token_is_good(state, side, call):
            return jsonify(code="token_expired", message="this token was not given here, or is too old"), 401
        is_link = not side.channel.operations[call.operation].sends
        ended = gateway.handle(side, call, pay_soon=not (is_link and _by_hand()))
        if is_link:
            return redirect(ended.cashier_url) if ended.cashier_url else (ended.fields.get("reason", ""), 409)
        return _answered(side, call, ended, gateway)

    @app.get("/_sandbox/statements/<token>")
    def statement(token: str) -> Any:
        """The file that the answer to `statement` gave the address of."""
        raw = statements.file_of(token)
        return Response(raw, mimetype="application/octet-stream") if raw is not None else (jsonify(code="not_found"), 404)


def _understood(files: Files, channel_id: str, message: Message) -> tuple[Side, Call]:
    """LookupError when there is no such channel. The files are looked at once more before a request is turned away."""
    side = files.sides().get(channel_id)
    try:
        if side is not None:
            return side, reading.read(side, message)
    except (NotUnderstood, BadSignature):
        if files.look_now().get(channel_id) is side:
            raise
    return files.look_now()[channel_id], reading.read(files.sides()[channel_id], message)


def _message() -> Message:
    query = dict(request.args.items())
    headers = {name.lower(): value for name, value in request.headers.items()}
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
    return Message(request.method, request.host, raw.partition("?")[0], query, request.query_string.decode(), headers,
                   request.get_data(cache=True))


def _by_hand() -> bool:
    """A person's browser asks for a page first; programs take anything."""
    return request.accept_mimetypes.best == "text/html"


def _named_in_address(state: State) -> Row | None:
    words = [*request.args.values(), *request.path.split("/")] if request.method == "GET" else []
    return next((deed for word in words if len(word) >= 16 and (deed := state.by_token(word))), None)


def _token(state: State, side: Side) -> Response:
    text = secrets.token_urlsafe(24)
    given = {held: until for held, until in state.setting(f"tokens {side.id}", {}).items() if until > clock.now_ms()}
    state.set_setting(f"tokens {side.id}", {**given, text: clock.now_ms() + TOKEN_LASTS_S * 1000})
    return _sent(speaking.token(side, text, TOKEN_LASTS_S))


def _token_is_good(state: State, side: Side, call: Call) -> bool:
    given = state.setting(f"tokens {side.id}", {})
    return given.get(call.names.get("token", ""), 0) > clock.now_ms()


def _answered(side: Side, call: Call, ended: Ended, gateway: Gateway) -> Any:
    faults = {fault["fault"]: fault for fault in ended.faults}
    if "slow" in faults:
        time.sleep(float(faults["slow"].get("delay_s", 3)))
    if "timeout_done" in faults:
        time.sleep(float(faults["timeout_done"].get("delay_s", 30)))
        request.environ[HANG_UP] = True
        return "", 500
    if "error_done" in faults:
        return "<html><body>502 Bad Gateway</body></html>", 502
    try:
        holding = statements.write(side, gateway.state, call.facts, gateway.public_url) if call.operation == "statement" else {}
        return _sent(speaking.answer(side, call.operation, ended.state, ended.fields, ended.cashier_url,
                                     "forged_answer" in faults, ended.token, ended.facts, ended.beside, holding))
    except speaking.CannotSay as error:
        return jsonify(code="cannot_say", message=str(error)), 500


def _sent(said: speaking.Said) -> Response:
    return Response(said.body, said.status, said.headers)


# --- the buyer's page

def _cashier(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.get("/_sandbox/cashier")
    def cashier() -> Any:
        deed = state.by_token(request.args.get("token", ""))
        if deed is None or deed["kind"] not in _DECISIONS:
            return jsonify(code="not_found", message="there is no such payment"), 404
        return _page(deed, files)

    @app.post("/_sandbox/cashier/<deed_word>")
    def decide(deed_word: str) -> Any:
        deed = state.by_token(request.args.get("token", ""))
        end = _DECISIONS.get(deed["kind"], {}).get(deed_word) if deed else None
        if deed is None or end is None:
            return jsonify(code="not_found", message="there is no such payment"), 404
        gateway.teller.end(files.sides().get(deed["channel"]), deed, end)
        back = deed["facts"].get("client.return_url", "")
        return redirect(back if back.startswith(("http://", "https://")) else gateway.cashier_url(deed), 303)


def _page(deed: Row, files: Files) -> str:
    side = files.sides().get(deed["channel"])
    minor, facts = deed["amount_minor"] or deed["facts"].get("contract.amount_minor", 0), deed["facts"]
    amount = casts.cast_named("major").write(minor, casts.Setting(deed["currency"], "UTC"))  # type: ignore[union-attr]
    return render_template("cashier.html", deed=deed, amount=amount, title=side.title if side else {"zh": "", "en": ""},
                           goods=facts.get("order.title") or facts.get("contract.title", ""))
