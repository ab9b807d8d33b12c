"""Processes of one machine: which ports are free, starting children, watching them, stopping them."""
