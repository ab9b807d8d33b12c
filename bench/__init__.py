"""Figures of this machine: the engine against a hand-written floor. `make bench` runs `python -m bench`."""
