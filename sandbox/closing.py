"""`open:` in reverse: a document is wrapped and sealed, step by step from the last to the first."""
from __future__ import annotations

import os
from typing import Any, Mapping, Sequence

from engine.wire import casts, codecs, crypto, paths

from .side import Side
from .wishing import put


def close_up(side: Side, spec: Any, tree: Any, name: str, facts: Mapping[str, Any], spoiled: bool = False,
             others: Sequence[Any] = ()) -> Any:
    """`name` stands where a step says only how a member's name ends; `facts`: what `find:` looks for may be one. `spoiled`:
    what is sealed is sealed with another key. `others`: documents that a list has beside this one."""
    steps = [] if spec is None else [spec] if isinstance(spec, Mapping) else list(spec)
    for step in reversed(steps):
        outer: dict[str, Any] = {}
        if "into" in step:                    # it was put beside the rest: take it out again
            outer, tree = _without(tree, paths.split(step["into"]))
        if "in" in step:
            put(outer, tuple(name + part[1:] if part.startswith("*") else part for part in paths.split(step["in"])), tree)
        elif "json" in step:
            put(outer, paths.split(step["json"]), codecs.write_json(tree).decode())
        elif "find" in step:
            put(tree, paths.split(step["by"]), side.draft.template(step["is"], frozenset({"facts"}), ()).text(side.scope(facts)))
            put(outer, paths.split(step["find"]), [*others, tree])
        else:
            _seal(side, step, tree, outer, spoiled)
        tree = outer
    return tree


def _without(tree: Mapping[str, Any], steps: tuple[str, ...]) -> tuple[dict[str, Any], Any]:
    """(the document without what lies at a path, what lay there)."""
    rest = dict(tree)
    held = rest.pop(steps[0], {})
    if len(steps) > 1:
        rest[steps[0]], held = _without(held, steps[1:])
    return rest, held


def _seal(side: Side, step: Mapping[str, Any], tree: Any, outer: dict[str, Any], spoiled: bool) -> None:
    kind = next(word for word in crypto.CIPHERS if word in step)
    spec = step[kind]
    beside = {"nonce": os.urandom(6).hex(), "iv": os.urandom(8).hex(), "aad": "sandbox"}
    used = {part: text for part, text in beside.items() if part in spec}
    for part, text in used.items():
        put(outer, paths.split(spec[part]), text)
    plain = codecs.CODECS[step.get("as", "json")].write(tree, casts.as_text)
    key = side.draft.cipher_key(kind, spec["key"], "seal", ())(side.scope())
    iv, aad = used.get("nonce") or used.get("iv") or "", used.get("aad", "")
    sealed = crypto.seal(kind, key, plain, iv.encode(), aad.encode())
    sealed = os.urandom(len(sealed)) if spoiled else sealed
    put(outer, paths.split(spec["of"]), codecs.encode_bytes(sealed, spec.get("encode", "base64")))
