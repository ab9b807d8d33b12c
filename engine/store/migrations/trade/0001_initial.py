# Generated from a schema diff on 2026-11-21 22:52.
from peewee import *
from engine.store.databases import JsonField

def up(migrator, db):
    class Buyer(Model):
        id = CharField(primary_key=True, max_length=64)
        phone = CharField(index=True, max_length=32)
        name = CharField(max_length=120)
        tags = JsonField()
        orders_paid = IntegerField()
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'buyer'
    db.create_tables([Buyer])

    class Charge(Model):
        no = CharField(primary_key=True, max_length=32)
        partner_id = CharField(max_length=64)
        partner_order_no = CharField(max_length=64)
        order_no = CharField(unique=True, max_length=32)
        buyer_id = CharField(index=True, max_length=64)
        phone = CharField(index=True, max_length=32)
        state = CharField(max_length=12)
        amount = BigIntegerField()
        reason = TextField(null=True)
        tries = IntegerField()
        try_at_ms = BigIntegerField(null=True)
        give_up_at_ms = BigIntegerField()
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'charge'
            indexes = ((('partner_id', 'partner_order_no'), True), (('state', 'try_at_ms'), False))
    db.create_tables([Charge])

    class CouponBuyerUsage(Model):
        coupon_id = CharField(max_length=64)
        buyer_id = CharField(max_length=64)
        used = BigIntegerField()
        cap = BigIntegerField()
        class Meta:
            database = db
            table_name = 'coupon_buyer_usage'
            primary_key = CompositeKey('coupon_id', 'buyer_id')
    db.create_tables([CouponBuyerUsage])

    class CouponHold(Model):
        no = CharField(primary_key=True, max_length=32)
        coupon_id = CharField(index=True, max_length=64)
        buyer_id = CharField(max_length=64)
        quote_no = CharField(index=True, max_length=32)
        order_no = CharField(index=True, null=True, max_length=32)
        amount_minor = BigIntegerField()
        currency = CharField(max_length=3)
        on_refund = CharField(max_length=8)
        counted = BooleanField()
        counted_buyer = BooleanField()
        state = CharField(max_length=12)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'coupon_hold'
    db.create_tables([CouponHold])

    class CouponUsage(Model):
        coupon_id = CharField(primary_key=True, max_length=64)
        used = BigIntegerField()
        used_minor = BigIntegerField()
        cap_total = BigIntegerField(null=True)
        budget_minor = BigIntegerField(null=True)
        class Meta:
            database = db
            table_name = 'coupon_usage'
    db.create_tables([CouponUsage])

    class Entitlement(Model):
        no = CharField(primary_key=True, max_length=32)
        order_no = CharField(max_length=32)
        line_n = IntegerField()
        grant_n = IntegerField()
        buyer_id = CharField(max_length=64)
        right = CharField(max_length=64)
        state = CharField(max_length=12)
        starts_at_ms = BigIntegerField()
        ends_at_ms = BigIntegerField()
        quota_total = BigIntegerField(null=True)
        quota_used = BigIntegerField()
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'entitlement'
            indexes = ((('order_no', 'line_n', 'grant_n'), True), (('buyer_id', 'right', 'ends_at_ms'), False))
    db.create_tables([Entitlement])

    class EntitlementUse(Model):
        id = BigAutoField()
        buyer_id = CharField(max_length=64)
        key = CharField(max_length=128)
        right = CharField(max_length=64)
        amount = BigIntegerField()
        parts = JsonField()
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'entitlement_use'
            indexes = ((('buyer_id', 'key'), True),)
    db.create_tables([EntitlementUse])

    class FlowRun(Model):
        no = CharField(primary_key=True, max_length=64)
        subject_no = CharField(index=True, max_length=40)
        flow = CharField(max_length=16)
        scene_id = CharField(max_length=64)
        release_no = IntegerField()
        state = CharField(max_length=24)
        first_number = IntegerField()
        next_number = IntegerField()
        attempt = IntegerField()
        due_at_ms = BigIntegerField()
        lease_until_ms = BigIntegerField()
        traceparent = CharField(max_length=64)
        error = TextField(null=True)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'flow_run'
            indexes = ((('state', 'due_at_ms'), False),)
    db.create_tables([FlowRun])

    class FlowStep(Model):
        id = BigAutoField()
        subject_no = CharField(max_length=40)
        flow = CharField(max_length=16)
        number = IntegerField()
        name = CharField(max_length=48)
        attempt = IntegerField()
        state = CharField(max_length=12)
        input_hash = CharField(max_length=64)
        result = JsonField(null=True)
        error = TextField(null=True)
        trace_id = CharField(max_length=32)
        release_no = IntegerField()
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'flow_step'
            indexes = ((('subject_no', 'flow', 'number'), False),)
    db.create_tables([FlowStep])

    class IdempotencyKey(Model):
        client = CharField(max_length=64)
        key = CharField(max_length=128)
        fingerprint = CharField(max_length=64)
        resource_no = CharField(max_length=40)
        status = IntegerField()
        answer = JsonField(null=True)
        created_at_ms = BigIntegerField(index=True)
        class Meta:
            database = db
            table_name = 'idempotency_key'
            primary_key = CompositeKey('client', 'key')
    db.create_tables([IdempotencyKey])

    class LedgerPosting(Model):
        id = BigAutoField()
        transaction_no = CharField(index=True, max_length=32)
        account = CharField(max_length=100)
        currency = CharField(max_length=3)
        amount_minor = BigIntegerField()
        class Meta:
            database = db
            table_name = 'ledger_posting'
            indexes = ((('account', 'id'), False),)
    db.create_tables([LedgerPosting])

    class LedgerTransaction(Model):
        no = CharField(primary_key=True, max_length=32)
        event = CharField(unique=True, max_length=100)
        kind = CharField(max_length=32)
        order_no = CharField(index=True, max_length=32)
        payment_no = CharField(index=True, max_length=32)
        reverses = CharField(null=True, max_length=32)
        digest = CharField(max_length=64)
        trace_id = CharField(max_length=32)
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'ledger_transaction'
    db.create_tables([LedgerTransaction])

    class Message(Model):
        no = CharField(primary_key=True, max_length=32)
        order_no = CharField(index=True, max_length=32)
        template = CharField(max_length=64)
        channel_id = CharField(max_length=64)
        recipient = CharField(index=True, max_length=120)
        text = TextField()
        state = CharField(max_length=12)
        attempts = IntegerField()
        provider_no = CharField(null=True, max_length=64)
        error = TextField(null=True)
        trace_id = CharField(max_length=32)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'message'
    db.create_tables([Message])

    class NoticeReceived(Model):
        channel_id = CharField(max_length=64)
        dedupe_key = CharField(max_length=128)
        event = CharField(max_length=32)
        payment_no = CharField(index=True, max_length=32)
        fields = JsonField()
        trace_id = CharField(max_length=32)
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'notice_received'
            primary_key = CompositeKey('channel_id', 'dedupe_key')
    db.create_tables([NoticeReceived])

    class OrderDetail(Model):
        id = BigAutoField()
        order_no = CharField(max_length=32)
        kind = CharField(max_length=24)
        body = JsonField()
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'order_detail'
            indexes = ((('order_no', 'kind'), False),)
    db.create_tables([OrderDetail])

    class OrderLine(Model):
        order_no = CharField(max_length=32)
        n = IntegerField()
        sku = CharField(max_length=130)
        product_id = CharField(max_length=64)
        type_id = CharField(max_length=64)
        merchant_id = CharField(max_length=64)
        title = JsonField()
        quantity = IntegerField()
        unit_price_minor = BigIntegerField()
        list_minor = BigIntegerField()
        discount_minor = BigIntegerField()
        payable_minor = BigIntegerField()
        class Meta:
            database = db
            table_name = 'order_line'
            primary_key = CompositeKey('order_no', 'n')
    db.create_tables([OrderLine])

    class Outbox(Model):
        id = BigAutoField()
        task = CharField(max_length=40)
        subject_no = CharField(index=True, max_length=64)
        args = JsonField()
        state = CharField(max_length=8)
        due_at_ms = BigIntegerField()
        attempts = IntegerField()
        traceparent = CharField(max_length=64)
        error = TextField(null=True)
        created_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'outbox'
            indexes = ((('state', 'due_at_ms'), False),)
    db.create_tables([Outbox])

    class OutsideNumber(Model):
        scene_id = CharField(max_length=64)
        external_no = CharField(max_length=64)
        order_no = CharField(max_length=32)
        class Meta:
            database = db
            table_name = 'outside_number'
            primary_key = CompositeKey('scene_id', 'external_no')
    db.create_tables([OutsideNumber])

    class PartnerPool(Model):
        partner_id = CharField(primary_key=True, max_length=64)
        unit = CharField(max_length=8)
        currency = CharField(max_length=3)
        balance = BigIntegerField()
        floor = BigIntegerField()
        topped_up = BigIntegerField()
        drawn = BigIntegerField()
        returned = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'partner_pool'
    db.create_tables([PartnerPool])

    class PaymentAllocation(Model):
        payment_no = CharField(max_length=32)
        order_no = CharField(index=True, max_length=32)
        amount_minor = BigIntegerField()
        class Meta:
            database = db
            table_name = 'payment_allocation'
            primary_key = CompositeKey('payment_no', 'order_no')
    db.create_tables([PaymentAllocation])

    class PaymentOrder(Model):
        no = CharField(primary_key=True, max_length=32)
        order_no = CharField(index=True, max_length=32)
        state = CharField(max_length=12)
        twin_of = CharField(max_length=32)
        tender_kind = CharField(max_length=12)
        channel_id = CharField(max_length=64)
        channel_no = CharField(index=True, null=True, max_length=64)
        merchant_no = CharField(null=True, max_length=64)
        currency = CharField(max_length=3)
        amount_minor = BigIntegerField()
        surplus_minor = BigIntegerField()
        refunded_minor = BigIntegerField()
        client = JsonField(null=True)
        reason = TextField(null=True)
        asked = IntegerField()
        ask_at_ms = BigIntegerField(null=True)
        expires_at_ms = BigIntegerField()
        succeeded_at_ms = BigIntegerField(null=True)
        trace_id = CharField(max_length=32)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'payment_order'
            indexes = ((('state', 'ask_at_ms'), False),)
    db.create_tables([PaymentOrder])

    class PaymentTender(Model):
        payment_no = CharField(max_length=32)
        n = IntegerField()
        kind = CharField(max_length=12)
        amount_minor = BigIntegerField()
        ref = CharField(max_length=64)
        class Meta:
            database = db
            table_name = 'payment_tender'
            primary_key = CompositeKey('payment_no', 'n')
    db.create_tables([PaymentTender])

    class PoolLog(Model):
        id = BigAutoField()
        partner_id = CharField(index=True, max_length=64)
        kind = CharField(max_length=8)
        ref = CharField(max_length=64)
        amount = BigIntegerField()
        balance_after = BigIntegerField()
        trace_id = CharField(max_length=32)
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'pool_log'
            indexes = ((('partner_id', 'kind', 'ref'), True),)
    db.create_tables([PoolLog])

    class PurchaseCount(Model):
        buyer_id = CharField(max_length=64)
        cap_key = CharField(max_length=130)
        pieces = BigIntegerField()
        class Meta:
            database = db
            table_name = 'purchase_count'
            primary_key = CompositeKey('buyer_id', 'cap_key')
    db.create_tables([PurchaseCount])

    class Quote(Model):
        no = CharField(primary_key=True, max_length=32)
        scene_id = CharField(max_length=64)
        release_no = IntegerField()
        buyer_id = CharField(index=True, max_length=64)
        partner_id = CharField(max_length=64)
        state = CharField(max_length=12)
        currency = CharField(max_length=3)
        payable_minor = BigIntegerField()
        items = JsonField()
        fields = JsonField()
        contact = JsonField()
        wanted = JsonField(null=True)
        excluded = JsonField()
        facts = JsonField()
        result = JsonField()
        steps = JsonField()
        order_no = CharField(null=True, max_length=32)
        expires_at_ms = BigIntegerField()
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'quote'
            indexes = ((('state', 'expires_at_ms'), False),)
    db.create_tables([Quote])

    class Refund(Model):
        no = CharField(primary_key=True, max_length=32)
        payment_no = CharField(index=True, max_length=32)
        order_no = CharField(index=True, max_length=32)
        kind = CharField(max_length=12)
        channel_id = CharField(max_length=64)
        currency = CharField(max_length=3)
        amount_minor = BigIntegerField()
        state = CharField(max_length=12)
        reason = CharField(max_length=120)
        channel_refund_no = CharField(null=True, max_length=64)
        error = TextField(null=True)
        asked = IntegerField()
        ask_at_ms = BigIntegerField(null=True)
        trace_id = CharField(max_length=32)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'refund'
            indexes = ((('state', 'ask_at_ms'), False),)
    db.create_tables([Refund])

    class StateLog(Model):
        id = BigAutoField()
        machine = CharField(max_length=16)
        no = CharField(max_length=40)
        from_state = CharField(max_length=24)
        to_state = CharField(max_length=24)
        cause = CharField(max_length=80)
        trace_id = CharField(max_length=32)
        at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'state_log'
            indexes = ((('no', 'machine'), False),)
    db.create_tables([StateLog])

    class SweepLease(Model):
        name = CharField(primary_key=True, max_length=16)
        holder = CharField(max_length=120)
        until_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'sweep_lease'
    db.create_tables([SweepLease])

    class TradeOrder(Model):
        no = CharField(primary_key=True, max_length=32)
        scene_id = CharField(max_length=64)
        line_id = CharField(max_length=64)
        release_no = IntegerField()
        terminal = CharField(max_length=16)
        method = CharField(max_length=16)
        buyer_id = CharField(max_length=64)
        partner_id = CharField(max_length=64)
        merchant_id = CharField(max_length=64)
        claim_hash = CharField(max_length=64)
        state = CharField(max_length=24)
        currency = CharField(max_length=3)
        subtotal_minor = BigIntegerField()
        payable_minor = BigIntegerField()
        refunded_minor = BigIntegerField()
        quote_no = CharField(max_length=32)
        external_no = CharField(index=True, max_length=64)
        title = CharField(max_length=200)
        trace_id = CharField(index=True, max_length=32)
        created_at_ms = BigIntegerField(index=True)
        expires_at_ms = BigIntegerField()
        paid_at_ms = BigIntegerField(null=True)
        ended_at_ms = BigIntegerField(null=True)
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'trade_order'
            indexes = ((('buyer_id', 'no'), False), (('state', 'expires_at_ms'), False), (('scene_id', 'no'), False))
    db.create_tables([TradeOrder])

    class UpstreamLink(Model):
        order_no = CharField(max_length=32)
        upstream_no = CharField(index=True, max_length=32)
        work_order_no = CharField(max_length=32)
        class Meta:
            database = db
            table_name = 'upstream_link'
            primary_key = CompositeKey('order_no', 'upstream_no')
    db.create_tables([UpstreamLink])

    class UpstreamOrder(Model):
        no = CharField(primary_key=True, max_length=32)
        merchant_id = CharField(max_length=64)
        channel_id = CharField(max_length=64)
        external_no = CharField(null=True, max_length=64)
        item = CharField(max_length=130)
        quantity = IntegerField()
        state = CharField(max_length=12)
        error = TextField(null=True)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'upstream_order'
    db.create_tables([UpstreamOrder])

    class WorkOrder(Model):
        no = CharField(primary_key=True, max_length=32)
        order_no = CharField(index=True, max_length=32)
        parent_no = CharField(max_length=32)
        kind = CharField(max_length=48)
        title = JsonField()
        queue = CharField(max_length=48)
        state = CharField(max_length=12)
        blocking = BooleanField()
        worker = CharField(max_length=64)
        result = JsonField(null=True)
        due_at_ms = BigIntegerField(null=True)
        created_at_ms = BigIntegerField()
        updated_at_ms = BigIntegerField()
        class Meta:
            database = db
            table_name = 'work_order'
            indexes = ((('queue', 'state', 'due_at_ms'), False),)
    db.create_tables([WorkOrder])


