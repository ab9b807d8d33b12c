"""Salewright: a sales engine whose scenes are written, not coded."""
__version__ = "0.1.0"
