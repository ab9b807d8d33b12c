"""The examples of one operation."""
from __future__ import annotations

import copy
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Mapping

from ...wire import paths
from ...wire.channel import Operation
from ...wire.mapping import STATE_AS_TAKEN, Rule, judge
from ...wire.model import Message
from ...wire.vocabulary import SAME_AS
from . import opposite
from .collecting import Collection
from .values import AT_S, NONCE, UNHEARD, facts, fields_of
from .variants import body_of, chosen_words, leaves, listed, ways


class OfOperation:
    """The examples of one operation."""

    def __init__(self, all_of: Collection, name: str, op: Operation):
        self.all, self.name, self.op = all_of, name, op
        self.spec = all_of.doc["operations"][name]
        request = {key: value for key, value in self.spec.items() if key not in ("judge", "take", "verify")}
        self.specs = (request, all_of.doc.get("base"), all_of.doc.get("headers"), all_of.doc.get("basic"), all_of.doc.get("sign"))
        self.fact_values = facts(all_of.doc, *self.specs)
        self.given: dict[str, Any] = {"operation": name, "at": AT_S, "nonce": NONCE, "facts": self.fact_values}
        if "auth" in all_of.doc:
            self.given["token"] = "token-1"

    def run(self) -> None:
        self.request()
        if self.op.sends:
            self.all.try_to(f"{self.name}: its answers", self.answers)

    def request(self) -> None:
        words = ("needs", "method", "url", "headers", "body", "text", "sent")
        more = () if self.op.sends else ("state", "client")
        self.all.add(f"{self.name}: the request, to the byte", self.given, *words, *more)
        for fact_name, word in chosen_words(self.spec):
            self.all.add(f"{self.name}: {fact_name} {word}", {**self.given, "facts": {**self.fact_values, fact_name: word}}, "body")
        fewer = facts(self.all.doc, *self.specs, optional=False, long=True)
        if fewer != self.fact_values:
            body = ("json",) if self.op.plan.body_kind else ("url", "client")
            self.all.add(f"{self.name}: without what is optional, and with long texts", {**self.given, "facts": fewer},
                         *body, "text")

    # --- answers

    def answers(self) -> None:
        own = len(self.op.rules) - len(self.all.doc.get("judge", ()))
        for number, rule in enumerate(self.op.rules):
            shown = number < own or self.all.once(("common", rule.spec, rule.then))
            if shown:
                self.all.try_to(f"{self.name}: an answer that is judged {rule.then}", lambda: self.of_rule(rule))
        self.words()
        self.foreign()
        rule = next((rule for rule in self.op.rules if rule.then not in ("failed", "absent", "busy")), self.op.rules[0])
        self.all.try_to(f"{self.name}: an answer nobody judges", lambda: self.unjudged(rule))

    def of_rule(self, rule: Rule) -> None:
        message = self.taken(rule)
        good = rule.then not in ("failed", "absent", "busy", "unknown")
        if good and self.op.checks:
            self.signed(message)
        self.answer(f"{self.name}: {_told(rule)}", message)
        for path, wanted in ((path, word) for path, words in listed(rule.spec, "in") for word in words[1:]):
            self.answer(f"{self.name}: {wanted}", message, {path: wanted})
        for other in opposite.statuses(rule.spec["http"])[1:] if "http" in rule.spec else ():
            self.answer(f"{self.name}: status {other}", message, status=other)
        if len(list(leaves(rule.spec))) > 1:
            for changed, status in opposite.spoilt(rule.spec, message.tree, message.status or 200):
                self.answer(f"{self.name}: almost {_told(rule)}", replace(message, tree=changed), status=status)

    def taken(self, rule: Rule) -> Message:
        """An answer that a rule holds for, with every field in it."""
        state = rule.then
        if state == STATE_AS_TAKEN:
            state = next(iter(self.state_words().values()), "succeeded")
        fields = {**fields_of(self.all.doc, self.op, self.fact_values), "state": state}
        message = opposite.draft(self.all.side, self.op, fields, self.fact_values)
        for hole, _ in self.all.side.client_holes(self.name):
            opposite.put_if_missing(message.tree, hole.name.removeprefix("answer."), "https://gateway.example/c/1")
        wanted = opposite.satisfy(rule.spec, message.tree)
        for message.status in (wanted,) if wanted else opposite.ANY_STATUS:
            if judge(self.op.rules, message, message.tree) is rule:
                return message
        message.status = wanted or 200
        return message

    def state_words(self) -> Mapping[str, str]:
        return next((field.words for field in self.op.take.fields if field.kind == "state" and field.words), {})

    def answer(self, name: str, message: Message, changes: Mapping[str, Any] = MappingProxyType({}), status: int = 0) -> None:
        """An answer that is believed without a signature: what matters is how it is judged and mapped."""
        tree = copy.deepcopy(message.tree)
        for path, value in changes.items():
            opposite.put(tree, paths.split(path), value)
        outer = self.all.try_to(name, lambda: self.wrapped(tree))
        if outer is not None:
            answer = {"status": status or message.status, **({"headers": message.headers} if message.headers else {}),
                      **body_of(self.op.answer_kind, outer), **({"believed": True} if self.op.checks else {})}
            self.all.add(name, {**self.given, "answer": answer}, "state", "fields", "client", "reason")

    def wrapped(self, tree: Any) -> Any:
        return opposite.wrapped(self.all.side, self.spec, f"{self.op.plan.method.lower()}_{self.name}", tree, self.fact_values)

    def words(self) -> None:
        """Every word of every list of words, and one that no list has."""
        rule = next((rule for rule in self.op.rules if rule.then == STATE_AS_TAKEN), None) or self.op.rules[0]
        for field in self.op.take.fields:
            for word in [*(field.words or ()), *((UNHEARD,) if field.words is not None else ())]:
                self.answer(f"{self.name}: {field.name} {word}", self.taken(rule), {".".join(field.steps): word})

    def foreign(self) -> None:
        """Answers about another payment, or for another merchant."""
        rule = next((rule for rule in self.op.rules if rule.then not in ("failed", "absent", "busy")), None)
        for field in self.op.take.fields if rule else ():
            if field.source == "document" and (field.name in self.op.match or SAME_AS.get(field.name) in self.fact_values):
                self.answer(f"{self.name}: {field.name} is another's", self.taken(rule), {".".join(field.steps): "SOMEONE-ELSE"})

    def unjudged(self, rule: Rule) -> None:
        if self.all.once("unjudged"):
            self.answer(f"{self.name}: a status nobody judges", self.taken(rule), status=599)

    def signed(self, message: Message) -> None:
        """The same answer with a real signature, and what may be wrong with it; once for each way of verifying."""
        words = ("state", "fields", "client", "reason")
        verify = self.spec.get("verify", self.all.doc.get("verify"))
        for number, check in enumerate(self.op.checks):
            if not self.all.once(("answer", verify, number)):
                continue
            made = opposite.signed(self.all.side, check, replace(message, tree=self.wrapped(message.tree)), self.op.answer_kind)
            answer = {"status": made.status, "headers": made.headers, "body": made.body.decode()}
            for name, changed, at_s in ways(check, answer):
                self.all.add(f"{self.name}: {name}", {**self.given, "at": at_s, "answer": changed}, *words)
        if self.op.unsigned_when and self.all.once(("unsigned", verify)):
            outer: dict[str, Any] = {}
            first = opposite.satisfy(verify["unsigned_when"], outer) or message.status
            named = verify["unsigned_when"].get("http", [])
            for status in dict.fromkeys([first, *opposite.statuses(named)]):
                self.all.add(f"{self.name}: an answer that may be unsigned",
                             {**self.given, "answer": {"status": status, **body_of(self.op.answer_kind, outer)}}, *words)


def _told(rule: Rule) -> str:
    parts = []
    for word, value in rule.spec.items():
        shown = ", ".join(f"{path} {text}" for path, text in value.items()) if isinstance(value, Mapping) else str(value)
        parts.append(shown if word == "eq" else f"{word} {shown}" if word != "http" else f"status {shown}")
    return " and ".join(parts) + f" is {rule.then.replace('_', ' ')}"
