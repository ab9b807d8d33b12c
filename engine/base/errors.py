"""Refusals: one exact code each, with a sentence, an HTTP status and whether trying again can help.

A `Refusal` is an answer, not an accident: the request was understood and declined, and nothing changed.
Raise it anywhere; the API room turns it into `application/problem+json`, the console into a message.
"""
from __future__ import annotations

import enum
from typing import Any


class Code(enum.Enum):
    """Stable codes of the public interface: value = (code, HTTP status, retryable, sentence)."""

    # the request itself
    BAD_JSON = ("bad_json", 400, False, "The body is not valid JSON.")
    BAD_REQUEST = ("bad_request", 400, False, "A field of the request is missing, unknown or of the wrong type.")
    BODY_TOO_LARGE = ("body_too_large", 413, False, "The body is larger than this interface takes.")
    WRONG_CONTENT_TYPE = ("wrong_content_type", 415, False, "This interface takes application/json.")
    NOT_FOUND = ("not_found", 404, False, "There is no such thing, or it is not yours to see.")
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, False, "This address does not take that method.")
    # who asks
    UNAUTHENTICATED = ("unauthenticated", 401, False, "No valid key came with the request.")
    SIGNATURE_INVALID = ("signature_invalid", 401, False, "The signature does not match the request.")
    SIGNATURE_REPLAYED = ("signature_replayed", 401, False, "This signed request was already received once.")
    CLOCK_SKEW = ("clock_skew", 401, False, "The request's timestamp is too far from the server's clock.")
    FORBIDDEN = ("forbidden", 403, False, "This key may not do that.")
    RATE_LIMITED = ("rate_limited", 429, True, "Too many requests; wait and try again.")
    # idempotency
    IDEMPOTENCY_KEY_REUSED = ("idempotency_key_reused", 409, False,
                              "The Idempotency-Key was used before with another request.")
    IDEMPOTENCY_IN_FLIGHT = ("idempotency_in_flight", 409, True,
                             "The first request with this Idempotency-Key is still being worked on.")
    IDEMPOTENCY_KEY_REQUIRED = ("idempotency_key_required", 400, False, "This interface needs an Idempotency-Key.")
    # what is sold
    SCENE_UNKNOWN = ("scene_unknown", 404, False, "There is no such scene in the live release.")
    NOT_SOLD_HERE = ("not_sold_here", 422, False, "The product is not sold in this scene.")
    PRODUCT_UNKNOWN = ("product_unknown", 422, False, "There is no such product or SKU.")
    QUANTITY_INVALID = ("quantity_invalid", 422, False, "The quantity is not one this product is sold in.")
    FIELD_INVALID = ("field_invalid", 422, False, "A field of the scene is missing, unknown or of the wrong type.")
    LOGIN_REQUIRED = ("login_required", 422, False, "This scene sells to a known buyer only.")
    BUYER_UNKNOWN = ("buyer_unknown", 422, False, "The buyer is not registered.")
    PURCHASE_CAP_REACHED = ("purchase_cap_reached", 422, False,
                            "The buyer already holds as many of this product as one may buy.")
    NOT_ELIGIBLE = ("not_eligible", 422, False, "The line's rules do not allow this sale.")
    METHOD_MISMATCH = ("method_mismatch", 422, False, "This scene does not take orders that come in this way.")
    # quotes and coupons
    QUOTE_UNKNOWN = ("quote_unknown", 404, False, "There is no such quote.")
    QUOTE_EXPIRED = ("quote_expired", 409, False, "The quote has expired; ask for a new one.")
    QUOTE_USED = ("quote_used", 409, False, "An order was already made from this quote.")
    QUOTE_MISMATCH = ("quote_mismatch", 409, False, "The order asks for something else than its quote.")
    PRICE_CHANGED = ("price_changed", 409, False, "The price is no longer the one that was expected; ask for a new quote.")
    COUPON_UNKNOWN = ("coupon_unknown", 422, False, "There is no such coupon.")
    COUPON_GONE = ("coupon_gone", 409, False, "A coupon of the quote is no longer held for it.")
    # orders and payments
    ORDER_UNKNOWN = ("order_unknown", 404, False, "There is no such order.")
    ORDER_STATE = ("order_state", 409, False, "The order's state does not allow that.")
    ORDER_ALREADY_CLAIMED = ("order_already_claimed", 409, False, "The order already belongs to a buyer.")
    CLAIM_TOKEN_INVALID = ("claim_token_invalid", 403, False, "The claim token is not this order's.")
    PAYMENT_UNKNOWN = ("payment_unknown", 404, False, "There is no such payment.")
    PAYMENT_IN_PROGRESS = ("payment_in_progress", 409, True, "Another payment attempt of this order is still open.")
    CHANNEL_NOT_ALLOWED = ("channel_not_allowed", 422, False, "This scene or amount can't be paid through that channel.")
    CHANNEL_LIMIT_REACHED = ("channel_limit_reached", 409, False, "The channel has taken as much as it may today.")
    CHANNEL_UNAVAILABLE = ("channel_unavailable", 502, True, "The payment channel did not take the request.")
    TENDER_NOT_ALLOWED = ("tender_not_allowed", 422, False, "This scene can't be paid with that tender.")
    REFUND_UNKNOWN = ("refund_unknown", 404, False, "There is no such refund.")
    STATE_REFUSED = ("state_refused", 409, False, "The thing's state does not allow that move.")
    # contracts
    CONTRACT_UNKNOWN = ("contract_unknown", 404, False, "There is no such contract.")
    CONTRACT_REFUSED = ("contract_refused", 422, False, "No contract can be signed for this order, here or in this way.")
    CONTRACT_STATE = ("contract_state", 409, False, "The contract's state does not allow that.")
    CONSENT_MISMATCH = ("consent_mismatch", 409, False, "The price that is agreed to is not the one that waits for consent.")
    # incoming notices
    NOTICE_UNKNOWN = ("notice_unknown", 404, False, "The channel declares no such notice.")
    NOTICE_REJECTED = ("notice_rejected", 400, False, "The notice could not be verified or does not match.")
    # entitlements
    ENTITLEMENT_UNKNOWN = ("entitlement_unknown", 404, False, "There is no such entitlement.")
    ENTITLEMENT_INACTIVE = ("entitlement_inactive", 409, False, "The entitlement is not in force now.")
    QUOTA_EXHAUSTED = ("quota_exhausted", 409, False, "Less quota is left than was asked for.")
    # partners
    PARTNER_UNKNOWN = ("partner_unknown", 404, False, "There is no such partner.")
    AGREEMENT_REFUSED = ("agreement_refused", 422, False, "The partner's agreement does not cover this charge.")
    POOL_EXHAUSTED = ("pool_exhausted", 409, False, "The partner's pool would go below its floor.")
    CHARGE_UNKNOWN = ("charge_unknown", 404, False, "There is no such charge.")
    BUYER_REGISTERED = ("buyer_registered", 409, False, "The buyer is registered: use the entry for registered buyers.")
    # work orders
    WORK_ORDER_UNKNOWN = ("work_order_unknown", 404, False, "There is no such work order.")
    # configuration
    CHECK_FAILED = ("check_failed", 422, False, "The catalogue has errors; nothing was published.")
    RELEASE_UNKNOWN = ("release_unknown", 404, False, "There is no such release.")
    NOTHING_CHANGED = ("nothing_changed", 409, False, "The catalogue is the same as the live release.")
    EDIT_CONFLICT = ("edit_conflict", 409, False, "Somebody else changed this since you opened it.")
    # ourselves
    DATABASE_BUSY = ("database_busy", 503, True, "The database did not take the request in time.")
    NOT_READY = ("not_ready", 503, True, "The engine has no live release yet.")
    INTERNAL = ("internal", 500, True, "Something went wrong here; the trace id helps to find it.")

    def __init__(self, code: str, status: int, retryable: bool, sentence: str):
        self.code, self.status, self.retryable, self.sentence = code, status, retryable, sentence


class Refusal(Exception):
    """The request is declined and nothing was changed.

    code      what, from the table above
    message   the sentence for this case: what was wrong, where, and what to do next
    details   list of `{path, found, expected, nearest}` (each optional), for machines
    """

    def __init__(self, code: Code, message: str = "", details: list[dict[str, Any]] | None = None):
        self.code = code
        self.message = message or code.sentence
        self.details = details or []
        super().__init__(f"{code.code}: {self.message}")
