"""The sandbox over HTTP: the channels' own addresses, the buyers' cashier page, `/_sandbox/…` for tests and people."""
from __future__ import annotations

import time
from typing import Any, Mapping

from flask import Flask, Response, jsonify, redirect, render_template, request
from werkzeug.exceptions import HTTPException

from engine.wire import casts
from engine.wire.model import Message, Unreadable, WireError

from . import gateway as deeds
from . import speaking
from .files import Files
from .gateway import Ended, Gateway
from .reading import BadSignature, Call, NotUnderstood, Side
from .state import Row, State

BODY_BYTES_MAX = 1 << 20
HANG_UP = "sandbox.hang_up"              # set in the WSGI environment: break the connection instead of answering
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def make_app(state: State, gateway: Gateway, files: Files) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    _channels(app, gateway, files)
    _cashier(app, state, gateway, files)
    _control(app, state, gateway, files)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        return jsonify(code=error.name.lower().replace(" ", "_"), message=error.description), error.code

    @app.get("/healthz")
    def healthz() -> Any:
        return jsonify(status="ok", channels=sorted(files.sides()))
    return app


# --- the channels' own addresses

def _channels(app: Flask, gateway: Gateway, files: Files) -> None:
    @app.route("/<channel_id>/<path:_path>", methods=METHODS)
    def channel(channel_id: str, _path: str) -> Any:
        side = files.sides().get(channel_id)
        if side is None:
            return jsonify(code="not_found", message="there is no such channel here"), 404
        try:
            call = side.read(_message())
        except NotUnderstood as error:
            return jsonify(code="not_understood", message=str(error)), 404
        except (BadSignature, Unreadable) as error:
            return jsonify(code="sign_error", message=str(error)), 401
        by_hand = request.accept_mimetypes.best == "text/html"
        is_link = not side.channel.operations[call.operation].sends
        ended = gateway.handle(side, call, pay_soon=not (is_link and by_hand))
        if is_link:
            return redirect(ended.client_value) if ended.client_value else (ended.fields.get("reason", ""), 409)
        return _answered(side, call, ended)


def _message() -> Message:
    query = dict(request.args.items())
    headers = {name.lower(): value for name, value in request.headers.items()}
    raw = request.environ.get("RAW_URI") or request.environ.get("REQUEST_URI") or request.full_path
    return Message(request.method, request.host, raw.partition("?")[0], query, request.query_string.decode(), headers,
                   request.get_data(cache=True))


def _answered(side: Side, call: Call, ended: Ended) -> Any:
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
        said = speaking.answer(side, call.operation, ended.state, ended.fields, ended.client_value,
                               "forged_answer" in faults)
    except speaking.CannotSay as error:
        return jsonify(code="cannot_say", message=str(error)), 500
    return Response(said.body, said.status, said.headers)


# --- the buyer's page

