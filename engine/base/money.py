"""Money: integer minor units and a currency. No float ever holds an amount.

Amounts are written in configuration as major units (`"9.90"`, `9.90`) and become minor units (990) here, once.
"""
from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

AMOUNT_MAX_MINOR = 10 ** 14                    # a million millions is a slip, not a price; all orders together still fit a ledger
# ISO 4217 minor-unit exponents that are not 2.
_EXPONENTS = {**dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
              **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3)}
_MAJOR = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,3}0{0,3})?\Z")      # statements write 0.06000


class MoneyError(ValueError):
    """Not an amount of this currency; the text says why."""


def exponent(currency: str) -> int:
    """Digits after the point of a currency (CNY 2, JPY 0)."""
    return _EXPONENTS.get(currency, 2)


def parse_major(text: str | int | Decimal, currency: str = "CNY") -> int:
    """Major units as written by people → minor units. `"9.90"` → 990. Refuses what the currency can't hold exactly."""
    if isinstance(text, bool) or isinstance(text, float):
        raise MoneyError(f"{text!r} is not an amount: write it as text, e.g. \"9.90\"")
    written = str(text).strip()
    if not _MAJOR.match(written):
        raise MoneyError(f"{written!r} is not an amount: write digits with a point, e.g. \"9.90\"")
    minor = Decimal(written).scaleb(exponent(currency))
    if minor != minor.to_integral_value():
        raise MoneyError(f"{written!r} has more decimals than {currency} knows ({exponent(currency)})")
    return int(minor)


def format_major(amount_minor: int, currency: str = "CNY") -> str:
    """990 → `"9.90"`."""
    digits = exponent(currency)
    if not digits:
        return str(amount_minor)
    sign, rest = ("-", -amount_minor) if amount_minor < 0 else ("", amount_minor)
    return f"{sign}{rest // 10 ** digits}.{rest % 10 ** digits:0{digits}d}"


def percent_of(amount_minor: int, percent: Decimal | int | str) -> int:
    """`percent` % of an amount, rounded half up to a whole minor unit (the one rounding of discounts)."""
    exact = Decimal(amount_minor) * Decimal(str(percent)) / 100
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def split(amount_minor: int, weights: list[int]) -> list[int]:
    """Share an amount by weights so that the shares add up to it exactly (largest remainder, earlier first on ties).

    With no positive weight everything goes to the first share. `weights` must be non-empty and not negative.
    """
    if not weights or any(w < 0 for w in weights):
        raise MoneyError("split needs at least one weight, none negative")
    total = sum(weights)
    if total == 0:
        return [amount_minor] + [0] * (len(weights) - 1)
    whole = [divmod(abs(amount_minor) * w, total) for w in weights]
    shares = [share for share, _ in whole]
    rest = abs(amount_minor) - sum(shares)
    for i in sorted(range(len(weights)), key=lambda i: (-whole[i][1], i))[:rest]:
        shares[i] += 1
    return shares if amount_minor >= 0 else [-share for share in shares]
