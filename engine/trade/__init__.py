"""Selling: buyers, prices, coupons, quotes, orders. Knows nothing of payments or of what is delivered."""
