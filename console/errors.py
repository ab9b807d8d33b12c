"""Every bad path ends in a page of ours, in the reader's language, with a code and a trace id; never in a traceback."""
from __future__ import annotations

import logging

import peewee
from flask import Flask, Response, flash, g, jsonify, redirect, request, url_for
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from engine import store
from engine.base import trace
from engine.base.errors import Code, Refusal

from . import refusals
from .room import show, wants_json

_log = logging.getLogger("salewright.console")


def install(app: Flask) -> None:
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(CSRFError, _forged)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(peewee.OperationalError, _database)
    app.register_error_handler(peewee.InterfaceError, _database)
    app.register_error_handler(Exception, _broken)


def to_login() -> Response:
    """Nobody is logged in: pages go to the login and come back; what is not a page says so."""
    if wants_json():
        return _json(Code.UNAUTHENTICATED.code, _("Your session has ended. Log in again in another tab, then repeat this."), 401)
    if request.method != "GET":
        flash(_("Your session has ended, and what you sent was not done. Log in again."), "warning")
        return redirect(url_for("login.index"))
    return redirect(url_for("login.index", next=request.full_path.rstrip("?")))


def answer(code: str, title: str, message: str, status: int) -> tuple[str, int] | Response:
    """The error as JSON where JSON was asked for, as a page otherwise."""
    if wants_json():
        return _json(code, message, status)
    return show("console/error.html", code=code, page_title=title, message=message, status=status,
                trace_id=trace.trace_id()), status


def _json(code: str, message: str, status: int) -> Response:
    response = jsonify(code=code, message=message, trace_id=trace.trace_id())
    response.status_code = status
    return response


def _refused(refusal: Refusal):
    return answer(refusal.code.code, _("That is not possible"), refusals.plain(refusal), refusal.code.status)


def _forged(error: CSRFError):
    message = _("This form is too old, or it is not ours. Nothing was done. Load the page again and repeat it.")
    return answer("csrf", _("Please try again"), message, 400)


def _http(error: HTTPException):
    if error.response is not None or (error.code or 500) < 400:
        return error
    known = {
        403: ("forbidden", _("Not for your roles"), _("None of your roles may do that. An administrator can give you one.")),
        404: ("not_found", _("Nothing is here"), _("There is no such page or thing, or it is not yours to see.")),
        405: ("method_not_allowed", _("Nothing is here"), _("This address does not take that method.")),
        413: ("body_too_large", _("Too large"), _("What you sent is larger than the console takes.")),
    }
    code, title, message = known.get(error.code, ("bad_request", _("That is not possible"), _("The request was not understood.")))
    return answer(code, title, message, error.code)


def _database(error: Exception):
    for db in store.LOGICAL.values():          # a broken connection must not be asked again
        db.close()
    _log.warning("a database did not answer: %s", error)
    return answer(Code.DATABASE_BUSY.code, _("The database does not answer"),
                  _("The database did not take the request in time. Nothing was done; try again in a moment."), 503)


def _broken(error: Exception):
    _log.exception("the console stumbled at %s", request.path, extra={"person": getattr(g.get("person"), "login", "")})
    return answer(Code.INTERNAL.code, _("Something went wrong here"),
                  _("Something went wrong here; the trace id helps to find it in the log."), 500)