def down(migrator, db):
    migrator.migrate(migrator.drop_table('work_order'))
    migrator.migrate(migrator.drop_table('upstream_order'))
    migrator.migrate(migrator.drop_table('upstream_link'))
    migrator.migrate(migrator.drop_table('trade_order'))
    migrator.migrate(migrator.drop_table('sweep_lease'))
    migrator.migrate(migrator.drop_table('state_log'))
    migrator.migrate(migrator.drop_table('refund'))
    migrator.migrate(migrator.drop_table('quote'))
    migrator.migrate(migrator.drop_table('purchase_count'))
    migrator.migrate(migrator.drop_table('pool_log'))
    migrator.migrate(migrator.drop_table('payment_tender'))
    migrator.migrate(migrator.drop_table('payment_order'))
    migrator.migrate(migrator.drop_table('payment_allocation'))
    migrator.migrate(migrator.drop_table('partner_pool'))
    migrator.migrate(migrator.drop_table('outside_number'))
    migrator.migrate(migrator.drop_table('outbox'))
    migrator.migrate(migrator.drop_table('order_line'))
    migrator.migrate(migrator.drop_table('order_detail'))
    migrator.migrate(migrator.drop_table('notice_received'))
    migrator.migrate(migrator.drop_table('message'))
    migrator.migrate(migrator.drop_table('ledger_transaction'))
    migrator.migrate(migrator.drop_table('ledger_posting'))
    migrator.migrate(migrator.drop_table('idempotency_key'))
    migrator.migrate(migrator.drop_table('flow_step'))
    migrator.migrate(migrator.drop_table('flow_run'))
    migrator.migrate(migrator.drop_table('entitlement_use'))
    migrator.migrate(migrator.drop_table('entitlement'))
    migrator.migrate(migrator.drop_table('coupon_usage'))
    migrator.migrate(migrator.drop_table('coupon_hold'))
    migrator.migrate(migrator.drop_table('coupon_buyer_usage'))
    migrator.migrate(migrator.drop_table('charge'))
    migrator.migrate(migrator.drop_table('buyer'))
