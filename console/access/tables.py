"""The console's own tables, in the system database: users, their sessions, failed logins, keys, the audit trail."""
from __future__ import annotations

import peewee

from engine import store


class ConsoleUser(store.SystemTable):
    """password_from: who chose the password (self, setup, admin); one that an admin chose must be changed at once.

    roles: names from `roles.ROLES`. lines: business lines the user may see; [] means all. version: of this row.
    """
    id = peewee.BigAutoField()
    login = peewee.CharField(max_length=64, unique=True)
    name = peewee.CharField(max_length=80)
    password_hash = peewee.CharField(max_length=255)
    password_from = peewee.CharField(max_length=8)
    roles = store.JsonField()
    lines = store.JsonField()
    lang = peewee.CharField(max_length=4)      # zh | en
    active = peewee.BooleanField()
    version = peewee.IntegerField()
    last_login_at_ms = peewee.BigIntegerField(null=True)
    created_at_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


class ConsoleSession(store.SystemTable):
    """One login in one browser. The browser holds the token, this table its hash: a stolen table opens nothing."""
    token_hash = peewee.CharField(max_length=64, primary_key=True)
    user_id = peewee.BigIntegerField(index=True)
    address = peewee.CharField(max_length=64)
    agent = peewee.CharField(max_length=200)
    created_at_ms = peewee.BigIntegerField()
    seen_at_ms = peewee.BigIntegerField(index=True)


class LoginFailure(store.SystemTable):
    """Failed logins in a row, by `login:<name>` and `address:<ip>`; nobody may try before `until_ms`."""
    key = peewee.CharField(max_length=100, primary_key=True)
    failures = peewee.IntegerField()
    until_ms = peewee.BigIntegerField()
    updated_at_ms = peewee.BigIntegerField()


class ConsoleKey(store.SystemTable):
    """Keys that all console nodes share, made by the first one that needs them."""
    name = peewee.CharField(max_length=32, primary_key=True)
    value = peewee.CharField(max_length=128)


class Audit(store.SystemTable):
    """Who did what to which object when, with what it was before and after. Written before the deed and completed after it:
    outcome begun (it was cut off, look at the object) · done · refused · failed."""
    id = peewee.BigAutoField()
    login = peewee.CharField(max_length=64)
    action = peewee.CharField(max_length=48)
    object_kind = peewee.CharField(max_length=24)
    object_id = peewee.CharField(max_length=160)
    before = store.JsonField(null=True)
    after = store.JsonField(null=True)
    note = peewee.TextField()
    outcome = peewee.CharField(max_length=12)
    code = peewee.CharField(max_length=48)     # of a refusal
    address = peewee.CharField(max_length=64)
    trace_id = peewee.CharField(max_length=32, index=True)
    at_ms = peewee.BigIntegerField(index=True)

    class Meta:
        indexes = ((("object_kind", "object_id", "id"), False), (("login", "id"), False), (("action", "id"), False))
