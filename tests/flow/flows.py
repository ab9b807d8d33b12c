"""Made-up flows over real tables: steps leave marks, calls answer as told, a host knows one kind of subject."""
from __future__ import annotations

from typing import Any

from engine import store
from engine.config.catalog import Flow, Retry, StepUse
from engine.config.vocabulary import StepSpec
from engine.flow import executor, journal, outbox
from engine.flow.step import Step, StepFailed
from engine.trade.buyers import Buyer
from engine.trade.orders import OrderDetail, add_detail

SUBJECT = "S1"


class Killed(BaseException):
    """The process is gone: nothing in it gets to say a word."""


class Ctx:
    def __init__(self, subject_no: str):
        self.subject_no, self.scene_id, self.release_no = subject_no, "scene", 7
        self.known: dict[str, Any] = {"go": True}

    def facts(self) -> dict[str, Any]:
        return self.known

    def journal(self, flow: str, use: StepUse, state: str, **entry: Any) -> None:
        journal.record(self.subject_no, flow, use, state, release_no=self.release_no, **entry)


class Ring:
    """A call step: `answers` are given one by one (an exception is raised); `asked` and `called` keep the intents."""

    def __init__(self, name: str):
        self.name = name
        self.answers: list[Any] = []
        self.ask_answers: list[Any] = []
        self.called: list[dict] = []
        self.asked: list[dict] = []
        self.timeouts: list[float | None] = []
        self.prepared = 0
        self.during: Any = None                # called while the call is under way

    def prepare(self, ctx: Ctx, params: Any) -> dict:
        self.prepared += 1
        return {"no": f"{self.name}-{self.prepared}"}

    def call(self, intent: dict, timeout_s: float | None) -> dict:
        assert not store.in_transaction()
        self.called.append(intent)
        self.timeouts.append(timeout_s)
        if self.during:
            self.during()
        return self._next(self.answers, {"said": "yes"})

    def ask(self, intent: dict, timeout_s: float | None) -> dict | None:
        assert not store.in_transaction()
        self.asked.append(intent)
        return self._next(self.ask_answers, None)

    @staticmethod
    def _next(answers: list, otherwise: Any) -> Any:
        answer = answers.pop(0) if answers else otherwise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def conclude(self, ctx: Ctx, params: Any, intent: dict, outcome: dict) -> Any:
        add_detail(ctx.subject_no, "concluded", {"no": intent["no"], **outcome})
        if outcome.get("said") == "maybe":
            return StepFailed("who knows", in_doubt=True)
        if outcome.get("said") == "no":
            return StepFailed("no", retryable=outcome.get("again", True))
        if outcome.get("said") == "broken":
            raise ValueError("can't conclude that")
        return {"said": outcome["said"]}


class World:
    """A host with its steps. `trouble[name]`: exceptions that a write step raises, one a run."""

    def __init__(self) -> None:
        self.trouble: dict[str, list[BaseException]] = {}
        self.rings: dict[str, Ring] = {}
        self.steps: dict[str, Step] = {}
        self.uses: list[StepUse] = []
        self.ended: list[str] = []
        self.given_up: list[tuple[str, str]] = []

    def add(self, name: str, hook: str = "deliver", call: bool = False, undo: str | None = None,
            **options: Any) -> World:
        """Place a step at the end of the flow; a call step when `call`."""
        spec = StepSpec(name, name, {}, frozenset(), "call" if call else "write", undo)
        if call:
            self.rings[name] = Ring(name)
            self.steps[name] = Step(spec, call=self.rings[name])
        else:
            self.steps[name] = Step(spec, run=self._mark(name))
        if undo:
            self.steps[undo] = Step(StepSpec(undo, undo, {}, frozenset(), "write"), run=self._mark(undo))
        self.uses.append(StepUse(len(self.uses) + 1, hook, name, **options))
        return self

    def _mark(self, name: str):
        def run(ctx: Ctx, params: Any) -> dict:
            add_detail(ctx.subject_no, "mark", {"step": name})
            if self.trouble.get(name):
                raise self.trouble[name].pop(0)
            return {"did": name}
        return run

    # what the executor asks of a host

    def flow(self, run: Any) -> Flow:
        return Flow("paid", tuple(self.uses))

    def context(self, run: Any) -> Ctx:
        assert store.in_transaction()
        store.one(Buyer, id=run["subject_no"], lock=True)
        return Ctx(run["subject_no"])

    def finished(self, ctx: Ctx, flow: str) -> None:
        self.ended.append(flow)
        add_detail(ctx.subject_no, "finished", {})

    def gave_up(self, ctx: Ctx, flow: str, use: StepUse, reason: str) -> None:
        self.given_up.append((use.name, reason))

    # for tests

    def schedule(self, next_number: int = 1, **options: Any) -> str:
        """A subject with a run of the flow; returns the run's number."""
        with store.transaction():
            store.insert(Buyer,
                         {"id": SUBJECT, "phone": "", "name": "", "tags": [], "orders_paid": 0, "created_at_ms": 0,
                                 "updated_at_ms": 0}, ignore=True)
            executor.schedule(self.flow(None), Ctx(SUBJECT), next_number, **options)
        return f"{SUBJECT}/paid"

    def advance(self) -> str:
        return executor.advance(f"{SUBJECT}/paid", self)


def marks() -> list[str]:
    """What the steps did and was committed, in order."""
    return [d["body"]["step"] for d in store.many(OrderDetail, kind="mark", order_by="id")]


def entries() -> list[tuple[str, str]]:
    """The journal: (step, state)."""
    return [(s["name"], s["state"]) for s in journal.of(SUBJECT, "paid")]


def run() -> dict[str, Any]:
    return store.one(journal.FlowRun, no=f"{SUBJECT}/paid")


def jobs() -> list[tuple[str, int]]:
    """(task, due) of every job in the outbox."""
    return [(j["task"], j["due_at_ms"]) for j in store.many(outbox.Outbox, order_by="id")]


RETRY_3 = Retry(3, 10.0, 1000.0)