def _cashier(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.get("/_sandbox/cashier/<token>")
    def cashier(token: str) -> Any:
        deed = state.by_token(token)
        if deed is None or deed["kind"] != "payment":
            return jsonify(code="not_found", message="there is no such payment"), 404
        return _page(deed, files)

    @app.post("/_sandbox/cashier/<token>/<deed_word>")
    def decide(token: str, deed_word: str) -> Any:
        deed = state.by_token(token)
        end = {"pay": "succeeded", "cancel": "closed"}.get(deed_word)
        if deed is None or end is None:
            return jsonify(code="not_found", message="there is no such payment"), 404
        gateway.end(deed, end)
        back = deed["facts"].get("client.return_url", "")
        return redirect(back if back.startswith(("http://", "https://")) else gateway.cashier_url(deed), 303)


def _page(deed: Row, files: Files) -> str:
    side = files.sides().get(deed["channel"])
    amount = casts.cast_named("major").write(deed["amount_minor"], casts.Setting(deed["currency"], "UTC"))
    return render_template("cashier.html", deed=deed, amount=amount, title=side.title if side else {"zh": "", "en": ""},
                           goods=deed["facts"].get("order.title", ""))


# --- control

def _control(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.route("/_sandbox/faults", methods=["GET", "POST", "DELETE"])
    def faults() -> Any:
        if request.method == "DELETE":
            state.clear_faults()
        elif request.method == "POST":
            asked = request.get_json(silent=True)
            wrong = _wrong_fault(asked)
            if wrong:
                return jsonify(code="bad_request", message=wrong), 400
            state.ask_fault({k: v for k, v in asked.items() if k != "next"}, int(asked.get("next", 1)))
        return jsonify(faults=[{**row["detail"], "next": row["remaining"]} for row in state.faults()],
                       known=deeds.ABOUT_FAULTS)

    @app.route("/_sandbox/settings", methods=["GET", "POST"])
    def settings() -> Any:
        asked = request.get_json(silent=True) if request.method == "POST" else {}
        if not isinstance(asked, dict) or not all(_is_seconds(v) and k == "pay_after_s" for k, v in asked.items()):
            return jsonify(code="bad_request", message="pay_after_s: seconds, or null for by hand only"), 400
        if "pay_after_s" in asked:
            state.set_setting("pay_after_s", asked["pay_after_s"])
        return jsonify(pay_after_s=state.setting("pay_after_s", deeds.PAY_AFTER_S))

    for name, kind in (("payments", "payment"), ("refunds", "refund"), ("messages", "message"), ("upstream", "charge")):
        app.add_url_rule(f"/_sandbox/{name}", name, _lister(state, gateway, kind))

    @app.post("/_sandbox/payments/<channel_id>/<no>/<deed_word>")
    def by_hand(channel_id: str, no: str, deed_word: str) -> Any:
        end = {"pay": "succeeded", "cancel": "closed", "fail": "failed"}.get(deed_word)
        return _end(state, gateway, "payment", channel_id, no, end)

    @app.post("/_sandbox/upstream/<channel_id>/<no>/<deed_word>")
    def supply(channel_id: str, no: str, deed_word: str) -> Any:
        return _end(state, gateway, "charge", channel_id, no,
                    {"deliver": "succeeded", "part": "partial", "fail": "failed"}.get(deed_word))

    @app.post("/_sandbox/app/<channel_id>")
    def app_pays(channel_id: str) -> Any:
        """What the channel's software in the buyer's app does with the parameters it is handed."""
        side = files.sides().get(channel_id)
        params = request.get_json(silent=True)
        if side is None or not isinstance(params, dict):
            return jsonify(code="bad_request", message="send the client parameters as a JSON object"), 400
        try:
            call = side.read_client(params)
        except (NotUnderstood, BadSignature, Unreadable, WireError) as error:
            return jsonify(code="sign_error", message=str(error)), 401
        ended = gateway.handle(side, call)
        return jsonify(state=ended.state, cashier=ended.client_value, reason=ended.fields.get("reason", ""))


def _lister(state: State, gateway: Gateway, kind: str) -> Any:
    def listed() -> Any:
        rows = state.listed(kind, request.args.get("channel", ""), request.args.get("no", ""))
        return jsonify(items=[_shown(state, gateway, row) for row in rows])
    return listed


def _shown(state: State, gateway: Gateway, row: Row) -> dict[str, Any]:
    shown = {name: row[name] for name in ("channel", "no", "state", "channel_no", "amount_minor", "currency",
                                          "made_at_ms", "done_at_ms", "facts")}
    if row["kind"] == "payment":
        shown["cashier"] = gateway.cashier_url(row)
    return {**shown, "notices": state.sayings(row["id"])}


def _end(state: State, gateway: Gateway, kind: str, channel_id: str, no: str, end: str | None) -> Any:
    deed = state.find(channel_id, kind, no)
    if deed is None or end is None:
        return jsonify(code="not_found", message="there is no such number, or no such word"), 404
    moved = gateway.end(deed, end)
    return jsonify(state=(state.by_id(deed["id"]) or deed)["state"], moved=moved)


def _wrong_fault(asked: Any) -> str:
    if not isinstance(asked, dict) or asked.get("fault") not in deeds.ABOUT_FAULTS:
        return f"fault: one of {', '.join(sorted(deeds.ABOUT_FAULTS))}"
    unknown = set(asked) - {"fault", "channel", "operation", "prefix", "next", "delay_s", "times"}
    if unknown:
        return f"unknown: {', '.join(sorted(unknown))}"
    if not all(isinstance(asked[k], str) for k in ("channel", "operation", "prefix") if k in asked):
        return "channel, operation and prefix are texts"
    numbers: Mapping[str, Any] = {k: asked[k] for k in ("next", "delay_s", "times") if k in asked}
    right = all(_is_seconds(v) and v is not None for v in numbers.values())
    return "" if right else "next, delay_s and times are numbers"


def _is_seconds(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 3600)
