"""Console users: passwords, changes with a version, and who the present request is from."""
from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Mapping

import peewee
from werkzeug.security import check_password_hash, generate_password_hash

from engine import store
from engine.base import clock
from engine.base.errors import Code, Refusal

from .roles import ROLES, abilities_of
from .tables import ConsoleUser

PASSWORD_MIN = 10
_WORDS_MIN = 5                                 # different characters a password needs at least
# What a wrong login name is checked against, so that it takes as long as a wrong password.
_NOBODY = generate_password_hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Person:
    """A logged-in user as pages see it. `lines` empty: all business lines."""
    id: int
    login: str
    name: str
    roles: frozenset[str]
    lines: frozenset[str]
    lang: str
    password_from: str
    abilities: frozenset[str]

    def may(self, ability: str) -> bool:
        return ability in self.abilities

    def sees_line(self, line_id: str) -> bool:
        return not self.lines or line_id in self.lines


def person(row: Mapping[str, Any]) -> Person:
    return Person(row["id"], row["login"], row["name"], frozenset(row["roles"]), frozenset(row["lines"]), row["lang"],
                  row["password_from"], abilities_of(row["roles"]))


def find(user_id: int) -> dict[str, Any]:
    row = store.one(ConsoleUser, id=user_id)
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"there is no user {user_id}")
    return row


def by_login(login: str) -> dict[str, Any] | None:
    return store.one(ConsoleUser, login=login.strip().lower())


def password_fits(row: Mapping[str, Any] | None, password: str) -> bool:
    """Whether a password opens this user; takes the same time when there is no such user."""
    fits = check_password_hash(row["password_hash"] if row else _NOBODY, password[:1000])
    return fits and row is not None and bool(row["active"])


def password_problem(password: str, login: str) -> str | None:
    """What is wrong with a new password (`short` · `simple` · `login`), or None."""
    if len(password) < PASSWORD_MIN:
        return "short"
    if len(set(password)) < _WORDS_MIN:
        return "simple"
    if login and login.lower() in password.lower():
        return "login"
    return None


def _hashed(password: str) -> str:
    return generate_password_hash(password, method="scrypt")


def create(login: str, name: str, password: str, roles: list[str], lines: list[str], lang: str,
           password_from: str) -> dict[str, Any]:
    """A new user. Refusal EDIT_CONFLICT when the login name is taken."""
    now = clock.now_ms()
    row = {"login": login.strip().lower(), "name": name.strip() or login, "password_hash": _hashed(password),
           "password_from": password_from, "roles": _known(roles), "lines": sorted(lines), "lang": lang, "active": True,
           "version": 1, "last_login_at_ms": None, "created_at_ms": now, "updated_at_ms": now}
    try:
        with store.transaction(store.system):
            store.insert(ConsoleUser, row)
    except peewee.IntegrityError:
        raise Refusal(Code.EDIT_CONFLICT, f"there is a user {row['login']} already", [{"path": "login"}]) from None
    return by_login(row["login"])


def change(user_id: int, version: int, *, actor: str, **values: Any) -> dict[str, Any]:
    """Change name, roles, lines, lang, active or password; returns the row after.

    Refusals: EDIT_CONFLICT when the row is no longer at this version; STATE_REFUSED for what would leave no admin, or take
    an admin's own key away.
    """
    if "password" in values:
        values["password_hash"] = _hashed(values.pop("password"))
    if "roles" in values:
        values["roles"] = _known(values["roles"])
    with store.transaction(store.system):
        everybody = {row["id"]: row for row in store.many(ConsoleUser, lock=True, order_by="id")}   # few, and all count
        before = everybody.get(user_id)
        if before is None:
            raise Refusal(Code.NOT_FOUND, f"there is no user {user_id}")
        if _is_admin(before) and not _is_admin({**before, **values}):
            if before["login"] == actor:
                raise Refusal(Code.STATE_REFUSED, "nobody takes the administrator's role from himself: another one must")
            if not any(_is_admin(row) for row in everybody.values() if row["id"] != user_id):
                raise Refusal(Code.STATE_REFUSED, "there must be an active administrator left")
        changed = store.update(ConsoleUser, {**values, "updated_at_ms": clock.now_ms()}, add={"version": 1}, id=user_id,
                               version=version)
        if not changed:
            raise Refusal(Code.EDIT_CONFLICT, f"user {before['login']} is at version {before['version']}, not {version}")
    return find(user_id)


def _known(roles: list[str]) -> list[str]:
    return [name for name in ROLES if name in roles]


def _is_admin(row: Mapping[str, Any]) -> bool:
    return bool(row["active"]) and "admin" in row["roles"]


def note_login(user_id: int) -> None:
    with store.transaction(store.system):
        store.update(ConsoleUser, {"last_login_at_ms": clock.now_ms()}, id=user_id)


def set_lang(user_id: int, lang: str) -> None:
    """A user's own language; not a change that others could have seen, so the version stays."""
    with store.transaction(store.system):
        store.update(ConsoleUser, {"lang": lang}, id=user_id)


def all_users() -> list[dict[str, Any]]:
    return store.many(ConsoleUser, order_by="login")


def new_password() -> str:
    """A password for somebody else to change: 16 characters without look-alikes."""
    letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
    return "".join(secrets.choice(letters) for _ in range(16))
