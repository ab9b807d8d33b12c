"""Jobs: what is waiting to be done after commits, what was given up, and flows that wait or have failed."""
from __future__ import annotations

from typing import Any

from flask import flash, g, request, url_for
from flask_admin import expose
from flask_babel import gettext as _

from engine.base.errors import Code, Refusal
from engine.flow import outbox

from .. import words
from ..access import audit
from ..queries import jobs
from ..room import Page, ask_first, deed
from .orders import ask_retry, mine


class Jobs(Page):
    @expose("/")
    def index(self) -> Any:
        shown = request.args.get("show", "")
        lines = sorted(g.person.lines)
        return self.render("console/jobs.html", counts=jobs.counts(lines), tasks=jobs.by_task(), shown=shown,
                           dead=jobs.dead(), waiting=jobs.waiting(), runs=jobs.runs(lines), restricted=bool(lines))

    @expose("/<int:job_id>/replay", methods=("POST",))
    @deed("job.replay", lambda job_id: url_for("jobs.index"))
    def replay(self, job_id: int) -> Any:
        job = jobs.find(job_id)
        if job is None or g.person.lines:
            raise Refusal(Code.NOT_FOUND, f"there is no job {job_id}", [{"path": "job", "found": job_id}])
        said = {"task": words.word(words.TASKS, job["task"]), "no": job["subject_no"]}
        question = _("Send the job \"%(task)s\" of %(no)s round again?", **said)
        if page := ask_first(question, _("Replay"), url_for(".index")):
            return page
        before = {name: job[name] for name in ("task", "subject_no", "attempts", "error")}
        with audit.deed("job.replay", "job", str(job_id), note=f"{job['task']} {job['subject_no']}", before=before):
            outbox.replay(job_id)
        flash(_("The job %(task)s of %(no)s goes round again.", **said), "success")

    @expose("/replay", methods=("POST",))
    @deed("job.replay", lambda: url_for("jobs.index"))
    def replay_all(self) -> Any:
        """Every dead job of one task: what a mended channel needs."""
        task = request.form.get("task", "")
        if g.person.lines:
            raise Refusal(Code.FORBIDDEN)
        dead = [job for job in jobs.dead(limit=1000) if job["task"] == task]
        question = _("Send the dead jobs of %(task)s (%(n)s) round again?", task=words.word(words.TASKS, task), n=len(dead))
        if page := ask_first(question, _("Replay"), url_for(".index")):
            return page
        with audit.deed("job.replay", "task", task, note=", ".join(str(job["id"]) for job in dead)):
            for job in dead:
                outbox.replay(job["id"])
        flash(_("Sent round again: %(n)s.", n=len(dead)), "success")

    @expose("/retry", methods=("POST",))
    @deed("order.act", lambda: url_for("jobs.index"))
    def retry(self) -> Any:
        run_no = request.form.get("run", "")
        mine(run_no.rpartition("/")[0])
        return ask_retry(run_no, url_for(".index"))
