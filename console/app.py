"""The console's application: Flask-Admin's frame, menu and lists, with our pages in it, behind a login, in two languages."""
from __future__ import annotations

from flask import Flask, Response, g, jsonify, redirect, request, session, url_for
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme
from flask_babel import lazy_gettext as _l
from flask_wtf import CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from engine import store
from engine.base import trace
from engine.config import releases

from . import asked, errors, i18n, security, ui
from .access import sessions, users
from .access.account import Account
from .access.login import Login
from .access.people import Users
from .access.trail import Trail
from .pages.charges import Charges
from .pages.contracts import Contracts
from .pages.drafts import Drafts
from .pages.editor import Editor
from .pages.jobs import Jobs
from .pages.orders import Orders
from .pages.outbox import AllJobs
from .pages.overview import Overview
from .pages.partners import Partners
from .pages.payments import Payments, Refunds
from .pages.releases import Releases
from .pages.studio import Studio
from .pages.work import Work

# What may be had without a login.
OPEN = frozenset({"healthz", "root", "static", "admin.static", "login.index", "login.lang"})
# A password that somebody else chose opens only these until it is changed.
BEFORE_PASSWORD = OPEN | {"account.index", "account.password", "account.lang", "login.leave"}


def create_app() -> Flask:
    """The console as a WSGI application. The databases are open and migrated; `live` may have a release or none."""
    app = Flask("console", root_path=str(ui.STATIC.parent), static_folder="static", static_url_path="/console/own")
    security.install(app)
    i18n.install(app)
    ui.install(app)
    app.before_request(_begin)
    asked.install(app)
    CSRFProtect(app)
    app.before_request(_guard)
    app.teardown_request(_end)
    errors.install(app)
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.add_url_rule("/", "root", lambda: redirect(url_for("admin.index")))
    _furnish(app)
    return app


def _furnish(app: Flask) -> None:
    """Flask-Admin with every page, in the order of the menu."""
    admin = Admin(app, name="Salewright", url="/console", csp_nonce_generator=security.nonce,
                  index_view=Overview(name=_l("Overview"), url="/console", menu_icon_type="fa", menu_icon_value="fa-dashboard"),
                  theme=Bootstrap4Theme(base_template="console/base.html", fluid=True))
    sell, studio, operate, access = _l("Sell"), _l("Studio"), _l("Operate"), _l("Access")
    for category in (sell, studio, operate, access):
        admin.add_category(category)
    admin.add_views(
        Orders(name=_l("Orders"), category=sell, icon="fa-shopping-cart"),
        Payments(name=_l("Payments"), category=sell, icon="fa-credit-card"),
        Refunds(name=_l("Refunds"), category=sell, icon="fa-undo"),
        Contracts(name=_l("Contracts"), category=sell, icon="fa-refresh"),
        Partners(name=_l("Partners"), category=sell, icon="fa-handshake-o"),
        Charges(name=_l("Direct charges"), category=sell, icon="fa-bolt"),
        Studio(name=_l("Catalogue"), category=studio, icon="fa-sitemap"),
        Drafts(name=_l("Drafts"), category=studio, icon="fa-pencil-square-o"),
        Releases(name=_l("Releases"), category=studio, icon="fa-history"),
        Editor(name=_l("Editor")), AllJobs(name=_l("All jobs")),
        Work(name=_l("Work orders"), category=operate, icon="fa-check-square-o"),
        Jobs(name=_l("Jobs"), category=operate, icon="fa-tasks"),
        Users(name=_l("Users"), category=access, icon="fa-users"),
        Trail(name=_l("Audit trail"), category=access, icon="fa-list-alt"),
        Login(name=_l("Log in")),
        Account(name=_l("My account")))


def _begin() -> None:
    """Every request works under a trace, which every log line and every state it moves will carry."""
    g.span = trace.span(f"console.{request.endpoint or request.path}", request.headers.get("traceparent"))
    g.trace = g.span.__enter__()
    row = None
    if request.endpoint not in ("healthz", "static", "admin.static"):
        row = sessions.user_of(session.get("token", ""))
    g.person = users.person(row) if row else None


def _end(error: BaseException | None) -> None:
    span = g.pop("span", None)
    if span is not None:
        span.__exit__(None, None, None)


def _guard() -> AnyResponse | None:
    """Nothing but the login page is open, whatever a page itself may have forgotten to ask."""
    if request.endpoint is None:               # no such address: the error page is for everybody
        return None
    if g.person is None:
        return None if request.endpoint in OPEN else errors.to_login()
    if g.person.password_from == "admin" and request.endpoint not in BEFORE_PASSWORD:
        return redirect(url_for("account.index"))
    return None


def _healthz() -> Response:
    """Up, and the databases answer."""
    store.query(store.system, "SELECT 1")
    store.query(store.trade, "SELECT 1")
    return jsonify(status="ok", release_no=releases.live_no())
