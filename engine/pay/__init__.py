"""Payments, notices received and refunds. Knows orders by number only: business logic does not know the tender, payment
logic does not know the business."""
