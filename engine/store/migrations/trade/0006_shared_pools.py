"""A pool has a name of its own, so that several partners can draw from it; its log says by which of them."""


def up(migrator, db):
    db.execute_sql("ALTER TABLE partner_pool RENAME COLUMN partner_id TO id")
    db.execute_sql("ALTER TABLE pool_log ADD COLUMN pool_id VARCHAR(64) NOT NULL DEFAULT ''")
    db.execute_sql("UPDATE pool_log SET pool_id = partner_id")         # until now a pool was its partner's alone
    for name in ("poollog_partner_id_kind_ref", "poollog_partner_id"):
        db.execute_sql(f"DROP INDEX {name}")
    db.execute_sql("CREATE UNIQUE INDEX pool_log_pool_id_kind_ref ON pool_log (pool_id, kind, ref)")
    db.execute_sql("CREATE INDEX pool_log_pool_id_at_ms ON pool_log (pool_id, at_ms)")


def down(migrator, db):
    for name in ("pool_log_pool_id_at_ms", "pool_log_pool_id_kind_ref"):
        db.execute_sql(f"DROP INDEX {name}")
    db.execute_sql("CREATE UNIQUE INDEX poollog_partner_id_kind_ref ON pool_log (partner_id, kind, ref)")
    db.execute_sql("CREATE INDEX poollog_partner_id ON pool_log (partner_id)")
    db.execute_sql("ALTER TABLE pool_log DROP COLUMN pool_id")
    db.execute_sql("ALTER TABLE partner_pool RENAME COLUMN id TO partner_id")
