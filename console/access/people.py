"""Users and their roles, for administrators. A change names the version it was made from; what was typed is never lost."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _, lazy_gettext as _l
from markupsafe import Markup

from engine.base.errors import Code, Refusal
from engine.config.live import live

from .. import asked, refusals, ui
from ..i18n import title
from ..keyset import Sort
from ..listing import Listing, cell
from ..refusals import Said
from ..room import ask_first, deed
from . import audit, sessions, throttle, users
from .account import require_good_password
from .roles import ABILITIES, ROLES
from .tables import ConsoleUser


def _link(row: ConsoleUser) -> Markup:
    return Markup('<a href="{}">{}</a>').format(url_for("users.edit", user_id=row.id), row.login)


def _roles(row: ConsoleUser) -> Markup:
    return Markup(" ").join(Markup('<span class="tag">{}</span>').format(ROLES[name].title) for name in row.roles
                            if name in ROLES)


def _active(row: ConsoleUser) -> Markup:
    tone, word = ("good", _("Active")) if row.active else ("over", _("Switched off"))
    return Markup('<span class="state tone-{}">{}</span>').format(tone, word)


class Users(Listing):
    needs = "user.manage"
    table = ConsoleUser
    sorts = (Sort("login", _l("Login"), ConsoleUser.login, descending=False),)
    column_list = ("login", "name", "roles", "lines", "active", "last_login_at_ms")
    column_labels = {"login": _l("Login"), "name": _l("Name"), "roles": _l("Roles"), "lines": _l("Business lines"),
                     "active": _l("State"), "last_login_at_ms": _l("Last login")}
    column_formatters = {"login": cell(_link), "roles": cell(_roles), "active": cell(_active),
                         "lines": cell(lambda row: ", ".join(row.lines) or _("All")),
                         "last_login_at_ms": cell(lambda row: ui.time(row.last_login_at_ms))}
    list_template = "console/users.html"
    search_hint = _l("Login or name")
    export_csv = None

    def search(self, query: Any, text: str) -> Any:
        return query.where(ConsoleUser.login.contains(text.lower()) | ConsoleUser.name.contains(text))

    def more_for_page(self) -> dict[str, Any]:
        return {"roles": ROLES, "abilities": ABILITIES}

    # ── one user ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @expose("/new", methods=("GET", "POST"))
    def new(self) -> Any:
        if request.method == "GET":
            return self._form({"login": "", "name": "", "roles": ["viewer"], "lines": [], "lang": "zh", "active": True}, 200)
        typed = _typed()
        password = users.new_password()
        try:
            if not typed["login"].isascii() or not typed["login"].replace(".", "").replace("-", "").replace("_", "").isalnum():
                raise Said(Code.BAD_REQUEST, _("A login is made of letters, digits, dots and dashes."))
            with audit.deed("user.create", "user", typed["login"]) as entry:
                users.create(typed["login"], typed["name"], password, typed["roles"], typed["lines"], typed["lang"], "admin")
                entry.after = _public(typed)
        except Refusal as refusal:
            flash(refusals.text(refusal), "danger")
            return self._form(typed, 409)
        self._tell_password(typed["login"], password)
        return redirect(url_for(".edit", user_id=users.by_login(typed["login"])["id"]))

    @expose("/<int:user_id>", methods=("GET", "POST"))
    def edit(self, user_id: int) -> Any:
        row = users.find(user_id)
        if request.method == "GET":
            return self._form(row, 200, row)
        typed = {**row, **_typed(), "login": row["login"]}
        values = {name: typed[name] for name in ("name", "roles", "lines", "lang", "active")}
        if row["active"] and not typed["active"]:
            question = _("Switch %(login)s off? All sessions of that user end at once.", login=row["login"])
            if page := ask_first(question, _("Switch off"), url_for(".edit", user_id=user_id), danger=True):
                return page
        try:
            with audit.deed("user.change", "user", row["login"], before=_public(row)) as entry:
                entry.after = _public(users.change(user_id, asked.number(request.form.get("version")), actor=g.person.login,
                                                   **values))
                if not values["active"]:
                    sessions.end_all(user_id)
        except Refusal as refusal:
            flash(refusals.text(refusal), "danger")
            if refusal.code is Code.EDIT_CONFLICT:
                flash(_("What you typed is below; saving it now would replace the other change."), "warning")
            return self._form({**typed, "version": row["version"]}, refusal.code.status, row)
        flash(_("Saved."), "success")
        return redirect(url_for(".edit", user_id=user_id))

    @expose("/<int:user_id>/password", methods=("POST",))
    @deed("user.manage", lambda user_id: url_for("users.edit", user_id=user_id))
    def reset(self, user_id: int) -> Any:
        row = users.find(user_id)
        back = url_for(".edit", user_id=user_id)
        question = _("Give %(login)s a new password and end all sessions of that user?", login=row["login"])
        if page := ask_first(question, _("New password"), back, danger=True):
            return page
        password = users.new_password()
        require_good_password(password, row["login"])
        with audit.deed("user.reset_password", "user", row["login"]):
            users.change(user_id, row["version"], actor=g.person.login, password=password, password_from="admin")
            sessions.end_all(user_id)
            throttle.unlock(row["login"])
        self._tell_password(row["login"], password)

    def _tell_password(self, login: str, password: str) -> None:
        flash(_("The password of %(login)s is %(password)s. It is shown only now, and must be changed at the next login.",
                login=login, password=password), "success")

    def _form(self, values: dict[str, Any], status: int, row: dict[str, Any] | None = None) -> Any:
        trail = audit.of_object("user", row["login"], 20) if row else []
        return self.render("console/user.html", values=values, row=row, roles=ROLES, abilities=ABILITIES, trail=trail,
                           lines=_lines(values["lines"]), page_title=row["login"] if row else _("New user")), status


def _typed() -> dict[str, Any]:
    form = request.form
    return {"login": form.get("login", "").strip().lower()[:64], "name": form.get("name", "").strip()[:80],
            "roles": form.getlist("roles"), "lines": form.getlist("lines"),
            "lang": "en" if form.get("lang") == "en" else "zh", "active": form.get("active", "yes") == "yes"}


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("login", "name", "roles", "lines", "lang", "active") if name in row}


def _lines(chosen: list[str]) -> dict[str, str]:
    """Business lines one may choose: those of the live release, and those chosen before."""
    try:
        known = {id: title(line.get("title"), id) for id, line in live.catalog().lines.items()}
    except Refusal:                            # nothing was published yet
        known = {}
    return {**{id: id for id in chosen}, **known}
