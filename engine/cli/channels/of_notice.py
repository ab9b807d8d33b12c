"""The examples of one kind of notice."""
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Mapping

from ...wire import paths
from ...wire.channel import Event
from ...wire.crypto import CIPHERS
from ...wire.model import Message
from ...wire.signing import Check
from ...wire.vocabulary import SAME_AS
from . import opposite
from .collecting import Collection
from .values import AT_S, UNHEARD, fact, fields_of
from .variants import GOOD, body_of, listed, ways

_OPTIONAL = re.compile(r"\{body\.([A-Za-z0-9_.]+)\?")


class OfNotice:
    """The examples of one kind of notice."""

    def __init__(self, all_of: Collection, name: str, event: Event):
        self.all, self.name, self.event = all_of, name, event
        self.spec = all_of.doc["notices"][name]
        self.fact_values = {SAME_AS[field.name]: fact(all_of.doc, SAME_AS[field.name])
                            for field in event.take.fields if field.name in SAME_AS}

    def run(self) -> None:
        for check in self.event.checks or (None,):
            self.all.try_to(f"{self.name}: a good notice", lambda: self.signed(check))
        self.all.try_to(f"{self.name}: its other contents", self.contents)
        for verdict in self.spec.get("answer", {}):
            why = {"reason": "amount differs"} if verdict == "failure" else {}
            self.all.add(f"{self.name}: our answer on {verdict}", {"answer_to": self.name, "verdict": verdict, **why},
                         "status", "headers", "body")

    def message(self, draft: Message, check: Check | None = None, without: tuple[str, ...] = ()) -> Message:
        """The notice of a document: signed by `check`, or unsigned to be believed."""
        side, kind = self.all.side, self.event.body_kind
        outer = opposite.wrapped(side, self.spec, self.name, draft.tree, {})
        message = replace(draft, method="POST", tree=outer)
        for hole in self.event.once_by:
            head, _, rest = hole.name.partition(".")
            if head == "header":
                message.headers.setdefault(rest.lower(), "EV-1")
            elif head == "query":
                message.query.setdefault(rest, "EV-1")
            elif head == "body":
                opposite.put_if_missing(outer, rest, "EV-1")
        whole = check is not None and "body" in check.canonical.holes       # the signature covers a batch as it travels
        if whole:
            message.tree = opposite.batch(self.event, outer)
        message = opposite.signed(side, check, message, kind, without)
        if not whole and self.event.split:
            message.tree = opposite.batch(self.event, message.tree)
            message.body = opposite.encoded(kind, message.tree)
        return message

    def document(self) -> Message:
        words = next((field.words for field in self.event.take.fields if field.kind == "state" and field.words), {})
        fields = {**fields_of(self.all.doc, self.event, self.fact_values), "state": next(iter(words.values()), "succeeded")}
        draft = opposite.draft(self.all.side, self.event, fields, {})
        if "when" in self.spec:
            opposite.satisfy(self.spec["when"], draft.tree)
        for hole in self.event.once_by:
            if hole.name.startswith("notice."):
                opposite.put_if_missing(draft.tree, hole.name.removeprefix("notice."), "EV-1")
        return draft

    def signed(self, check: Check | None) -> None:
        given = _given(self.message(self.document(), check))
        number = self.event.checks.index(check) if check else 0
        verify = self.spec.get("verify", self.all.doc.get("verify"))
        first = self.all.once(("notice", verify, number))
        for name, changed, at_s in ways(check, given) if check else [(GOOD, given, AT_S)]:
            if first or name == GOOD:
                self.all.add(f"{self.name}: {name}", {"notice": self.name, "at": at_s, **changed}, "notices")
        without = tuple(_OPTIONAL.findall(str(verify)))
        if without and first:
            fewer = _given(self.message(self.document(), check, without))
            self.all.add(f"{self.name}: without what is optional", {"notice": self.name, "at": AT_S, **fewer}, "notices")
        if number == 0:
            self.sealed(given)

    def sealed(self, given: Mapping[str, Any]) -> None:
        """The same sealed with another key: it must not open."""
        steps = self.spec.get("open") or []
        for step in [steps] if isinstance(steps, Mapping) else steps:
            for word in CIPHERS:
                key = step[word]["key"] if word in step else ""
                name = next((one for one in self.doc_secrets() if re.search(rf"\b{one}\b", key)), None)
                if name and CIPHERS[word].needs == "bytes" and self.all.once(("sealed", step)):
                    other = str(self.all.secrets[name])[::-1]
                    self.all.add(f"{self.name}: sealed with another key", {"notice": self.name, "at": AT_S, **given},
                                 "notices", secrets={name: other})

    def doc_secrets(self) -> Mapping[str, Any]:
        return self.all.doc.get("secrets", {})

    def believed(self, name: str, changes: Mapping[str, Any]) -> None:
        """A notice that is believed without a signature: what matters is how it is read."""
        draft = self.document()
        for path, value in changes.items():
            opposite.put(draft.tree, paths.split(path), value)
        self.read(name, draft)

    def read(self, name: str, draft: Message) -> None:
        message = self.all.try_to(name, lambda: self.message(draft))
        if message is not None:
            given = {word: value for word, value in _given(message).items() if word in ("headers", "query")}
            self.all.add(name, {"notice": self.name, **given, **body_of(self.event.body_kind, message.tree), "believed": True},
                         "notices")

    def contents(self) -> None:
        for field in self.event.take.fields:
            for word in [*(field.words or ()), *((UNHEARD,) if field.words is not None else ())]:
                self.believed(f"{self.name}: {field.name} {word}", {".".join(field.steps): word})
            if field.name in self.event.match and field.source == "document":
                self.believed(f"{self.name}: {field.name} is another's", {".".join(field.steps): "SOMEONE-ELSE"})
        if "when" in self.spec:
            for path, wanted in ((path, word) for path, words in listed(self.spec["when"], "in") for word in words):
                self.believed(f"{self.name}: {wanted}", {path: wanted})
            draft = self.document()
            for changed, _ in opposite.spoilt(self.spec["when"], draft.tree, 200):
                self.read(f"{self.name}: another kind is passed over", replace(draft, tree=changed))


def _given(message: Message) -> dict[str, Any]:
    return {"headers": message.headers, **({"query": message.query} if message.query else {}), "body": message.body.decode()}
