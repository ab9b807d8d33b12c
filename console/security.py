"""What keeps a browser honest: the shared key of cookies, how cookies are set, headers, and one nonce a page."""
from __future__ import annotations

import secrets
from urllib.parse import urlparse

from flask import Flask, Response, g, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from engine import store
from engine.base import settings

from .access.tables import ConsoleKey

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
# Nothing from elsewhere, nothing inline: scripts carry the page's nonce. `data:` pictures are Bootstrap's own arrows.
_POLICY = ("default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
           "font-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")


def shared_key() -> str:
    """The key that signs cookies: one for all console nodes, made once and kept in the system database."""
    with store.transaction(store.system):
        store.insert(ConsoleKey, {"name": "cookies", "value": secrets.token_urlsafe(48)}, ignore=True)
        return store.one(ConsoleKey, name="cookies")["value"]


def nonce() -> str:
    """This page's nonce."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return g.nonce


def behind_https() -> bool:
    """Whether people reach the console through https: then cookies are for https only, and browsers are told to stay."""
    return urlparse(settings.get("CONSOLE_URL")).scheme == "https" or request.is_secure


class Cookies(SecureCookieSessionInterface):
    """Signed cookies that know whether this request came through https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return behind_https()


def install(app: Flask) -> None:
    if settings.get("CONSOLE_URL"):            # a proxy stands in front, and tells who asks: one hop is believed, no more
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)
    app.session_interface = Cookies()
    app.config.update(
        SECRET_KEY=shared_key(), SESSION_COOKIE_NAME="salewright_console", SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_PATH="/console", SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_TIME_LIMIT=None,              # a form may lie open as long as its session lives
        SEND_FILE_MAX_AGE_DEFAULT=30 * 86400,   # every address of a static file carries its version
        MAX_CONTENT_LENGTH=3 * 1024 * 1024, MAX_FORM_MEMORY_SIZE=3 * 1024 * 1024)   # a file of Chinese, percent-encoded
    app.after_request(_seal)


def _seal(response: Response) -> Response:
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=nonce()))
    if behind_https():
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint and not request.endpoint.endswith("static"):
        response.headers["Cache-Control"] = "no-store"
    return response
