"""The questions of `channel new`, on a terminal; anywhere else what is missing is refused, with the flag that gives it."""
from __future__ import annotations

import sys

from ...base.errors import Code, Refusal
from .dialects import DIALECTS
from .starting import ABOUT_ROLES, ROLES, Wanted


def wanted(args) -> Wanted:
    """The answers: from flags, and from questions for those that are missing."""
    id = args.id or ask("id", "The channel's id, such as acme-pay", "")
    role = args.role or ask("--role", "What does it do?", "pay", ABOUT_ROLES)
    base = args.base or ask("--base", "The provider's address", "https://api.provider.example")
    signs = args.signs or ask("--signs", "How does it sign?", "md5-after", {name: d.about for name, d in DIALECTS.items()})
    every = ROLES.get(role, ())
    operations = args.operations
    if operations is None:
        operations = ask("--operations", "Which operations?", ",".join(every)) if sys.stdin.isatty() else ",".join(every)
    named = tuple(name.strip() for name in operations.split(",") if name.strip())
    return Wanted(id, role, base, signs, named, args.money or "yuan")


def ask(flag: str, question: str, default: str, menu: dict[str, str] | None = None) -> str:
    """One question; a menu is answered by its word or its number. Refusal BAD_REQUEST when nobody can be asked."""
    if not sys.stdin.isatty():
        raise Refusal(Code.BAD_REQUEST, f"say {flag} (nobody can be asked here): {question}"
                                        + (f": {', '.join(menu)}" if menu else ""))
    words = list(menu or ())
    for number, word in enumerate(words, 1):
        print(f"  {number}  {word:<12} {menu[word]}")              # type: ignore[index]
    answer = input(f"{question}{f' [{default}]' if default else ''} ").strip() or default
    return words[int(answer) - 1] if answer.isdigit() and 0 < int(answer) <= len(words) else answer
