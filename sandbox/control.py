"""`/_sandbox/…`: what tests and people ask of the sandbox itself. Faults, lists of deeds, and what buyers, suppliers and shops
do by hand."""
from __future__ import annotations

import secrets
from typing import Any, Mapping

from flask import Flask, jsonify, request

from engine.wire.model import Unreadable, WireError

from . import reading
from .deeds import PAYING
from .faults import ABOUT, DEED_FAULTS
from .files import Files
from .gateway import Gateway
from .reading import BadSignature, NotUnderstood
from .state import Row, State
from .telling import PAY_AFTER_S

_LISTS = {"payments": PAYING, "refunds": ("refund",), "messages": ("message",), "upstream": ("charge",), "contracts": ("contract",),
          "invoices": ("invoice",), "shop": ("shop_order",), "notes": ("note",)}
# What can be done to a deed by hand: list → word → (state, from which states)
_OPEN = ("pending", "accepted")
_BY_HAND: Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "payments": {"pay": ("succeeded", _OPEN), "cancel": ("closed", _OPEN), "fail": ("failed", _OPEN)},
    "upstream": {"deliver": ("succeeded", _OPEN), "part": ("partial", _OPEN), "fail": ("failed", _OPEN)},
    "contracts": {"sign": ("signed", _OPEN), "fail": ("failed", _OPEN), "end": ("ended", ("signed",))},
    "invoices": {"issue": ("succeeded", _OPEN), "fail": ("failed", _OPEN)},
}


def add(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    _trouble(app, state)
    for name, kinds in _LISTS.items():
        app.add_url_rule(f"/_sandbox/{name}", name, _lister(state, gateway, kinds))
    _by_hand(app, state, gateway, files)
    _shop(app, state, gateway, files)


def _trouble(app: Flask, state: State) -> None:
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
        return jsonify(faults=[{**row["detail"], "next": row["remaining"]} for row in state.faults()], known=ABOUT)

    @app.route("/_sandbox/settings", methods=["GET", "POST"])
    def settings() -> Any:
        asked = request.get_json(silent=True) if request.method == "POST" else {}
        if not isinstance(asked, dict) or not all(_is_seconds(v) and k == "pay_after_s" for k, v in asked.items()):
            return jsonify(code="bad_request", message="pay_after_s: seconds, or null for by hand only"), 400
        if "pay_after_s" in asked:
            state.set_setting("pay_after_s", asked["pay_after_s"])
        return jsonify(pay_after_s=state.setting("pay_after_s", PAY_AFTER_S))


def _by_hand(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.post("/_sandbox/<name>/<channel_id>/<no>/<word>")
    def by_hand(name: str, channel_id: str, no: str, word: str) -> Any:
        deed = state.find_any(channel_id, _LISTS.get(name, ()), no, "")
        end = _BY_HAND.get(name, {}).get(word)
        if deed is None or end is None:
            return jsonify(code="not_found", message="there is no such number, or no such word"), 404
        moved = gateway.teller.end(files.sides().get(channel_id), deed, *end)
        return jsonify(state=(state.by_id(deed["id"]) or deed)["state"], moved=moved)

    @app.post("/_sandbox/app/<channel_id>")
    def app_pays(channel_id: str) -> Any:
        """What the channel's software in the buyer's app does with what it is handed: {"text": …}, {"params": {…}}, or the
        parameters themselves."""
        side = files.sides().get(channel_id) or files.look_now().get(channel_id)
        given = request.get_json(silent=True)
        if side is None or not isinstance(given, dict):
            return jsonify(code="bad_request", message="send what the client was given as a JSON object"), 400
        inner = next((given[kind] for kind in ("text", "params") if set(given) == {kind}), given)
        try:
            call = reading.read_client(side, inner)
        except (NotUnderstood, BadSignature, Unreadable, WireError) as error:
            return jsonify(code="sign_error", message=str(error)), 401
        if side.channel.operations[call.operation].sends:          # it was asked for before; only its parameters come now
            held = next((deed for name, value in call.names.items() if name.startswith("answer.")
                         and (deed := state.by_token(str(value)))), None)
            return jsonify(state=held["state"], cashier=gateway.cashier_url(held), reason="") if held else \
                (jsonify(code="not_found", message="these parameters name no payment that was asked for here"), 404)
        ended = gateway.handle(side, call)
        return jsonify(state=ended.state, cashier=ended.cashier_url, reason=ended.fields.get("reason", ""))


def _shop(app: Flask, state: State, gateway: Gateway, files: Files) -> None:
    @app.post("/_sandbox/shop/<channel_id>/orders")
    def sold(channel_id: str) -> Any:
        """Somebody buys in the channel's shop: {item, quantity?} or {items: [{item, quantity?, amount_minor?}]}, with
        amount_minor, phone?, no?, currency?."""
        asked = request.get_json(silent=True)
        side = files.sides().get(channel_id) or files.look_now().get(channel_id)
        if side is None or not isinstance(asked, dict) or not isinstance(asked.get("amount_minor"), int):
            return jsonify(code="bad_request", message="send item and amount_minor, for a channel there is"), 400
        no = str(asked.get("no") or 69 * 10 ** 14 + secrets.randbelow(10 ** 14))       # as such shops number their orders
        deed = state.begin(channel_id, "shop_order", no, "pending", {
            "amount_minor": asked["amount_minor"], "currency": asked.get("currency", side.setting.currency),
            "facts": {"quantity": 1, **asked}, "faults": state.use_faults(channel_id, "order", no, DEED_FAULTS)})
        gateway.teller.end(side, deed, "succeeded")
        return jsonify(_shown(state, gateway, state.by_id(deed["id"]) or deed)), 201

    @app.post("/_sandbox/shop/<channel_id>/orders/<no>/refund")
    def refunded(channel_id: str, no: str) -> Any:
        """The shop gives a buyer the money back."""
        order = state.find(channel_id, "shop_order", no)
        if order is None or order["state"] != "succeeded" or state.given_back_minor(channel_id, no):
            return jsonify(code="not_found", message="there is no such order, or it was refunded"), 404
        deed = state.begin(channel_id, "refund", f"SR{no}", "pending", {
            "parent_no": no, "amount_minor": order["amount_minor"], "currency": order["currency"],
            "facts": {"shop.order_no": no, "payment.channel_no": order["channel_no"]}})
        gateway.teller.end(files.sides().get(channel_id), deed, "succeeded")
        return jsonify(_shown(state, gateway, state.by_id(deed["id"]) or deed)), 201


def _lister(state: State, gateway: Gateway, kinds: tuple[str, ...]) -> Any:
    def listed() -> Any:
        rows = [row for kind in kinds for row in state.listed(kind, request.args.get("channel", ""), request.args.get("no", ""))]
        return jsonify(items=[_shown(state, gateway, row) for row in sorted(rows, key=lambda row: -row["id"])])
    return listed


def _shown(state: State, gateway: Gateway, row: Row) -> dict[str, Any]:
    shown = {name: row[name] for name in ("channel", "no", "parent_no", "state", "channel_no", "amount_minor", "currency",
                                          "made_at_ms", "done_at_ms", "facts")}
    if row["kind"] in ("payment", "contract"):
        shown["cashier"] = gateway.cashier_url(row)
    return {**shown, "notices": state.sayings(row["id"])}


def _wrong_fault(asked: Any) -> str:
    if not isinstance(asked, dict) or asked.get("fault") not in ABOUT:
        return f"fault: one of {', '.join(sorted(ABOUT))}"
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
