"""The words of states and kinds, and the tone in which a state is shown. A test holds these tables against the engine's."""
from __future__ import annotations

from typing import Any

from flask_babel import gettext, lazy_gettext as _l

# Tones: rest (nothing to do) · wait · go (under way) · good · bad · warn · back (money goes back) · over (ended without success)
_STATES: dict[str, dict[str, tuple[Any, str]]] = {
    "order": {
        "draft": (_l("Draft"), "rest"), "awaiting_payment": (_l("Awaiting payment"), "wait"), "paid": (_l("Paid"), "go"),
        "fulfilling": (_l("Being fulfilled"), "go"), "completed": (_l("Completed"), "good"), "closed": (_l("Closed"), "over"),
        "refunding": (_l("Being refunded"), "back"), "refunded": (_l("Refunded"), "back"),
        "partially_refunded": (_l("Partly refunded"), "back")},
    "payment": {
        "created": (_l("Created"), "rest"), "pending": (_l("Pending"), "wait"), "unknown": (_l("Outcome unknown"), "warn"),
        "succeeded": (_l("Succeeded"), "good"), "failed": (_l("Failed"), "bad"), "closed": (_l("Closed"), "over")},
    "refund": {
        "applied": (_l("Applied for"), "wait"), "approved": (_l("Approved"), "go"), "rejected": (_l("Rejected"), "over"),
        "processing": (_l("In progress"), "go"), "unknown": (_l("Outcome unknown"), "warn"),
        "succeeded": (_l("Succeeded"), "good"), "failed": (_l("Failed"), "bad")},
    "charge": {
        "charging": (_l("Charging"), "wait"), "charged": (_l("Charged"), "good"), "failed": (_l("Failed"), "bad"),
        "returned": (_l("Returned"), "back")},
    "entitlement": {"active": (_l("In force"), "good"), "revoked": (_l("Revoked"), "over")},
    "work_order": {
        "open": (_l("Open"), "wait"), "in_progress": (_l("In progress"), "go"), "done": (_l("Done"), "good"),
        "cancelled": (_l("Cancelled"), "over")},
    "message": {
        "queued": (_l("Queued"), "wait"), "sent": (_l("Sent"), "good"), "delivered": (_l("Delivered"), "good"),
        "failed": (_l("Failed"), "bad"), "skipped": (_l("Not sent"), "over")},
    "upstream": {
        "created": (_l("Created"), "rest"), "accepted": (_l("Accepted"), "go"), "unknown": (_l("Outcome unknown"), "warn"),
        "failed": (_l("Failed"), "bad"), "done": (_l("Done"), "good")},
    "outgoing": {
        "queued": (_l("Queued"), "wait"), "told": (_l("Acknowledged"), "good"), "given_up": (_l("Given up"), "bad")},
    "contract": {
        "signing": (_l("Being signed"), "wait"), "signed": (_l("Signed, not paid"), "wait"), "active": (_l("In force"), "good"),
        "overdue": (_l("Overdue"), "warn"), "suspended": (_l("Suspended"), "bad"), "failed": (_l("Not signed"), "over"),
        "ended": (_l("Ended"), "over")},
    "contract_period": {
        "open": (_l("Announced"), "wait"), "deducting": (_l("Being deducted"), "go"), "failed": (_l("Failed"), "bad"),
        "paid": (_l("Paid"), "good"), "dropped": (_l("Dropped"), "over")},
    "quote": {"open": (_l("Open"), "wait"), "adopted": (_l("Ordered"), "good"), "expired": (_l("Expired"), "over")},
    "coupon": {
        "held": (_l("Held"), "wait"), "redeemed": (_l("Redeemed"), "good"), "released": (_l("Released"), "over"),
        "returned": (_l("Returned"), "back")},
    # not machines, but shown like them
    "flow_run": {
        "running": (_l("Running"), "go"), "waiting": (_l("Waiting"), "wait"), "done": (_l("Done"), "good"),
        "failed": (_l("Failed"), "bad")},
    "step": {
        "done": (_l("Done"), "good"), "skipped": (_l("Skipped"), "rest"), "intent": (_l("Asked outside"), "wait"),
        "failed": (_l("Failed"), "bad"), "passed": (_l("Passed over"), "warn"), "undone": (_l("Undone"), "back"),
        "restarted": (_l("Sent round again"), "go")},
    "job": {"ready": (_l("Ready"), "wait"), "dead": (_l("Dead"), "bad")},
    "audit": {
        "begun": (_l("Cut off"), "warn"), "done": (_l("Done"), "good"), "refused": (_l("Refused"), "over"),
        "failed": (_l("Failed"), "bad")},
    "node": {"ack": (_l("Serves it"), "good"), "reject": (_l("Refused it"), "bad")},
    "pool": {"good": (_l("Sufficient"), "good"), "low": (_l("Low"), "warn"), "empty": (_l("At its floor"), "bad")},
}
MACHINES = {
    "order": _l("Order"), "payment": _l("Payment"), "refund": _l("Refund"), "charge": _l("Direct charge"),
    "contract": _l("Contract"), "contract_period": _l("Contract period"),
    "entitlement": _l("Entitlement"), "work_order": _l("Work order"), "message": _l("Message"),
    "upstream": _l("Upstream order"),
    "outgoing": _l("Outgoing notice"), "coupon": _l("Coupon"), "quote": _l("Quote")}
