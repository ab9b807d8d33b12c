"""Trees of templates: the body, query or headers of a message as the file writes them, filled from a scope.

`{$json: tree}` puts a tree into a text as JSON; `{$seal: {aes_cbc: key, of: text, iv, encode}}` encrypts a text;
`{$words: "{contract.period_unit}", day: D, month: M, else: X}` says our word in theirs.
"""
from __future__ import annotations

from typing import Any, Callable, Mapping

from . import casts, codecs, crypto
from .draft import Draft, Path
from .model import Unreadable
from .scope import Scope
from .templates import ABSENT

Tree = Callable[[Scope], Any]


def compile_tree(draft: Draft, node: Any, allowed: frozenset[str], path: Path) -> Tree:
    """A closure that fills a tree of templates; keys whose optional hole has nothing are left out."""
    if isinstance(node, str):
        return draft.template(node, allowed, path).value
    if isinstance(node, Mapping):
        special = [key for key in node if key.startswith("$")]
        if special:
            return _special(draft, node, special, allowed, path)
        entries = [(key, compile_tree(draft, value, allowed, (*path, key))) for key, value in node.items()]
        return lambda scope: _fill(entries, scope)
    if isinstance(node, (list, tuple)):
        items = [compile_tree(draft, value, allowed, (*path, i)) for i, value in enumerate(node)]
        return lambda scope: [v for v in (item(scope) for item in items) if v is not ABSENT]
    return lambda scope: node


def _special(draft: Draft, node: Mapping[str, Any], keys: list[str], allowed: frozenset[str], path: Path
             ) -> Tree:
    if keys == ["$json"] and len(node) == 1:
        inner = compile_tree(draft, node["$json"], allowed, (*path, "$json"))
        return lambda scope: codecs.write_json(inner(scope)).decode()
    if keys == ["$seal"] and len(node) == 1 and isinstance(node["$seal"], Mapping):
        return _seal(draft, node["$seal"], allowed, (*path, "$seal"))
    if keys == ["$words"] and len(node) > 1 and isinstance(node["$words"], str):
        return _words(draft, node, allowed, path)
    draft.problem(path, f"{', '.join(keys)}: only $json or $seal, alone in its mapping, or $words with its words")
    return lambda scope: None


def _words(draft: Draft, node: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Tree:
    asked = draft.template(node["$words"], allowed, (*path, "$words"))
    words = {word: compile_tree(draft, value, allowed, (*path, word)) for word, value in node.items() if word != "$words"}

    def run(scope: Scope) -> Any:
        value = asked.value(scope)
        if value is ABSENT:
            return ABSENT
        theirs = words.get(casts.as_text(value), words.get("else"))
        if theirs is None:
            raise Unreadable(f"{node['$words']} is {casts.as_text(value)!r}, for which the file has no word")
        return theirs(scope)
    return run


def _seal(draft: Draft, spec: Mapping[str, Any], allowed: frozenset[str], path: Path) -> Tree:
    kinds = [word for word in spec if word in crypto.CIPHERS and word != "aes_gcm"]
    if len(kinds) != 1 or set(spec) - {kinds[0], "of", "iv", "encode"} or "of" not in spec:
        draft.problem(path, "write one cipher with its key, and `of:` the text to seal")
        return lambda scope: None
    name, text = kinds[0], draft.template(str(spec["of"]), allowed, (*path, "of"))
    key = draft.cipher_key(name, spec[name], "seal", (*path, name))
    iv = draft.template(str(spec.get("iv", "")), allowed, (*path, "iv"))
    encoding = spec.get("encode", "base64")

    def run(scope: Scope) -> str:
        sealed = crypto.seal(name, key(scope), text.text(scope).encode(), iv.text(scope).encode())
        return codecs.encode_bytes(sealed, encoding)
    return run


def _fill(entries: list[tuple[str, Tree]], scope: Scope) -> Any:
    filled = {}
    for key, make in entries:
        value = make(scope)
        if value is not ABSENT:
            filled[key] = value
    return filled if filled or not entries else ABSENT     # a group of absent things is absent too
