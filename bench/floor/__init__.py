"""The floor: the least a sale can cost. A minimal Flask application with raw SQL that does an order's durable writes."""
