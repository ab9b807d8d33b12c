"""Notices we send to partners and shops, and a partner's pool by day."""
from peewee import *
from engine.store.databases import JsonField


def up(migrator, db):
    class OutgoingNotice(Model):
        no = CharField(primary_key=True, max_length=32)
        owner = CharField(max_length=64)
        order_no = CharField(index=True, max_length=32)
        n = IntegerField()
        channel_id = CharField(max_length=64)
        operation = CharField(max_length=16)
        event = CharField(max_length=24)
        facts = JsonField()
        state = CharField(max_length=12)
        attempts = IntegerField()
        error = TextField(null=True)
        give_up_at_ms = BigIntegerField()
        trace_id = CharField(max_length=32)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'outgoing_notice'
            indexes = ((('owner', 'no'), False),)
    db.create_tables([OutgoingNotice])
    db.execute_sql("CREATE VIEW outgoing_log AS SELECT id, no, from_state, to_state, cause, trace_id, at_ms "
                   "FROM state_log WHERE machine = 'outgoing'")
    db.execute_sql("CREATE INDEX pool_log_partner_id_at_ms ON pool_log (partner_id, at_ms)")


def down(migrator, db):
    db.execute_sql("DROP INDEX pool_log_partner_id_at_ms")
    db.execute_sql("DROP VIEW outgoing_log")
    migrator.migrate(migrator.drop_table('outgoing_notice'))
