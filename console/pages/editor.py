"""The editor: one file of a draft, checked while it is typed, saved against the version that was read."""
from __future__ import annotations

import re
from typing import Any

from flask import flash, jsonify, redirect, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine.base.errors import Code, Refusal
from engine.config import drafts
from engine.config.reader import KINDS, SIZE_MAX

from .. import asked, drafting, refusals
from ..queries import catalogue_files
from ..refusals import Said
from ..room import Page, ask_first, deed, wants_json
from ..rule_words import shown

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


class Editor(Page):
    needs = "draft.write"
    menu_as = "studio"

    @expose("/<draft_id>/<path:path>", methods=("GET", "POST"))
    def file(self, draft_id: str, path: str) -> Any:
        if request.method == "POST":
            return self._save(draft_id, path)
        text = drafts.file(draft_id, path)
        return self._page(draft_id, path, text, drafting.digest(text), drafts.get(draft_id)["version"], 200)

    def _save(self, draft_id: str, path: str) -> Any:
        """The text of a form or of a script; whatever happens, it comes back to whoever typed it."""
        sent = asked.json_object() if request.is_json else request.form
        text = drafting.tidy(str(sent.get("text", "")))
        seen, version = str(sent.get("seen", "")), asked.number(sent.get("version"))
        try:
            if len(text) > SIZE_MAX:
                raise Said(Code.BODY_TOO_LARGE, _("A file has at most %(n)s characters.", n=SIZE_MAX))
            version = drafting.save(draft_id, path, text, version, seen)
        except Refusal as refusal:
            return self._not_saved(draft_id, path, text, seen, refusal)
        if wants_json():
            return jsonify(version=version, seen=drafting.digest(text))
        flash(_("Saved in the draft. Nothing is live before it is published."), "success")
        return redirect(url_for(".file", draft_id=draft_id, path=path))

    def _not_saved(self, draft_id: str, path: str, text: str, seen: str, refusal: Refusal) -> Any:
        stored = drafting.text_of(draft_id, path)
        message = refusals.text(refusal)
        if refusal.code is Code.EDIT_CONFLICT:
            message = _("Somebody else has written this file since you opened it. Your text is kept below; compare, then save "
                        "again to replace theirs. [%(code)s]", code=refusal.code.code)
        if wants_json():
            answer = jsonify(code=refusal.code.code, message=message, stored=stored, version=drafts.get(draft_id)["version"],
                             seen=drafting.digest(stored))
            answer.status_code = refusal.code.status
            return answer
        flash(message, "danger")
        now = refusal.code is Code.EDIT_CONFLICT
        return self._page(draft_id, path, text, drafting.digest(stored) if now else seen, drafts.get(draft_id)["version"],
                          refusal.code.status, stored if now else None)

    def _page(self, draft_id: str, path: str, text: str, seen: str, version: int, status: int, stored: str | None = None) -> Any:
        result, conflict, _ms = drafting.check_with(draft_id, path, text)
        changes = drafts.diff(draft_id)
        return self.render("console/editor.html", draft=drafts.get(draft_id), path=path, text=text, seen=seen, version=version,
                           stored=stored, problems=[shown(p) for p in result.problems], conflict=conflict,
                           counts=result.counts, changed=changes.texts, files=catalogue_files.listed(drafts.files(draft_id)),
                           links={p.file: url_for(".file", draft_id=draft_id, path=p.file) for p in result.problems},
                           page_title=path), status

    @expose("/<draft_id>/check", methods=("POST",))
    def check(self, draft_id: str) -> Any:
        """JSON {path, text} → {problems, notes, counts, took_ms, conflict}: the whole draft, with this text in its place."""
        drafts.get(draft_id)
        sent = asked.json_object()
        path, text = str(sent.get("path", "")), drafting.tidy(str(sent.get("text", "")))
        result, conflict, took_ms = drafting.check_with(draft_id, path, text)
        return jsonify(problems=[shown(p) for p in result.problems], notes=[shown(p) for p in result.notes],
                       counts=dict(result.counts), took_ms=took_ms, conflict=refusals.text(conflict) if conflict else None)

    @expose("/<draft_id>/new", methods=("POST",))
    @deed("draft.write", lambda draft_id: url_for("studio.index", draft=draft_id))
    def new(self, draft_id: str) -> Any:
        """A file begun as a copy of another of its kind, under a name of its own."""
        source, name = request.form.get("copy", ""), request.form.get("id", "").strip().lower()
        kind = source.partition("/")[0]
        if kind not in KINDS or not _ID.match(name):
            raise Said(Code.BAD_REQUEST, _("A name is made of small letters, digits and dashes."))
        path = f"{kind}/{name}.yaml"
        if drafting.text_of(draft_id, path) is not None:
            raise Said(Code.EDIT_CONFLICT, _("The draft has a file %(path)s already.", path=path))
        text = re.sub(r"(?m)^id:.*$", f"id: {name}", drafts.file(draft_id, source), count=1)
        drafting.save(draft_id, path, text, drafts.get(draft_id)["version"], "")
        flash(_("%(path)s was begun as a copy of %(source)s.", path=path, source=source), "success")
        return redirect(url_for(".file", draft_id=draft_id, path=path))

    @expose("/<draft_id>/delete", methods=("POST",))
    @deed("draft.write", lambda draft_id: url_for("studio.index", draft=draft_id))
    def delete(self, draft_id: str) -> Any:
        path = request.form.get("path", "")
        back = url_for(".file", draft_id=draft_id, path=path)
        question = _("Take %(path)s out of this draft? It stays live until the draft is published.", path=path)
        if page := ask_first(question, _("Take it out"), back, danger=True):
            return page
        drafting.delete(draft_id, path, asked.number(request.form.get("version")))
        flash(_("%(path)s is out of the draft.", path=path), "success")

    @expose("/")
    def index(self) -> Any:
        return redirect(url_for("studio.index"))
