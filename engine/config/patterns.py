"""Regular expressions a product person may write: checked when the catalogue is, so that none can stall a request.

A pattern must match the whole text (`matches: {buyer.id: "b-[0-9]+"}`), as JSON Schema's readers rarely expect and rule
engines always do. Python's engine backtracks, so a pattern is refused when the number of ways to split a text of
`TEXT_MAX` characters over it may pass `WAYS_MAX`: `(a+)+`, `(a|aa)*`, `.*.*.*`. The count is an upper bound, worked out
from the parsed pattern; a repeat that the next literal character must end (`[^@]+@`) counts as one way.
"""
from __future__ import annotations

import re
from re import _constants as sre           # the parser `re` itself compiles with, since 3.11
from re import _parser as parser
from typing import Any, Callable, Sequence

PATTERN_MAX = 200
TEXT_MAX = 200                             # longer texts match nothing
WAYS_MAX = 100_000
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT)
_ONE_CHARACTER = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN)
_CLASSES = {sre.CATEGORY_DIGIT: r"\d", sre.CATEGORY_NOT_DIGIT: r"\D", sre.CATEGORY_SPACE: r"\s",
            sre.CATEGORY_NOT_SPACE: r"\S", sre.CATEGORY_WORD: r"\w", sre.CATEGORY_NOT_WORD: r"\W"}
_FOREVER = 10 ** 9


class PatternError(ValueError):
    """Not a pattern this engine runs; the text says why and what to write instead."""


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """→ a function: does the whole text match? PatternError when the pattern is broken or could take too long."""
    if len(pattern) > PATTERN_MAX:
        raise PatternError(f"a pattern has at most {PATTERN_MAX} characters")
    try:
        compiled = re.compile(pattern)
        ways = _ways(parser.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(f"not a regular expression: {error}") from None
    if ways > WAYS_MAX:
        raise PatternError("some texts would take too long to match: avoid repeats inside or beside repeats")
    whole = compiled.fullmatch
    return lambda text: len(text) <= TEXT_MAX and whole(text) is not None


def _ways(items: Sequence[tuple[Any, Any]]) -> int:
    """In how many ways a sequence of parsed items can be tried on one text, at most; never more than _FOREVER."""
    ways = 1
    for index, (kind, arg) in enumerate(items):
        following = items[index + 1] if index + 1 < len(items) else None
        ways = min(ways * _ways_of(kind, arg, following), _FOREVER)
    return ways


def _ways_of(kind: Any, arg: Any, following: tuple[Any, Any] | None) -> int:
    if kind in _ONE_CHARACTER or kind is sre.AT:
        return 1
    if kind is sre.SUBPATTERN:
        return _ways(arg[3])
    if kind is sre.BRANCH:
        branches = [list(branch) for branch in arg[1]]
        starts = [branch[0] if branch else None for branch in branches]
        apart = all(s and s[0] is sre.LITERAL for s in starts) and len({s[1] for s in starts}) == len(starts)
        return (max if apart else sum)(_ways(branch) for branch in branches)
    if kind in _REPEATS:
        least, most, body = arg[0], min(int(arg[1]), TEXT_MAX), list(arg[2])
        spread = max(most - least, 0) + 1
        if len(body) == 1 and body[0][0] in _ONE_CHARACTER and following and _ends(body[0], following):
            return 1
        inside = _ways(body)
        return min(spread * (1 if inside == 1 else inside ** min(most, 64)), _FOREVER)
    raise PatternError("look-ahead, look-behind, back-references and atomic groups are not taken")


def _ends(body: tuple[Any, Any], following: tuple[Any, Any]) -> bool:
    """Can the repeated character never be the literal that follows, so that the repeat ends in one place only?"""
    if following[0] is not sre.LITERAL:
        return False
    character = chr(following[1])                  # in either case, since the pattern may ignore it
    return not any(_accepts(*body, form) for form in {character, character.lower(), character.upper()})


def _accepts(kind: Any, arg: Any, character: str) -> bool:
    if kind is sre.LITERAL:
        return chr(arg) == character
    if kind is sre.NOT_LITERAL:
        return chr(arg) != character
    if kind is sre.RANGE:
        return arg[0] <= ord(character[0]) <= arg[1]
    if kind is sre.IN:
        negated = arg[0][0] is sre.NEGATE
        return any(_accepts(*member, character) for member in arg[negated:]) != negated
    return kind is not sre.CATEGORY or bool(re.match(_CLASSES[arg], character))
