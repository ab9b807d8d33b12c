"""Releases: what was ever live, what differs between two, who runs which, and going back."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine import startup
from engine.base import clock
from engine.base.errors import Code, Refusal
from engine.config import releases
from engine.config.live import HEARTBEAT_S, live, node_reports

from .. import asked
from ..access import audit, scope
from ..queries import catalogue_files, differences
from ..refusals import Said
from ..room import Page, ask_first, deed

SHOWN = 200


class Releases(Page):
    @expose("/")
    def index(self) -> Any:
        silent_ms = clock.now_ms() - 3 * HEARTBEAT_S * 1000
        nodes = [{**node, "silent": node["seen_at_ms"] < silent_ms} for node in node_reports()]
        return self.render("console/releases.html", releases=releases.history(SHOWN), changes=releases.live_changes(20),
                           nodes=nodes, live_no=releases.live_no())

    @expose("/<int:no>")
    def release(self, no: int) -> Any:
        row, files = releases.get(no), releases.files(no)
        parent = releases.files(row["parent_no"]) if row["parent_no"] else {}
        changes = releases.compare(parent, files)
        return self.render("console/release.html", release=row, live_no=releases.live_no(), listed=catalogue_files.listed(files),
                           differences=differences.of(changes, parent, files), changes=changes, others=releases.history(SHOWN),
                           page_title=_("Release %(no)s", no=no))

    @expose("/<int:no>/file/<path:path>")
    def file(self, no: int, path: str) -> Any:
        text = releases.files(no).get(path)
        if text is None:
            raise Refusal(Code.NOT_FOUND, f"release {no} has no file {path}", [{"path": path}])
        return self.render("console/file.html", path=path, text=text, no=no, mine=None, page_title=path,
                           files=catalogue_files.listed(releases.files(no)))

    @expose("/diff")
    def diff(self) -> Any:
        old_no, new_no = (asked.number(request.args.get(name)) for name in ("from", "to"))
        changes = releases.diff(old_no, new_no)
        return self.render("console/release_diff.html", old_no=old_no, new_no=new_no, changes=changes,
                           differences=differences.of(changes, releases.files(old_no), releases.files(new_no)),
                           others=releases.history(SHOWN), page_title=_("From release %(a)s to %(b)s", a=old_no, b=new_no))

    @expose("/<int:no>/rollback", methods=("POST",))
    @deed("release.publish", lambda no: url_for("releases.release", no=no))
    def rollback(self, no: int) -> Any:
        reason = request.form.get("reason", "").strip()[:500]
        if len(reason) < 3:
            raise Said(Code.BAD_REQUEST, _("Say in a sentence why."))
        back, before = url_for(".release", no=no), releases.live_no()
        changes = releases.diff(before, no) if before else releases.compare({}, releases.files(no))
        scope.require_all(g.person, changes.texts, releases.files(before) if before else {}, releases.files(no))
        question = _("Go back from release %(before)s to release %(no)s (files changed: %(n)s)? Every node sells by it within "
                     "seconds. Orders stay pinned to the release they were made under.", before=before, no=no, n=len(changes.texts))
        if page := ask_first(question, _("Roll back"), back, danger=True):
            return page
        with audit.deed("release.rollback", "release", str(no), note=reason, before={"release_no": before}) as entry:
            releases.rollback(no, g.person.login, reason, startup.vocabulary())
            entry.after = {"release_no": no}
        live.look()
        flash(_("Release %(no)s is live again.", no=no), "success")
        return redirect(url_for(".index"))
