"""Refusals: one exact code each, stable, with a sentence."""
from __future__ import annotations

import re

from engine.base.errors import Code, Refusal


def test_every_code_is_its_own_and_says_what_it_means():
    codes = [code.code for code in Code]
    assert len(set(codes)) == len(codes)
    for code in Code:
        assert re.fullmatch("[a-z][a-z0-9_]*", code.code) and code.name == code.code.upper()
        assert 400 <= code.status < 600 and isinstance(code.retryable, bool) \
            and re.fullmatch("[A-Z].*[.]", code.sentence)


def test_what_helps_to_try_again_is_said():
    assert {code.code for code in Code if code.retryable} >= {"database_busy", "rate_limited", "channel_unavailable",
                                                              "internal"}
    assert not any(code.retryable for code in Code if code.status in (401, 403, 404, 422))


def test_a_refusal_says_what_the_code_says_unless_it_knows_better():
    plain = Refusal(Code.ORDER_UNKNOWN)
    exact = Refusal(Code.ORDER_UNKNOWN, "no order O1", [{"path": "order", "found": "O1"}])
    assert (plain.message, plain.details) == (Code.ORDER_UNKNOWN.sentence, [])
    assert str(exact) == "order_unknown: no order O1" and exact.details[0]["found"] == "O1"
