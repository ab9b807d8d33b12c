"""Withholding contracts and their periods, and the parts of the log of moves that are theirs."""
from peewee import *
from engine.store.databases import JsonField

LOGS = ("contract", "contract_period")


def up(migrator, db):
    class Contract(Model):
        no = CharField(max_length=32, primary_key=True)
        buyer_id = CharField(max_length=64)
        scene_id = CharField(max_length=64)
        line_id = CharField(max_length=64)
        release_no = IntegerField()
        sku = CharField(max_length=130)
        quantity = IntegerField()
        title = CharField(max_length=200)
        channel_id = CharField(max_length=64)
        channel_no = CharField(max_length=64, null=True)
        order_no = CharField(max_length=32, index=True)
        payment_no = CharField(max_length=32)
        operation = CharField(max_length=16)
        state = CharField(max_length=12)
        currency = CharField(max_length=3)
        period_unit = CharField(max_length=8)
        period_count = IntegerField()
        anchor_day = IntegerField()
        terms = JsonField()
        proposed = JsonField(null=True)
        paid_n = IntegerField()
        paid_until_ms = BigIntegerField(null=True)
        next_at_ms = BigIntegerField(null=True, index=True)
        asked = IntegerField()
        unsigned = BooleanField()
        reason = CharField(max_length=120)
        signed_at_ms = BigIntegerField(null=True)
        ended_at_ms = BigIntegerField(null=True)
        trace_id = CharField(max_length=32)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'contract'
            indexes = ((("buyer_id", "no"), False), (("channel_id", "channel_no"), False), (("state", "no"), False))
    db.create_tables([Contract])

    class ContractPeriod(Model):
        no = CharField(max_length=40, primary_key=True)
        contract_no = CharField(max_length=32)
        n = IntegerField()
        state = CharField(max_length=12)
        starts_at_ms = BigIntegerField(null=True)
        ends_at_ms = BigIntegerField(null=True)
        due_at_ms = BigIntegerField()
        try_at_ms = BigIntegerField()
        amount_minor = BigIntegerField()
        order_no = CharField(max_length=32, index=True)
        payment_no = CharField(max_length=32)
        tries = IntegerField()
        announced = BooleanField()
        bridged = JsonField(null=True)
        error = TextField(null=True)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'contract_period'
            indexes = ((("contract_no", "n"), True),)
    db.create_tables([ContractPeriod])

    for machine in LOGS:
        db.execute_sql(f"CREATE VIEW {machine}_log AS SELECT id, no, from_state, to_state, cause, trace_id, at_ms "
                       f"FROM state_log WHERE machine = '{machine}'")


def down(migrator, db):
    for machine in LOGS:
        db.execute_sql(f"DROP VIEW {machine}_log")
    migrator.migrate(migrator.drop_table('contract_period'))
    migrator.migrate(migrator.drop_table('contract'))
