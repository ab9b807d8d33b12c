"""Who may enter and what each may do: users, roles, sessions, and the audit trail of every change."""
from __future__ import annotations

from .roles import ROLES
from .users import all_users, create, new_password

FIRST_LOGIN = "admin"


def ensure_first_admin() -> tuple[str, str | None]:
    """Make the first user, with every role, when there is none: (login, password). The password is None when there was one
    already: it is known only here and now."""
    earlier = all_users()
    if earlier:
        admin = next((row for row in earlier if "admin" in row["roles"]), earlier[0])
        return admin["login"], None
    password = new_password()
    create(FIRST_LOGIN, "Administrator", password, list(ROLES), [], "zh", "setup")
    return FIRST_LOGIN, password


def first_login() -> tuple[str, str] | None:
    """What the set-up prints: (login, password) when the first admin was made just now, None otherwise."""
    login, password = ensure_first_admin()
    return (login, password) if password else None
