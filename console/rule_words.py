"""The checker's rules in a word or two: what kind of mistake a problem is, in the reader's language."""
from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext, lazy_gettext as _l

from engine.config.problems import Problem

from .i18n import lang
from .sentences import Sentences

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
_KIND = "left empty|true or false|a whole number|a number|text|a mapping|a list"
_KINDS = {"left empty": _l("left empty"), "true or false": _l("true or false"), "a whole number": _l("a whole number"),
          "a number": _l("a number"), "text": _l("text"), "a mapping": _l("a mapping"), "a list": _l("a list"),
          "channel": _l("channel"), "merchant": _l("merchant"),
          "coupon": _l("coupon"), "scene": _l("scene"), "product": _l("product"), "partner": _l("partner"),
          "business line": _l("business line"), "product type": _l("product type"), "message": _l("message"),
          "SKU": _l("SKU")}
_SENTENCES = (
    (r"there is no key (?P<what>.+) here", _l("there is no key %(what)s here")),
    (r"(?P<what>.+) (?:is|are) missing", _l("%(what)s is missing")),
    (r"(?P<what>.+) (?:is|are) missing, needed where (?P<where>.+)", _l("%(what)s is missing, needed where %(where)s")),
    (r"one of (?P<what>.+) is missing", _l("one of %(what)s is missing")),
    (rf"(?P<name>.+) is (?P<kind>{_KIND})", _l("%(name)s is %(kind)s")),
    (r"(?P<name>.+) can't be this", _l("%(name)s can't be this")),
    (r"(?P<name>.+) is not written as it must be", _l("%(name)s is not written as it must be")),
    (r"(?P<name>.+) is not as it must be", _l("%(name)s is not as it must be")),
    (r"(?P<name>.+) is out of bounds", _l("%(name)s is out of bounds")),
    (r"(?P<name>.+) has the wrong size", _l("%(name)s has the wrong size")),
    (r"(?P<name>.+) is empty: leave the key out, or .+", _l("%(name)s is empty: leave the key out, or fill it")),
    (r"(?P<what>.+) is already in this list", _l("%(what)s is already in this list")),
    (r"(?P<what>.+) has no place here", _l("%(what)s has no place here")),
    (r"this name can't be used", _l("this name can't be used")),
    (r"there is no (?P<kind>[a-zA-Z ]+) (?P<what>\S+)", _l("there is no %(kind)s %(what)s")),
    (r"the key (?P<what>.+) is already in line (?P<line>\d+)", _l("the key %(what)s is already in line %(line)s")),
    (r"(?P<what>\S+) has no SKU (?P<sku>.+)", _l("%(what)s has no SKU %(sku)s")),
    (r"this scene does not sell (?P<what>.+)", _l("this scene does not sell %(what)s")),
    (r"this scene does not offer the channel (?P<what>.+)", _l("this scene does not offer the channel %(what)s")),
    (r"the example “(?P<what>.+)”: (?P<word>\w+) differs", _l("the example “%(what)s”: %(word)s differs")),
    (r"the example “(?P<what>.+)”: another answer(?P<why>.*)", _l("the example “%(what)s”: another answer%(why)s")),
    (r"the file says nothing", _l("the file says nothing")),
    (r"the file is larger than (?P<n>\d+) KiB", _l("the file is larger than %(n)s KiB")),
    (r"a colon and a space begin a value, and here none can begin: quote the text, or mend the indentation",
     _l("a colon and a space begin a value, and here none can begin: quote the text, or mend the indentation")),
    (r"a key without its colon: write `key: value`", _l("a key without its colon: write `key: value`")),
    (r"this line does not line up with the (?:keys|list) above it: mend the indentation",
     _l("this line does not line up with what is above it: mend the indentation")),
    (r"a (?:list|mapping) in br\w+ is not closed: a comma or `(?P<what>.)` is missing",
     _l("brackets are not closed: a comma or `%(what)s` is missing")),
    (r"a quote is not closed", _l("a quote is not closed")),
    # what was expected
    (rf"(?P<kind>{_KIND})", "%(kind)s"),
    (r"an amount, e\.g\. (?P<n>\S+)", _l("an amount, e.g. %(n)s")),
    (r"at least (?P<n>[\d.]+)", _l("at least %(n)s")), (r"at most (?P<n>[\d.]+)", _l("at most %(n)s")),
    (r"more than (?P<n>[\d.]+)", _l("more than %(n)s")), (r"less than (?P<n>[\d.]+)", _l("less than %(n)s")),
    (r"at least (?P<n>\d+) (?:characters|entries|keys)", _l("at least %(n)s of them")),
    (r"at most (?P<n>\d+) (?:characters|entries)", _l("at most %(n)s of them")),
    (r"(?P<what>[\w./:+-]+(?:, [\w./:+-]+)*) or (?P<last>[\w./:+-]+)", _l("%(what)s or %(last)s")),
)


def _kind(word: str) -> str:
    return str(_KINDS.get(word, word))


def _place(name: str) -> str:
    """`entry 2 of channels` and `the file`, in the reader's language."""
    if name == "the file":
        return gettext("the file")
    if match := re.fullmatch(r"entry (\d+) of (.+)", name):
        return gettext("entry %(n)s of %(list)s", n=match[1], list=_place(match[2]))
    return name


SENTENCES = Sentences(_SENTENCES, {"kind": _kind, "name": _place})


def shown(problem: Problem) -> dict[str, Any]:
    """A problem for a page or an editor: `{file, line, column, rule, rule_word, message, found, expected, nearest}`."""
    said = str if lang() == "en" else SENTENCES.said
    return {"file": problem.file, "line": problem.line, "column": problem.column, "rule": problem.rule,
            "rule_word": str(RULES.get(problem.rule, problem.rule)), "message": said(problem.message), "found": problem.found,
            "expected": problem.expected and said(problem.expected), "nearest": problem.nearest}
