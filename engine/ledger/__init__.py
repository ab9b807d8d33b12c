"""The ledger: every fen is in exactly one account, and the sum of all accounts is zero."""
