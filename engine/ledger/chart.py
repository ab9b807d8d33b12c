"""The chart of accounts. An account is `kind` or `kind:owner`; kinds are fixed here, owners come with the business.

Sign: what an account receives is positive. Assets and expenses grow positive; liabilities and revenue grow negative.
"""
from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    name: str
    side: str                                  # asset · liability · revenue · expense
    owned: bool                                # has an owner after the colon
    zh: str
    en: str


KINDS = {k.name: k for k in (
    Kind("channel_receivable", "asset", True, "渠道应收", "Receivable from a payment channel"),
    Kind("external_receivable", "asset", True, "外部平台应收", "Receivable from an outside shop"),
    Kind("bank_in_transit", "asset", False, "在途银行款", "Bank money in transit"),
    Kind("partner_receivable", "asset", True, "合作商应收", "Receivable from a partner"),
    Kind("deferred_revenue", "liability", True, "递延收入", "Sold, not yet earned, by business line"),
    Kind("merchant_payable", "liability", True, "商户应付", "Owed to a seller"),
    Kind("partner_pool", "liability", True, "合作商资金池", "Money that partners prepaid, by pool"),
    Kind("user_balance", "liability", True, "用户余额", "A buyer's prepaid money"),
    Kind("voucher_liability", "liability", False, "礼券负债", "Gift vouchers given out"),
    Kind("points_liability", "liability", False, "积分负债", "Points given out"),
    Kind("refunds_payable", "liability", True, "应付退款", "Refunds on their way, by channel"),
    Kind("suspense", "liability", True, "挂账", "Money that came in without a claim on it, by channel"),
    Kind("platform_revenue", "revenue", True, "平台收入", "Earned"),
    Kind("coupon_expense", "expense", False, "优惠支出", "Discounts the platform bears"),
    Kind("fees", "expense", True, "手续费", "Channel fees"),
)}


def account(kind: str, owner: str = "") -> str:
    """`account("suspense", "some-channel")`; KeyError on an unknown kind, ValueError on a missing or needless owner."""
    if KINDS[kind].owned != bool(owner):
        raise ValueError(f"the account {kind} {'needs' if KINDS[kind].owned else 'has no'} owner")
    return f"{kind}:{owner}" if owner else kind


def kind_of(name: str) -> Kind | None:
    """The kind of an account's name, or None when the name is no account."""
    kind = KINDS.get(name.partition(":")[0])
    return kind if kind and kind.owned == (":" in name) else None
