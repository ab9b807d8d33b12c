"""What each role may do. A user has several roles; what one of them may do, the user may do.

Everybody who has logged in may look at everything of the lines he may see. `admin` gives access to people and nothing
else: who hands out keys should not be using them.
"""
from __future__ import annotations

from typing import Iterable, NamedTuple

from flask_babel import lazy_gettext as _l


class Role(NamedTuple):
    name: str
    title: object
    about: object
    abilities: frozenset[str]


def _role(name: str, title: object, about: object, *abilities: str) -> Role:
    return Role(name, title, about, frozenset(abilities))


ROLES = {role.name: role for role in (
    _role("viewer", _l("Viewer"), _l("looks, changes nothing; telephone numbers are masked")),
    _role("editor", _l("Editor"), _l("writes drafts in the studio"), "draft.write"),
    _role("publisher", _l("Publisher"), _l("publishes drafts, rolls back releases"), "release.publish"),
    _role("support", _l("Support"), _l("closes orders, asks channels, repeats failed work, does work orders"),
          "order.act", "contract.act", "job.replay", "work.do", "buyer.reveal"),
    _role("finance", _l("Finance"), _l("tops up partner pools, takes charges back"), "pool.top_up", "charge.return",
          "buyer.reveal"),
    _role("approver", _l("Approver"), _l("reads the audit trail"), "audit.see", "buyer.reveal"),
    _role("admin", _l("Administrator"), _l("manages users and roles, reads the audit trail"), "user.manage", "audit.see"),
)}
ABILITIES = {
    "draft.write": _l("Write drafts"),
    "release.publish": _l("Publish and roll back"),
    "order.act": _l("Close orders, ask channels, retry flows"),
    "contract.act": _l("Deduct again, end contracts, propose prices"),
    "job.replay": _l("Replay dead jobs"),
    "work.do": _l("Take and finish work orders"),
    "pool.top_up": _l("Top up partner pools"),
    "charge.return": _l("Take charges back"),
    "buyer.reveal": _l("See whole telephone numbers"),
    "audit.see": _l("Read the audit trail"),
    "user.manage": _l("Manage users and roles"),
}


def abilities_of(roles: Iterable[str]) -> frozenset[str]:
    """Everything that a set of roles may do; a role that is no longer known gives nothing."""
    return frozenset().union(*(ROLES[name].abilities for name in roles if name in ROLES))
