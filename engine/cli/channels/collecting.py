"""Examples being collected: each is run at once, so that what it says is what the file does."""
from __future__ import annotations

from typing import Any, Callable, Mapping

from ...wire.channel import Channel
from ...wire.compile import compile_channel
from ...wire.examples import found_by, run_on, secrets_of
from ...wire.model import Unreadable, WireError
from ...wire.secrets import Given
from . import opposite
from .opposite import CannotSay


class Collection:
    """The examples of one document, and what could not be said: `examples` and `gaps` (name, why)."""

    def __init__(self, doc: Mapping[str, Any]):
        self.secrets = opposite.test_secrets(doc)
        self.doc: dict[str, Any] = {**doc, "test_secrets": self.secrets}
        self.side = opposite.side_of(self.doc, self.secrets)
        self.channel = self._compiled({})
        self.examples: list[dict[str, Any]] = []
        self.gaps: list[tuple[str, str]] = []
        self.shown: set[str] = set()                   # what once is enough of: ways of verifying, common judgements
        self.seen: list[Any] = []                      # givens, so that none is shown twice

    def _compiled(self, example: Mapping[str, Any]) -> Channel:
        return compile_channel(self.doc, Given(secrets_of(self.doc, example)))

    def add(self, name: str, given: Mapping[str, Any], *words: str, secrets: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Adds the example `given` with what comes of it in `words`; returns all that comes of it."""
        example: dict[str, Any] = {"name": name, **({"secrets": dict(secrets)} if secrets else {}), "given": dict(given)}
        channel = self._compiled(example) if secrets else self.channel
        try:
            found = found_by(channel, example["given"])
        except (WireError, Unreadable, UnicodeError) as error:
            self.gaps.append((name, str(error)))
            return {}
        words = ("refused",) if "refused" in found else words
        found = _steady(found, found_by(channel, example["given"]))
        then = {word: found[word] for word in words if word in found and (found[word] not in ("", {}, None)
                                                                       or word in ("body", "fields", "notices"))}
        if (given, secrets) in self.seen or not then:
            return found
        self.seen.append((given, secrets))
        taken = {other["name"] for other in self.examples}
        number = next(n for n in range(1, 1000) if _numbered(name, n) not in taken)
        self.examples.append({**example, "name": _numbered(name, number), "then": then})
        assert run_on(channel, self.examples[-1]) == []
        return found

    def try_to(self, name: str, say: Callable[[], Any]) -> Any:
        """What can't be made up is a gap to be filled by hand, with the reason."""
        try:
            return say()
        except (CannotSay, WireError, Unreadable, LookupError, TypeError, ValueError, AttributeError) as error:
            self.gaps.append((name, f"{error}" or type(error).__name__))
            return None

    def once(self, what: Any) -> bool:
        """True the first time something is met."""
        key = repr(what)
        met = key in self.shown
        self.shown.add(key)
        return not met


def _steady(found: dict[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """What comes of it each time: a part that is sealed at random differs."""
    kept = {word: value for word, value in found.items() if value == again.get(word)}
    if "headers" in found and "headers" not in kept:
        kept["headers"] = {name: value for name, value in found["headers"].items() if again["headers"].get(name) == value}
    return kept


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name} ({number})"
