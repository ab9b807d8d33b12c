"""What every page shares: Flask-Admin's view with our guard, and the ways a page answers a form.

A page names the ability it `needs`; the menu shows it only to those who have it. Deeds are POSTs: refused ones come back to
the page they came from with the reason in the reader's language.
"""
from __future__ import annotations

import functools
from typing import Any, Callable

from flask import abort, current_app, flash, g, redirect, request
from flask_admin import BaseView
from flask_babel import gettext as _

from engine.base.errors import Refusal

from . import refusals


class Guarded:
    """Mixed into every Flask-Admin view.

    needs    an ability, or "" for whoever has logged in
    menu_as  the endpoint whose menu entry is lit while this page is shown ("": its own)
    """
    needs = ""
    menu_as = ""

    def is_accessible(self) -> bool:
        person = g.get("person")
        return person is not None and (not self.needs or person.may(self.needs))

    def inaccessible_callback(self, name: str, **kwargs: Any) -> Any:
        return abort(403)

    def _run_view(self, fn: Callable, *args: Any, **kwargs: Any) -> Any:
        # Flask-Admin's own calls a view a second time when it raises TypeError, which hides the error.
        return fn(self, *args, **kwargs)


    def is_visible(self) -> bool:
        return self.category is not None       # what is in no group of the menu is reached from other pages


class Page(Guarded, BaseView):
    """A page of our own; its endpoint is the class's name."""

    def __init__(self, name: Any, category: Any = None, icon: str = ""):
        super().__init__(name=name, category=category, menu_icon_type="fa" if icon else None, menu_icon_value=icon or None)


def show(template: str, **values: Any) -> str:
    """Render inside the frame of the view at work, or of the home page when none is (errors)."""
    view = g.get("_admin_view") or current_app.extensions["admin"][0].index_view
    return view.render(template, **values)


def deed(ability: str, back: Callable[..., str]) -> Callable:
    """Decorates a POST handler: asks for the ability, and turns a Refusal into a message on the page that `back`, called
    with the handler's URL values, names. A handler that returns None goes there too."""
    def wrap(handler: Callable) -> Callable:
        @functools.wraps(handler)
        def run(self: Any, *args: Any, **kwargs: Any) -> Any:
            if ability and not g.person.may(ability):
                abort(403)
            try:
                answer = handler(self, *args, **kwargs)
            except Refusal as refusal:
                flash(refusals.text(refusal), "danger")
                return redirect(back(*args, **kwargs))
            return answer if answer is not None else redirect(back(*args, **kwargs))
        return run
    return wrap


def ask_first(question: str, button: str, back_url: str, danger: bool = False) -> str | None:
    """None when the form says it was confirmed; otherwise a page that asks, and sends the same form again.

    With JavaScript the question is asked on the page itself (`data-confirm`), and this page is never seen.
    """
    if request.form.get("confirmed") == "yes":
        return None
    fields = [(name, value) for name, value in request.form.items(multi=True) if name not in ("csrf_token", "confirmed")]
    return show("console/confirm.html", question=question, button=button, back_url=back_url, danger=danger, fields=fields,
                page_title=_("Please confirm"))


def wants_json() -> bool:
    return request.is_json or request.accept_mimetypes.best == "application/json"
