"""Logging in and out. A wrong login and a wrong password look the same, take as long, and slow the next try down."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, session, url_for
from flask_admin import expose
from flask_babel import gettext as _

from .. import i18n
from ..room import Page
from . import audit, sessions, throttle, users


class Login(Page):
    """The only page open to everybody."""

    def is_accessible(self) -> bool:
        return True

    @expose("/", methods=("GET", "POST"))
    def index(self) -> Any:
        if g.person is not None:
            return redirect(url_for("admin.index"))
        if request.method == "POST":
            return self._enter(request.form.get("login", "")[:64], request.form.get("password", ""))
        return self._page("", "", 200)

    def _enter(self, login: str, password: str) -> Any:
        address = request.remote_addr or ""
        wait_s = throttle.wait_s(login, address)
        if wait_s:
            audit.record("login", "user", login, login=login, outcome="refused", code="too_many_tries")
            return self._page(login, _("Too many tries. Wait %(seconds)s seconds, then try again. [too_many_tries]",
                                       seconds=wait_s), 429)
        row = users.by_login(login)
        if not users.password_fits(row, password):
            throttle.failed(login, address)
            audit.record("login", "user", login, login=login, outcome="refused", code="wrong_password")
            return self._page(login, _("The login or the password is wrong. [wrong_password]"), 401)
        throttle.succeeded(login, address)
        _keep_language(row)
        begin_session(row)
        users.note_login(row["id"])
        audit.record("login", "user", row["login"], login=row["login"])
        return redirect(inside(request.form.get("next", "")))

    def _page(self, login: str, problem: str, status: int) -> tuple[str, int]:
        return self.render("console/login.html", login=login, problem=problem, page_title=_("Log in"),
                           next=request.values.get("next", "")), status

    @expose("/lang", methods=("POST",))
    def lang(self) -> Any:
        if request.form.get("lang") in i18n.LOCALES:
            session["lang"] = request.form["lang"]
        return redirect(url_for(".index", next=request.form.get("next", "")))

    @expose("/leave", methods=("POST",))
    def leave(self) -> Any:
        audit.record("logout", "user", g.person.login)
        sessions.end(session.get("token", ""))
        lang = g.person.lang
        session.clear()
        session["lang"] = lang
        flash(_("You are logged out."), "info")
        return redirect(url_for(".index"))


def _keep_language(row: dict[str, Any]) -> None:
    """A language picked on this page is the person's from now on; the first admin's is what his browser speaks."""
    if session.get("lang") in i18n.LOCALES or row["password_from"] == "setup" and row["last_login_at_ms"] is None:
        users.set_lang(row["id"], i18n.chosen())


def begin_session(row: dict[str, Any]) -> None:
    """Everything in the browser's cookie is new from here on, the token and the forms' key too."""
    sessions.end(session.get("token", ""))
    session.clear()
    session["token"] = sessions.begin(row["id"], request.remote_addr or "", request.user_agent.string)
    g.pop("csrf_token", None)


def inside(target: str) -> str:
    """Where to go after the login: a page of the console, never another site."""
    plain = target.startswith("/console/") and "\\" not in target and not any(ord(c) < 32 for c in target)
    return target if plain else url_for("admin.index")
