"""Auditing: reads every domain, changes nothing. `invariants.verify()` proves that no money was lost or made."""
