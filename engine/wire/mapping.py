"""From a document to our words: `take:` maps paths to typed fields, `judge:` turns an answer into a state, `match:`
holds fields against what they must be.
"""
from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

from . import casts, paths
from .draft import Draft, Path
from .model import Message, Unreadable
from .scope import Scope
from .templates import Template
from .vocabulary import FIELDS, ITEM_FIELDS, STATES, key_of

STATE_AS_TAKEN = "as_taken"             # a judgement that leaves the word to `take: {state: …}`


@dataclass(frozen=True, slots=True)
class Field:
    """One line of `take:`. `steps` is the path; `words` an enumeration, with `other` for what it does not list; `each`: of a
    list, what each of its entries says."""
    name: str
    kind: str
    source: str                          # document | header | query | fixed
    steps: tuple[str, ...]
    cast: casts.Cast
    words: Mapping[str, str] | None = None
    other: str | None = None
    fixed: Any = None
    each: Take | None = None

    @property
    def key(self) -> str:
        return key_of(self.name, self.kind)

    def read(self, message: Message, tree: Any, setting: casts.Setting) -> Any:
        """The field's value; Missing when the message has none, Unreadable when it is not what the file says."""
        if self.source == "fixed":
            return self.fixed
        root = {"document": tree, "header": message.headers, "query": message.query}[self.source]
        raw = paths.dig(root, self.steps)
        if raw == "" and self.kind == "time":      # XML and forms write out what has not happened
            raise paths.Missing(f"{self.name} is empty")
        if self.each is not None:
            return self._entries(raw, message, setting)
        if self.words is None:
            return self.cast.read(raw, setting)  # type: ignore[misc]
        word = self.words.get(casts.read_text(raw, setting), self.other)
        if word is None:
            raise Unreadable(f"{self.name} has a value that is not listed")
        return word

    def _entries(self, raw: Any, message: Message, setting: casts.Setting) -> list[dict[str, Any]]:
        if not isinstance(raw, list) or not all(isinstance(entry, Mapping) for entry in raw):
            raise Unreadable(f"{'.'.join(self.steps)} is no list of things")
        return [self.each.read(message, entry, setting) for entry in raw]  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class Take:
    fields: tuple[Field, ...]

    def read(self, message: Message, tree: Any, setting: casts.Setting) -> dict[str, Any]:
        """The message's fields by key (`amount_minor`). A missing one is left out; Unreadable if one is malformed."""
        taken: dict[str, Any] = {}
        for field in self.fields:            # currency stands first: amounts are read in it
            try:
                taken[field.key] = field.read(message, tree, setting)
            except paths.Missing:
                continue
            except Unreadable as error:
                raise Unreadable(f"{field.name} can't be read: {error}") from None
            if field.name == "currency":
                setting = setting._replace(currency=taken["currency"])
        return taken


def compile_take(draft: Draft, spec: Mapping[str, Any], path: Path, table: Mapping[str, str] = FIELDS) -> Take:
    """`table`: the fields there are, with their kinds."""
    fields = [_field(draft, name, line, (*path, name), table) for name, line in spec.items()]
    return Take(tuple(sorted((f for f in fields if f), key=lambda f: f.name != "currency")))