TERMINALS = {"pc": _l("PC"), "app": _l("App"), "mini_program": _l("Mini program"), "h5": _l("H5 page")}
METHODS = {"in_app": _l("In app"), "external_direct": _l("External direct"), "joint": _l("Joint sale"),
           "direct_charge": _l("Direct charge"), "ecommerce": _l("Shop platform")}
TENDERS = {"channel": _l("Payment channel"), "pool": _l("Partner's pool"), "external": _l("Paid elsewhere"),
           "none": _l("Nothing to pay")}
FLOWS = {"quote": _l("Quote"), "place": _l("Place order"), "paid": _l("After payment"), "renew": _l("Renewal"),
         "fulfil": _l("Fulfilment"),
         "close": _l("Closing"), "charge": _l("Direct charge")}
KINDS = {"scenes": _l("Scenes"), "channels": _l("Channels"), "product_types": _l("Product types"), "products": _l("Products"),
         "coupons": _l("Coupons"), "lines": _l("Business lines"), "merchants": _l("Merchants"), "partners": _l("Partners"),
         "messages": _l("Messages")}
PERIODS = {"day": _l("day"), "week": _l("week"), "month": _l("month"), "quarter": _l("quarter"), "year": _l("year")}
MODES = {"new_customer": _l("New customers"), "fund_pool": _l("Fund pool"), "quantity_pool": _l("Quantity pool")}
UNITS = {"money": _l("money"), "pieces": _l("pieces"), "heads": _l("heads")}
POOL_MOVES = {"top_up": _l("Top-up"), "draw": _l("Draw"), "return": _l("Return")}
NOTICE_EVENTS = {
    "charged": _l("Charged"), "failed": _l("Failed"), "returned": _l("Returned"), "delivered": _l("Delivered"), "paid": _l("Paid"),
    "refunded": _l("Refunded"), "signed": _l("Contract signed"), "contract": _l("Contract"), "ordered": _l("Ordered"),
    "receipt": _l("Receipt of a message"), "issued": _l("Issued"), "withheld": _l("Deducted"),
    "refund_failed": _l("Refund failed"), "approved": _l("Approved")}
STEPS = {
    "buyer_is_known": _l("buyer is known"), "within_purchase_cap": _l("within the purchase cap"), "refuse": _l("refuse"),
    "list_price": _l("list price"), "partner_price": _l("partner's price"), "adjust": _l("adjust the price"),
    "coupons": _l("apply coupons"), "hold_coupons": _l("hold coupons"), "release_coupons": _l("release coupons"),
    "hold_purchase_cap": _l("count towards the purchase cap"), "release_purchase_cap": _l("uncount from the purchase cap"),
    "grant_entitlements": _l("grant entitlements"), "extend_entitlements": _l("extend entitlements"),
    "revoke_entitlements": _l("revoke entitlements"), "tag_buyer": _l("tag the buyer"),
    "open_work_orders": _l("open work orders"), "cancel_work_orders": _l("cancel work orders"),
    "open_upstream_order": _l("order from the supplier"), "message": _l("queue a message"),
    "agreement_covers": _l("agreement covers it"), "draw_pool": _l("draw from the pool"),
    "return_to_pool": _l("return to the pool")}
OPERATIONS = {
    "pay": _l("pay"), "query": _l("query"), "close": _l("close"), "cancel": _l("cancel"), "refund": _l("refund"),
    "refund_query": _l("query a refund"), "sign": _l("sign"), "pay_and_sign": _l("pay and sign"),
    "contract_query": _l("query a contract"), "unsign": _l("end a contract"), "announce": _l("announce a deduction"),
    "withhold": _l("deduct"), "withhold_query": _l("query a deduction"), "transfer": _l("pay out"), "split": _l("split"),
    "statement": _l("statement"), "send": _l("send a message"), "charge": _l("order"), "notify": _l("tell the result"),
    "deliver": _l("tell of the delivery"), "invoice": _l("invoice"), "invoice_query": _l("query an invoice"),
    "red_invoice": _l("take an invoice back")}
