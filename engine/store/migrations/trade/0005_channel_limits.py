"""What channels have taken in a day, and which of them are in trouble."""
from peewee import *


def up(migrator, db):
    class ChannelDay(Model):
        account = CharField(max_length=64)
        day = CharField(max_length=10)
        used = BigIntegerField()
        used_minor = BigIntegerField()

        class Meta:
            database = db
            table_name = 'channel_day'
            primary_key = CompositeKey('account', 'day')
    db.create_tables([ChannelDay])

    class ChannelUse(Model):
        payment_no = CharField(primary_key=True, max_length=32)
        account = CharField(max_length=64)
        day = CharField(max_length=10)
        amount_minor = BigIntegerField()

        class Meta:
            database = db
            table_name = 'channel_use'
    db.create_tables([ChannelUse])

    class ChannelTrouble(Model):
        node = CharField(max_length=120)
        channel_id = CharField(max_length=64)
        operation = CharField(max_length=32)
        state = CharField(max_length=12)
        calls = IntegerField()
        failed = IntegerField()
        slow = IntegerField()
        why = TextField()
        since_ms = BigIntegerField()
        until_ms = BigIntegerField(null=True)
        updated_at_ms = BigIntegerField(index=True)

        class Meta:
            database = db
            table_name = 'channel_trouble'
            primary_key = CompositeKey('node', 'channel_id', 'operation')
    db.create_tables([ChannelTrouble])


def down(migrator, db):
    for table in ("channel_trouble", "channel_use", "channel_day"):
        db.execute_sql(f"DROP TABLE {table}")
