"""What a flow is made of: steps that write, steps that call outside, and how they fail; and what the executor asks of
whoever owns the flows' subjects."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Protocol

from ..config.catalog import Flow, StepUse
from ..config.vocabulary import StepSpec


class StepFailed(Exception):
    """A step could not do its work. `retryable` False: trying again is pointless, compensate now. `in_doubt`: the outside
    may have done it, so the next attempt asks before it repeats."""

    def __init__(self, reason: str, retryable: bool = True, in_doubt: bool = False):
        self.reason, self.retryable, self.in_doubt = reason, retryable, in_doubt
        super().__init__(reason)


class StepError(Exception):
    """Carries a step's failure out of the transaction that is rolled back with it: which step, what it raised, and of a
    run the mark it had then."""

    def __init__(self, use: StepUse, cause: Exception):
        self.use, self.cause, self.mark = use, cause, ()
        super().__init__(str(cause))


class Context(Protocol):
    """What steps work on; steps know its real type, the executor only these."""
    subject_no: str
    scene_id: str
    release_no: int

    def facts(self) -> Mapping[str, Any]: ...

    def journal(self, flow: str, use: StepUse, state: str, **entry: Any) -> None:
        """Write one entry of the subject's journal (see `journal.record`)."""


class Call(Protocol):
    """A call step. prepare and conclude run in a transaction, call and ask outside any.

    prepare(ctx, params) → intent (JSON)        what will be asked of the outside, with the number that identifies it
    call(intent, timeout_s) → outcome (JSON)
    ask(intent, timeout_s) → outcome, or None when the outside has never heard of it; absent: calling again is harmless
    conclude(ctx, params, intent, outcome) → result; a *returned* StepFailed keeps what conclude wrote, a raised one not
    """
    def prepare(self, ctx: Any, params: Mapping[str, Any]) -> dict: ...
    def call(self, intent: dict, timeout_s: float | None) -> dict: ...
    def conclude(self, ctx: Any, params: Mapping[str, Any], intent: dict, outcome: dict) -> Any: ...


@dataclass(frozen=True, slots=True)
class Step:
    """A registered step: its spec for the checker, and what runs: `fn(ctx, params)` or a Call."""
    spec: StepSpec
    run: Callable[[Any, Mapping[str, Any]], Any] | None = None
    call: Call | None = None


class Host(Protocol):
    """Who owns the flows' subjects."""
    steps: Mapping[str, Step]

    def flow(self, run: Mapping[str, Any]) -> Flow: ...
    def context(self, run: Mapping[str, Any]) -> Context:
        """Lock and load the subject, inside the open transaction."""
    def finished(self, ctx: Context, flow: str) -> None: ...
    def gave_up(self, ctx: Context, flow: str, use: StepUse, reason: str) -> None: ...
