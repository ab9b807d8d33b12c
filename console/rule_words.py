"""The checker's rules in a word or two: what kind of mistake a problem is, in the reader's language."""
from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from engine.config.problems import Problem

_SYNTAX = {"syntax": _l("YAML syntax"), "tab": _l("tab"), "duplicate-key": _l("key twice"), "key": _l("key"),
           "merge-key": _l("merge key"), "tag": _l("YAML tag"), "anchor": _l("anchor"), "documents": _l("several documents"),
           "empty": _l("empty file"), "encoding": _l("encoding"), "bom": _l("byte order mark"),
           "character": _l("invisible character"),
           "size": _l("too large"), "number": _l("number")}
_SHAPE = {"unknown-key": _l("unknown key"), "missing-key": _l("missing key"), "not-here": _l("not allowed here"),
          "type": _l("wrong type"), "choice": _l("not a choice"), "range": _l("out of range"), "form": _l("wrong form"),
          "name": _l("name"), "id": _l("id"), "repeated": _l("repeated"), "money": _l("amount"), "text": _l("text"),
          "currency": _l("currency"), "for": _l("period"), "valid": _l("validity"), "timeout": _l("time-out")}
_MEANING = {"reference": _l("dangling reference"), "condition": _l("condition"), "when": _l("condition"), "step": _l("step"),
            "step-place": _l("step in the wrong place"), "unreachable": _l("unreachable"), "tie": _l("no priority"),
            "pay": _l("payment"), "channels": _l("channels"), "channel": _l("channel"), "method": _l("sales method"),
            "sells": _l("what is sold"), "scope": _l("scope"), "scenes": _l("scenes"), "role": _l("role"),
            "override": _l("override"), "undo": _l("undo"), "pool": _l("pool"), "prices": _l("prices"),
            "merchant": _l("merchant"), "quotas": _l("quotas"), "right": _l("right"), "skus": _l("SKUs"),
            "benefit": _l("benefit"), "budget": _l("budget"), "caps": _l("caps"), "verify": _l("signature"),
            "example": _l("example fails"), "examples": _l("examples"), "given": _l("example"), "then": _l("example"),
            "refused": _l("example"), "unused": _l("unused")}
RULES: dict[str, Any] = {**_SYNTAX, **_SHAPE, **_MEANING}


def shown(problem: Problem) -> dict[str, Any]:
    """A problem for a page or an editor: `{file, line, column, rule, rule_word, message, found, expected, nearest}`."""
    return {"file": problem.file, "line": problem.line, "column": problem.column, "rule": problem.rule,
            "rule_word": str(RULES.get(problem.rule, problem.rule)), "message": problem.message, "found": problem.found,
            "expected": problem.expected, "nearest": problem.nearest}
