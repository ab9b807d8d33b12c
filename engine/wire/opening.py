"""From a message that came to the document that is mapped: decode; then, verified: decrypt, unwrap, go down, split a batch.

`open:` is one step or a list of them. Each takes something out of the document and, unless `into:` says where to put
it, makes it the document:
  {in: data}                                   a part of it (`*_response`: the first member that ends so)
  {json: msg}                                  a JSON text inside it
  {find: data, by: note, is: "{refund.no}"}    the item of a list that is the one we mean; an empty document when none is
  {aes_gcm: {key, of, nonce, aad}, as: json}   a sealed part, by any cipher of `crypto.CIPHERS`
"""
from __future__ import annotations

import copy
from typing import Any, Callable, Mapping

from . import casts, codecs, crypto, paths
from .draft import Draft, Path
from .model import IncomingRequest, Message, NoticeRejected, Unreadable
from .scope import Scope

Step = Callable[[Any, Scope], Any]


class Sealed(Unreadable):
    """A sealed part could not be opened."""


def read_message(request: IncomingRequest, kind: str, needed: bool = True) -> Message:
    """An incoming request as a Message, its body decoded. NoticeRejected("unreadable") when it is not what `kind` says.

    With `needed` False a body that can't be decoded is left undecoded: the signature may cover the raw bytes alone.
    """
    headers = {name.lower(): value for name, value in request.headers.items()}
    message = Message(request.method.upper(), headers.get("host", ""), request.path, dict(request.query),
                      request.query_text, headers, request.body)
    try:
        message.tree = codecs.read_body(kind, request.body)
    except Unreadable as error:
        if needed:
            raise NoticeRejected(str(error), "unreadable") from None
    return message


def compile_open(draft: Draft, spec: Any, path: Path, allowed: frozenset[str] = frozenset()) -> Callable[[Any, Scope], Any]:
    """`allowed`: what the templates of its steps may name beside constants."""
    if spec is None:
        return lambda tree, scope: tree
    listed = [spec] if isinstance(spec, Mapping) else list(spec)
    steps = [_compile_step(draft, one, allowed, path if isinstance(spec, Mapping) else (*path, i))
             for i, one in enumerate(listed)]

    def run(tree: Any, scope: Scope) -> Any:
        for step in steps:
            tree = step(tree, scope)
        return tree
    return run


def _compile_step(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Step:
    kinds = [word for word in ("in", "json", "find", *crypto.CIPHERS) if word in spec]
    if len(kinds) != 1 or kinds != ["find"] and {"by", "is"} & set(spec):
        draft.problem(path, f"a step of `open:` is one of in, json, find (with by and is), {', '.join(crypto.CIPHERS)}")
        return lambda tree, scope: tree
    kind = kinds[0]
    if kind == "find":
        take = _find(draft, spec, allowed, path)
    else:
        take = _cipher(draft, kind, spec[kind], spec.get("as", "json"), (*path, kind)) if kind in crypto.CIPHERS \
            else _inner(kind, paths.split(spec[kind]))
    into = paths.split(spec.get("into", ""))
    if not into:
        return take

    def beside(tree: Any, scope: Scope) -> Any:
        found, tree = take(tree, scope), copy.deepcopy(tree)
        paths.put(tree, into, found)
        return tree
    return beside


def _inner(kind: str, steps: tuple[str, ...]) -> Step:
    if kind == "in":
        return lambda tree, scope: paths.dig(tree, steps)
    return lambda tree, scope: codecs.read_json(casts.as_text(paths.dig(tree, steps)))


def _find(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Step:
    if "by" not in spec or "is" not in spec:
        draft.problem(path, "find needs `by:`, a path in each item, and `is:`, what lies there in the one we mean")
    at, by = paths.split(spec["find"]), paths.split(spec.get("by", ""))
    wanted = draft.template(spec.get("is", ""), allowed, (*path, "is"))

    def run(tree: Any, scope: Scope) -> Any:
        found = paths.dig(tree, at)
        if not isinstance(found, list):
            raise Unreadable(f"{spec['find']} is not a list")
        text = wanted.text(scope)
        return next((item for item in found if text and paths.text_at(item, by) == text), {})
    return run


def _cipher(draft: Draft, kind: str, spec: Mapping[str, Any], body: str, path: Path) -> Step:
    cipher = crypto.CIPHERS[kind]
    unknown = set(spec) - cipher.takes - {"key", "of", "encode"}
    if unknown or not {"key", "of", *(cipher.takes - {"aad"})} <= set(spec):
        takes = ", ".join(sorted({"key", "of", "encode", *cipher.takes}))
        draft.problem(path, f"{kind} takes {takes}")
        return lambda tree, scope: tree
    key = draft.cipher_key(kind, spec["key"], "open", (*path, "key"))
    encoding = spec.get("encode", "base64")
    of = paths.split(spec["of"])
    beside = {name: paths.split(spec[name]) for name in cipher.takes if name in spec}

    def text(tree: Any, name: str) -> bytes:
        """What lies beside the sealed part. Associated data may be empty, and some senders leave it out then."""
        try:
            return casts.as_text(paths.dig(tree, beside[name])).encode() if name in beside else b""
        except paths.Missing:
            if name == "aad":
                return b""
            raise

    def run(tree: Any, scope: Scope) -> Any:
        data = codecs.decode_bytes(casts.as_text(paths.dig(tree, of)), encoding)
        iv, aad = text(tree, "nonce") or text(tree, "iv"), text(tree, "aad")
        try:
            plain = crypto.open_sealed(kind, key(scope), data, iv, aad)
        except Unreadable as error:
            raise Sealed(str(error)) from None
        return codecs.read_body(body, plain)
    return run


def items_of(tree: Any, at: tuple[str, ...], each: tuple[str, ...]) -> list[Any]:
    """The items of a batch: the list at a path, and in each item the part that is the event."""
    found = paths.dig(tree, at)
    if not isinstance(found, list):
        raise Unreadable(f"{'.'.join(at)} is not a list")
    return [paths.dig(item, each) for item in found]
