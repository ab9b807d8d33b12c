# Generated from a schema diff on 2026-11-21 22:52.
from peewee import *

def up(migrator, db):
    class Draft(Model):
        id = CharField(primary_key=True, max_length=32)
        title = CharField(max_length=200)
        author = CharField(max_length=80)
        base_no = IntegerField()
        version = IntegerField()
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField(index=True)
        class Meta:
            database = db
            table_name = 'draft'
    db.create_tables([Draft])

    class DraftFile(Model):
        draft_id = CharField(max_length=32)
        path = CharField(max_length=160)
        text = TextField()
        class Meta:
            database = db
            table_name = 'draft_file'
            primary_key = CompositeKey('draft_id', 'path')
    db.create_tables([DraftFile])

    class FileText(Model):
        digest = CharField(primary_key=True, max_length=64)
        text = TextField()
        class Meta:
            database = db
            table_name = 'file_text'
    db.create_tables([FileText])

    class LiveChange(Model):
        id = BigAutoField()
        release_no = IntegerField()
        from_no = IntegerField()
        author = CharField(max_length=80)
        note = TextField()
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'live_change'
    db.create_tables([LiveChange])

    class LiveRelease(Model):
        id = IntegerField(primary_key=True)
        release_no = IntegerField()
        changed_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'live_release'
    db.create_tables([LiveRelease])

    class NodeReport(Model):
        node = CharField(max_length=120)
        role = CharField(max_length=24)
        release_no = IntegerField()
        verdict = CharField(max_length=8)
        reason = TextField()
        serving_no = IntegerField()
        at_ms = BigIntegerField()
        seen_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'node_report'
            primary_key = CompositeKey('node', 'role')
    db.create_tables([NodeReport])

    class Release(Model):
        no = IntegerField(primary_key=True)
        digest = CharField(max_length=64)
        note = TextField()
        author = CharField(max_length=80)
        created_at_ms = BigIntegerField()
        parent_no = IntegerField(null=True)
        class Meta:
            database = db
            table_name = 'release'
    db.create_tables([Release])

    class ReleaseFile(Model):
        release_no = IntegerField()
        path = CharField(max_length=160)
        text_digest = CharField(max_length=64)
        class Meta:
            database = db
            table_name = 'release_file'
            primary_key = CompositeKey('release_no', 'path')
    db.create_tables([ReleaseFile])


def down(migrator, db):
    migrator.migrate(migrator.drop_table('release_file'))
    migrator.migrate(migrator.drop_table('release'))
    migrator.migrate(migrator.drop_table('node_report'))
    migrator.migrate(migrator.drop_table('live_release'))
    migrator.migrate(migrator.drop_table('live_change'))
    migrator.migrate(migrator.drop_table('file_text'))
    migrator.migrate(migrator.drop_table('draft_file'))
    migrator.migrate(migrator.drop_table('draft'))