def _field(draft: Draft, name: str, line: Any, path: Path, table: Mapping[str, str]) -> Field | None:
    kind = table.get(name) or ("text" if name.startswith("extra.") else None)
    if kind is None:
        near = difflib.get_close_matches(name, table, 1)
        draft.problem(path, f"there is no field {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        return None
    text = casts.cast_named("text")
    if kind == "items":
        entry = compile_take(draft, {k: v for k, v in line.items() if k != "each"}, path, ITEM_FIELDS)
        return Field(name, kind, "document", paths.split(line["each"]), text, each=entry)
    if isinstance(line, str):
        if kind in ("money", "time"):
            word = "fen" if kind == "money" else "rfc3339"
            draft.problem(path, f"say how {name} is written, e.g. {{{word}: {line}}}")
        if kind in ("state", "kind"):
            draft.problem(path, "say what its words mean: {of: path, THEIR_WORD: our_state, else: unknown}")
        return Field(name, kind, "document", paths.split(line), text)
    if "of" in line:
        return _words(draft, name, kind, line, path)
    if len(line) != 1:
        draft.problem(path, "write one key: a cast, header, query or is; or `of:` with words")
        return None
    (word, value), = line.items()
    if word == "is":
        if kind == "state" and value not in STATES:
            draft.problem(path, f"{value!r} is not a state")
        return Field(name, kind, "fixed", (), text, fixed=value)
    if word in ("header", "query"):
        return Field(name, kind, word, (value.lower(),) if word == "header" else (value,), text)
    cast = casts.cast_named(word)
    if cast is None or cast.read is None or cast.takes != (kind if kind in ("money", "time") else "text"):
        draft.problem(path, f"{name} is {kind}: it can't be read as {word!r}")
        return None
    return Field(name, kind, "document", paths.split(value), cast)


def _words(draft: Draft, name: str, kind: str, line: Mapping[str, Any], path: Path) -> Field | None:
    words = {key: value for key, value in line.items() if key not in ("of", "else")}
    if kind in ("money", "time"):
        draft.problem(path, f"{name} is {kind}: it has no list of words")
        return None
    for word in [*words.values(), *([line["else"]] if "else" in line else [])] if kind == "state" else ():
        if word not in STATES:
            draft.problem(path, f"{word!r} is not a state: {', '.join(STATES)}")
    return Field(name, kind, "document", paths.split(line["of"]), casts.cast_named("text"), words, line.get("else"))


# --- judgements

Judge = Callable[[Message, Any], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """`{http: 200, eq: {code: OK}, then: pending}`: all that stands in it must hold."""
    holds: Judge
    then: str
    spec: Mapping[str, Any]


def judge(rules: tuple[Rule, ...], message: Message, tree: Any) -> Rule | None:
    """The first rule that holds; None is for the caller to call unknown."""
    return next((rule for rule in rules if rule.holds(message, tree)), None)


def compile_rules(draft: Draft, spec: Any, path: Path) -> tuple[Rule, ...]:
    rules = []
    for i, line in enumerate(spec or ()):
        then = line.get("then", "")
        if then not in STATES and then != STATE_AS_TAKEN:
            draft.problem((*path, i, "then"), f"{then!r} is not a state: {', '.join(STATES)}, {STATE_AS_TAKEN}")
        when = {key: value for key, value in line.items() if key != "then"}
        rules.append(Rule(compile_condition(draft, when, (*path, i)), then, when))
    return tuple(rules)


def compile_condition(draft: Draft, spec: Mapping[str, Any], path: Path) -> Judge:
    """All leaves of a mapping must hold. Values are compared by their text: `code: 0` holds for 0 and for "0"."""
    tests: list[Judge] = []
    for word, value in spec.items():
        make = _LEAVES.get(word)
        if make is None:
            draft.problem((*path, word), f"there is no condition {word!r}: {', '.join(_LEAVES)}")
        else:
            tests.append(make(draft, value, (*path, word)))
    if not tests:
        draft.problem(path, "a condition that tests nothing always holds")
    return lambda message, tree: all(test(message, tree) for test in tests)


def _each(test: Callable[[str | None, Any], bool]) -> Callable[[Draft, Any, Path], Judge]:
    def make(draft: Draft, spec: Any, path: Path) -> Judge:
        pairs = [(paths.split(name), value) for name, value in spec.items()]
        return lambda message, tree: all(test(paths.text_at(tree, steps), value) for steps, value in pairs)
    return make


def _http(draft: Draft, spec: Any, path: Path) -> Judge:
    spans = []
    for one in spec if isinstance(spec, (list, tuple)) else [spec]:
        match = re.fullmatch(r"([1-5][0-9]{2})(?:\.\.([1-5][0-9]{2}))?", str(one))
        if match is None:
            draft.problem(path, f"{one!r} is not an HTTP status: write 200, 500..599 or a list of them")
            continue
        spans.append((int(match[1]), int(match[2] or match[1])))
    return lambda message, tree: any(low <= (message.status or 0) <= high for low, high in spans)


def _exists(draft: Draft, spec: Any, path: Path) -> Judge:
    steps = paths.split(spec)
    return lambda message, tree: bool(paths.text_at(tree, steps))


def _matches(draft: Draft, spec: Any, path: Path) -> Judge:
    patterns = []
    for name, pattern in spec.items():
        try:
            patterns.append((paths.split(name), re.compile(pattern)))
        except re.error as error:
            draft.problem((*path, name), f"not a regular expression: {error}")
    return lambda message, tree: all(rx.fullmatch(paths.text_at(tree, steps) or "") for steps, rx in patterns)


def _several(combine: Callable[[Any], bool]) -> Callable[[Draft, Any, Path], Judge]:
    def make(draft: Draft, spec: Any, path: Path) -> Judge:
        tests = [compile_condition(draft, one, (*path, i)) for i, one in enumerate(spec)]
        return lambda message, tree: combine(test(message, tree) for test in tests)
    return make


def _not(draft: Draft, spec: Any, path: Path) -> Judge:
    test = compile_condition(draft, spec, path)
    return lambda message, tree: not test(message, tree)


_LEAVES: dict[str, Callable[[Draft, Any, Path], Judge]] = {
    "http": _http,
    "eq": _each(lambda found, value: found is not None and found == casts.as_text(value)),
    "ne": _each(lambda found, value: found != casts.as_text(value)),
    "in": _each(lambda found, value: found is not None and found in {casts.as_text(v) for v in value}),
    "exists": _exists,
    "matches": _matches,
    "all": _several(all), "any": _several(any), "not": _not,
}


# --- what must match

def compile_match(draft: Draft, doc: Mapping[str, Any], spec: Mapping[str, Any], allowed: frozenset[str], path: Path
                  ) -> Mapping[str, Template]:
    """What must match for every message of the channel, and for those of the block at `path`."""
    common = _match(draft, doc.get("match", {}), allowed, ("match",))
    return {**common, **_match(draft, spec.get("match", {}), allowed, (*path, "match"))}


def _match(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> dict[str, Template]:
    for name in spec:
        if FIELDS.get(name) != "text":
            draft.problem((*path, name), f"{name!r} is not a text field of `take:`")
    return {name: draft.template(text, allowed, (*path, name)) for name, text in spec.items()}


def mismatch(expected: Mapping[str, Template], taken: Mapping[str, Any], scope: Scope, all_needed: bool) -> str:
    """"" when all agree, else a sentence. With `all_needed` a field that was not taken disagrees too."""
    for name, template in expected.items():
        if (all_needed or name in taken) and taken.get(name) != template.text(scope):
            return f"{name} is not ours"
    return ""
