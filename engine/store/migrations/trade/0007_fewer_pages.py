"""Fewer pages written by an order: no index that no query uses, none over what is empty or done in nearly every row, and
on SQLite no second tree beside small tables that are found by their key alone."""

# Index → its columns.
UNUSED = {"tradeorder_trace_id": ("trade_order", "trace_id"), "quote_buyer_id": ("quote", "buyer_id"),
          "outbox_subject_no": ("outbox", "subject_no"),
          "tradeorder_external_no": ("trade_order", "external_no"), "paymentorder_channel_no": ("payment_order", "channel_no"),
          "paymentorder_state_ask_at_ms": ("payment_order", "state, ask_at_ms"),
          "quote_state_expires_at_ms": ("quote", "state, expires_at_ms")}
PARTIAL = {"trade_order_with_external_no": ("trade_order", "external_no", "external_no <> ''"),
           "payment_order_with_channel_no": ("payment_order", "channel_no", "channel_no IS NOT NULL"),
           "payment_order_to_ask": ("payment_order", "ask_at_ms", "ask_at_ms IS NOT NULL"),
           "quote_open": ("quote", "expires_at_ms", "state = 'open'")}
BY_KEY = ("order_line", "payment_allocation", "payment_tender", "notice_received")


def up(migrator, db):
    for index in UNUSED:
        db.execute_sql(f"DROP INDEX {index}")
    for index, (table, columns, where) in PARTIAL.items():
        db.execute_sql(f"CREATE INDEX {index} ON {table} ({columns}) WHERE {where}")
    _make_anew(db, " WITHOUT ROWID")


def down(migrator, db):
    for index in PARTIAL:
        db.execute_sql(f"DROP INDEX {index}")
    for index, (table, columns) in UNUSED.items():
        db.execute_sql(f"CREATE INDEX {index} ON {table} ({columns})")
    _make_anew(db, "")


def _make_anew(db, ending):
    """SQLite's tables that are found by key, in one tree or (ending "") in two."""
    if "sqlite" not in type(db).__name__.lower():
        return
    for table in BY_KEY:
        made = db.execute_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone()[0]
        indexes = db.execute_sql("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL",
                                 (table,)).fetchall()
        db.execute_sql(f"ALTER TABLE {table} RENAME TO {table}_before")
        db.execute_sql(made.removesuffix(" WITHOUT ROWID") + ending)
        db.execute_sql(f"INSERT INTO {table} SELECT * FROM {table}_before ORDER BY 1, 2")
        db.execute_sql(f"DROP TABLE {table}_before")
        for sql, in indexes:
            db.execute_sql(sql)