CHANNEL_ROLES = {"pay": _l("payment"), "shop": _l("shop platform"), "message": _l("messages"), "partner": _l("notices to partners"),
                 "upstream": _l("supplier"), "logistics": _l("logistics"), "invoice": _l("invoices")}
MERCHANT_KINDS = {"own": _l("ourselves"), "seller": _l("seller"), "supplier": _l("supplier")}
BENEFITS = {"amount": _l("%(value)s off"), "percent": _l("%(value)s%% off"), "price": _l("at %(value)s"),
            "at_most": _l("at most %(value)s")}
PARTS = {"deliver": _l("deliver"), "consume": _l("use up a quota"), "renew": _l("renew"), "fulfil": _l("people do work"),
         "ship": _l("ship")}
TASKS = {
    "flow.advance": _l("Go on with a flow"), "message.send": _l("Send a message"), "notice.send": _l("Send a notice"),
    "payment.close": _l("Close a payment at the channel"), "refund.send": _l("Send a refund"),
    "contract.advance": _l("Go on with a contract"), "contract.unsign": _l("Tell the channel that a contract is over")}
LEDGER_KINDS = {
    "order_paid": _l("Order paid"), "surplus_received": _l("Surplus received"), "refund_approved": _l("Refund approved"),
    "refund_succeeded": _l("Refund succeeded"), "pool_topped_up": _l("Pool topped up"), "reversal": _l("Reversal")}
ROLES = {"api": _l("API"), "console": _l("Console"), "worker": _l("Worker process")}
ACTIONS = {
    "login": _l("Logged in"), "logout": _l("Logged out"), "export": _l("Exported a list"),
    "user.create": _l("Created a user"), "user.change": _l("Changed a user"), "user.password": _l("Changed the password"),
    "user.reset_password": _l("Reset a password"), "user.end_sessions": _l("Ended sessions"),
    "order.close": _l("Closed an order"), "order.ask": _l("Asked the channel"), "flow.retry": _l("Retried a flow"),
    "contract.retry": _l("Deducted again"), "contract.terminate": _l("Ended a contract"), "contract.price": _l("Proposed a price"),
    "job.replay": _l("Replayed a job"), "work.take": _l("Took a work order"), "work.finish": _l("Finished a work order"),
    "pool.top_up": _l("Topped up a pool"), "charge.return": _l("Took a charge back"),
    "draft.create": _l("Began a draft"), "draft.write": _l("Wrote a file"),
    "draft.delete": _l("Deleted a file"), "draft.discard": _l("Discarded a draft"),
    "release.publish": _l("Published a release"), "release.rollback": _l("Rolled back"),
}
OBJECTS = {"user": _l("User"), "charge": _l("Direct charge"), "order": _l("Order"), "contract": _l("Contract"),
           "flow": _l("Flow"), "job": _l("Job"), "task": _l("Task"),
           "work_order": _l("Work order"), "partner": _l("Partner"), "draft": _l("Draft"), "release": _l("Release"),
           "list": _l("List")}
LEFT_OUT = {
    "gone": _l("no such channel any more"), "condition": _l("its condition does not hold"),
    "size": _l("amount out of its bounds"), "day_limit": _l("the day's limit is reached"), "not_working": _l("it does not work"),
    "tried": _l("it did not take the payment"), "refused": _l("it can make nothing of this")}
REFUND_KINDS = {"surplus": _l("Surplus"), "charge": _l("Charge taken back"), "shop": _l("Given back by the shop")}
DISCOUNTS = {"coupon": _l("Coupon"), "adjustment": _l("Adjustment")}


def state(machine: str, name: str) -> str:
    """A state's word; a state without one is shown as it is written."""
    known = _STATES.get(machine, {}).get(name)
    return str(known[0]) if known else name


def tone(machine: str, name: str) -> str:
    known = _STATES.get(machine, {}).get(name)
    return known[1] if known else "rest"


def states(machine: str) -> dict[str, str]:
    """Every state of a machine with its word, in the order of a life."""
    return {name: str(word) for name, (word, _tone) in _STATES[machine].items()}


def word(table: dict[str, Any], name: str) -> str:
    """A kind's word from one of the tables above, or the name itself."""
    return str(table.get(name, name))


def reason(sentence: str) -> str:
    """A sentence of the engine's own (why a coupon did not apply): its fixed part in the reader's language, what follows
    the colon as it is."""
    fixed, colon, rest = sentence.partition(": ")
    if rest.endswith(" are missing."):
        rest = gettext("%(amount)s are missing.", amount=rest.removesuffix(" are missing."))
    return f"{gettext(fixed if colon else sentence)}{colon}{rest}"
