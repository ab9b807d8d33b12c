"""Drafts: what each would change, whether it is sound, and publishing it."""
from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine import startup
from engine.base.errors import Code
from engine.config import drafts, releases
from engine.config.live import live

from .. import drafting
from ..access import audit, scope
from ..queries import differences
from ..refusals import Said
from ..room import Page, ask_first, deed
from ..rule_words import shown

NOTE_MAX = 500


def _back(draft_id: str) -> str:
    return url_for("drafts.draft", draft_id=draft_id)


class Drafts(Page):
    @expose("/")
    def index(self) -> Any:
        listed = [{**row, "changes": drafts.diff(row["id"])} for row in drafts.all_drafts()]
        return self.render("console/drafts.html", drafts=listed, live_no=releases.live_no())

    @expose("/<draft_id>")
    def draft(self, draft_id: str) -> Any:
        row = drafts.get(draft_id)
        result, conflict, took_ms = drafting.check_with(draft_id)
        changes = drafts.diff(draft_id)
        base = releases.files(row["base_no"]) if row["base_no"] else {}
        now = drafts.files(draft_id)
        editing = {path: url_for("editor.file", draft_id=draft_id, path=path) for path in now} \
            if g.person.may("draft.write") else {}
        return self.render("console/draft.html", draft=row, changes=changes, differences=differences.of(changes, base, now),
                           problems=[shown(p) for p in result.problems], notes=[shown(p) for p in result.notes],
                           counts=result.counts, conflict=conflict, took_ms=took_ms, live_no=releases.live_no(), links=editing,
                           page_title=row["title"], note=request.args.get("note", ""), note_max=NOTE_MAX)

    @expose("/new", methods=("POST",))
    @deed("draft.write", lambda: url_for("drafts.index"))
    def new(self) -> Any:
        return redirect(_back(drafting.begin()["id"]))

    @expose("/<draft_id>/publish", methods=("POST",))
    @deed("release.publish", _back)
    def publish(self, draft_id: str) -> Any:
        """Make the draft the live release. Its author may do it too where he has the role; the trail says so."""
        row, changes = drafts.get(draft_id), drafts.diff(draft_id)
        note = _note(_("Say in a sentence what this release changes, and why."))
        scope.require_all(g.person, changes.texts, releases.files(row["base_no"]) if row["base_no"] else {}, drafts.files(draft_id))
        question = _("Publish this draft (files changed: %(n)s)? Every node sells by it within seconds.", n=len(changes.texts))
        if page := ask_first(question, _("Publish"), _back(draft_id)):
            return page
        before = releases.live_no()
        with audit.deed("release.publish", "draft", draft_id, note=note, before={"release_no": before}) as entry:
            no = drafts.publish(draft_id, note, g.person.login, startup.vocabulary())
            entry.after = {"release_no": no, "draft_author": row["author"], "files": sorted(changes.texts)}
        live.look()
        flash(_("Release %(no)s is live.", no=no), "success")
        return redirect(url_for("releases.release", no=no))

    @expose("/<draft_id>/carry", methods=("POST",))
    @deed("draft.write", _back)
    def carry(self, draft_id: str) -> Any:
        new = drafting.carry_over(draft_id)
        flash(_("Your changes stand in a new draft on top of release %(no)s. Look through the difference: it shows what the other "
                "release had changed as taken back.", no=new["base_no"]), "warning")
        return redirect(_back(new["id"]))

    @expose("/<draft_id>/discard", methods=("POST",))
    @deed("draft.write", _back)
    def discard(self, draft_id: str) -> Any:
        row, changes = drafts.get(draft_id), drafts.diff(draft_id)
        question = _("Discard the draft \"%(title)s\" (files changed: %(n)s)? It can't be had back.", title=row["title"],
                     n=len(changes.texts))
        if page := ask_first(question, _("Discard"), _back(draft_id), danger=True):
            return page
        with audit.deed("draft.discard", "draft", draft_id, note=row["title"], before={"files": sorted(changes.texts)}):
            drafts.discard(draft_id)
        flash(_("The draft is gone."), "success")
        return redirect(url_for(".index"))


def _note(wanted: str) -> str:
    note = request.form.get("note", "").strip()
    if len(note) < 3:
        raise Said(Code.BAD_REQUEST, wanted)
    return note[:NOTE_MAX]
