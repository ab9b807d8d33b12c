"""The parts of the one log of moves, as views: what each domain's own log would be."""

LOGS = ("order", "payment", "refund", "coupon", "work_order", "entitlement", "message", "upstream", "charge")


def up(migrator, db):
    for machine in LOGS:
        db.execute_sql(f"CREATE VIEW {machine}_log AS SELECT id, no, from_state, to_state, cause, trace_id, at_ms "
                       f"FROM state_log WHERE machine = '{machine}'")


def down(migrator, db):
    for machine in LOGS:
        db.execute_sql(f"DROP VIEW {machine}_log")
