"""Templates: `{payment.amount:fen}` inside texts and trees, compiled once to closures.

A hole names a fact (`payment.no`), a constant or secret of the file (`mchid`), a built-in (`timestamp`), or a part of
the message at hand (`header.X-Nonce`, `body.sign`). `?` makes it optional: `{client.openid?}` drops the key it fills.
After `:` stand casts, joined by `|`. A text that is one hole keeps the value's type: a number stays a number in JSON.
"""
from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Mapping
from urllib.parse import quote

from ..base import settings
from . import casts, codecs, crypto, paths
from .model import FactMissing, Message, Unreadable, WireError
from .secrets import SecretBox
from .vocabulary import BUILTINS, FACTS, fact_kind, key_of

Path = tuple[str | int, ...]


class _Absent:
    """Stands where an optional hole had nothing to put in."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(slots=True)
class Scope:
    """Everything a template can name while one message is built or read."""
    setting: casts.Setting
    box: SecretBox
    constants: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    names: dict[str, Any] = field(default_factory=dict)     # built-ins of the moment: timestamp (ms), nonce …
    message: Message = field(default_factory=Message)
    opened: Any = None                                      # the answer or notice, decrypted and unwrapped
    params: Any = None                                      # the client's parameters
    parts: Mapping[str, list[str]] = field(default_factory=dict)   # a structured header, taken apart


# Where a template stands decides what it may name: facts, built-ins by name, and parts of messages by their head.
BUILD = frozenset({"facts", "timestamp", "nonce", "operation"})
SIGN = BUILD | {"method", "host", "path", "path_and_query", "body", "header.", "query.", "body."}
PLACE = BUILD | {"signature"}
CLIENT = BUILD | {"url", "body", "answer."}
CLIENT_SIGN = CLIENT | {"params."}
VERIFY = frozenset({"method", "host", "path", "path_and_query", "body", "header.", "query.", "body.", "raw.", "parts."})
NOTICE = frozenset({"header.", "query.", "body.", "notice."})
ACK = frozenset({"reason", "timestamp", "nonce"})
EXPECT = frozenset({"facts"})
TOKEN = BUILD | {"token"}

_MESSAGE_NAMES: dict[str, Callable[[Scope], Any]] = {
    "method": lambda s: s.message.method, "host": lambda s: s.message.host, "path": lambda s: s.message.path,
    "path_and_query": lambda s: s.message.path_and_query, "body": lambda s: s.message.body_text,
}
_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z*][A-Za-z0-9_.*-]*\Z")


@dataclass(frozen=True, slots=True)
class Hole:
    name: str
    kind: str                               # text | money | time | …
    optional: bool
    casts: tuple[casts.Cast, ...]
    get: Callable[[Scope], Any]

    def value(self, scope: Scope) -> Any:
        try:
            value = self.get(scope)
        except (FactMissing, paths.Missing):
            if self.optional:
                return ABSENT
            raise
        setting = scope.setting
        if self.kind == "money":
            currency = scope.facts.get(self.name.rpartition(".")[0] + ".currency") or setting.currency
            setting = setting._replace(currency=currency)
        for cast in self.casts:
            value = cast.write(value, setting)
        return value


@dataclass(frozen=True, slots=True)
class Template:
    source: str
    parts: tuple[str | Hole, ...]

    @property
    def holes(self) -> list[Hole]:
        return [p for p in self.parts if isinstance(p, Hole)]

    @property
    def names(self) -> set[str]:
        return {hole.name for hole in self.holes}

    def value(self, scope: Scope) -> Any:
        """The value of a lone hole with its type, otherwise text; ABSENT when an optional hole has nothing."""
        values = [part if isinstance(part, str) else part.value(scope) for part in self.parts]
        if any(value is ABSENT for value in values):
            return ABSENT
        return values[0] if len(values) == 1 else "".join(map(casts.as_text, values))

    def text(self, scope: Scope, wrap: Callable[[str], str] = str) -> str:
        """The template as text; `wrap` is applied to what fills the holes (quoting in an address)."""
        out = []
        for part in self.parts:
            if isinstance(part, str):
                out.append(part)
            else:
                value = part.value(scope)
                out.append("" if value is ABSENT else wrap(casts.as_text(value)))
        return "".join(out)


class Draft:
    """What compiling one document knows and finds: declared names, problems with their paths, facts that are needed."""

    def __init__(self, constants: Iterable[str] = (), secrets: Mapping[str, Any] | None = None):
        self.constants = set(constants)
        self.secrets = dict(secrets or {})
        self.problems: list[tuple[Path, str]] = []
        self.needed: set[str] = set()

    def problem(self, path: Path, message: str) -> None:
        self.problems.append((path, message))

    def secret_kind(self, name: str) -> str | None:
        reference = self.secrets.get(name)
        return None if reference is None else reference.get("as", "text")

    # --- names

    def getter(self, name: str, allowed: frozenset[str], path: Path) -> tuple[Callable[[Scope], Any], str]:
        """The closure that finds a name's value, and its kind. Reports a name that can't be used here."""
        head, dot, rest = name.partition(".")
        if name in BUILTINS and name in allowed:
            return _MESSAGE_NAMES.get(name) or _named(name), BUILTINS[name].kind
        if not dot and (name in self.constants or name in self.secrets):
            return self._own(name, path)
        if dot and f"{head}." in allowed:
            return _part(head, rest), "text"
        if "facts" in allowed and (kind := fact_kind(name)):
            return _fact(name, kind), kind
        self.problem(path, self._unusable(name, allowed))
        return _named(name), "text"

    def _own(self, name: str, path: Path) -> tuple[Callable[[Scope], Any], str]:
        if name in self.constants:
            return (lambda s: s.constants[name]), "text"
        if self.secret_kind(name) in ("private_key", "public_key", "keyring"):
            self.problem(path, f"{name!r} is a {self.secret_kind(name)}: a key signs, it is never written into a text")
        return (lambda s: s.box.text(name)), "text"

    def _unusable(self, name: str, allowed: frozenset[str]) -> str:
        known = [*self.constants, *self.secrets, *(n for n in allowed if n in BUILTINS)]
        known += FACTS if "facts" in allowed else []
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{name!r} can't be named here{hint}"

    # --- templates and trees

    def template(self, source: str, allowed: frozenset[str], path: Path) -> Template:
        parts: list[str | Hole] = []
        at = 0
        for match in _HOLE.finditer(source):
            parts.append(source[at:match.start()])
            at = match.end()
            if match[0] in ("{{", "}}"):
                parts.append(match[0][0])
            elif match[1] is None:
                self.problem(path, "a lone brace: write {{ or }} for a brace itself")
            else:
                parts.append(self._hole(match[1], allowed, path))
        parts.append(source[at:])
        return Template(source, tuple(_join(parts)))

    def name(self, name: str, allowed: frozenset[str], path: Path) -> Hole:
        """A name written without braces (`fresh: {at: header.X-Timestamp}`): its raw value, no cast."""
        if not _NAME.match(name):
            self.problem(path, f"{name!r} is not a name")
        get, kind = self.getter(name, allowed, path)
        return Hole(name, kind, False, (), get)

    def _hole(self, inner: str, allowed: frozenset[str], path: Path) -> Hole:
        name, _, words = inner.partition(":")
        optional, name = name.endswith("?"), name.removesuffix("?")
        if not _NAME.match(name):
            self.problem(path, f"{{{inner}}} does not name anything")
        get, kind = self.getter(name, allowed, path)
        chain = self._casts(name, kind, words.split("|") if words else [], path)
        if fact_kind(name) and not optional:
            self.needed.add(name)
        return Hole(name, kind, optional, chain, get)

    def _casts(self, name: str, kind: str, words: list[str], path: Path) -> tuple[casts.Cast, ...]:
        if not words and kind == "time" and name == "timestamp":
            words = ["unix"]
        chain = []
        wanted = kind if kind in ("money", "time") else "text"
        for word in words:
            cast = casts.cast_named(word)
            if cast is None:
                near = difflib.get_close_matches(word, casts.WORDS, 1)
                self.problem(path, f"there is no cast {word!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
                return ()
            if cast.takes != wanted:
                self.problem(path, f"the cast {word!r} takes {cast.takes}, {name!r} is {wanted} here")
            chain.append(cast)
            wanted = "text"
        if not chain and wanted in ("money", "time"):
            how = ":fen} or :yuan}" if wanted == "money" else ":rfc3339}, :unix} or a pattern"
            self.problem(path, f"say how {name!r} is written: {{{name}{how}")
        return tuple(chain)

    def tree(self, node: Any, allowed: frozenset[str], path: Path) -> Callable[[Scope], Any]:
        """A closure that fills a tree of templates; keys whose optional hole has nothing are left out."""
        if isinstance(node, str):
            return self.template(node, allowed, path).value
        if isinstance(node, Mapping):
            special = [key for key in node if key.startswith("$")]
            if special:
                return self._special(node, special, allowed, path)
            entries = [(key, self.tree(value, allowed, (*path, key))) for key, value in node.items()]
            return lambda scope: _fill(entries, scope)
        if isinstance(node, (list, tuple)):
            items = [self.tree(value, allowed, (*path, i)) for i, value in enumerate(node)]
            return lambda scope: [v for v in (item(scope) for item in items) if v is not ABSENT]
        return lambda scope: node

    def _special(self, node: Mapping[str, Any], keys: list[str], allowed: frozenset[str], path: Path
                 ) -> Callable[[Scope], Any]:
        if keys == ["$json"] and len(node) == 1:
            inner = self.tree(node["$json"], allowed, (*path, "$json"))
            return lambda scope: codecs.write_json(inner(scope)).decode()
        if keys == ["$seal"] and len(node) == 1 and isinstance(node["$seal"], Mapping):
            return self._seal(node["$seal"], allowed, (*path, "$seal"))
        self.problem(path, f"{', '.join(keys)}: only $json or $seal, alone in its mapping")
        return lambda scope: None

    def _seal(self, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Callable[[Scope], Any]:
        kinds = [word for word in spec if word in crypto.CIPHERS and word != "aes_gcm"]
        if len(kinds) != 1 or set(spec) - {kinds[0], "of", "iv", "encode"} or "of" not in spec:
            self.problem(path, "write one cipher with its key, and `of:` the text to seal")
            return lambda scope: None
        name, text = kinds[0], self.template(str(spec["of"]), allowed, (*path, "of"))
        key = self.cipher_key(name, spec[name], "seal", (*path, name))
        iv = self.template(str(spec.get("iv", "")), allowed, (*path, "iv"))
        encoding = spec.get("encode", "base64")

        def run(scope: Scope) -> str:
            sealed = crypto.seal(name, key(scope), text.text(scope).encode(), iv.text(scope).encode())
            return codecs.encode_bytes(sealed, encoding)
        return run

    # --- keys

    def cipher_key(self, cipher: str, reference: str, use: str, path: Path) -> Callable[[Scope], Any]:
        """A cipher's key: the name of a secret, or a template whose text is the key (`{key:md5}`)."""
        needs = crypto.CIPHERS[cipher].needs
        if needs == "private_key":
            half = "private_key" if use == "open" else "public_key"
            self.want_secret(reference, (half,), path)
            if half == "private_key":
                return lambda scope: scope.box.private_key(reference)
            return lambda scope: next(scope.box.candidates(reference, None))
        if "{" in reference:
            template = self.template(reference, frozenset(), path)
            return lambda scope: template.text(scope).encode()
        self.want_secret(reference, ("text", "hex", "base64"), path)
        return lambda scope: scope.box.bytes(reference)

    def want_secret(self, name: str, kinds: tuple[str, ...], path: Path) -> None:
        kind = self.secret_kind(name)
        if kind is None:
            near = difflib.get_close_matches(name, self.secrets, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            self.problem(path, f"there is no secret {name!r} in `secrets:`{hint}")
        elif kind not in kinds:
            self.problem(path, f"the secret {name!r} is {kind} here, {' or '.join(kinds)} is needed: mend its `as:`")


def _join(parts: list[str | Hole]) -> Iterable[str | Hole]:
    text = ""
    for part in parts:
        if isinstance(part, str):
            text += part
        else:
            if text:
                yield text
            yield part
            text = ""
    if text:
        yield text


def _fill(entries: list[tuple[str, Callable[[Scope], Any]]], scope: Scope) -> Any:
    filled = {}
    for key, make in entries:
        value = make(scope)
        if value is not ABSENT:
            filled[key] = value
    return filled if filled or not entries else ABSENT     # a group of absent things is absent too


def _named(name: str) -> Callable[[Scope], Any]:
    def get(scope: Scope) -> Any:
        if name not in scope.names:
            raise WireError(f"{name!r} is not known at this point")
        return scope.names[name]
    return get


def _fact(name: str, kind: str) -> Callable[[Scope], Any]:
    key = key_of(name, kind)

    def get(scope: Scope) -> Any:
        value = scope.facts.get(key)
        if (value is None or value == "") and name.startswith("settings."):
            value = _setting(name.removeprefix("settings."))
        if value is None or value == "":
            raise FactMissing(key)
        return value
    return get


def _setting(name: str) -> str | None:
    """Our own setting of that name; the two addresses have defaults that depend on others."""
    worked_out = {"sandbox_url": settings.sandbox_url, "public_url": settings.public_url}
    if name in worked_out:
        return worked_out[name]()
    return settings.get(name.upper()) if name.upper() in {s.name for s in settings.TABLE} else None


def _part(head: str, rest: str) -> Callable[[Scope], Any]:
    steps = paths.split(rest)
    if head == "header":
        name = rest.lower()
        return lambda s: paths.dig(s.message.headers, (name,))
    if head == "query":
        return lambda s: paths.dig(s.message.query, (rest,))
    if head == "raw":
        return lambda s: codecs.raw_member(s.message.body_text, rest)
    if head == "parts":
        return lambda s: paths.dig(s.parts, (rest, "0"))
    if head == "params":
        return lambda s: paths.dig(s.params, steps)
    if head == "body":
        return lambda s: paths.dig(s.message.tree, steps)
    return lambda s: paths.dig(s.opened, steps)             # answer. and notice.


def header_safe(text: str) -> str:
    """A header's value; Unreadable with a line break (it would begin another header) or beyond ASCII."""
    if not text.isascii() or "\r" in text or "\n" in text:
        raise Unreadable("a header's value must be one line of ASCII")
    return text


def segment_safe(text: str) -> str:
    """A value quoted for one segment of a path; Unreadable for `.` and `..`, which would name another address."""
    if text in (".", ".."):
        raise Unreadable("a value in an address is only dots")
    return quote(text, safe="")
