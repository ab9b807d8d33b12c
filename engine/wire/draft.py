"""The draft of a document that is being compiled: what it declares, what is wrong with it, and the templates, names and
keys in it. Every problem has the path it stands at; compiling goes on, so that all are found at once.
"""
from __future__ import annotations

import difflib
import re
from typing import Any, Iterable, Mapping

from . import casts, crypto, scope
from .model import WireError
from .scope import Get
from .templates import Hole, Template
from .vocabulary import BUILTINS, FACTS, fact_kind

Path = tuple[str | int, ...]

_HOLE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = re.compile(r"[A-Za-z*][A-Za-z0-9_.*-]*\Z")


class Draft:
    """What compiling one document knows and finds: declared names, problems with their paths, facts that are needed."""

    def __init__(self, constants: Iterable[str] = (), secrets: Mapping[str, Any] | None = None):
        self.constants = set(constants)
        self.secrets = dict(secrets or {})
        self.problems: list[tuple[Path, str]] = []
        self.needed: set[str] = set()

    @classmethod
    def of(cls, doc: Mapping[str, Any]) -> Draft:
        """The draft of anything that declares `constants:` and `secrets:`."""
        return cls(doc.get("constants", {}), doc.get("secrets", {}))

    def problem(self, path: Path, message: str) -> None:
        self.problems.append((path, message))

    def raise_problems(self, what: str) -> None:
        """WireError that names them all, when there are any."""
        if self.problems:
            listed = "; ".join(f"{'.'.join(map(str, path))}: {message}" for path, message in self.problems)
            raise WireError(f"{what}: {listed}")

    def secret_kind(self, name: str) -> str | None:
        reference = self.secrets.get(name)
        return None if reference is None else reference.get("as", "text")

    # --- names

    def getter(self, name: str, allowed: frozenset[str], path: Path) -> tuple[Get, str]:
        """The closure that finds a name's value, and its kind. Reports a name that can't be used here."""
        head, dot, rest = name.partition(".")
        if name in BUILTINS and name in allowed:
            return scope.builtin(name), BUILTINS[name].kind
        if not dot and (name in self.constants or name in self.secrets):
            return self._own(name, path)
        if dot and f"{head}." in allowed:
            return scope.part(head, rest), "text"
        if "facts" in allowed and (kind := fact_kind(name)):
            return scope.fact(name, kind), kind
        self.problem(path, self._unusable(name, allowed))
        return scope.builtin(name), "text"

    def _own(self, name: str, path: Path) -> tuple[Get, str]:
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

    # --- templates

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
            wanted = cast.gives
        if wanted in ("money", "time"):
            how = ":fen} or :yuan}" if wanted == "money" else ":rfc3339}, :unix} or a pattern"
            self.problem(path, f"say how {name!r} is written: {{{name}{how}")
        return tuple(chain)

    # --- keys

    def cipher_key(self, cipher: str, reference: str, use: str, path: Path) -> Get:
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
