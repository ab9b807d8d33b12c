"""My account: password, language, where I am logged in, and what my roles let me do."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, session, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine.base.errors import Code

from .. import i18n
from ..refusals import Said
from ..room import Page, deed
from . import audit, sessions, throttle, users
from .login import begin_session, inside
from .roles import ABILITIES, ROLES


def require_good_password(password: str, login: str) -> None:
    """Refusal BAD_REQUEST, in the reader's language, for a password that is too easy."""
    problem = users.password_problem(password, login)
    if problem:
        raise Said(Code.BAD_REQUEST, {
            "short": _("A password has at least %(n)s characters.", n=users.PASSWORD_MIN),
            "simple": _("This password uses too few different characters."),
            "login": _("A password must not contain the login."),
        }[problem])


class Account(Page):
    @expose("/")
    def index(self) -> Any:
        mine = [{**row, "here": sessions.is_token_of(session["token"], row)} for row in sessions.of_user(g.person.id)]
        return self.render("console/account.html", sessions=mine, roles=ROLES, abilities=ABILITIES)

    @expose("/password", methods=("POST",))
    @deed("", lambda: url_for("account.index"))
    def password(self) -> Any:
        row = users.find(g.person.id)
        old, new, again = (request.form.get(name, "") for name in ("old", "new", "again"))
        address = request.remote_addr or ""
        if throttle.wait_s(row["login"], address):
            raise Said(Code.RATE_LIMITED, _("Too many tries. Wait a little, then try again."))
        if not users.password_fits(row, old):
            throttle.failed(row["login"], address)
            raise Said(Code.BAD_REQUEST, _("The present password is wrong."))
        if new != again:
            raise Said(Code.BAD_REQUEST, _("The two new passwords differ."))
        if new == old:
            raise Said(Code.BAD_REQUEST, _("The new password is the present one."))
        require_good_password(new, row["login"])
        with audit.deed("user.password", "user", row["login"]):
            users.change(row["id"], row["version"], actor=row["login"], password=new, password_from="self")
            sessions.end_all(row["id"])
        begin_session(row)
        flash(_("Your password is changed. All other sessions of yours have ended."), "success")

    @expose("/others", methods=("POST",))
    @deed("", lambda: url_for("account.index"))
    def others(self) -> Any:
        with audit.deed("user.end_sessions", "user", g.person.login):
            ended = sessions.end_all(g.person.id, except_token=session["token"])
        flash(_("Other sessions ended: %(n)s.", n=ended), "success")

    @expose("/lang", methods=("POST",))
    def lang(self) -> Any:
        if request.form.get("lang") in i18n.LOCALES:
            users.set_lang(g.person.id, request.form["lang"])
        return redirect(inside(request.form.get("back", "")))
