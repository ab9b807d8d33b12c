"""What may be asked to go wrong, each by a word. A fault is asked for a channel, an operation, a number's beginning, and a
count; each call or deed that it meets uses it up by one."""
from __future__ import annotations

# How a fault spoils the answer to a call …
ANSWER_FAULTS = frozenset({"slow", "error_done", "timeout_done", "forged_answer", "refused"})
# … and what a deed goes through afterwards.
DEED_FAULTS = frozenset({"lost", "late", "repeated", "reordered", "forged", "duplicate_success", "wrong_amount", "declined",
                         "unpaid", "partial"})
ABOUT = {
    "slow": "the answer comes after delay_s",
    "error_done": "the deed is done and the answer is HTTP 5xx",
    "timeout_done": "the deed is done and the connection breaks without an answer after delay_s",
    "forged_answer": "the answer's signature is wrong",
    "refused": "nothing is done, and the answer says so",
    "lost": "no notice ever comes",
    "late": "the notice comes after delay_s",
    "repeated": "the notice is sent `times` times, whatever is answered",
    "reordered": "after the notice of success comes one of the older state",
    "forged": "a notice of success with a wrong signature comes at once; nobody pays",
    "duplicate_success": "a second success follows, with another channel number",
    "wrong_amount": "the notice is signed rightly and says one minor unit too much",
    "declined": "the buyer's payment, or the deduction, fails; the contract is not signed",
    "unpaid": "the buyer does not pay, or sign, by himself",
    "partial": "a supplier delivers only a part",
}
