# Generated from a schema diff on 2026-11-21 22:52.
from peewee import *
from engine.store.databases import JsonField

def up(migrator, db):
    class ApiKey(Model):
        id = CharField(primary_key=True, max_length=16)
        name = CharField(max_length=80)
        secret = CharField(max_length=64)
        scopes = JsonField()
        scenes = JsonField()
        created_by = CharField(max_length=80)
        created_at_ms = BigIntegerField()
        revoked_at_ms = BigIntegerField(null=True)
        class Meta:
            database = db
            table_name = 'api_key'
    db.create_tables([ApiKey])

    class Audit(Model):
        id = BigAutoField()
        login = CharField(max_length=64)
        action = CharField(max_length=48)
        object_kind = CharField(max_length=24)
        object_id = CharField(max_length=160)
        before = JsonField(null=True)
        after = JsonField(null=True)
        note = TextField()
        outcome = CharField(max_length=12)
        code = CharField(max_length=48)
        address = CharField(max_length=64)
        trace_id = CharField(index=True, max_length=32)
        at_ms = BigIntegerField(index=True)
        class Meta:
            database = db
            table_name = 'audit'
            indexes = ((('object_kind', 'object_id', 'id'), False), (('login', 'id'), False), (('action', 'id'), False))
    db.create_tables([Audit])

    class ConsoleKey(Model):
        name = CharField(primary_key=True, max_length=32)
        value = CharField(max_length=128)
        class Meta:
            database = db
            table_name = 'console_key'
    db.create_tables([ConsoleKey])

    class ConsoleSession(Model):
        token_hash = CharField(primary_key=True, max_length=64)
        user_id = BigIntegerField(index=True)
        address = CharField(max_length=64)
        agent = CharField(max_length=200)
        created_at_ms = BigIntegerField()
        seen_at_ms = BigIntegerField(index=True)
        class Meta:
            database = db
            table_name = 'console_session'
    db.create_tables([ConsoleSession])

    class ConsoleUser(Model):
        id = BigAutoField()
        login = CharField(unique=True, max_length=64)
        name = CharField(max_length=80)
        password_hash = CharField()
        password_from = CharField(max_length=8)
        roles = JsonField()
        lines = JsonField()
        lang = CharField(max_length=4)
        active = BooleanField()
        version = IntegerField()
        last_login_at_ms = BigIntegerField(null=True)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'console_user'
    db.create_tables([ConsoleUser])

    class LoginFailure(Model):
        key = CharField(primary_key=True, max_length=100)
        failures = IntegerField()
        until_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'login_failure'
    db.create_tables([LoginFailure])

    class SeenNonce(Model):
        key_id = CharField(max_length=16)
        nonce = CharField(max_length=64)
        at_ms = BigIntegerField(index=True)
        class Meta:
            database = db
            table_name = 'seen_nonce'
            primary_key = CompositeKey('key_id', 'nonce')
    db.create_tables([SeenNonce])


def down(migrator, db):
    migrator.migrate(migrator.drop_table('seen_nonce'))
    migrator.migrate(migrator.drop_table('login_failure'))
    migrator.migrate(migrator.drop_table('console_user'))
    migrator.migrate(migrator.drop_table('console_session'))
    migrator.migrate(migrator.drop_table('console_key'))
    migrator.migrate(migrator.drop_table('audit'))
    migrator.migrate(migrator.drop_table('api_key'))
