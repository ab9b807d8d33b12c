"""What the buyer gets and who is told: entitlements, work orders, upstream orders, partner pools, messages."""
