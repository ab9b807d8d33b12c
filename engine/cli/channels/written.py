"""Examples into a file: as YAML in the taste of the catalogue, put at the end of `examples:`, everything else left as it is.

What the tool made stands below a mark. What a person has compared with the provider's documentation, or wrote himself,
belongs above it: it is never touched, and nothing of the same name is made again.
"""
from __future__ import annotations

import json
import re
from typing import Any, Mapping, Sequence

MARK = """\
  # ---- made by `run.py channel examples`: what this file does now. They are a net against changes, no proof that it is right.
  # ---- Compare each with the provider's documentation; what you have compared or changed belongs above these two lines.
"""
_FIRST = MARK.splitlines()[0][:40]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*\Z")
_WORDS = frozenset("true false null yes no on off y n".split())
_TOP = re.compile(r"^[A-Za-z_]", re.MULTILINE)


def merged(text: str, doc: Mapping[str, Any], secrets: Mapping[str, Any], made: Sequence[Mapping[str, Any]]) -> str:
    """The file's text with `made` in it: below the mark, instead of what stood there."""
    start = re.search(r"^examples:.*\n?", text, re.MULTILINE)
    if start is None:
        head = text.rstrip("\n") + "\n"
        if "test_secrets" not in doc and secrets:
            head += f"test_secrets: {flow(secrets)}\n"
        return head + "examples:\n" + MARK + block(made, head)
    if "test_secrets" not in doc and secrets:
        said = f"test_secrets: {flow(secrets)}\n"
        return merged(text[:start.start()] + said + text[start.start():], {**doc, "test_secrets": secrets}, secrets, made)
    after = _TOP.search(text, start.end())
    end = after.start() if after else len(text)
    own = text[start.end():end]
    if _FIRST in own:
        own = own[:own.index(_FIRST)]
    line = "examples:" if re.search(r"\[\s*\]", start[0]) else start[0].rstrip("\n")
    head = text[:start.start()] + line + "\n" + own.rstrip() + "\n" * bool(own.strip())
    return head + MARK + block(made, head) + text[end:]


def own_names(text: str, doc: Mapping[str, Any]) -> list[str]:
    """Names of the examples that are the author's: those above the mark."""
    own = text[:text.index(_FIRST)] if _FIRST in text else text
    return [example["name"] for example in doc.get("examples", ())
            if re.search(r"^\s*- name: [\"']?" + re.escape(_quoted(example["name"])[1:-1]) + r"[\"']?\s*$", own, re.MULTILINE)
            or f"name: {flow(example['name'])}," in own or _FIRST not in text]


def block(examples: Sequence[Mapping[str, Any]], before: str = "") -> str:
    """Examples as items of a list. Facts that several share are written once, by an anchor."""
    anchors: dict[str, str] = {}
    uses = [json.dumps(e["given"].get("facts"), ensure_ascii=False) for e in examples]
    lines = []
    for example in examples:
        given = dict(example["given"])
        lines.append(f"  - name: {_quoted(example['name'])}")
        if "secrets" in example:
            lines.append(f"    secrets: {flow(example['secrets'])}")
        facts = given.pop("facts", None)
        parts = {key: flow(value) for key, value in given.items()}
        if facts is not None:
            parts = _with_facts(parts, _facts(facts, given["operation"], uses, anchors, before))
        lines += _entry("given", parts)
        lines += _entry("then", {key: flow(value) for key, value in example["then"].items()})
    return "\n".join(lines) + "\n" * bool(lines)


def _facts(facts: Mapping[str, Any], operation: str, uses: list[str], anchors: dict[str, str], before: str) -> str:
    key = json.dumps(facts, ensure_ascii=False)
    if key in anchors:
        return f"*{anchors[key]}"
    if uses.count(key) < 2:
        return flow(facts)
    free = (f"{operation}_facts{more}" for more in ("", *(f"_{n}" for n in range(2, 100))))
    anchors[key] = next(name for name in free if f"&{name} " not in before and name not in anchors.values())
    return f"&{anchors[key]} {flow(facts)}"


def _with_facts(parts: dict[str, str], facts: str) -> dict[str, str]:
    """Facts stand before the answer that is given to them."""
    return {**{key: text for key, text in parts.items() if key != "answer"}, "facts": facts,
            **({"answer": parts["answer"]} if "answer" in parts else {})}


def _entry(name: str, parts: Mapping[str, str]) -> list[str]:
    line = f"    {name}: {{{', '.join(f'{key}: {text}' for key, text in parts.items())}}}"
    if len(line) <= 160:
        return [line]
    return [f"    {name}:", *(f"      {key}: {text}" for key, text in parts.items())]


def flow(value: Any) -> str:
    """A value in YAML's flow style, one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    if isinstance(value, str):
        return value if _PLAIN.match(value) and value.lower() not in _WORDS else _quoted(value)
    if value is None:
        return "null"
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _quoted(text: str) -> str:
    """Double quotes, with whatever an editor would not show written as an escape."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" if ord(char) > 127 else char
                   for char in json.dumps(text, ensure_ascii=False))
