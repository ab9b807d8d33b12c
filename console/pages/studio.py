"""The catalogue: every file of the live release, or of a draft, found by kind and word, and the way into the editor."""
from __future__ import annotations

from typing import Any

from flask import redirect, request, url_for
from flask_admin import expose

from engine.base.errors import Code, Refusal
from engine.config import drafts, releases
from engine.config.reader import KINDS

from .. import drafting
from ..queries import catalogue_files
from ..room import Page, deed


class Studio(Page):
    @expose("/")
    def index(self) -> Any:
        draft = drafts.get(request.args["draft"]) if request.args.get("draft") else None
        live_no = releases.live_no()
        files = drafts.files(draft["id"]) if draft else releases.files(live_no) if live_no else {}
        asked, kind = request.args.get("q", "").strip()[:100], request.args.get("kind", "")
        listed = catalogue_files.listed(files, asked)
        changes = drafts.diff(draft["id"]) if draft else None
        return self.render("console/studio.html", listed=listed, asked=asked, kind=kind if kind in KINDS else "", draft=draft,
                           live_no=live_no, mine=drafting.mine(), changed=changes.texts if changes else {},
                           added=changes.added if changes else ())

    @expose("/file/<path:path>")
    def file(self, path: str) -> Any:
        """A file of the live release, to look at."""
        no = releases.live_no()
        text = releases.files(no).get(path) if no else None
        if text is None:
            raise Refusal(Code.NOT_FOUND, f"release {no} has no file {path}", [{"path": path}])
        return self.render("console/file.html", path=path, text=text, no=no, mine=drafting.mine(), page_title=path,
                           files=catalogue_files.listed(releases.files(no)))

    @expose("/edit", methods=("POST",))
    @deed("draft.write", lambda: url_for("studio.index"))
    def edit(self) -> Any:
        """Go on in one's own draft, or begin one, at this file."""
        wanted = request.form.get("draft", "")
        draft = drafts.get(wanted) if wanted else None if request.form.get("fresh") else drafting.mine()
        draft = draft or drafting.begin()
        path = request.form.get("path", "")
        if not path:
            return redirect(url_for("drafts.draft", draft_id=draft["id"]))
        if path not in drafts.files(draft["id"]):
            raise Refusal(Code.NOT_FOUND, f"the draft has no file {path}", [{"path": path}])
        return redirect(url_for("editor.file", draft_id=draft["id"], path=path))
